"""`studykit review` with a wish: more new cards, study ahead, cram, pretest, line by line."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from studykit.cli import main
from studykit.review.practice import Practised
from tests.commands.dice_course import open_store, study
from tests.commands.runner import AT, Outcome
from tests.tui.screen_course import write_course

Practise: TypeAlias = Callable[..., Outcome]
"""Practises on a course of three cards with these options, typing these lines."""


@pytest.fixture
def practise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Practise:
    root = write_course(tmp_path / "course", "recall", "cloze", "numeric")

    def hold(options: str, *lines: str) -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        code = main(["--course", str(root), "review", "--plain", *options.split()])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return hold


def practised(home: Path) -> list[Practised]:
    with closing(open_store(home)) as store:
        return store.practised()


def test_cram_until_it_was_right_once(practise: Practise, home: Path) -> None:
    """Again brings the card back, u takes the last answer back, no review is made."""
    study(home, "stacks-recall", AT - timedelta(days=2))
    outcome = practise("--cram core", "", "1", "", "", "u", "", "3", "q")
    assert outcome.code == 0
    assert "Core transformer architecture: 1 card. Cram · schedule untouched." in outcome.out
    assert "1 again, 3 got it; Enter for got it: " in outcome.out
    assert "Taken back; its card stands again." in outcome.out
    assert "1 card practised, 0 right at the first try (0 %)." in outcome.out
    assert [each.correct for each in practised(home)] == [False, True]
    with closing(open_store(home)) as store:
        assert len(store.reviews()) == 1


def test_a_pretest_is_marked_by_the_grade(practise: Practise, home: Path) -> None:
    outcome = practise("--pretest core", "norm", "3", "3", "", "9", "1", "", "q")
    assert "Pretest · nothing is rated." in outcome.out and "Press Enter." in outcome.out
    assert "Rate:" not in outcome.out
    assert "1 of 2 right before learning anything." in outcome.out
    assert [(each.correct, each.confidence) for each in practised(home)] == [
        (True, 75),
        (False, 25),
    ]
    again = practise("--pretest core/residuals-and-norm")
    assert again.code == 2 and "no card now" in again.complaint


def test_ahead_and_new(practise: Practise, home: Path) -> None:
    study(home, "stacks-recall", AT - timedelta(days=1))
    assert "Due in the next 30 days: 1 card." in practise("--ahead 30", "q").out
    assert "2 cards today: 2 new" in practise("--new 5", "q").out


def test_another_draw_of_an_exercise(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    home: Path,
) -> None:
    """Before the answer nothing is kept; after it the answer is, and other rows are asked."""
    root = write_course(tmp_path / "course", "signs")
    study(home, "stacks-signs", AT - timedelta(days=2))
    lines = "another\nn\nn\n?\nq\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    assert main(["--course", str(root), "review", "--plain", "--cram", "core"]) == 0
    out = capsys.readouterr().out

    asked = [part.split("Your answer")[0] for part in out.split("layers: is the model")[1:]]
    assert len(set(asked)) == 3
    assert "another: ask for other rows of an exercise" in out
    assert [each.correct for each in practised(home)] == [False]


def test_only_a_deck_or_a_topic(practise: Practise, home: Path) -> None:
    """Its cards are rated like all others; which part is done, the end says."""
    for part in ("core", "core/residuals-and-norm"):
        assert "3 cards today: 3 new" in practise(f"--deck {part}", "q").out
    outcome = practise("--deck core", *["", "4"] * 3, "q")
    assert "Done for today with " in outcome.out
    with closing(open_store(home)) as store:
        assert len(store.reviews()) == 3


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--cram nothing", "--cram nothing: there is nothing of that name (wrong, flagged, "),
        ("--cram leeches", "there is no card now for: Leeches"),
        ("--cram core --ahead 2", "--ahead and --cram do not go together"),
        ("--deck nothing", "--deck nothing: there is nothing of that name (core, or a topic as "),
        ("--deck core --new 2", "--new and --deck do not go together"),
        ("--ahead 0", "0 is not in the range"),
    ],
)
def test_what_cannot_be_practised(practise: Practise, options: str, complaint: str) -> None:
    outcome = practise(options)
    assert outcome.code == 2 and complaint in outcome.complaint
