"""The review log as CSV, one row a review, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from studykit.clock import from_ms
from studykit.course.contents import AnyCourse
from studykit.review.schedule import State
from studykit.text import clean

COLUMNS = (
    *("at", "day", "card", "deck", "topic", "kind", "rating", "correct", "suggested", "given"),
    *("confidence", "seconds", "state_before", "state", "reps", "lapses", "stability_days"),
    *("difficulty", "due_day", "due_at", "scheduler", "parameters", "content_hash"),
)
"""In this order; described in docs/report.md. One may be added at the end, none removed."""

FIELDS = (
    *("at_ms", "offset_min", "day", "card_id", "kind", "rating", "correct", "suggested", "given"),
    *("confidence", "taken_ms", "state_before", "state", "reps", "lapses", "stability_days"),
    *("difficulty", "due_day", "due_at_ms", "scheduler", "parameters_id", "content_hash"),
)
"""Columns of the log that they are made of."""

ROWS_A_PART = 1_000

_TRUTHS = {1: "true", 0: "false", None: ""}
_STATES: dict[int | None, str] = {None: ""} | {int(state): state.name.lower() for state in State}

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠|%]")
_NUMBER = re.compile(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", re.IGNORECASE)


def render_csv(rows: Iterable[Sequence[Any]], course: AnyCourse) -> Iterator[str]:
    """The reviews in their order under a header, in parts that follow each other.

    `rows` hold the values of `FIELDS`.
    """
    topics = {
        card.id: (guard(deck.id), guard(topic.number))
        for deck in course.decks
        for topic in deck.topics
        for card in topic.cards
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for n, row in enumerate(rows, start=1):
        writer.writerow(_cells(row, topics))
        if n % ROWS_A_PART == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _cells(row: Sequence[Any], topics: Mapping[str, tuple[str, str]]) -> tuple[Any, ...]:
    at_ms, offset_min, day, card_id, kind, rating, correct, suggested, given, *rest = row
    confidence, taken_ms, before, state, reps, lapses, stability, difficulty, *rest = rest
    due_day, due_at_ms, scheduler, parameters_id, content_hash = rest
    return (
        from_ms(at_ms, offset_min).isoformat(),
        day,
        guard(card_id),
        *topics.get(card_id, ("", "")),
        kind,
        rating,
        _TRUTHS[correct],
        suggested,
        guard(given),
        confidence,
        taken_ms / 1000,
        _STATES[before],
        _STATES[state],
        reps,
        lapses,
        stability,
        difficulty,
        due_day,
        None if due_at_ms is None else from_ms(due_at_ms).isoformat(),
        guard(scheduler),
        guard(parameters_id),
        guard(content_hash),
    )


@lru_cache(maxsize=4096)  # a log says the same few things many times
def guard(text: str) -> str:
    """`text` on one line, which no spreadsheet takes for a formula; numbers stay numbers."""
    line = " ".join(clean(text).split())
    is_formula = _FORMULA.match(line) and not _NUMBER.fullmatch(line)
    return f"'{line}" if is_formula else line
