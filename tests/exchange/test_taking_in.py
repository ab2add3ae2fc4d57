"""Reviews from elsewhere in the log: FSRS by our own scheduler, due days as the source has them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studykit.clock import from_ms, to_ms
from studykit.course.cards import Recall
from studykit.exchange.circumstances import tell_nobody
from studykit.exchange.collection import (
    Collection,
    PastReview,
    SourceCard,
    SourceDeck,
    SourceNote,
)
from studykit.exchange.course_writer import plan_course
from studykit.exchange.taking_in import Imported, take_in
from studykit.progress.store import Store
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, ScheduleSettings, State

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
TODAY = NOW.date()
SCHEDULER = Scheduler(ScheduleSettings())


@dataclass
class Learner:
    """A course and a log that imports go into."""

    folder: Path

    def take(self, *cards: SourceCard, now: datetime = NOW) -> Imported:
        notes = tuple(SourceNote(f"note {n}", (card,)) for n, card in enumerate(cards))
        collection = Collection("Deck", (SourceDeck(("Deck",), notes),))
        course = self.folder / "course"
        plan = plan_course(collection, course)
        with closing(self.store()) as store:
            return take_in(plan, course, "Deck", store, SCHEDULER, now, TODAY, tell_nobody)

    def store(self) -> Store:
        return Store.open(self.folder / "p.sqlite3", backups_dir=self.folder / "backups")

    def memories(self) -> dict[str, Memory]:
        with closing(self.store()) as store:
            assert store.check() == []
            return store.memories()


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    return Learner(tmp_path)


def source(reviews: tuple[PastReview, ...], memory: Memory | None) -> SourceCard:
    return SourceCard("", "question", Recall("answer"), reviews=reviews, memory=memory)


@st.composite
def histories(draw: st.DrawFn, *, has_intervals: bool) -> tuple[PastReview, ...]:
    """Reviews of the last years, oldest first, at noon and thereabouts."""
    days_ago = draw(st.lists(st.integers(1, 900), min_size=1, max_size=8))
    reviews, before = [], 0
    for ago in sorted(days_ago, reverse=True):
        at = NOW - timedelta(days=ago) + timedelta(seconds=draw(st.integers(0, 30_000)))
        at_ms = max(to_ms(at), before + 1000)
        before = at_ms
        interval = draw(st.integers(1, 400) | st.integers(-86_000, -60)) if has_intervals else 0
        reviews.append(PastReview(at_ms, draw(st.integers(1, 4)), 4000, interval))
    return tuple(reviews)


def by_the_scheduler(card_id: str, reviews: tuple[PastReview, ...]) -> Memory:
    memory = NEW_MEMORY
    for review in reviews:
        memory = SCHEDULER.review(card_id, memory, Rating(review.rating), from_ms(review.at_ms))
    return memory


@settings(max_examples=25, deadline=None)
@given(reviews=histories(has_intervals=False))
def test_without_intervals_it_is_as_if_answered_here(
    reviews: tuple[PastReview, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    learner = Learner(tmp_path_factory.mktemp("any"))

    # Known to its source, which does not say when it is due.
    learner.take(source(reviews, Memory(State.REVIEW)))

    ((card_id, memory),) = learner.memories().items()
    expected = by_the_scheduler(card_id, reviews)
    assert memory.stability_days == pytest.approx(expected.stability_days, rel=1e-9)
    assert memory.difficulty == pytest.approx(expected.difficulty, rel=1e-9)
    same = replace(memory, stability_days=expected.stability_days, difficulty=expected.difficulty)
    assert same == expected


@settings(max_examples=25, deadline=None)
@given(reviews=histories(has_intervals=True), due_in=st.integers(-300, 300))
def test_numbers_are_fsrs_s_and_the_due_day_is_the_source_s(
    reviews: tuple[PastReview, ...], due_in: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    learner = Learner(tmp_path_factory.mktemp("any"))
    last_day = from_ms(reviews[-1].at_ms).date()
    due = last_day + timedelta(days=max(0, due_in))

    learner.take(source(reviews, Memory(State.REVIEW, due_day=due)))

    ((card_id, memory),) = learner.memories().items()
    expected = by_the_scheduler(card_id, reviews)
    assert memory.stability_days == pytest.approx(expected.stability_days, rel=1e-9)
    assert (memory.state, memory.due_day) == (State.REVIEW, due)
    assert memory.reps == len(reviews)
    with closing(learner.store()) as store:
        log = store.reviews()
        assert store.rebuild(SCHEDULER.settings) == 0
    # What was an interval in days left the card in review, and so the next review found it.
    had_days = False
    for review, row, following in zip(reviews, log, log[1:], strict=False):
        assert (following.before is State.REVIEW) == (review.interval > 0)
        assert (following.predicted is not None) == (review.interval > 0)
        if review.interval > 0:
            had_days = True
            assert row.after.due_day == row.day + timedelta(days=review.interval)
        else:
            assert row.after.state is (State.RELEARNING if had_days else State.LEARNING)
            assert row.after.due_at == row.at - timedelta(seconds=review.interval)


@settings(max_examples=20, deadline=None)
@given(all_reviews=st.lists(histories(has_intervals=True), min_size=1, max_size=3), data=st.data())
def test_in_parts_as_at_once(
    all_reviews: list[tuple[PastReview, ...]],
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A package of last month, then one of today: the log and what follows from it are the same."""
    folder = tmp_path_factory.mktemp("any")
    due = TODAY + timedelta(days=5)
    whole = [source(reviews, Memory(State.REVIEW, due_day=due)) for reviews in all_reviews]
    part = []
    for card in whole:
        n_before = data.draw(st.integers(0, len(card.reviews)))
        known = card.reviews[:n_before]
        memory = Memory(State.REVIEW, due_day=TODAY) if known else None
        part.append(replace(card, reviews=known, memory=memory))
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    one, two = Learner(folder / "one"), Learner(folder / "two")

    one.take(*whole)
    two.take(*part)
    two.take(*whole)
    again = two.take(*whole)

    assert again == Imported(0, 0, 0)
    with closing(one.store()) as first, closing(two.store()) as second:
        rows = [[(r.card_id, r.at, r.rating) for r in store.reviews()] for store in (first, second)]
    assert rows[0] == rows[1]
    ours, theirs = one.memories(), two.memories()
    assert ours.keys() == theirs.keys()
    for card_id, memory in ours.items():
        other = theirs[card_id]
        assert (memory.state, memory.reps) == (other.state, other.reps)
        assert memory.stability_days == pytest.approx(other.stability_days, rel=1e-9)


def test_a_step_that_waits_is_kept(learner: Learner) -> None:
    at = NOW - timedelta(minutes=5)
    due_at = NOW + timedelta(minutes=5)
    reviews = (PastReview(to_ms(at), 3, 2000, -600),)

    learner.take(source(reviews, Memory(State.LEARNING, due_at=due_at, due_day=TODAY)))

    (memory,) = learner.memories().values()
    assert (memory.state, memory.due_at) == (State.LEARNING, due_at)


def test_a_card_without_a_log_keeps_its_interval(learner: Learner) -> None:
    """One answer stands for those that the source has lost; made again, the memory stays."""
    due = TODAY + timedelta(days=20)
    known = Memory(
        State.REVIEW,
        stability_days=31.5,
        difficulty=6.25,
        due_day=due,
        last_review_day=due - timedelta(days=30),
    )

    done = learner.take(source((), known))

    assert done == Imported(1, 1, 0)
    (memory,) = learner.memories().values()
    assert (memory.stability_days, memory.difficulty) == (31.5, 6.25)
    assert (memory.due_day, memory.last_review_day) == (due, due - timedelta(days=30))
    with closing(learner.store()) as store:
        assert store.rebuild(SCHEDULER.settings) == 0
    # From another zone, on another day, it is still the same answer.
    later = (NOW + timedelta(days=40)).astimezone(timezone(timedelta(hours=-8)))
    assert learner.take(source((), known), now=later) == Imported(0, 0, 0)


def test_an_overdue_card_is_not_due_before_its_last_review(learner: Learner) -> None:
    reviews = (PastReview(to_ms(NOW), 3, 2000, 4),)

    learner.take(source(reviews, Memory(State.REVIEW, due_day=date(2020, 1, 1))))

    (memory,) = learner.memories().values()
    assert memory.due_day == TODAY


def test_an_answer_that_was_taken_back_stays_so(learner: Learner) -> None:
    reviews = (PastReview(to_ms(NOW), 3, 2000, 4),)
    card = source(reviews, Memory(State.REVIEW, due_day=TODAY))
    learner.take(card)
    with closing(learner.store()) as store:
        assert store.take_back(TODAY) is not None

    assert learner.take(card) == Imported(0, 0, 0)
    assert learner.memories() == {}


@pytest.mark.parametrize("taken_ms", [0, 10**12])
def test_the_time_of_an_answer_has_a_bound(learner: Learner, taken_ms: int) -> None:
    learner.take(source((PastReview(to_ms(NOW), 3, taken_ms, 4),), Memory(State.REVIEW)))

    with closing(learner.store()) as store:
        (review,) = store.reviews()
    assert review.taken_ms == min(taken_ms, 600_000)
