"""How a learner rates, and how long an answer takes: what is simulated with. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from studykit.review.schedule import Rating, State

ANSWER_SECONDS = 20.0
"""A guess at the time of one answer, until the learner's own are known."""
PRIOR_ANSWERS = 50
"""Answers of one's own that count as much as the shares of other learners."""
PRIOR_TIMES = 20
"""The same of times."""

Row = tuple[float, ...]
"""A number each for the ratings Again, Hard, Good, Easy."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a learner rates, and how long that takes.

    The defaults are those of a large population of Anki's users, which fsrs-rs simulates with
    (`SimulatorConfig`).
    """

    first: Row = (0.24, 0.094, 0.495, 0.171)
    """Of a card never seen."""
    recalled: Row = (0.224, 0.631, 0.145)
    """Hard, Good, Easy of one that is recalled in Review."""
    learning: tuple[Row, Row, Row] = (
        (0.3686, 0.0628, 0.5108, 0.0577),
        (0.0442, 0.4553, 0.4457, 0.0549),
        (0.0519, 0.047, 0.8462, 0.055),
    )
    """Of a card in learning steps that was last rated Again, Hard, Good."""
    relearning: tuple[Row, Row, Row] = (
        (0.2157, 0.0643, 0.6595, 0.0604),
        (0.05, 0.4638, 0.4475, 0.0387),
        (0.1057, 0.1434, 0.7266, 0.0244),
    )
    """The same of one in relearning steps."""
    seconds: tuple[Row, Row, Row] = ((ANSWER_SECONDS,) * 4,) * 3
    """Of one answer by its rating: to a card that is new or in learning steps, in Review, in
    relearning steps."""


class Rated(NamedTuple):
    """Answers to cards that were in one state, rated alike and last rated alike."""

    before: State
    last: Rating | None
    """The rating of the answer before; None where it is not known."""
    rating: Rating
    n_answers: int
    seconds: float
    """That they took altogether."""


def habits_of(rated: Sequence[Rated]) -> Habits:
    """The learner's own, the more so the more answers there are of a kind."""
    usual = Habits()
    mean = _mean_seconds(ANSWER_SECONDS, rated)

    def seconds(*states: State) -> Row:
        own = [each for each in rated if each.before in states]
        return tuple(
            _mean_seconds(mean, [each for each in own if each.rating is rating])
            for rating in Rating
        )

    def of(state: State, last: Rating | None = None) -> list[Rated]:
        return [each for each in rated if each.before is state and last in (None, each.last)]

    return Habits(
        first=_shares(usual.first, [*Rating], of(State.NEW)),
        recalled=_shares(usual.recalled, [*Rating][1:], of(State.REVIEW)),
        learning=_by_last(usual.learning, of, State.LEARNING),
        relearning=_by_last(usual.relearning, of, State.RELEARNING),
        seconds=(
            seconds(State.NEW, State.LEARNING),
            seconds(State.REVIEW),
            seconds(State.RELEARNING),
        ),
    )


def _by_last(
    usual: tuple[Row, Row, Row], of: Callable[[State, Rating], list[Rated]], state: State
) -> tuple[Row, Row, Row]:
    again, hard, good = (
        _shares(row, [*Rating], of(state, last)) for row, last in zip(usual, Rating, strict=False)
    )
    return again, hard, good


def _shares(usual: Row, ratings: Sequence[Rating], rated: Sequence[Rated]) -> Row:
    """Shares of `ratings` among the answers, and `PRIOR_ANSWERS` that are as `usual`."""
    counts = [
        PRIOR_ANSWERS * share + sum(each.n_answers for each in rated if each.rating is rating)
        for rating, share in zip(ratings, usual, strict=True)
    ]
    return tuple(count / sum(counts) for count in counts)


def _mean_seconds(usual: float, rated: Sequence[Rated]) -> float:
    """Mean time of the answers, and of `PRIOR_TIMES` that take as long as `usual`."""
    n, total = sum(each.n_answers for each in rated), sum(each.seconds for each in rated)
    return (PRIOR_TIMES * usual + total) / (PRIOR_TIMES + n)
