"""What was studied and how well it stays, as numbers: from the log, the runs and the course."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from studykit.course.cards import Course
from studykit.lab.verdicts import judge_again
from studykit.progress.pretests import pretest_scores
from studykit.progress.summary import (
    HardCard,
    Retention,
    RunSummary,
    Summary,
    Tally,
    TopicProgress,
)
from studykit.review.leeches import is_leech
from studykit.review.practice import Practised
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, State
from studykit.review.session import Review

if TYPE_CHECKING:
    from studykit.progress.store import StoredRun

FORECAST_DAYS = 30
"""Days that the forecast looks ahead, today included."""

N_HARDEST = 10
"""Cards named as the hardest."""

_Z_95 = 1.959964


def summary(
    reviews: Sequence[Review],
    runs: Iterable[StoredRun],
    course: Course,
    memories: Mapping[str, Memory],
    since: date | None,
    today: date,
    scheduler: Scheduler,
    practised: Sequence[Practised] = (),
) -> Summary:
    """The numbers of the period from `since` (None: the first review or run) to `today`.

    `reviews` is the whole log in its order: retention asks for the state of a card before.
    `practised` is told of, and counts for nothing else.
    """
    all_runs = [_run_summary(run, course, scheduler) for run in runs]
    if since is None:
        since = min([review.day for review in reviews] + [run.day for run in all_runs] + [today])
        since = min([since, *(each.day for each in practised)])
    befores = list(states_before(reviews))
    period = [
        (review, before)
        for review, before in zip(reviews, befores, strict=True)
        if since <= review.day <= today
    ]
    beside = [each for each in practised if since <= each.day <= today]
    cards = course.cards
    studied = [review for review, _ in period]
    by_day: defaultdict[date, list[Review]] = defaultdict(list)
    by_topic: defaultdict[tuple[str, str], list[Review]] = defaultdict(list)
    for review in studied:
        by_day[review.day].append(review)
        if card := cards.get(review.card_id):
            by_topic[card.deck_id, card.topic_id].append(review)
    judged = [review.correct for review in studied if review.correct is not None]
    known = {id_: memory for id_, memory in memories.items() if id_ in cards}
    ahead, overdue = forecast(known.values(), today, FORECAST_DAYS)
    return Summary(
        course_id=course.id,
        course_title=course.title,
        since=since,
        today=today,
        total=_tally(studied),
        cards=len({review.card_id for review in studied}),
        judged=len(judged),
        right=sum(judged),
        elsewhere=sum(review.card_id not in cards for review in studied),
        streak_days=streak({review.day for review in reviews}, today),
        days=tuple((day, _tally(by_day[day])) for day in sorted(by_day)),
        retention=_retention(review for review, before in period if before is State.REVIEW),
        topics=topic_progress(course, known, by_topic, today, scheduler),
        overdue=overdue,
        forecast=ahead,
        runs=tuple(run for run in all_runs if since <= run.day <= today),
        hardest=hardest(course, known),
        practised=len(beside),
        pretests=pretest_scores(beside, reviews, course),
    )


def states_before(reviews: Iterable[Review]) -> Iterable[State | None]:
    """For each review the state that its card was in; None if the log does not tell."""
    states: dict[str, State] = {}
    for review in reviews:
        unknown = State.NEW if review.after.reps == 1 else None
        yield states.get(review.card_id, unknown)
        states[review.card_id] = review.after.state


def _tally(reviews: Sequence[Review]) -> Tally:
    return Tally(
        reviews=len(reviews),
        new=sum(review.after.reps == 1 for review in reviews),
        again=sum(review.rating is Rating.AGAIN for review in reviews),
        seconds=sum(review.taken_ms for review in reviews) / 1000,
    )


def _retention(reviews: Iterable[Review]) -> Retention:
    remembered = [review.rating is not Rating.AGAIN for review in reviews]
    return retention(len(remembered), sum(remembered))


def retention(n: int, remembered: int) -> Retention:
    """The share with its interval."""
    low, high = wilson_interval(remembered, n) if n else (None, None)
    return Retention(n, remembered, low, high)


def wilson_interval(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `k` of `n` were seen; `n` is not 0."""
    share, z2 = k / n, _Z_95**2
    middle = share + z2 / (2 * n)
    spread = _Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = ((middle + sign * spread) / (1 + z2 / n) for sign in (-1, 1))
    return 0.0 if k == 0 else low, 1.0 if k == n else high  # exactly, whatever the rounding


def streak(days: Container[date], today: date) -> int:
    """Study days in a row in `days`, up to today, or to yesterday while today is not in it."""
    day = today if today in days else today - timedelta(days=1)
    n = 0
    while day in days:
        n += 1
        day -= timedelta(days=1)
    return n


def forecast(
    memories: Iterable[Memory], today: date, n_days: int
) -> tuple[tuple[tuple[date, int], ...], int]:
    """Cards due on each of `n_days` from today on, those overdue today; how many are overdue."""
    dues = [memory.due_day for memory in memories if memory.due_day is not None]
    counts = Counter(max(due, today) for due in dues)
    ahead = (today + timedelta(days=n) for n in range(n_days))
    return tuple((day, counts[day]) for day in ahead), sum(due < today for due in dues)


def topic_progress(
    course: Course,
    memories: Mapping[str, Memory],
    studied: Mapping[tuple[str, str], Sequence[Review]],
    today: date,
    scheduler: Scheduler,
) -> tuple[TopicProgress, ...]:
    """Every topic that has cards, in the course's order."""
    topics = []
    for deck in course.decks:
        for topic in deck.topics:
            known = [memories.get(card.id, NEW_MEMORY) for card in topic.cards]
            if not known:
                continue
            states = Counter(memory.state for memory in known)
            recalled = sum(
                scheduler.retrievability(memory, today)
                for memory in known
                if memory.state is State.REVIEW
            )
            topics.append(
                TopicProgress(
                    deck_id=deck.id,
                    number=topic.number,
                    title=topic.title,
                    cards=len(known),
                    unseen=states[State.NEW],
                    learning=states[State.LEARNING] + states[State.RELEARNING],
                    known=states[State.REVIEW],
                    mastery=recalled / len(known),
                    studied=_tally(studied.get((deck.id, topic.id), ())),
                )
            )
    return tuple(topics)


def _run_summary(run: StoredRun, course: Course, scheduler: Scheduler) -> RunSummary:
    result = run.result
    header = course.labs.get(result.lab)
    defaults = header.defaults if header else {}
    return RunSummary(
        lab=result.lab,
        title=header.title if header else "",
        at=result.started_at,
        day=scheduler.study_day(result.started_at),
        status=result.status,
        device=result.device,
        machine=result.machine,
        seconds=result.seconds,
        knobs=result.knobs,
        changed_knobs={
            name: value for name, value in result.knobs.items() if defaults.get(name) != value
        },
        verdicts=judge_again(result, header).verdicts if header else result.verdicts,
        claims=header.claims if header else {},
        is_outdated=header is None or header.code_hash != result.code_hash,
        card_id=run.card_id,
        prediction=run.prediction,
    )


def hardest(course: Course, memories: Mapping[str, Memory]) -> tuple[HardCard, ...]:
    """The cards with most lapses, hardest first; at equal lapses the one with fewer reviews."""
    forgotten = [
        HardCard(card.id, topic.number, card.question, memory.lapses, memory.reps, is_leech(memory))
        for deck in course.decks
        for topic in deck.topics
        for card in topic.cards
        if (memory := memories.get(card.id, NEW_MEMORY)).lapses
    ]
    forgotten.sort(key=lambda card: (-card.lapses, card.reviews, card.card_id))
    return tuple(forgotten[:N_HARDEST])
