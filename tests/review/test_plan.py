"""What the learner has settled about days and decks, and what a day may ask by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.clock import FixedClock
from studykit.review.marks import Marks
from studykit.review.plan import Plan
from studykit.review.schedule import Memory, Rating, Scheduler, ScheduleSettings, State
from studykit.review.session import Part, Session
from studykit.review.study_queue import Done, Limits, as_asked, build_queue, next_due
from studykit.settings import ReviewSettings
from tests.review.helpers import MONDAY, MemoryJournal, make_card, make_cards

DAY = MONDAY.date()
SCHEDULER = Scheduler(ScheduleSettings(learning_steps=(), relearning_steps=()))
NEXT_MONDAY = DAY + timedelta(days=7)
HOLIDAY = Plan(holidays=((DAY, DAY + timedelta(days=5)),), easy_days={6: 0.0})
"""Monday to Saturday; the Sunday after it is a day off by itself."""


def due_memory(days_ago: int, stability: float = 10.0) -> Memory:
    due = DAY - timedelta(days=days_ago)
    return Memory(
        State.REVIEW,
        stability_days=stability,
        difficulty=5.0,
        due_day=due,
        last_review_at=MONDAY - timedelta(days=days_ago + 10),
        last_review_day=due - timedelta(days=10),
        reps=3,
    )


FAR = Memory(
    State.REVIEW,
    stability_days=300.0,
    difficulty=5.0,
    due_day=DAY + timedelta(days=200),
    last_review_at=MONDAY - timedelta(days=100),
    last_review_day=DAY - timedelta(days=100),
    reps=3,
)


@pytest.mark.parametrize(
    ("settings", "proposed", "wanted"),
    [
        (ReviewSettings(), None, 0.9),
        (ReviewSettings(), 0.85, 0.85),
        (ReviewSettings(desired_retention=0.8), 0.85, 0.8),
        (ReviewSettings(retention={"toy": 0.75}), 0.85, 0.75),
        (ReviewSettings(retention={"core": 0.95, "toy": 0.75}), None, 0.95),
    ],
)
def test_a_deck_goes_before_its_course_and_the_learner_before_the_author(
    settings: ReviewSettings, proposed: float | None, wanted: float
) -> None:
    assert Plan.build(settings, "toy", proposed).retention_of("core") == wanted


def test_a_holiday_is_over_on_the_next_study_day() -> None:
    assert HOLIDAY.next_study_day(DAY) == NEXT_MONDAY
    assert HOLIDAY.holiday_end(DAY) == DAY + timedelta(days=5)
    assert HOLIDAY.holiday_end(NEXT_MONDAY) is None
    assert HOLIDAY.share(DAY + timedelta(days=6)) == 0
    assert HOLIDAY.share(NEXT_MONDAY) == 1


def test_holidays_that_overlap_are_one() -> None:
    first, later = (DAY, DAY + timedelta(days=2)), (DAY + timedelta(days=1), NEXT_MONDAY)
    plan = Plan(holidays=(first, later))
    assert plan.next_study_day(DAY) == NEXT_MONDAY + timedelta(days=1)


def test_a_day_off_asks_nothing_and_an_easy_day_its_share_of_new_cards() -> None:
    limits = Limits(new_per_day=5, reviews_per_day=100)
    assert limits.on(DAY, HOLIDAY) == Limits(0, 0)
    easy = limits.on(DAY, Plan(easy_days={0: 0.5}))
    assert (easy.new_per_day, easy.reviews_per_day) == (3, 100)
    assert limits.on(NEXT_MONDAY, HOLIDAY) == limits


def test_what_falls_due_on_a_holiday_waits_without_harm() -> None:
    """Its memory is as it was, and it counts for the first study day after it."""
    cards = make_cards("a", "b", "new")
    memories = {"a": due_memory(0), "b": due_memory(-3)}
    queue = build_queue(
        cards,
        memories,
        day=DAY,
        at=MONDAY,
        limits=Limits(5, 100).on(DAY, HOLIDAY),
        done=Done(),
        scheduler=SCHEDULER,
        plan=HOLIDAY,
    )
    assert queue.counts.total == 0
    assert queue.beyond == ("a",)
    asked = as_asked(memories, Marks(), queue.held, DAY, MONDAY, HOLIDAY)
    assert {memory.due_day for memory in asked.values()} == {NEXT_MONDAY}
    assert next_due(asked, DAY) == (NEXT_MONDAY, 2)
    later = build_queue(
        cards,
        memories,
        day=NEXT_MONDAY,
        at=MONDAY + timedelta(days=7),
        limits=Limits(5, 100).on(NEXT_MONDAY, HOLIDAY),
        done=Done(),
        scheduler=SCHEDULER,
        plan=HOLIDAY,
    )
    assert (set(later.reviews), later.new) == ({"a", "b"}, ("new",))


def test_a_step_of_an_earlier_day_waits_and_one_of_the_day_off_does_not() -> None:
    def step(day: date, minutes_ago: int) -> Memory:
        at = MONDAY - timedelta(minutes=minutes_ago)
        return Memory(State.LEARNING, step=0, due_at=at, due_day=day, last_review_at=at, reps=1)

    cards = make_cards("old", "today", "later")
    memories = {
        "old": step(DAY - timedelta(days=1), 600),
        "today": step(DAY, 5),
        "later": step(DAY, -5),
    }
    limits = Limits().on(DAY, HOLIDAY)
    off, usual = (
        build_queue(
            cards, memories, day=DAY, at=MONDAY, limits=limits, done=Done(), scheduler=SCHEDULER,
            plan=plan,
        )
        for plan in (HOLIDAY, Plan())
    )  # fmt: skip
    assert (off.learning, off.waiting, off.beyond) == (("today",), ("later",), ("old",))
    assert (set(usual.learning), usual.beyond) == ({"old", "today"}, ())
    asked = as_asked(memories, Marks(), off.held, DAY, MONDAY, HOLIDAY)
    assert asked["old"].due_day == NEXT_MONDAY


def test_a_sitting_that_outlasts_a_holiday_goes_on_after_it() -> None:
    clock = FixedClock(MONDAY)
    plan = Plan(holidays=((DAY, DAY),))
    cards = make_cards("a", "b", "c")
    session = Session(cards, MemoryJournal(), SCHEDULER, Limits(2, 9), clock, plan=plan)
    assert session.current is None
    clock.advance(timedelta(days=1))
    assert session.refresh()
    assert session.counts.new == 2


def test_more_new_cards_can_be_asked_for_on_a_day_off() -> None:
    clock = FixedClock(MONDAY)
    journal, cards = MemoryJournal(), make_cards("a", "b", "c")
    session = Session(cards, journal, SCHEDULER, Limits(2, 9), clock, n_more_new=1, plan=HOLIDAY)
    assert session.counts.new == 1


def test_new_cards_of_the_next_exam_come_first() -> None:
    cards = {id_: make_card(id_, deck=id_[:4]) for id_ in ("core1", "bert1", "core2", "flsh1")}
    plan = Plan(
        exams={"flsh": DAY + timedelta(days=9), "bert": NEXT_MONDAY, "core": DAY}  # core: over
    )
    queue = build_queue(
        cards, {}, day=DAY, at=MONDAY, limits=Limits(), done=Done(), scheduler=SCHEDULER, plan=plan
    )
    assert queue.new == ("bert1", "flsh1", "core1", "core2")


def test_cards_that_would_come_after_an_exam_are_asked_in_the_last_round_before_it() -> None:
    """Also if it was set after they were scheduled; each once, on a day of its own."""
    cards = {f"c{n:02}": make_card(f"c{n:02}", deck="core" if n % 2 else "bert") for n in range(60)}
    exam = DAY + timedelta(days=10)
    plan = Plan(exams={"core": exam}, easy_days={6: 0.0})
    clock, journal = FixedClock(MONDAY), MemoryJournal()
    far = dict.fromkeys(cards, FAR)
    journal.memories = lambda: {  # type: ignore[method-assign]
        **far,
        **{review.card_id: review.after for review in journal.reviews},
    }
    asked: dict[date, int] = {}
    for n in range(20):
        session = Session(cards, journal, SCHEDULER, Limits(), clock, plan=plan)
        day = DAY + timedelta(days=n)
        told = session.asked
        n_told = sum(memory.due_day == day for memory in told.values())
        ids = answer_all(session)
        assert len(ids) == n_told, "the forecast counts them, too"
        if ids:
            asked[day] = len(ids)
        clock.advance(timedelta(days=1))
    assert set(asked) == set(plan.last_round(exam).days)
    assert sum(asked.values()) == 30
    assert {review.card_id for review in journal.reviews} == {
        id_ for id_, card in cards.items() if card.deck_id == "core"
    }
    assert all(review.after.due_day and review.after.due_day > exam for review in journal.reviews)


def test_a_step_of_days_stays_where_it_ends_also_beyond_an_exam() -> None:
    last_round = Plan().last_round(DAY + timedelta(days=10))
    assert last_round.due_day("a", replace(FAR, state=State.LEARNING, step=1)) == FAR.due_day
    assert last_round.due_day("a", FAR) in last_round.days


def test_a_card_of_the_last_round_can_be_undone_and_counts_in_a_backlog() -> None:
    cards = make_cards(*(f"c{n}" for n in range(40)))
    exam = DAY + timedelta(days=1)
    plan = Plan(exams={"core": exam})
    journal = MemoryJournal()
    far = dict.fromkeys(cards, FAR)
    journal.memories = lambda: {  # type: ignore[method-assign]
        **far,
        **{review.card_id: review.after for review in journal.reviews},
    }
    journal.memory = lambda card_id: journal.memories()[card_id]  # type: ignore[method-assign]
    limits = Limits(5, 100, backlog_per_day=10)
    session = Session(cards, journal, SCHEDULER, limits, FixedClock(MONDAY), plan=plan)
    assert (session.counts.review, session.n_beyond) == (10, 30)
    assert session.current is not None
    first = session.current.id
    session.reveal()
    session.rate(Rating.GOOD)
    assert session.undo() == cards[first]
    assert session.counts.review == 10


# --- a backlog ---


class Backlog:
    """A sitting on forty cards, overdue by one day to thirty, and ten new ones; ten reviews a day
    while there are more."""

    limits = Limits(new_per_day=3, reviews_per_day=100, backlog_per_day=10)

    def __init__(self) -> None:
        known = make_cards(*(f"k{n:02}" for n in range(30)))
        self.cards = known | make_cards(*(f"n{n}" for n in range(10)))
        self.journal = MemoryJournal()
        self.clock = FixedClock(MONDAY)
        self.memories = {id_: due_memory(n + 1) for n, id_ in enumerate(known)}
        journal = self.journal
        journal.memories = lambda: {  # type: ignore[method-assign]
            **self.memories,
            **{review.card_id: review.after for review in journal.reviews},
        }
        journal.done = lambda day, cards: Done(  # type: ignore[method-assign]
            new=sum(r.day == day and r.before is State.NEW for r in journal.reviews),
            reviews=sum(r.day == day and r.before is State.REVIEW for r in journal.reviews),
        )

    def open(self, n_more_new: int = 0, part: Part | None = None) -> Session:
        return Session(
            self.cards, self.journal, SCHEDULER, self.limits, self.clock, n_more_new, part
        )


def answer_all(session: Session) -> list[str]:
    asked = []
    while session.current is not None:
        asked.append(session.current.id)
        session.reveal()
        session.rate(Rating.GOOD)
    return asked


def test_a_backlog_asks_what_is_remembered_best_up_to_its_cap_and_no_new_cards() -> None:
    backlog = Backlog()
    session = backlog.open()
    assert (session.counts.review, session.counts.new, session.n_beyond) == (10, 0, 20)
    assert answer_all(session) == [f"k{n:02}" for n in range(10)]
    # The day is over, in another sitting and with less than the cap left to go, too.
    assert backlog.open().current is None


def test_the_cap_of_a_backlog_counts_all_decks() -> None:
    backlog = Backlog()
    few = frozenset(list(backlog.cards)[25:35])
    part = backlog.open(part=Part("a few", few))
    assert (part.counts.review, part.counts.new) == (5, 0)
    assert len(answer_all(part)) == 5
    assert backlog.open().counts.review == 5


def test_a_backlog_is_cleared_day_by_day_and_then_new_cards_come_again() -> None:
    backlog = Backlog()
    days = []
    for _ in range(4):
        session = backlog.open()
        days.append((session.counts.review <= 10, session.counts.new))
        answer_all(session)
        backlog.clock.advance(timedelta(days=1))
    assert days == [(True, 0), (True, 0), (True, 3), (True, 3)]


def test_new_cards_that_are_asked_for_come_in_a_backlog_too() -> None:
    assert Backlog().open(n_more_new=2).counts.new == 2


@given(
    st.integers(0, 60), st.integers(0, 30), st.integers(0, 30), st.integers(0, 20), st.booleans()
)
def test_the_cap_holds_whatever_was_done(
    n_due: int, cap: int, n_done: int, n_new_done: int, is_off: bool
) -> None:
    known = make_cards(*(f"k{n:02}" for n in range(n_due)))
    cards = known | make_cards(*(f"n{n:02}" for n in range(20)))
    done = Done(new=n_new_done, reviews=n_done)
    plan = Plan(holidays=((DAY, DAY),)) if is_off else Plan()
    queue = build_queue(
        cards,
        {id_: due_memory(n) for n, id_ in enumerate(known)},
        day=DAY,
        at=MONDAY,
        limits=Limits(5, 25, cap).on(DAY, plan),
        done=done,
        scheduler=SCHEDULER,
        plan=plan,
    )
    is_backlog = 0 < cap < n_due + n_done
    most = 0 if is_off else min(25, cap) if is_backlog else 25
    assert len(queue.reviews) == min(n_due, max(0, most - n_done))
    assert len(queue.reviews) + len(queue.beyond) == n_due
    is_paused = is_backlog or is_off
    assert len(queue.new) == (0 if is_paused else max(0, 5 - n_new_done))
