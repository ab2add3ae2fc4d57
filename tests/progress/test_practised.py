"""Practised answers in the store: kept, taken back, and apart from everything that counts."""

from __future__ import annotations

from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from studykit.errors import StoreError
from studykit.review.practice import Mode, Practised
from tests.progress.builders import MONDAY, make_rated, open_store


def make_practised(
    card_id: str = "a", *, mode: Mode = "cram", correct: bool | None = True, given: str = "so"
) -> Practised:
    return Practised(card_id, mode, MONDAY, MONDAY.date(), "choice", correct, given, 75, 4000)


@pytest.mark.parametrize("correct", [True, False, None])
def test_what_is_kept_is_read_again(tmp_path: Path, correct: bool | None) -> None:
    practised = make_practised(mode="pretest", correct=correct)
    with closing(open_store(tmp_path)) as store:
        store.record_practised(practised)
    with closing(open_store(tmp_path)) as store:
        assert store.practised() == [practised]
        assert store.check() == []


def test_the_answer_of_a_number_is_taken_back(tmp_path: Path) -> None:
    """Though another one has been kept since, by another window."""
    with closing(open_store(tmp_path)) as store:
        number = store.record_practised(make_practised("a"))
        store.record_practised(make_practised("b"))
        store.take_back_practised(number)
        assert [each.card_id for each in store.practised()] == ["b"]
        assert [each.card_id for each in store.practised("cram")] == ["b"]
        assert store.practised("pretest") == []


def test_nothing_that_counts_knows_of_practice(tmp_path: Path) -> None:
    """Not the log, not the memories, no limit, no calendar, no retention, no confidence."""

    def everything() -> list[object]:
        day = MONDAY.date()
        return [
            store.reviews(),
            store.memories(),
            store.done(day, {}),
            store.answers_by_day(),
            store.latest_taken_ms(9),
            store.known_by_day(date.min),
            store.sums(date.min).told,
            store.marks(day),
        ]

    with closing(open_store(tmp_path)) as store:
        store.record(make_rated(at=MONDAY - timedelta(hours=1)))
        before = everything()
        for mode in ("ahead", "cram", "pretest"):
            store.record_practised(make_practised("a", mode=mode))
        assert everything() == before
        assert store.rebuild() == 0
        assert everything() == before
        last = store.take_back(MONDAY.date())
        assert last is not None and len(store.practised()) == 3


def test_what_was_typed_is_made_safe(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.record_practised(make_practised(given="\x1b[31mred"))
        assert "\x1b" not in store.practised()[0].given


def test_what_is_no_practice_is_refused(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        with pytest.raises(StoreError):
            store.record_practised(make_practised(mode="review"))  # type: ignore[arg-type]
        assert store.practised() == []
