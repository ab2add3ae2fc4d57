"""The review log as CSV: one row a review, nothing that a spreadsheet would execute."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from studykit.progress.csv_report import COLUMNS, FIELDS, guard, render_csv
from studykit.progress.rows import review_row
from studykit.progress.store import Store
from studykit.review.session import Review
from tests.progress.builders import make_review
from tests.progress.history import COURSE, REVIEWS, TODAY

DOCS = Path(__file__).resolve().parents[2] / "docs" / "report.md"


def written(reviews: list[Review]) -> str:
    """The CSV."""
    rows = [review_row(review, None) for review in reviews]
    return "".join(render_csv([[getattr(row, name) for name in FIELDS] for row in rows], COURSE))


def rows(reviews: list[Review]) -> list[dict[str, str]]:
    """What a reader of the CSV sees."""
    return list(csv.DictReader(io.StringIO(written(reviews))))


def test_a_review_is_a_row() -> None:
    """In the order of the answers, with the state before it, where the log tells it."""
    table = rows(REVIEWS)

    assert len(table) == len(REVIEWS)
    assert tuple(table[0]) == COLUMNS
    assert table[5] == {
        "at": "2026-11-22T09:04:00+01:00",
        "day": "2026-11-22",
        "card": "a",
        "deck": "core",
        "topic": "1.1",
        "kind": "choice",
        "rating": "1",
        "correct": "false",
        "suggested": "3",
        "given": "the second option",
        "confidence": "70",
        "seconds": "10.0",
        "state_before": "review",
        "state": "relearning",
        "reps": "4",
        "lapses": "1",
        "stability_days": "2.25",
        "difficulty": "5.5",
        "due_day": "2026-11-22",
        "due_at": "2026-11-22T08:14:00+00:00",
        "scheduler": "fsrs-6.3.2",
        "parameters": "0a1b2c",
        "content_hash": "abc",
    }
    assert (table[7]["card"], table[7]["deck"], table[7]["topic"]) == ("gone", "", "")
    assert table[8]["correct"] == ""


def test_only_the_period_is_listed(store: Store) -> None:
    """The states before it are known all the same."""
    for review in REVIEWS:
        store.record(review)

    def listed(since: date, until: date = TODAY) -> list[dict[str, str]]:
        parts = render_csv(store.log_columns(FIELDS, since, until), COURSE)
        return list(csv.DictReader(io.StringIO("".join(parts))))

    assert listed(date.min) == rows(REVIEWS)
    assert [(row["card"], row["state_before"]) for row in listed(TODAY)] == [("b", "review")]
    yesterday = TODAY - timedelta(days=1)
    assert [row["card"] for row in listed(yesterday, yesterday)] == ["a", "a", "gone"]


def test_a_long_log_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their size, they make the same text."""
    whole = written(REVIEWS)
    for size in (1, 2, len(REVIEWS)):
        monkeypatch.setattr("studykit.progress.csv_report.ROWS_A_PART", size)
        assert written(REVIEWS) == whole


@given(st.text(max_size=20))
@example('=HYPERLINK("http://x")')
@example("\t=1+1")
@example("\n@SUM(A1)")
@example("＝1")
@example("-2+3+cmd|' /C calc'!A0")
def test_no_answer_is_a_formula(text: str) -> None:
    """Whatever was typed, it is one line, and no cell begins as a formula does."""
    (row,) = rows([make_review(given=text)])
    given_ = row["given"]

    is_number = re.fullmatch(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", given_, re.IGNORECASE)
    assert is_number or not given_.startswith(tuple("=+-@|%＝＋－＠\t\r\n "))
    assert "\x1b" not in given_
    assert len(written([make_review(given=text)]).splitlines()) == 2


@pytest.mark.parametrize("text", ["-3.3", "+1e-3", "0.05", "attention, then a norm", 'a "b"'])
def test_numbers_and_words_stay_as_they_are(text: str) -> None:
    """A negative number is no formula."""
    assert guard(text) == text
    assert rows([replace(make_review(), given=text)])[0]["given"] == text


def test_every_column_is_documented() -> None:
    """In its order."""
    section = DOCS.read_text(encoding="utf-8").split("## CSV")[1]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.M)) == COLUMNS
