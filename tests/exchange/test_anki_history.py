"""Which rows of Anki's log count, and what its card data mean."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.exchange.anki_history import CardRow, LogRow, from_sm2, history_of, memory_of
from studykit.review.schedule import State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
FIRST_DAY = date(2024, 1, 1)
LEARN, REVIEW, RELEARN, FILTERED, MANUAL, RESCHEDULED = range(6)
"""Kinds of rows."""
IN_REVIEW = 2
"""Type of a card."""


def row(n: int, kind: int, *, ease: int = 3, interval: int = 5, factor: int = 2500) -> LogRow:
    return LogRow(1_700_000_000_000 + n * 86_400_000, ease, interval, factor, 5000, kind)


RESET = row(50, MANUAL, ease=0, factor=0)
SET_BY_HAND = row(51, MANUAL, ease=0, factor=2500)
PREVIEW = row(52, FILTERED, factor=0)
CRAMMED = row(53, FILTERED, factor=2300)
L1, L2 = row(1, LEARN, interval=-600), row(2, LEARN)
R1, R2 = row(10, REVIEW), row(20, REVIEW)


@pytest.mark.parametrize(
    ("rows", "counted", "is_whole"),
    [
        ([L1, L2, R1], [L1, L2, R1], True),
        ([L1, R1, PREVIEW, R2], [L1, R1, R2], True),
        ([L1, R1, CRAMMED], [L1, R1, CRAMMED], True),
        ([L1, R1, SET_BY_HAND, R2], [L1, R1, R2], True),
        ([L1, R1, row(30, RESCHEDULED, ease=0)], [L1, R1], True),
        ([L1, R1, RESET, L2, R2], [L2, R2], True),
        ([L1, R1, RESET], [], False),
        # Learned anew without a row that says so: as Anki does, from the first step on.
        ([L1, R1, L2, R2], [L1, R1, L2, R2], True),
        ([R1, L1, R2], [L1, R2], True),
        # The beginning is lost.
        ([R1, R2], [R1, R2], False),
        ([row(1, RELEARN, interval=-600), R1], [R1], False),
        ([row(1, RELEARN, interval=-600)], [], False),
        ([], [], False),
        # Values that no answer has.
        ([L1, row(3, REVIEW, ease=0), row(4, REVIEW, ease=5), R1], [L1, R1], True),
        ([L1, row(10**9, REVIEW), R1], [L1, R1], True),
    ],
)
def test_the_rows_that_count(rows: list[LogRow], counted: list[LogRow], is_whole: bool) -> None:
    found = history_of(rows)

    assert [review.at_ms for review in found.reviews] == [each.at_ms for each in counted]
    assert found.is_whole is is_whole


@pytest.mark.parametrize(
    ("ease", "interval", "stability", "difficulty"),
    # As memory_state_from_sm2 of fsrs-rs-python 0.9.3 has them, with a retention of 0.9.
    [
        (2.5, 10, 10.0, 6.9141),
        (1.3, 1, 1.0, 10.0),
        (3.2, 200, 200.0, 1.1287),
        (2.1, 3000, 3000.0, 3.2503),
    ],
)
def test_fsrs_goes_on_where_sm2_stood(
    ease: float, interval: int, stability: float, difficulty: float
) -> None:
    found = from_sm2(ease, interval)
    assert found[0] == stability
    assert found[1] == pytest.approx(difficulty, abs=1e-4)


def test_numbers_of_fsrs_come_before_those_of_sm2() -> None:
    def numbers(data: str) -> tuple[float | None, float | None]:
        card = CardRow(IN_REVIEW, 1000, 10, 2500, data)
        memory = memory_of(card, FIRST_DAY, NOW, 4)
        assert memory is not None
        return memory.stability_days, memory.difficulty

    assert numbers('{"s": 12.5, "d": 4.25}') == (12.5, 4.25)
    for broken in ("", "{}", "[", '{"s": 0, "d": 4}', '{"s": "x", "d": 4}', "[" * 10_000, "1"):
        assert numbers(broken) == from_sm2(2.5, 10)


def test_due_days_count_from_the_collection_s_first() -> None:
    def memory(type_: int, due: int) -> tuple[State, date | None] | None:
        found = memory_of(CardRow(type_, due, 10, 2500, ""), FIRST_DAY, NOW, 4)
        return None if found is None else (found.state, found.due_day)

    assert memory(IN_REVIEW, 366) == (State.REVIEW, date(2025, 1, 1))
    assert memory(IN_REVIEW, -3) == (State.REVIEW, date(2023, 12, 29))
    assert memory(0, 5) is None
    assert memory(IN_REVIEW, 10**9) is None
    # In seconds since the epoch, or in days where a step is longer than one.
    assert memory(1, int(NOW.timestamp()) + 60) == (State.LEARNING, NOW.date())
    assert memory(3, 366) == (State.RELEARNING, date(2025, 1, 1))


@given(
    *(st.integers(-(2**63), 2**63 - 1) for _ in range(4)),
    st.text(max_size=20),
)
def test_no_number_is_too_odd(type_: int, due: int, interval: int, factor: int, data: str) -> None:
    for kind in (type_, 1, 2, 3):
        memory = memory_of(CardRow(kind, due, interval, factor, data), FIRST_DAY, NOW, 4)
        if memory is not None:
            assert memory.due_day is not None
            assert abs(memory.due_day - FIRST_DAY) < timedelta(days=10**6)
