"""Small values to store: reviews, memories, runs, a course."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from studykit.course.cards import Card, Course, Deck, LabHeader, Recall, Topic
from studykit.errors import Place
from studykit.lab.events import Curve, Measurement
from studykit.lab.results import RunResult, SeedResult, Status, Verdict
from studykit.progress.stats import Answers, KnownCounts, ReportSums
from studykit.progress.store import Store
from studykit.review.grading import is_confident_error
from studykit.review.schedule import (
    NEW_MEMORY,
    Memory,
    Rating,
    Scheduler,
    ScheduleSettings,
    State,
)
from studykit.review.session import Review

CET = timezone(timedelta(hours=1))
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=CET)
SCHEDULER = Scheduler(ScheduleSettings())


def make_memory(
    state: State = State.REVIEW,
    *,
    at: datetime = MONDAY,
    days: int = 3,
    reps: int = 1,
    lapses: int = 0,
) -> Memory:
    """A memory as a review at `at` leaves it, due `days` later or in ten minutes."""
    in_steps = state is not State.REVIEW
    return Memory(
        state=state,
        step=0 if in_steps else None,
        stability_days=2.25,
        difficulty=5.5,
        due_at=(at + timedelta(minutes=10)).astimezone(UTC) if in_steps else None,
        due_day=at.date() + timedelta(days=0 if in_steps else days),
        last_review_at=at.astimezone(UTC),
        last_review_day=at.date(),
        reps=reps,
        lapses=lapses,
    )


def make_review(
    card_id: str = "a",
    *,
    at: datetime = MONDAY,
    rating: Rating = Rating.GOOD,
    after: Memory | None = None,
    correct: bool | None = True,
    given: str = "the second option",
    taken_ms: int = 8000,
    before: State | None = None,
    predicted: float | None = None,
) -> Review:
    """A review whose study day is the day of `at`."""
    return Review(
        card_id=card_id,
        at=at,
        day=at.date(),
        rating=rating,
        kind="choice",
        correct=correct,
        suggested=Rating.GOOD,
        given=given,
        confidence=70,
        taken_ms=taken_ms,
        scheduler="fsrs-6.3.2",
        parameters_id="0a1b2c",
        content_hash="abc",
        after=after or make_memory(at=at),
        before=before,
        predicted=predicted,
    )


def with_befores(reviews: Sequence[Review]) -> list[Review]:
    """The same log with the state that each card was in, as a sitting records it."""
    states: dict[str, State] = {}
    found = []
    for review in reviews:
        unknown = State.NEW if review.after.reps == 1 else None
        found.append(replace(review, before=states.get(review.card_id, unknown)))
        states[review.card_id] = review.after.state
    return found


def sums_of(
    reviews: Sequence[Review], since: date = date.min, until: date = date.max
) -> ReportSums:
    """What SQLite sums up of the log, counted review by review."""
    days: defaultdict[date, list[Review]] = defaultdict(list)
    cards: defaultdict[str, list[Review]] = defaultdict(list)
    told: dict[int, tuple[int, int]] = {}
    for review in reviews:
        days[review.day].append(review)
        if since <= review.day <= until:
            cards[review.card_id].append(review)
            if review.confidence is not None and review.correct is not None:
                n, right = told.get(review.confidence, (0, 0))
                told[review.confidence] = n + 1, right + review.correct
    known = {
        day: [review for review in days[day] if review.before is State.REVIEW]
        for day in sorted(days)
        if day >= since
    }
    return ReportSums(
        days={day: _answers(days[day]) for day in sorted(days)},
        known={day: _known(there) for day, there in known.items() if there},
        cards={card_id: _answers(there) for card_id, there in cards.items()},
        told=told,
        latest_grades={
            review.card_id: review.correct for review in reviews if review.correct is not None
        },
    )


def _answers(reviews: Sequence[Review]) -> Answers:
    grades = [review.correct for review in reviews if review.correct is not None]
    return Answers(
        n=len(reviews),
        new=sum(review.before is State.NEW for review in reviews),
        again=sum(review.rating is Rating.AGAIN for review in reviews),
        taken_ms=sum(review.taken_ms for review in reviews),
        graded=len(grades),
        right=sum(grades),
    )


def _known(reviews: Sequence[Review]) -> KnownCounts:
    grades = [review.correct for review in reviews if review.correct is not None]
    expected = [review.predicted for review in reviews if review.predicted is not None]
    return KnownCounts(
        n=len(reviews),
        remembered=sum(review.rating is not Rating.AGAIN for review in reviews),
        graded=len(grades),
        right=sum(grades),
        predicted=sum(expected),
        n_predicted=len(expected),
    )


def make_rated(
    card_id: str = "a",
    *,
    at: datetime = MONDAY,
    rating: Rating = Rating.GOOD,
    known: Memory = NEW_MEMORY,
    scheduler: Scheduler = SCHEDULER,
    confidence: int = 70,
) -> Review:
    """A review as a sitting makes it: what it leads to is what the scheduler says."""
    correct = rating is not Rating.AGAIN
    is_error = is_confident_error(correct, confidence)
    day = scheduler.study_day(at)
    return replace(
        make_review(card_id, at=at, rating=rating, correct=correct),
        day=day,
        confidence=confidence,
        scheduler=scheduler.version,
        parameters_id=scheduler.parameters_id,
        after=scheduler.review(card_id, known, rating, at, is_confident_error=is_error),
        before=known.state,
        predicted=scheduler.predicted(known, day),
    )


def make_run(
    lab: str = "core/residuals",
    *,
    at: datetime = MONDAY,
    status: Status = "done",
    knobs: Mapping[str, int | float | str | bool] | None = None,
    verdicts: Mapping[str, Verdict] | None = None,
    code_hash: str = "c0de",
    loss: float = 3.25,
) -> RunResult:
    """A run of one seed with one measurement and one curve."""
    seed = SeedResult(
        seed=0,
        measurements={"loss": Measurement("loss", loss, "nats")},
        claims={"stuck": True},
        events=(Curve("loss", "without", (0.0, 1.0), (5.0, loss)),),
    )
    return RunResult(
        lab=lab,
        knobs=knobs or {"n_layers": 8},
        device="cpu",
        machine="Test CPU, 2 cores",
        versions={"python": "3.11.7", "torch": "2.11.0"},
        code_hash=code_hash,
        started_at=at,
        seconds=24.0,
        status=status,
        seeds=(seed,) if status == "done" else (),
        verdicts=verdicts or {},
    )


def make_card(card_id: str, *, topic_id: str = "norm", note: str = "", question: str = "") -> Card:
    """A recall card of deck "core"."""
    return Card(
        id=card_id,
        kind="recall",
        deck_id="core",
        topic_id=topic_id,
        points=("1.4.1",),
        question=question or f"What of {card_id}?",
        body=Recall("that"),
        explain="",
        lab="core/residuals",
        claim="stuck",
        knobs={},
        note=note,
        source="",
        place=Place(Path("decks/1-core.yaml")),
        content_hash="abc",
    )


def make_course(topics: Mapping[str, tuple[Card, ...]]) -> Course:
    """One deck; topic title -> cards, numbered from 1.1 on; and one lab."""
    deck = Deck(
        id="core",
        title="Core",
        topics=tuple(
            Topic(cards[0].topic_id if cards else "none", f"1.{n}", title, {}, cards)
            for n, (title, cards) in enumerate(topics.items(), start=1)
        ),
        path=Path("decks/1-core.yaml"),
    )
    lab = LabHeader(
        id="core/residuals",
        path=Path("labs/core/residuals.py"),
        title="Residuals keep tokens apart",
        about="",
        question="What if there are none?",
        points=("1.4.1",),
        claims={"stuck": "It learns no more than letter frequencies.", "vanishes": "Gradients go."},
        holds_if={"stuck": "loss > 3", "vanishes": "loss < 3"},
        knobs={"n_layers": (8, 2, 16), "norm": ("pre", "post")},
        seeds=3,
        seconds={"cpu": 25.0},
        code_hash="c0de",
    )
    return Course(Path(), "toy", "Toy models", (deck,), {lab.id: lab}, ())


def open_store(folder: Path) -> Store:
    """The store of `folder`, made if need be."""
    return Store.open(folder / "progress.sqlite3", backups_dir=folder / "backups")


def day_after(n_days: int) -> date:
    """Study day `n_days` after `MONDAY`."""
    return MONDAY.date() + timedelta(days=n_days)
