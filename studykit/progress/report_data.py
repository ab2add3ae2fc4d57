"""What a report tells: numbers about a period of study, ready to be written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from studykit.course.cards import OWN_PREFIX, KnobValue, LabHeader
from studykit.course.contents import AnyCourse
from studykit.course.designs import render_change
from studykit.lab.differences import Difference, differences_of
from studykit.lab.results import Prediction, Status, Verdict
from studykit.lab.verdicts import judge_again
from studykit.progress.long_run import retention_by
from studykit.progress.stats import (
    FORECAST_DAYS,
    HardCard,
    KnownCounts,
    PretestScore,
    ReportSums,
    Retention,
    Sureness,
    Tally,
    TopicProgress,
    calendar,
    forecast,
    hardest,
    pretest_scores,
    retention,
    streak,
    tally,
    topic_progress,
    total_known,
)
from studykit.review.plan import NO_PLAN, Plan
from studykit.review.practice import Practised
from studykit.review.schedule import Memory, Scheduler
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
    sums: ReportSums,
    runs: Iterable[StoredRun],
    course: AnyCourse,
    memories: Mapping[str, Memory],
    since: date | None,
    today: date,
    scheduler: Scheduler,
    practised: Sequence[Practised] = (),
    asked: Mapping[str, Memory] | None = None,
    plan: Plan = NO_PLAN,
) -> PeriodStats:
    """The numbers of the period from `since` (None: the first review or run) to `today`.

    `sums` are of the same period. `practised` is told of, and counts for nothing else. `asked` are
    the memories as their cards will be asked, where that is not the same: by them the forecast
    counts. Days off of the `plan` do not end a row of study days.
    """
    all_runs = [_run_summary(run, course, scheduler) for run in runs]
    if since is None:
        first = [*sums.days][:1] + [run.day for run in all_runs] + [each.day for each in practised]
        since = min([*first, today])
    days = [(day, answers) for day, answers in sums.days.items() if since <= day <= today]
    beside = [each for each in practised if since <= each.day <= today]
    listed = course.cards
    known = {id_: memory for id_, memory in memories.items() if id_ in listed}
    ahead, overdue = forecast((known if asked is None else asked).values(), today, FORECAST_DAYS)
    return PeriodStats(
        course_id=course.id,
        course_title=course.title,
        since=since,
        today=today,
        total=tally(answers for _, answers in days),
        cards=len(sums.cards),
        judged=sum(answers.graded for _, answers in days),
        right=sum(answers.right for _, answers in days),
        elsewhere=sum(each.n for id_, each in sums.cards.items() if id_ not in listed),
        streak_days=streak(sums.days, today, plan),
        days=tuple((day, tally([answers])) for day, answers in days),
        retention=retention(*total_known(_within(sums.known, since, today).values())[:4]),
        topics=topic_progress(course, known, sums.cards, today, scheduler),
        overdue=overdue,
        forecast=ahead,
        runs=tuple(run for run in all_runs if since <= run.day <= today),
        hardest=hardest(course, known),
        practised=len(beside),
        pretests=pretest_scores(beside, sums.latest_grades, course),
    )


def _within(known: Mapping[date, KnownCounts], since: date, today: date) -> dict[date, KnownCounts]:
    return {day: counts for day, counts in known.items() if since <= day <= today}


def _run_summary(run: StoredRun, course: AnyCourse, scheduler: Scheduler) -> RunSummary:
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


def build_trends(sums: ReportSums, stats: PeriodStats, desired_retention: float) -> Trends:
    """The trends of the period of `stats`, of the same `sums`."""
    weeks = retention_by(_within(sums.known, stats.since, stats.today), "week")
    return Trends(
        desired_retention=desired_retention,
        calendar=calendar({day: each.n for day, each in sums.days.items()}, stats.today),
        weeks=tuple((week.begin, week.seen) for week in weeks[-RETENTION_WEEKS:]),
        calibration=_calibration(sums.told, stats),
    )


def _calibration(told: Mapping[int, tuple[int, int]], stats: PeriodStats) -> tuple[Sureness, ...]:
    """Tens of per cent, each with what came of it.

    A prediction made from a card is counted with the card's answer, not again with the run.
    """
    bets = [run.prediction for run in stats.runs if run.prediction and run.card_id is None]
    counts = [(confidence, n, right) for confidence, (n, right) in told.items()] + [
        (bet.confidence, 1, int(bet.correct))
        for bet in bets
        if bet.confidence is not None and bet.correct is not None
    ]
    tens: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for confidence, n, right in counts:
        tens[min(confidence, 99) // 10].append((confidence * n, n, right))
    return tuple(
        Sureness(stated / n, retention(n, right))
        for stated, n, right in (map(sum, zip(*tens[ten], strict=True)) for ten in sorted(tens))
    )
