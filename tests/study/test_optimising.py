"""Weights kept, gone back to, and rescheduled by."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from benchmarks.simulated_log import LEARNERS, history_of, simulate
from studykit.clock import FixedClock
from studykit.errors import UsageError
from studykit.progress.store import Store
from studykit.review.fitting import CannotFitError, Fit, fit
from studykit.review.marks import Marking
from studykit.review.schedule import (
    DEFAULT_WEIGHTS,
    NEW_MEMORY,
    Memory,
    Rating,
    Scheduler,
    ScheduleSettings,
)
from studykit.review.session import Session
from studykit.review.study_queue import Limits
from studykit.review.weights import (
    RESCHEDULED,
    Bin,
    History,
    Judgement,
    Move,
    Score,
    Weights,
)
from studykit.study.optimising import (
    describe_judgement,
    describe_rescheduling,
    describe_verdict,
    find_rescheduling,
    fit_apart,
    go_back,
    optimise,
    reschedule,
    summarise,
)
from tests.progress.builders import MONDAY, make_card, make_rated, open_store

SETTINGS = ScheduleSettings()
LONGER = (*(4 * w for w in DEFAULT_WEIGHTS[:4]), *DEFAULT_WEIGHTS[4:])
SCORE = Score(0.4, 0.05, 0.9, (Bin(50, 0.8, 0.7), Bin(50, 0.95, 0.95)))
BETTER = Judgement(400, 100, 0.85, SCORE, replace(SCORE, log_loss=0.35), 0.05, 0.02)
WORSE = Judgement(400, 100, 0.85, SCORE, replace(SCORE, log_loss=0.41), -0.01, 0.006)
SAME = Judgement(400, 100, 0.85, SCORE, SCORE, 0.0, 0.0)


def finds(judgement: Judgement) -> Callable[..., Fit]:
    """A fit that always finds the same."""

    def fit_to(history: History, in_use: Weights, n_steps: int, tell: object) -> Fit:
        return Fit(LONGER, len(history.card), judgement)

    return fit_to


def tell(text: str) -> None:
    """Nobody listens."""


# --- kept or not ---


def test_better_weights_come_into_use(store: Store) -> None:
    entry = optimise(store, SETTINGS, MONDAY, tell, finds(BETTER))
    assert entry.is_adopted
    assert entry.source.startswith("fsrs-rs-python ")
    assert store.weights() == [entry]
    assert store.weights_in_use() == LONGER
    said = "\n".join([*describe_judgement(entry), describe_verdict(entry)])
    assert "0.4000 before, 0.3500 after (better by 0.0500 ± 0.0200)" in said
    assert "and were kept" in said
    assert "chance" not in said


def test_other_weights_are_kept_in_the_history_only(store: Store) -> None:
    entry = optimise(store, SETTINGS, MONDAY, tell, finds(WORSE))
    assert not entry.is_adopted
    assert store.weights() == [entry]
    assert store.weights_in_use() == DEFAULT_WEIGHTS
    said = "\n".join([*describe_judgement(entry), describe_verdict(entry)])
    assert "(worse by 0.0100 ± 0.0060)" in said
    assert "within what chance makes" in said
    assert "were not kept" in said


def test_a_fit_that_comes_to_the_same_changes_nothing(store: Store) -> None:
    entry = optimise(store, SETTINGS, MONDAY, tell, finds(SAME))
    assert not entry.is_adopted
    said = "\n".join([*describe_judgement(entry), describe_verdict(entry)])
    assert "0.4000 before, 0.4000 after (the same)" in said
    assert "nothing changes" in said
    assert "chance" not in said


def test_one_goes_back_by_going_on(store: Store) -> None:
    """A way back is a new entry; nothing of the history is lost."""
    first = optimise(store, SETTINGS, MONDAY, tell, finds(BETTER))
    later = MONDAY + timedelta(days=1)
    go_back(store, "default", later)
    assert store.weights_in_use() == DEFAULT_WEIGHTS
    back = go_back(store, str(first.id), later + timedelta(days=1))
    assert (back.source, back.n_reviews) == (f"as {first.id}", 0)
    assert store.weights_in_use() == LONGER
    assert len(store.weights()) == 3
    assert go_back(store, str(back.id), later + timedelta(days=2)) == back
    assert len(store.weights()) == 3  # they are in use already
    with pytest.raises(UsageError, match="--use 99: there are no such weights"):
        go_back(store, "99", later)


# --- the process apart ---


def test_a_fit_apart_is_the_fit() -> None:
    """And what goes on is heard meanwhile."""
    pytest.importorskip("fsrs_rs_python")
    history = history_of(simulate(LEARNERS["forgets sooner"], 1000, seed=0))
    heard: list[str] = []
    found = fit_apart(history, DEFAULT_WEIGHTS, 1, heard.append)
    assert found.weights == fit(history, DEFAULT_WEIGHTS, 1, tell).weights
    assert [text.split()[0] for text in heard] == ["reading", "fitting", "judging"]


def test_what_breaks_apart_breaks_nothing_here() -> None:
    """Weights that the package cannot take end the other process, without a word."""
    pytest.importorskip("fsrs_rs_python")
    history = history_of(simulate(LEARNERS["forgets sooner"], 1000, seed=0))
    with pytest.raises(CannotFitError, match=r"fsrs-rs-python .* failed on this log"):
        fit_apart(history, (1.0,), 1, tell)


def test_what_cannot_be_fitted_is_said_from_there() -> None:
    pytest.importorskip("fsrs_rs_python")
    with pytest.raises(CannotFitError, match="and there are 1"):
        fit_apart(History([0], [0], [3]), DEFAULT_WEIGHTS, 1, tell)


# --- rescheduling ---


def fill(store: Store, n_cards: int = 6, n_answers: int = 8) -> Scheduler:
    """Answers of some cards, each when it was due."""
    scheduler, rng = Scheduler(SETTINGS), random.Random(0)
    store.keep_schedule(scheduler)
    reviews = []
    for n in range(n_cards):
        memory, at = NEW_MEMORY, MONDAY + timedelta(hours=n)
        for _ in range(n_answers):
            rating = rng.choices([*Rating], (1, 1, 5, 1))[0]
            review = make_rated(f"card-{n}", at=at, rating=rating, known=memory, confidence=90)
            reviews.append(review)
            memory = review.after
            assert memory.due_day is not None
            at = memory.due_at or at + (memory.due_day - at.date())
    for review in sorted(reviews, key=lambda each: each.at):
        store.record(review)
    return scheduler


def by_the_scheduler(store: Store, weights: Weights) -> dict[str, Memory]:
    """What the log leads to, answer by answer."""
    scheduler = Scheduler(replace(SETTINGS, parameters=weights))
    memories: dict[str, Memory] = {}
    for review in store.reviews():
        memories[review.card_id] = scheduler.review(
            review.card_id,
            memories.get(review.card_id, NEW_MEMORY),
            review.rating,
            review.at,
            is_confident_error=review.is_confident_error,
        )
    return memories


def test_rescheduled_memories_are_those_of_a_learner_who_always_had_the_weights(
    store: Store,
) -> None:
    fill(store)
    log = store.reviews()
    moves = store.find_moves(LONGER, SETTINGS)
    before = store.memories()
    reschedule(store, SETTINGS, LONGER, log[-1].at)
    expected = by_the_scheduler(store, LONGER)
    assert store.memories().keys() == expected.keys()
    for card_id, memory in store.memories().items():
        assert memory.due_day == expected[card_id].due_day
        assert memory.stability_days == pytest.approx(expected[card_id].stability_days, rel=1e-9)
    assert {move.card_id: (move.before, move.after) for move in moves} == {
        card_id: (before[card_id].due_day, memory.due_day)
        for card_id, memory in store.memories().items()
    }
    assert any(move.before != move.after for move in moves)


def test_rescheduling_changes_no_answer_and_no_prediction(store: Store) -> None:
    fill(store)
    log = store.reviews()
    reschedule(store, SETTINGS, LONGER, log[-1].at)
    for before, after in zip(log, store.reviews(), strict=True):
        assert after.predicted == (before.predicted and pytest.approx(before.predicted, rel=1e-9))
        assert replace(after, after=before.after, predicted=before.predicted) == before
    assert store.check() == []


def test_every_later_replay_comes_to_the_same(store: Store) -> None:
    """A rebuild, and taking back the last answer; answers given since have their own weights."""
    fill(store)
    reschedule(store, SETTINGS, LONGER, store.reviews()[-1].at)
    rescheduled = store.memories()
    assert store.rebuild(SETTINGS) == 0
    assert store.memories() == rescheduled
    assert all(move.before == move.after for move in store.find_moves(LONGER, SETTINGS))

    last = store.reviews()[-1]
    other = Scheduler(replace(SETTINGS, desired_retention=0.8))
    store.keep_schedule(other)
    at = last.at + timedelta(days=30)
    known = store.memory(last.card_id)
    store.record(make_rated(last.card_id, at=at, known=known, scheduler=other))
    answered = store.memories()
    assert store.rebuild(SETTINGS) == 0
    assert store.memories() == answered
    store.take_back(at.date())
    assert store.memories() == rescheduled


def test_rescheduling_leaves_its_mark_and_a_copy(store: Store) -> None:
    fill(store)
    before = store.memories()
    reschedule(store, SETTINGS, LONGER, MONDAY)  # by a clock that stands before the answers
    (entry,) = store.weights()
    assert (entry.source, entry.weights, entry.n_reviews) == (RESCHEDULED, LONGER, 48)
    assert entry.at >= store.reviews()[-1].at
    assert store.weights_in_use() == LONGER
    (copy,) = store.backups_dir.glob("*-before-rescheduling.sqlite3")
    kept = Store.open_for_reading(copy, backups_dir=store.backups_dir)
    assert kept.memories() == before
    kept.close()


def test_rescheduling_back_finds_the_old_days(store: Store) -> None:
    fill(store)
    before = store.memories()
    at = store.reviews()[-1].at
    reschedule(store, SETTINGS, LONGER, at)
    reschedule(store, SETTINGS, DEFAULT_WEIGHTS, at + timedelta(hours=1))
    for card_id, memory in store.memories().items():
        assert memory.due_day == before[card_id].due_day


def test_what_will_move_is_told_in_numbers(store: Store) -> None:
    """Suspended cards move, and are no load."""
    today = date(2026, 12, 1)

    def on(days: int) -> date:
        return today + timedelta(days=days)

    moves = [
        Move("stays", on(3), on(3)),
        Move("earlier", on(20), on(-5)),
        Move("later", on(-2), on(8)),
        Move("suspended", on(0), on(100)),
    ]
    found = summarise(moves, {"suspended"}, today)
    assert (found.n_cards, found.n_earlier, found.n_later, found.n_moved) == (4, 1, 2, 3)
    assert (found.median_days, found.longest_days) == (25, 100)
    assert found.n_due == (1, 1)
    assert found.weeks[:3] == ((2, 2), (0, 1), (1, 0))
    said = " ".join(describe_rescheduling(found))
    assert "Of 4 cards 3 move: 1 come earlier, 2 later" in said
    assert "Due today: 1 now, 1 then." in said
    assert describe_rescheduling(summarise(moves[:1], set(), today)) == ["Of 1 card none moves."]


def test_the_store_is_asked_for_suspended_cards(store: Store) -> None:
    fill(store)
    today = store.reviews()[-1].day + timedelta(days=365)
    usual = find_rescheduling(store, SETTINGS, LONGER, today)
    store.mark(Marking("card-0", "suspended", MONDAY, today))
    fewer = find_rescheduling(store, SETTINGS, LONGER, today)
    assert usual.n_due[0] == fewer.n_due[0] + 1
    assert usual.n_cards == fewer.n_cards


def test_a_sitting_in_another_window_takes_up_what_moved(store: Store) -> None:
    """Nothing is rated from a memory that is there no more, and nothing is stuck."""
    fill(store)
    log = store.reviews()
    clock = FixedClock(log[-1].at + timedelta(days=3650))
    cards = {f"card-{n}": make_card(f"card-{n}") for n in range(6)}
    session = Session(cards, store, Scheduler(SETTINGS), Limits(), clock)
    assert session.current is not None
    before = session.memory
    other = open_store(store.path.parent)
    reschedule(other, SETTINGS, LONGER, log[-1].at)
    other.close()
    assert session.current.id in session.look_elsewhere()
    assert session.memory != before
    assert session.memory == store.memory(session.current.id)
    session.reveal()
    card_id = session.current.id
    session.rate(Rating.GOOD)
    assert store.memory(card_id).reps == before.reps + 1
