"""How study went over time, and how well the learner knew what they knew: what charts show."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from studykit.progress.stats import states_before, wilson_interval
from studykit.progress.summary import Retention, Summary
from studykit.review.schedule import Rating, State
from studykit.review.session import Review

CALENDAR_WEEKS = 26
"""Weeks that the calendar shows, the current one included."""

RETENTION_WEEKS = 26
"""The latest weeks of the period whose retention is told one by one."""


@dataclass(frozen=True, slots=True)
class Sureness:
    """Answers given with about the same confidence."""

    stated: float
    """The mean of what the learner said, in per cent."""
    outcome: Retention
    """How many of them were right, with the interval of that share."""


@dataclass(frozen=True, slots=True)
class Trends:
    """What the charts of a report show beside its `Summary`."""

    desired_retention: float
    calendar: tuple[tuple[date, int], ...]
    """Reviews of each day from the Monday `CALENDAR_WEEKS` ago to today, whatever the period."""
    weeks: tuple[tuple[date, Retention], ...]
    """Monday -> true retention of its week; weeks without a review of a known card are left out."""
    calibration: tuple[Sureness, ...]
    """Of the period, from least to most sure."""


def trends(reviews: Sequence[Review], summary: Summary, desired_retention: float) -> Trends:
    """The trends of the period of `summary`; `reviews` is the whole log in its order."""
    return Trends(
        desired_retention=desired_retention,
        calendar=_calendar(reviews, summary.today),
        weeks=_weeks(reviews, summary.since, summary.today),
        calibration=_calibration(reviews, summary),
    )


def monday(day: date) -> date:
    """The first day of the week of `day`."""
    return day - timedelta(days=day.weekday())


def _calendar(reviews: Iterable[Review], today: date) -> tuple[tuple[date, int], ...]:
    first = monday(today) - timedelta(weeks=CALENDAR_WEEKS - 1)
    counts = Counter(review.day for review in reviews)
    days = (first + timedelta(days=n) for n in range((today - first).days + 1))
    return tuple((day, counts[day]) for day in days)


def _weeks(
    reviews: Sequence[Review], since: date, today: date
) -> tuple[tuple[date, Retention], ...]:
    seen: defaultdict[date, list[bool]] = defaultdict(list)
    for review, before in zip(reviews, states_before(reviews), strict=True):
        if before is State.REVIEW and since <= review.day <= today:
            seen[monday(review.day)].append(review.rating is not Rating.AGAIN)
    latest = sorted(seen)[-RETENTION_WEEKS:]
    return tuple((week, _share(seen[week])) for week in latest)


def _calibration(reviews: Iterable[Review], summary: Summary) -> tuple[Sureness, ...]:
    """Tens of per cent, each with what came of it.

    A prediction made from a card is counted with the card's answer, not again with the run.
    """
    told = [
        (review.confidence, review.correct)
        for review in reviews
        if summary.since <= review.day <= summary.today
    ]
    told += [
        (run.prediction.confidence, run.prediction.correct)
        for run in summary.runs
        if run.prediction is not None and run.card_id is None
    ]
    tens: defaultdict[int, list[tuple[int, bool]]] = defaultdict(list)
    for confidence, correct in told:
        if confidence is not None and correct is not None:
            tens[min(confidence, 99) // 10].append((confidence, correct))
    return tuple(
        Sureness(
            sum(confidence for confidence, _ in tens[ten]) / len(tens[ten]),
            _share([correct for _, correct in tens[ten]]),
        )
        for ten in sorted(tens)
    )


def _share(outcomes: Sequence[bool]) -> Retention:
    low, high = wilson_interval(sum(outcomes), len(outcomes))
    return Retention(len(outcomes), sum(outcomes), low, high)
