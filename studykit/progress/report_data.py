"""What a report tells: numbers about a period of study, ready to be written down."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from studykit.course.cards import OWN_PREFIX, Course, KnobValue, LabHeader
from studykit.course.designs import render_change
from studykit.lab.differences import Difference, differences_of
from studykit.lab.results import Prediction, Status, Verdict
from studykit.lab.verdicts import judge_again
from studykit.progress.stats import (
    FORECAST_DAYS,
    HardCard,
    PretestScore,
    Retention,
    Sureness,
    Tally,
    TopicProgress,
    calendar,
    forecast,
    hardest,
    monday,
    pretest_scores,
    retention,
    states_before,
    streak,
    tally,
    topic_progress,
)
from studykit.review.practice import Practised
from studykit.review.schedule import Memory, Rating, Scheduler, State
from studykit.review.session import Review
from studykit.text import plural

if TYPE_CHECKING:
    from studykit.progress.runs import StoredRun

RETENTION_WEEKS = 26
"""The latest weeks of the period whose retention is told one by one."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run of a lab, whatever became of it."""

    lab: str
    title: str
    """Empty if the course has the lab no longer."""
    at: datetime
    day: date
    status: Status
    device: str
    machine: str
    seconds: float
    knobs: Mapping[str, KnobValue]
    changed_knobs: Mapping[str, KnobValue]
    """Those that differ from the lab's defaults."""
    budget: float
    """Times the lab's training steps; only 1 judges a claim."""
    verdicts: Mapping[str, Verdict]
    claims: Mapping[str, str]
    """Claim -> its text, of those that the course still has."""
    is_outdated: bool
    """True: the lab's code has changed since, or the course has it no longer."""
    card_id: str | None
    prediction: Prediction | None
    question: str = ""
    """Of a bench: what was changed, in words."""
    differences: tuple[Difference, ...] = ()
    """What the lab calls so, of a run by its present code."""

    @property
    def is_complete(self) -> bool:
        """As of a `RunResult`."""
        return self.status == "done"


def count_runs(runs: Sequence[RunSummary]) -> str:
    """``3 runs``, ``3 runs and 1 broken off``: one that was cancelled or failed is none."""
    n_complete = sum(run.is_complete for run in runs)
    n_other = len(runs) - n_complete
    return plural(n_complete, "run") + (f" and {n_other} broken off" if n_other else "")


@dataclass(frozen=True, slots=True)
class PeriodStats:
    """What `render_markdown` and `render_json` tell. "The period": `since` to `today`, inclusive.

    Cards that the course has no longer count in the totals, days and retention, nowhere else.
    """

    course_id: str
    course_title: str
    since: date
    today: date
    total: Tally
    cards: int
    """Different cards answered in the period."""
    judged: int
    """Answers that were right or wrong; recall cards are neither."""
    right: int
    elsewhere: int
    """Reviews in the period of cards that the course has not, or has no longer."""
    streak_days: int
    """Study days in a row with a review, up to today, or to yesterday while today has none."""
    days: tuple[tuple[date, Tally], ...]
    """Study days of the period that have reviews, oldest first."""
    retention: Retention
    topics: tuple[TopicProgress, ...]
    overdue: int
    """Cards due before today, part of the forecast's first day."""
    forecast: tuple[tuple[date, int], ...]
    """Known cards by the day they are due, if each is reviewed when it is; no new cards."""
    runs: tuple[RunSummary, ...]
    hardest: tuple[HardCard, ...]
    """Cards with most lapses ever, hardest first."""
    practised: int = 0
    """Answers of the period beside the schedule, pretests included."""
    pretests: tuple[PretestScore, ...] = ()
    """Of the period's pretests, by topic."""


@dataclass(frozen=True, slots=True)
class Trends:
    """What the charts of a report show beside its `PeriodStats`."""

    desired_retention: float
    calendar: tuple[tuple[date, int], ...]
    """Reviews of each day from the Monday `CALENDAR_WEEKS` ago to today, whatever the period."""
    weeks: tuple[tuple[date, Retention], ...]
    """Monday -> true retention of its week; weeks without a review of a known card are left out."""
    calibration: tuple[Sureness, ...]
    """Of the period, from least to most sure."""


def period_stats(
    reviews: Sequence[Review],
    runs: Iterable[StoredRun],
    course: Course,
    memories: Mapping[str, Memory],
    since: date | None,
    today: date,
    scheduler: Scheduler,
    practised: Sequence[Practised] = (),
    asked: Mapping[str, Memory] | None = None,
) -> PeriodStats:
    """The numbers of the period from `since` (None: the first review or run) to `today`.

    `reviews` is the whole log in its order: retention asks for the state of a card before.
    `practised` is told of, and counts for nothing else. `asked` are the memories as their cards
    will be asked, where that is not the same: by them the forecast counts.
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
    ahead, overdue = forecast((known if asked is None else asked).values(), today, FORECAST_DAYS)
    return PeriodStats(
        course_id=course.id,
        course_title=course.title,
        since=since,
        today=today,
        total=tally(studied),
        cards=len({review.card_id for review in studied}),
        judged=len(judged),
        right=sum(judged),
        elsewhere=sum(review.card_id not in cards for review in studied),
        streak_days=streak({review.day for review in reviews}, today),
        days=tuple((day, tally(by_day[day])) for day in sorted(by_day)),
        retention=_retention(review for review, before in period if before is State.REVIEW),
        topics=topic_progress(course, known, by_topic, today, scheduler),
        overdue=overdue,
        forecast=ahead,
        runs=tuple(run for run in all_runs if since <= run.day <= today),
        hardest=hardest(course, known),
        practised=len(beside),
        pretests=pretest_scores(beside, reviews, course),
    )


def _retention(reviews: Iterable[Review]) -> Retention:
    known = list(reviews)
    remembered = sum(review.rating is not Rating.AGAIN for review in known)
    judged = [review.correct for review in known if review.correct is not None]
    return retention(len(known), remembered, len(judged), sum(judged))


def _run_summary(run: StoredRun, course: Course, scheduler: Scheduler) -> RunSummary:
    result = run.result
    header = course.labs.get(result.lab.removeprefix(OWN_PREFIX))
    is_own = result.lab.startswith(OWN_PREFIX)
    title = header.title if header else ""
    is_bench = header is not None and _is_design(header, result.knobs)
    is_outdated = header is None or (not is_own and header.code_hash != result.code_hash)
    defaults = header.defaults if header else {}
    return RunSummary(
        lab=result.lab,
        title=f"{title} A version of your own." if is_own and header else title,
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
        budget=result.budget,
        # An own version has tests of its own.
        verdicts=judge_again(result, header).verdicts if header and not is_own else result.verdicts,
        claims=header.claims if header else {},
        is_outdated=is_outdated,
        card_id=run.card_id,
        prediction=run.prediction,
        question=render_change(header, result.knobs) if header and is_bench else "",
        differences=differences_of(header, result.seeds) if header and not is_outdated else (),
    )


def _is_design(header: LabHeader, knobs: Mapping[str, KnobValue]) -> bool:
    """Whether the knobs of a stored run still set up two models of the lab as it is now."""
    try:
        return bool(header.parts) and bool(header.models_of(knobs))
    except (KeyError, ValueError):
        return False


def build_trends(reviews: Sequence[Review], stats: PeriodStats, desired_retention: float) -> Trends:
    """The trends of the period of `stats`; `reviews` is the whole log in its order."""
    return Trends(
        desired_retention=desired_retention,
        calendar=calendar(Counter(review.day for review in reviews), stats.today),
        weeks=_weeks(reviews, stats.since, stats.today),
        calibration=_calibration(reviews, stats),
    )


def _weeks(
    reviews: Sequence[Review], since: date, today: date
) -> tuple[tuple[date, Retention], ...]:
    seen: defaultdict[date, list[bool]] = defaultdict(list)
    for review, before in zip(reviews, states_before(reviews), strict=True):
        if before is State.REVIEW and since <= review.day <= today:
            seen[monday(review.day)].append(review.rating is not Rating.AGAIN)
    latest = sorted(seen)[-RETENTION_WEEKS:]
    return tuple((week, retention(len(seen[week]), sum(seen[week]))) for week in latest)


def _calibration(reviews: Iterable[Review], stats: PeriodStats) -> tuple[Sureness, ...]:
    """Tens of per cent, each with what came of it.

    A prediction made from a card is counted with the card's answer, not again with the run.
    """
    told = [
        (review.confidence, review.correct)
        for review in reviews
        if stats.since <= review.day <= stats.today
    ]
    told += [
        (run.prediction.confidence, run.prediction.correct)
        for run in stats.runs
        if run.prediction is not None and run.card_id is None
    ]
    tens: defaultdict[int, list[tuple[int, bool]]] = defaultdict(list)
    for confidence, correct in told:
        if confidence is not None and correct is not None:
            tens[min(confidence, 99) // 10].append((confidence, correct))
    return tuple(
        Sureness(
            sum(confidence for confidence, _ in tens[ten]) / len(tens[ten]),
            retention(len(tens[ten]), sum(correct for _, correct in tens[ten])),
        )
        for ten in sorted(tens)
    )
