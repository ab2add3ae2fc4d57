"""`studykit stats`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from studykit.review.schedule import Rating
from studykit.study.definitions import DEFINITIONS
from tests.commands.dice_course import LAB, study
from tests.commands.runner import AT, Run


def learn(home: Path) -> None:
    """Known for three weeks, then forgotten, then known again."""
    for n_days, rating in (
        (40, Rating.EASY),
        (19, Rating.AGAIN),
        (18, Rating.GOOD),
        (0, Rating.GOOD),
    ):
        study(home, "dice-probability", AT - timedelta(days=n_days), rating)


def test_a_new_learner_has_no_figures_yet(run: Run, home: Path) -> None:
    """And asking writes nothing."""
    outcome = run("stats")
    assert (outcome.code, outcome.err) == (0, "")
    for said in (
        "no review of a known card yet",
        "no answers with a confidence yet",
        "0 cards, 0 mended",
        "nothing answered yet",
    ):
        assert said in outcome.out
    assert not home.exists()
    assert run("stats", "--json").document["time"]["answers"] == 0


def test_retention_is_told_by_period_and_by_month(run: Run, home: Path) -> None:
    learn(home)
    lines = run("stats").out.splitlines()
    assert lines[0] == "True retention (wanted 90 %)"
    rows = {line[:9].strip(): line[9:].split() for line in lines[2:9]}
    assert rows["7 days"][:3] == ["1", "100.0", "%"]
    assert rows["whole log"][:3] == ["2", "50.0", "%"]
    assert rows["2026-11"] == rows["whole log"]
    assert "week of 2026-11-02" in run("stats", "--by", "week").out
    assert "2026-11-04" in run("stats", "--by", "day").out


def test_json_has_every_day(run: Run, home: Path) -> None:
    learn(home)
    document = run("stats", "--json").document
    retention = document["retention"]
    assert [each["begin"] for each in retention["by_day"]] == ["2026-11-04", "2026-11-23"]
    assert [each["remembered"] for each in retention["by_day"]] == [0, 1]
    assert retention["periods"][-1]["days"] is None
    assert 0 < retention["by_month"][0]["expected"] < 1
    assert document["predictions"]["n"] == 2
    assert document["maturity"] == {
        "cards": 3,
        "unseen": 2,
        "learning": 0,
        "relearning": 0,
        "young": 1,
        "mature": 0,
        "suspended": 0,
        "stability_days": document["maturity"]["stability_days"],
    }
    assert document["mastery"]["all"] == document["mastery"]["topics"][0]["mastery"] > 0.3
    assert [day["answers"] for day in document["time"]["days"]] == [1, 1, 1, 1]


def test_what_came_before_since_is_left_out(run: Run, home: Path) -> None:
    """Of the days, of calibration and of errors; the periods stay what they are."""
    learn(home)
    document = run("stats", "--json", "--since", "2026-11-10").document
    assert document["since"] == "2026-11-10"
    assert [each["begin"] for each in document["retention"]["by_month"]] == ["2026-11-01"]
    assert document["retention"]["by_month"][0]["n"] == 1
    assert document["predictions"]["n"] == 1
    assert document["retention"]["periods"][-1]["n"] == 2
    assert len(document["time"]["days"]) == 1


def test_a_day_to_come_is_refused(run: Run) -> None:
    outcome = run("stats", "--since", "2027-01-01")
    assert outcome.code == 2
    assert "--since 2027-01-01 lies ahead" in outcome.err


def test_every_figure_is_defined(run: Run) -> None:
    told = " ".join(run("stats", "--define").out.split())
    for each in DEFINITIONS.values():
        assert f"{each.figure} {each.meaning}" in told


def test_labs_tell_what_came_of_predictions(run: Run, home: Path) -> None:
    run("lab", "run", LAB, "--trust")
    document = run("stats", "--json").document
    assert (document["labs"]["labs"], document["labs"]["run"]) == (1, 1)
    assert document["labs"]["list"][0]["runs"] == 1
    assert "1 of 1 lab run" in run("stats").out
