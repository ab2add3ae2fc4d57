"""The history of weights in the database, and what of the log they are fitted to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from studykit.errors import StoreError
from studykit.progress.store import Store
from studykit.review.habits import Rated
from studykit.review.schedule import DEFAULT_WEIGHTS, Rating, State
from studykit.review.weights import Bin, History, Judgement, Score, WeightsEntry, in_use
from tests.progress.builders import MONDAY, make_review, open_store

OTHERS = (0.5, *DEFAULT_WEIGHTS[1:])
SCORE = Score(0.31, 0.04, 0.92, (Bin(40, 0.8, 0.75), Bin(41, 0.95, 1.0)))
JUDGEMENT = Judgement(320, 81, 0.9, SCORE, replace(SCORE, log_loss=0.3), 0.01, 0.004)
FITTED = WeightsEntry(MONDAY, OTHERS, "a fitter 1.0", 400, JUDGEMENT, is_adopted=True)


def test_the_history_survives_a_restart(tmp_path: Path) -> None:
    """Every number of a judgement comes back, and so does a way back that was not judged."""
    later = MONDAY + timedelta(days=1)
    back = WeightsEntry(later, DEFAULT_WEIGHTS, "defaults", 0, None, is_adopted=True)
    with closing(open_store(tmp_path)) as store:
        ids = [store.add_weights(FITTED), store.add_weights(back)]
    with closing(open_store(tmp_path)) as store:
        assert store.weights() == [
            replace(FITTED, id=ids[0]),
            replace(back, id=ids[1]),
        ]
        assert store.check() == []


def test_the_newest_that_was_adopted_is_in_use(store: Store) -> None:
    """By its time, not by its place: a merge may add older entries later."""
    assert store.weights_in_use() == DEFAULT_WEIGHTS
    assert in_use(store.weights()) is None
    store.add_weights(FITTED)
    rejected = (0.6, *DEFAULT_WEIGHTS[1:])
    store.add_weights(
        replace(FITTED, at=MONDAY + timedelta(days=1), weights=rejected, is_adopted=False)
    )
    older = (0.7, *DEFAULT_WEIGHTS[1:])
    store.add_weights(replace(FITTED, at=MONDAY - timedelta(days=1), weights=older))
    assert store.weights_in_use() == OTHERS
    entry = in_use(store.weights())
    assert entry is not None
    assert entry.weights == OTHERS


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("parameters", "[1, 2]"),
        ("parameters", "nonsense"),
        ("parameters", str([float("1e9"), *DEFAULT_WEIGHTS[1:]])),
        ("judged", "[1]"),
        ("judged", '{"gain": 1}'),
        ("n_reviews", -1),
    ],
)
def test_a_damaged_entry_is_named(store: Store, tmp_path: Path, column: str, value: object) -> None:
    store.add_weights(FITTED)
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute(f"UPDATE weights SET {column} = ?", (value,))
        connection.commit()
    with pytest.raises(StoreError, match=f"row 1 of weights: {column} cannot be"):
        store.weights()
    assert any(f"row 1 of weights: {column}" in problem for problem in store.check())
    if column == "parameters":
        with pytest.raises(StoreError, match="row 1 of weights"):
            store.weights_in_use()


def test_weights_are_fitted_to_the_log_in_its_order(store: Store) -> None:
    for card_id, days, rating in (("b", 0, 3), ("a", 0, 1), ("b", 2, 4), ("a", 5, 2)):
        store.record(make_review(card_id, at=MONDAY + timedelta(days=days), rating=Rating(rating)))
    monday = MONDAY.date().toordinal()
    assert store.log_to_fit() == History(
        [0, 1, 0, 1], [monday, monday, monday + 2, monday + 5], [3, 1, 4, 2]
    )


def test_the_latest_answers_are_counted_by_what_came_before(store: Store) -> None:
    """The first of them have no rating before; older ones are not read."""
    answers = (
        (State.NEW, Rating.AGAIN),
        (State.LEARNING, Rating.GOOD),
        (State.REVIEW, Rating.GOOD),
        (State.REVIEW, Rating.GOOD),
        (None, Rating.GOOD),
    )
    for n, (before, rating) in enumerate(answers):
        store.record(
            make_review(at=MONDAY + timedelta(days=n), before=before, rating=rating, taken_ms=2000)
        )
    learned = Rated(State.LEARNING, Rating.AGAIN, Rating.GOOD, 1, 2.0)
    known = Rated(State.REVIEW, Rating.GOOD, Rating.GOOD, 2, 4.0)
    first = Rated(State.NEW, None, Rating.AGAIN, 1, 2.0)
    assert sorted(store.rated_lately(5)) == sorted([first, learned, known])
    assert store.rated_lately(2) == [Rated(State.REVIEW, None, Rating.GOOD, 1, 2.0)]
