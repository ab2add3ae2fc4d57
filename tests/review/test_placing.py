"""Where the plan puts a review: inside its range, off the days off, spread, before an exam."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from random import Random
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.clock import FixedClock
from studykit.review.placing import PlannedDays, count_due
from studykit.review.plan import EXAM_DAYS, Plan
from studykit.review.schedule import (
    NEW_MEMORY,
    Memory,
    Rating,
    Scheduler,
    ScheduleSettings,
    State,
    draw_evenly,
    fuzz_range,
)
from studykit.review.session import Session
from studykit.review.study_queue import Limits
from tests.review.helpers import MONDAY, MemoryJournal, make_card, make_cards

DAY = MONDAY.date()
SCHEDULER = Scheduler(ScheduleSettings())
MOST = 36500

shares = st.sampled_from([0.0, 0.5, 1.0])
easy_days = st.dictionaries(st.integers(0, 6), shares, max_size=6)  # one is a usual day
days_ahead = st.integers(0, 60).map(lambda n: DAY + timedelta(days=n))
holidays = st.lists(
    st.tuples(days_ahead, st.integers(0, 20)).map(lambda h: (h[0], h[0] + timedelta(days=h[1]))),
    max_size=3,
).map(tuple)
loads = st.dictionaries(days_ahead, st.integers(0, 50), max_size=40)
plans = st.builds(Plan, is_balanced=st.booleans(), easy_days=easy_days, holidays=holidays)
draws = st.integers(0, 2**64 - 1)
ranges = st.tuples(st.integers(1, 80), st.integers(0, 25)).map(lambda r: (r[0], sum(r)))


def review_memory(due_in_days: int, stability: float, reps: int = 3) -> Memory:
    return Memory(
        State.REVIEW,
        stability_days=stability,
        difficulty=5.0,
        due_day=DAY + timedelta(days=due_in_days),
        last_review_at=MONDAY - timedelta(days=10),
        last_review_day=DAY - timedelta(days=10),
        reps=reps,
    )


@given(plans, loads, ranges, st.integers(1, 100), draws)
def test_the_range_is_never_left_and_days_off_stay_free(
    plan: Plan, load: dict[date, int], bounds: tuple[int, int], most: int, draw: int
) -> None:
    low, high = bounds
    days = PlannedDays(plan, load, "core")(DAY, low, high, most, draw)
    low, high = min(low, most), min(high, most)
    assert low <= days <= high
    open_days = [n for n in range(low, high + 1) if plan.share(DAY + timedelta(days=n)) > 0]
    assert not open_days or days in open_days


@given(plans, loads, st.floats(0.5, 200), st.integers(0, 9), st.text(max_size=4))
def test_a_better_rating_is_never_sooner_and_previews_are_what_happens(
    plan: Plan, load: dict[date, int], stability: float, reps: int, card_id: str
) -> None:
    placing = PlannedDays(plan, load, "core")
    memory = review_memory(0, stability, reps)
    after = SCHEDULER.preview(card_id, memory, MONDAY, placing=placing)
    assert after == {
        rating: SCHEDULER.review(card_id, memory, rating, MONDAY, placing=placing)
        for rating in Rating
    }
    passed = [after[rating].due_day for rating in (Rating.HARD, Rating.GOOD, Rating.EASY)]
    assert passed == sorted(passed, key=lambda day: day or DAY)
    for each in (after[Rating.HARD], after[Rating.GOOD], after[Rating.EASY]):
        assert each.due_day is not None
        exact = max(1, round(each.stability_days or 0))
        low, high = fuzz_range(exact)
        assert low <= (each.due_day - DAY).days <= high


@given(ranges, draws)
def test_the_plan_of_nothing_changes_nothing(bounds: tuple[int, int], draw: int) -> None:
    session = Session(
        make_cards("a"), MemoryJournal(), SCHEDULER, Limits(), FixedClock(MONDAY), plan=Plan()
    )
    assert session.previews == SCHEDULER.preview("a", NEW_MEMORY, MONDAY)
    assert bounds[0] <= draw_evenly(DAY, *bounds, MOST, draw) <= bounds[1]


def spread(plan: Plan, days: int) -> Counter[date]:
    """What comes on each day, if cards with such an interval are rated every third day."""
    load: Counter[date] = Counter()
    random = Random(0)
    for n in range(0, 90, 3):
        today = DAY + timedelta(days=n)
        for _ in range(60):
            low, high = fuzz_range(days)
            placing = PlannedDays(plan, load, "core")
            interval = placing(today, low, high, MOST, random.getrandbits(64))
            load[today + timedelta(days=interval)] += 1
    return load


WEEKS = [DAY + timedelta(days=n) for n in range(21, 84)]
"""Those that every answer which may lead to them has led to."""


def test_balanced_days_differ_less_than_drawn_ones() -> None:
    balanced, drawn = spread(Plan(is_balanced=True), 10), spread(Plan(), 10)
    assert pstdev(balanced[day] for day in WEEKS) < 0.6 * pstdev(drawn[day] for day in WEEKS)


@pytest.mark.parametrize("is_balanced", [True, False])
def test_an_easy_day_comes_to_about_its_share(is_balanced: bool) -> None:
    """Half a Saturday, no Sunday: what they do not take is spread over the other days."""
    load = spread(Plan(is_balanced=is_balanced, easy_days={5: 0.5, 6: 0.0}), 10)
    of_day = [fmean(load[day] for day in WEEKS if day.weekday() == n) for n in range(7)]
    assert of_day[6] == 0
    assert 0.4 < of_day[5] / fmean(of_day[:5]) < 0.7


def test_the_day_after_days_off_is_as_full_as_what_waits_for_it() -> None:
    """Of Friday and Monday the Friday, if fifty cards are due at the weekend between them."""
    plan = Plan(is_balanced=True, easy_days={5: 0.0, 6: 0.0})
    friday, saturday, sunday, monday = (DAY + timedelta(days=n) for n in range(4, 8))
    for full, free in ((saturday, friday), (sunday, friday), (friday, monday)):
        placing = PlannedDays(plan, {full: 50}, "core")
        chosen = {placing(DAY, 4, 7, MOST, n << 60) for n in range(1, 16)}
        assert chosen == {(free - DAY).days}


def test_where_all_days_are_off_one_is_as_good_as_another() -> None:
    """Cards that wait for the end of a holiday still part."""
    holiday = Plan(holidays=((DAY, DAY + timedelta(days=20)),))
    chosen = [PlannedDays(holiday, {}, "core")(DAY, 4, 7, MOST, n << 62) for n in range(4)]
    assert chosen == [4, 5, 6, 7]


# --- exams ---


@given(
    st.integers(-3, 90),
    st.floats(0.5, 300),
    st.integers(0, 5),
    st.booleans(),
    easy_days,
    st.sampled_from(list(Rating)),
)
def test_before_an_exam_each_card_comes_in_the_last_round_at_the_latest(
    ahead: int,
    stability: float,
    reps: int,
    is_balanced: bool,
    easy: dict[int, float],
    rating: Rating,
) -> None:
    exam = DAY + timedelta(days=ahead)
    plan = Plan(is_balanced=is_balanced, easy_days=easy, exams={"core": exam})
    memory = review_memory(0, stability, reps)
    scheduler = Scheduler(ScheduleSettings(relearning_steps=()))
    free = scheduler.review("a", memory, rating, MONDAY, placing=PlannedDays(plan, {}, "bert"))
    after = scheduler.review("a", memory, rating, MONDAY, placing=PlannedDays(plan, {}, "core"))
    assert free.due_day is not None
    assert after.due_day is not None
    assert after.due_day > DAY
    days = plan.last_round(exam).days
    assert len(days) == EXAM_DAYS
    assert all(day < exam and plan.share(day) for day in days)
    if exam <= DAY or days[0] <= DAY:
        assert after.due_day == free.due_day, "it is over, or this is the last round"
    else:
        assert after.due_day < exam


def test_the_next_exam_is_that_of_the_deck_or_of_the_course() -> None:
    first, second = DAY + timedelta(days=5), DAY + timedelta(days=30)
    plan = Plan(course_id="toy", exams={"core": first, "toy": second})
    assert plan.next_exam("core", DAY) == first
    assert plan.next_exam("core", first) == second
    assert plan.next_exam("bert", DAY) == second
    assert plan.next_exam("bert", second) is None


# --- in a sitting ---


def seen_cards(journal: MemoryJournal, plan: Plan, n: int) -> Session:
    """A sitting on so many cards, all of them new, with no steps."""
    cards = {f"c{i:03}": make_card(f"c{i:03}", deck="core" if i % 2 else "bert") for i in range(n)}
    scheduler = Scheduler(ScheduleSettings(learning_steps=(), relearning_steps=()))
    return Session(cards, journal, scheduler, Limits(), FixedClock(MONDAY), plan=plan)


def test_a_sitting_spreads_what_it_rates_and_undo_gives_the_same_day_again() -> None:
    journal = MemoryJournal()
    session = seen_cards(journal, Plan(is_balanced=True), 60)
    while session.current is not None:
        session.reveal()
        preview = session.previews[Rating.EASY]
        first = session.rate(Rating.EASY)
        assert first.after == preview
        session.undo()
        session.reveal()
        assert session.rate(Rating.EASY).after == first.after
    load = count_due(session.memories.items(), ())
    low, high = fuzz_range(8)
    counts = [load[DAY + timedelta(days=n)] for n in range(low, high + 1)]
    assert sum(counts) == 60
    assert max(counts) - min(counts) <= 4


def test_what_another_window_answers_does_not_move_the_days_that_were_seen() -> None:
    journal = MemoryJournal()
    here = seen_cards(journal, Plan(is_balanced=True), 60)
    here.reveal()
    seen = here.previews
    elsewhere = seen_cards(journal, Plan(is_balanced=True), 60)
    elsewhere.hide("buried")
    for _ in range(30):
        elsewhere.reveal()
        elsewhere.rate(Rating.EASY)
    here.look_elsewhere()
    assert here.previews == seen
    assert here.rate(Rating.EASY).after == seen[Rating.EASY]


def test_each_deck_has_its_own_desired_retention() -> None:
    """With the settings that each review was scheduled by beside it."""
    journal = MemoryJournal()
    session = seen_cards(journal, Plan(desired_retention=0.95, retention={"core": 0.8}), 2)
    intervals = {}
    for _ in range(2):
        session.reveal()
        review = session.rate(Rating.EASY)
        intervals[review.card_id] = (review.after.due_day or DAY) - DAY
        settings = journal.schedules[review.parameters_id]
        assert settings.desired_retention == (0.8 if review.card_id == "c001" else 0.95)
    assert intervals["c000"] < timedelta(days=8) < intervals["c001"]


def test_an_interval_that_an_exam_shortens_is_told() -> None:
    """Of some cards that would come about the day of the exam; of the other deck none."""
    plan = Plan(exams={"core": DAY + timedelta(days=8)})
    session = seen_cards(MemoryJournal(), plan, 40)
    told = []
    while (card := session.current) is not None:
        session.reveal()
        told.append((card.deck_id, session.before_exam))
        assert not session.capped
        session.rate(Rating.EASY)
    of_core = [before_exam for deck, before_exam in told if deck == "core"]
    assert frozenset({Rating.EASY}) in of_core
    assert frozenset() in of_core
    assert {before_exam for deck, before_exam in told if deck == "bert"} == {frozenset()}


def test_a_suspended_card_takes_no_place_among_the_days() -> None:
    memories = {"a": review_memory(3, 10), "b": review_memory(3, 10), "c": Memory(State.LEARNING)}
    assert count_due(memories.items(), ()) == {DAY + timedelta(days=3): 2}
    assert count_due(memories.items(), {"b"}) == {DAY + timedelta(days=3): 1}
