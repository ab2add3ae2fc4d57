"""What becomes of many cards over the days to come: answers, seconds, recall. Pure.

Cards are answered on the day that they are due, recalled as often as the model predicts, and
otherwise rated as the learner's `Habits` say. The steps are those of `Scheduler`; its fuzz, which
moves single cards and not their number, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from studykit.review.fsrs_arrays import Floats, FsrsArrays
from studykit.review.habits import Habits
from studykit.review.replay import NONE, StepTable
from studykit.review.schedule import Memory, Rating, ScheduleSettings, State

GRID_DAYS = 5
"""Recall is told for every fifth day."""
N_ROUNDS = 2000
"""Answers to one card at most, should weights never let it be known."""

_NOON_MINUTE = 480
"""Minutes since the study day began: at noon it is answered, so that steps of hours fit in."""
_DAY_MINUTES = 1440
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Life:
    """What a card does on average from the first simulated day on, by retention."""

    answers: Floats
    """[retention, day]: answers to a card."""
    seconds: Floats
    """[retention, day]: time spent on it."""
    recall: Floats
    """[retention, day / `GRID_DAYS`]: probability of recall at the end of that day."""


@dataclass(slots=True)
class _Cards:
    """Arrays of one length: cards, each as it was after its latest answer."""

    at: NDArray[np.intp]
    """Index of the retention."""
    card: NDArray[np.intp]
    state: NDArray[np.int8]
    step: NDArray[np.int64]
    last_rating: NDArray[np.int64]
    stability: Floats
    difficulty: Floats
    last_day: NDArray[np.int64]
    day: NDArray[np.int64]
    """Of the next answer."""
    minute: Floats

    def keep(self, mask: NDArray[np.bool_]) -> _Cards:
        return _Cards(*(getattr(self, name)[mask] for name in self.__slots__))


def simulate_new(
    settings: ScheduleSettings,
    habits: Habits,
    retentions: Sequence[float],
    *,
    n_cards: int,
    n_days: int,
    seed: int = 0,
) -> Life:
    """The average of `n_cards` cards that are all met on the first day."""
    n = len(retentions) * n_cards
    cards = _Cards(
        at=np.repeat(np.arange(len(retentions)), n_cards),
        card=np.tile(np.arange(n_cards), len(retentions)),
        state=np.full(n, State.NEW, dtype=np.int8),
        step=np.zeros(n, dtype=np.int64),
        last_rating=np.ones(n, dtype=np.int64),
        stability=np.ones(n),
        difficulty=np.ones(n),
        last_day=np.zeros(n, dtype=np.int64),
        day=np.zeros(n, dtype=np.int64),
        minute=np.full(n, float(_NOON_MINUTE)),
    )
    return _simulate(cards, settings, habits, retentions, n_cards, n_days, seed)


def simulate_known(
    settings: ScheduleSettings,
    habits: Habits,
    retentions: Sequence[float],
    memories: Sequence[Memory],
    today: date,
    *,
    n_days: int,
    seed: int = 1,
) -> Life:
    """The average of cards that were reviewed before; those overdue are answered today."""
    known = [each for each in memories if each.state is not State.NEW]
    n_cards = len(known)

    def tiled(values: Sequence[float]) -> Floats:
        return np.tile(np.array(values, dtype=np.float64), len(retentions))

    def whole(values: Sequence[int]) -> NDArray[np.int64]:
        return np.tile(np.array(values, dtype=np.int64), len(retentions))

    n = len(retentions) * n_cards
    due = [max(0, ((each.due_day or today) - today).days) for each in known]
    cards = _Cards(
        at=np.repeat(np.arange(len(retentions)), n_cards),
        card=np.tile(np.arange(n_cards), len(retentions)),
        state=whole([each.state for each in known]).astype(np.int8),
        step=whole([each.step or 0 for each in known]),
        last_rating=np.full(n, int(Rating.GOOD), dtype=np.int64),
        stability=tiled([each.stability_days or 1.0 for each in known]),
        difficulty=tiled([each.difficulty or 1.0 for each in known]),
        last_day=whole([-_days_since(each, today) for each in known]),
        day=whole(due),
        minute=np.full(n, float(_NOON_MINUTE)),
    )
    return _simulate(cards, settings, habits, retentions, n_cards, n_days, seed)


def _days_since(memory: Memory, today: date) -> int:
    return max(0, (today - (memory.last_review_day or today)).days)


def _simulate(
    cards: _Cards,
    settings: ScheduleSettings,
    habits: Habits,
    retentions: Sequence[float],
    n_cards: int,
    n_days: int,
    seed: int,
) -> Life:
    model, rng = FsrsArrays(settings.parameters), np.random.default_rng(seed)
    wanted = np.array(retentions)
    shape, n_grid = (len(wanted), n_days), n_days // GRID_DAYS + 1
    answers, seconds = np.zeros(shape), np.zeros(shape)
    recall = np.zeros((len(wanted), n_grid))
    steps = (StepTable(settings.learning_steps), StepTable(settings.relearning_steps))
    cost = np.array(habits.seconds)
    seen = cards.keep(cards.state != State.NEW)
    _add_recall(recall, model, seen, seen.last_day, seen.day)
    cards = cards.keep(cards.day < n_days)
    for _ in range(N_ROUNDS):
        if not len(cards.day):
            break
        # One draw for a card, whichever the retention: what differs is the retention alone.
        rating = _rate(cards, habits, model, rng.random(n_cards)[cards.card])
        group = _GROUPS[cards.state]
        place = cards.at * n_days + cards.day
        answers += np.bincount(place, minlength=answers.size).reshape(shape)
        spent = cost[group, rating - 1]
        seconds += np.bincount(place, spent, seconds.size).reshape(shape)
        answered_on = cards.day
        _answer(cards, rating, model, wanted, steps, settings.maximum_interval_days)
        _add_recall(recall, model, cards, answered_on, cards.day)
        cards = cards.keep(cards.day < n_days)
    n = max(1, n_cards)
    return Life(answers / n, seconds / n, recall / n)


_GROUPS = np.array([0, 0, 1, 2])
"""State -> row of `Habits.seconds`."""


def _rate(cards: _Cards, habits: Habits, model: FsrsArrays, drawn: Floats) -> NDArray[np.int64]:
    """A rating for each card."""
    tables = np.array([habits.learning, habits.relearning])
    is_relearning = (cards.state == State.RELEARNING).astype(np.int64)
    shares = tables[is_relearning, np.minimum(cards.last_rating, 3) - 1]
    shares[cards.state == State.NEW] = habits.first
    in_review = cards.state == State.REVIEW
    known = model.retrievability(cards.stability, cards.day - cards.last_day)[in_review, None]
    shares[in_review] = np.hstack([1 - known, known * np.array(habits.recalled)])
    bounds = np.cumsum(shares, axis=1)[:, :3]
    rating: NDArray[np.int64] = 1 + (drawn[:, None] >= bounds).sum(axis=1)
    return rating


def _answer(
    cards: _Cards,
    rating: NDArray[np.int64],
    model: FsrsArrays,
    wanted: Floats,
    steps: tuple[StepTable, StepTable],
    maximum_days: int,
) -> None:
    """Make of `cards` what the ratings lead to; `steps` are those of learning and relearning."""
    is_new, was_review = cards.state == State.NEW, cards.state == State.REVIEW
    first = model.first(rating)
    later = model.next(cards.stability, cards.difficulty, rating, cards.day - cards.last_day)
    cards.stability = np.where(is_new, first[0], later[0])
    cards.difficulty = np.where(is_new, first[1], later[1])
    relearns = was_review | (cards.state == State.RELEARNING)
    step = np.full(len(rating), NONE)
    wait_minutes = np.zeros(len(rating))
    for table, mask in ((steps[0], ~relearns), (steps[1], relearns)):
        place = np.where(was_review[mask], 0, np.minimum(cards.step[mask], table.n))
        step[mask] = table.step[place, rating[mask]]
        wait_minutes[mask] = table.wait_ms[place, rating[mask]] / _MINUTE_MS
    step[was_review & (rating > Rating.AGAIN)] = NONE
    is_known = step == NONE
    days = model.interval(cards.stability, wanted[cards.at], maximum_days).astype(np.int64)
    minute = cards.minute + wait_minutes
    cards.last_day, cards.last_rating = cards.day, rating
    cards.day = cards.day + np.where(is_known, days, minute // _DAY_MINUTES).astype(np.int64)
    cards.minute = np.where(is_known, float(_NOON_MINUTE), minute % _DAY_MINUTES)
    in_steps = np.where(relearns, State.RELEARNING, State.LEARNING)
    cards.state = np.where(is_known, State.REVIEW, in_steps).astype(np.int8)
    cards.step = step


def _add_recall(
    recall: Floats,
    model: FsrsArrays,
    cards: _Cards,
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
) -> None:
    """Adds the recall of each card on the days of the grid from `begin` to the day before `end`."""
    n_grid = recall.shape[1]
    first = np.clip(-(-begin // GRID_DAYS), 0, n_grid)
    counts = np.maximum(np.clip(-(-end // GRID_DAYS), 0, n_grid) - first, 0)
    which = np.repeat(np.arange(len(counts)), counts)
    if not len(which):
        return
    place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts) + first[which]
    days = place * GRID_DAYS - cards.last_day[which]
    value = model.retrievability(cards.stability[which], days)
    flat = cards.at[which] * n_grid + place
    recall += np.bincount(flat, value, recall.size).reshape(recall.shape)
