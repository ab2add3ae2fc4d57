"""What SQLite sums up of a log is what one counts by hand."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studykit.errors import StoreError
from studykit.progress.long_run import (
    N_BINS,
    NO_SUMS,
    ConfidentError,
    LatestAnswer,
    PredictionCounts,
)
from studykit.progress.stats import Answers
from studykit.progress.store import Store
from studykit.progress.tables import SUMMED
from studykit.review.schedule import Rating, State
from studykit.review.session import Review
from tests.progress.builders import MONDAY, day_after, make_review, open_store, sums_of

TODAY = MONDAY.date()


def sure(card_id: str, n_days: int, correct: bool | None, confidence: int | None = 95) -> Review:
    """An answer `n_days` after Monday."""
    review = make_review(card_id, at=MONDAY + timedelta(days=n_days), correct=correct)
    return replace(review, confidence=confidence)


def test_an_empty_log_sums_up_to_nothing(store: Store) -> None:
    assert store.sums(date.min) == NO_SUMS


def test_the_answers_of_each_day_are_counted(store: Store) -> None:
    for n_days, before, rating in [
        (0, State.NEW, Rating.GOOD),
        (1, State.LEARNING, Rating.AGAIN),
        (1, State.NEW, Rating.AGAIN),
        (1, None, Rating.EASY),
    ]:
        at = MONDAY + timedelta(days=n_days)
        store.record(make_review(at=at, before=before, rating=rating, taken_ms=1500))

    assert store.sums(date.min).work == {
        day_after(0): Answers(1, 1, 0, 1500, 1, 1),
        day_after(1): Answers(3, 1, 2, 4500, 3, 3),
    }
    assert store.sums(date.min).cards == 1


def test_predictions_are_counted_in_bins(store: Store) -> None:
    """Only of cards that were in Review; a certain one is in the highest bin."""
    for predicted, rating in [(0.96, "GOOD"), (1.0, "AGAIN"), (0.9, "HARD"), (0.04, "AGAIN")]:
        review = make_review(before=State.REVIEW, predicted=predicted, rating=Rating[rating])
        store.record(review)
    store.record(make_review(before=State.LEARNING, predicted=None))

    assert store.sums(date.min).predictions == (
        PredictionCounts(0, 1, 0.04, 0),
        PredictionCounts(18, 1, 0.9, 1),
        PredictionCounts(19, 2, 1.96, 1),
    )


@pytest.mark.parametrize(
    ("later", "right_since"),
    [
        ([], None),
        ([(0, True)], None),
        ([(1, True)], True),
        ([(1, None)], None),
        ([(1, True), (2, None)], True),
        ([(1, True), (2, False)], False),
        ([(1, False), (2, True)], True),
    ],
)
def test_an_error_is_mended_on_a_later_day(
    store: Store, later: list[tuple[int, bool | None]], right_since: bool | None
) -> None:
    """What comes back on the same day proves nothing, and the latest graded answer counts."""
    store.record(sure("a", 0, correct=False))
    for n_days, correct in later:
        store.record(sure("a", n_days, correct=correct, confidence=None))

    n_cards, n_mended, (error,) = store.sums(date.min).errors
    assert (n_cards, n_mended) == (1, error.is_mended)
    assert error == ConfidentError("a", 1, TODAY, 95, right_since)
    assert error.is_mended == (right_since is True)


def test_only_who_was_sure_and_wrong_erred_confidently(store: Store) -> None:
    """The latest error of a card is the one that counts; the card of the latest comes first."""
    for review in [
        sure("unsure", 0, correct=False, confidence=50),
        sure("right", 0, correct=True),
        sure("silent", 0, correct=False, confidence=None),
        sure("twice", 0, correct=False),
        sure("once", 1, correct=False, confidence=75),
        sure("twice", 2, correct=False, confidence=75),
    ]:
        store.record(review)

    assert store.sums(date.min).errors == (
        *(2, 0),
        (
            ConfidentError("twice", 2, day_after(2), 75, None),
            ConfidentError("once", 1, day_after(1), 75, None),
        ),
    )
    assert [error.n for error in store.sums(day_after(1)).errors.told] == [1, 1]


def test_errors_that_are_not_mended_are_told_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are too many to tell, all are counted."""
    for card_id in "abc":
        store.record(sure(card_id, 0, correct=False))
    store.record(sure("c", 1, correct=True))

    errors = store.sums(date.min).errors
    assert (errors.cards, errors.mended) == (3, 1)
    assert [error.card_id for error in errors.told] == ["b", "a", "c"]
    monkeypatch.setattr("studykit.progress.sums.N_ERRORS", 1)
    errors = store.sums(date.min).errors
    assert (errors.cards, errors.mended) == (3, 1)
    assert [error.card_id for error in errors.told] == ["b"]


def test_the_latest_answers_are_told_one_by_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studykit.progress.sums.N_LATEST", 2)
    for n in range(3):
        store.record(make_review(taken_ms=n, before=State.NEW if n else None))

    assert store.sums(date.max).latest == (
        LatestAnswer("choice", State.NEW, True, 2),
        LatestAnswer("choice", State.NEW, True, 1),
    )


SHARE = st.floats(0, 1)
ANSWERS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 5),
        st.sampled_from(Rating),
        st.sampled_from([None, *State]),
        st.sampled_from([None, True, False]),
        st.sampled_from([None, 50, 75, 95]),
        SHARE,
    ),
    max_size=40,
)


@settings(max_examples=30, deadline=None)
@given(ANSWERS, st.integers(0, 4))
def test_every_sum_is_that_of_a_loop_over_the_log(
    answers: list[tuple[str, int, Rating, State | None, bool | None, int | None, float]],
    n_days: int,
) -> None:
    answers.sort(key=lambda each: each[1])
    log = [
        replace(
            make_review(
                *(card_id,),
                at=MONDAY + timedelta(days=day),
                rating=rating,
                correct=correct,
                before=before,
                predicted=predicted if before is State.REVIEW else None,
                taken_ms=1000 + n,
            ),
            confidence=confidence,
        )
        for n, (card_id, day, rating, before, correct, confidence, predicted) in enumerate(answers)
    ]
    with TemporaryDirectory() as folder, closing(open_store(Path(folder))) as store:
        for review in log:
            store.record(review)
        sums = store.sums(day_after(n_days))
        until = day_after(n_days + 2)
        for first in (day_after(n_days), None):
            of_report = store.report_sums(first, until, "abc")
            counted = sums_of(log, first or date.min, until)
            assert replace(of_report, known={}) == replace(counted, known={})
            assert {day: counts[:4] for day, counts in of_report.known.items()} == {
                day: counts[:4] for day, counts in counted.known.items()
            }

    period = [review for review in log if review.day >= day_after(n_days)]
    assert {day: work.n for day, work in sums.work.items()} == Counter(review.day for review in log)
    assert sum(work.taken_ms for work in sums.work.values()) == sum(r.taken_ms for r in log)
    assert sums.cards == len({review.card_id for review in log})
    assert [each.taken_ms for each in sums.latest] == [review.taken_ms for review in log[::-1]]
    known = [review for review in log if review.before is State.REVIEW]
    assert {day: counts.n for day, counts in sums.known.items()} == Counter(r.day for r in known)
    remembered = sum(review.rating is not Rating.AGAIN for review in known)
    assert sum(counts.remembered for counts in sums.known.values()) == remembered
    assert sum(counts.right for counts in sums.known.values()) == sum(
        r.correct is True for r in known
    )
    assert sum(counts.graded for counts in sums.known.values()) == sum(
        review.correct is not None for review in known
    )
    expected = sum(review.predicted or 0 for review in known)
    assert sum(counts.predicted for counts in sums.known.values()) == pytest.approx(expected)
    foretold = [review.predicted for review in period if review.predicted is not None]
    bins = Counter(min(N_BINS - 1, int(predicted * N_BINS)) for predicted in foretold)
    assert {each.bin: each.n for each in sums.predictions} == bins
    assert sum(each.predicted for each in sums.predictions) == pytest.approx(sum(foretold))
    told: defaultdict[int, list[bool]] = defaultdict(list)
    for review in period:
        if review.confidence is not None and review.correct is not None:
            told[review.confidence].append(review.correct)
    assert sums.told == {percent: (len(each), sum(each)) for percent, each in told.items()}
    wrong = Counter(review.card_id for review in period if review.is_confident_error)
    assert {error.card_id: error.n for error in sums.errors.told} == wrong
    assert sums.errors.cards == len(wrong)
    assert sums.errors.mended == sum(error.is_mended for error in sums.errors.told)
    for error in sums.errors.told:
        since = [
            review.correct
            for review in log
            if review.card_id == error.card_id
            and review.day > error.day
            and review.correct is not None
        ]
        assert error.right_since == (since[-1] if since else None)


@pytest.mark.parametrize(
    ("column", "value"),
    [("taken_ms", 2**62), ("predicted", -1.0), ("predicted", float("inf")), ("state_before", 9)],
)
def test_a_value_that_breaks_its_rule_is_damage(tmp_path: Path, column: str, value: float) -> None:
    """And no figure: it is named with its row."""
    with closing(open_store(tmp_path)) as store:
        store.record(make_review(before=State.REVIEW, predicted=0.9))
        with closing(sqlite3.connect(store.path)) as connection, connection:
            connection.execute(f"UPDATE reviews SET {column} = ?", (value,))
        with pytest.raises(StoreError, match=rf"row 1 of reviews, card a: {column} cannot be"):
            store.sums(date.min)


def test_sums_by_the_day_read_an_index_and_not_the_log(tmp_path: Path) -> None:
    """In which everything is that they sum up."""
    open_store(tmp_path).close()
    sums = "count(*)", *(f"sum({name})" for name in SUMMED)
    query = f"SELECT {', '.join(sums)} FROM reviews WHERE day >= '2026' GROUP BY day"
    with closing(sqlite3.connect(tmp_path / "progress.sqlite3")) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()

    assert "USING COVERING INDEX ix_reviews_sums" in plan[0][3]
