"""The queue: what is due, in which order, within limits and without siblings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.course.cards import Card
from studykit.review.marks import Marks
from studykit.review.schedule import (
    NEW_MEMORY,
    Memory,
    Rating,
    Scheduler,
    ScheduleSettings,
    State,
    is_due,
)
from studykit.review.study_queue import (
    Counts,
    Done,
    Limits,
    StudyQueue,
    as_asked,
    build_queue,
    next_due,
)
from tests.review.helpers import MONDAY, make_card, make_cards

SCHEDULER = Scheduler(ScheduleSettings())
DAY = MONDAY.date()
NO_LIMITS = Limits(new_per_day=9999, reviews_per_day=9999)
NOTHING_DONE = Done()


def review_memory(due_in_days: int, stability: float = 10.0, after_days: int = 10) -> Memory:
    due = DAY + timedelta(days=due_in_days)
    last = due - timedelta(days=after_days)
    return Memory(
        State.REVIEW,
        stability_days=stability,
        difficulty=5.0,
        due_day=due,
        last_review_at=MONDAY,
        last_review_day=last,
        reps=3,
    )


def step_memory(minutes: int, state: State = State.LEARNING) -> Memory:
    """A step that ends so many minutes from now."""
    due = MONDAY + timedelta(minutes=minutes)
    return Memory(
        state,
        step=0,
        stability_days=1.0,
        difficulty=5.0,
        due_at=due,
        due_day=SCHEDULER.study_day(due),
        last_review_at=MONDAY - timedelta(days=1),
        last_review_day=DAY - timedelta(days=1),
        reps=1,
    )


def build(
    cards: Mapping[str, Card],
    memories: Mapping[str, Memory],
    limits: Limits = NO_LIMITS,
    done: Done = NOTHING_DONE,
    day: date = DAY,
) -> StudyQueue:
    return build_queue(
        cards, memories, day=day, at=MONDAY, limits=limits, done=done, scheduler=SCHEDULER
    )


memories_ = st.one_of(
    st.just(NEW_MEMORY),
    st.builds(review_memory, st.integers(-9, 3), st.floats(0.5, 99.0), st.integers(1, 30)),
    st.builds(
        step_memory,
        st.integers(-3000, 3000),
        st.sampled_from([State.LEARNING, State.RELEARNING]),
    ),
)


@st.composite
def courses(draw: st.DrawFn) -> tuple[dict[str, Card], dict[str, Memory]]:
    rows = draw(
        st.lists(
            st.tuples(memories_, st.sampled_from("abcd"), st.sampled_from(" xyz")), max_size=30
        )
    )
    cards = {
        f"card-{i}": make_card(f"card-{i}", topic=topic, note=note.strip())
        for i, (_, topic, note) in enumerate(rows)
    }
    memories = {id_: row[0] for id_, row in zip(cards, rows, strict=True)}
    return cards, {id_: memory for id_, memory in memories.items() if memory != NEW_MEMORY}


limits_ = st.builds(Limits, st.integers(0, 12), st.integers(0, 12))
dones = st.builds(Done, st.integers(0, 8), st.integers(0, 8), st.frozensets(st.sampled_from("xyz")))


@given(courses(), limits_, dones)
def test_the_queue_holds_due_cards_once_within_limits_without_siblings(
    course: tuple[dict[str, Card], dict[str, Memory]], limits: Limits, done: Done
) -> None:
    cards, memories = course
    queue = build(cards, memories, limits, done)

    def of_state(*states: State) -> set[str]:
        return {id_ for id_ in cards if memories.get(id_, NEW_MEMORY).state in states}

    due = {id_ for id_, memory in memories.items() if is_due(memory, MONDAY, DAY)}
    steps = of_state(State.LEARNING, State.RELEARNING)
    everything = [*queue.ids, *queue.waiting]
    assert len(everything) == len(set(everything))
    assert set(queue.learning) == steps & due
    assert set(queue.reviews) <= of_state(State.REVIEW) & due
    assert set(queue.new) <= of_state(State.NEW)
    assert set(queue.waiting) <= steps - due
    assert len(queue.reviews) <= max(0, limits.reviews_per_day - done.reviews)
    assert len(queue.new) <= max(0, limits.new_per_day - done.new)
    assert queue.counts.total == len(everything)
    asked = done.notes | {cards[id_].note for id_ in (*queue.learning, *queue.waiting)}
    notes = [cards[id_].note for id_ in (*queue.reviews, *queue.new) if cards[id_].note]
    assert len(notes) == len(set(notes))
    assert not set(notes) & asked
    # Nothing is left out but for a limit or a sibling.
    taken = asked | set(notes)
    if len(queue.reviews) < limits.reviews_per_day - done.reviews:
        left = of_state(State.REVIEW) & due - set(queue.reviews)
        assert all(cards[id_].note in taken - {""} for id_ in left)
    if len(queue.new) < limits.new_per_day - done.new:
        assert all(cards[id_].note in taken - {""} for id_ in of_state(State.NEW) - set(queue.new))


@given(st.text("abcd", max_size=16), st.integers(0, 16))
def test_neighbours_are_of_one_topic_only_where_it_cannot_be_helped(
    topics_of_cards: str, limit: int
) -> None:
    cards = {
        f"card-{i}": make_card(f"card-{i}", topic=topic) for i, topic in enumerate(topics_of_cards)
    }
    queue = build(cards, {id_: review_memory(0) for id_ in cards}, Limits(20, limit))
    topics = [cards[id_].topic_id for id_ in queue.reviews]
    alike = sum(topic == following for topic, following in pairwise(topics))
    most = max(Counter(topics).values(), default=0)
    assert alike == max(0, 2 * most - len(topics) - 1)


def test_learning_steps_come_first_the_longest_ended_before_the_others() -> None:
    cards = make_cards("new", "review", "later", "sooner", "waits", "tomorrow")
    queue = build(
        cards,
        {
            "review": review_memory(0),
            "later": step_memory(-1),
            "sooner": step_memory(-5, State.RELEARNING),
            "waits": step_memory(15),
            "tomorrow": step_memory(24 * 60),
        },
    )
    assert queue.ids == ("sooner", "later", "review", "new")
    assert queue.waiting == ("waits",)
    assert queue.counts == Counts(new=1, learning=3, review=1)


def test_a_step_left_over_from_an_earlier_day_is_due_at_once() -> None:
    queue = build(make_cards("a"), {"a": step_memory(-24 * 60)})
    assert queue.ids == ("a",)


def test_new_cards_keep_the_order_of_the_course_spread_among_the_reviews() -> None:
    cards = make_cards(*(f"new-{i}" for i in range(3)), *(f"review-{i}" for i in range(9)))
    ids = build(cards, {id_: review_memory(0) for id_ in cards if id_ > "r"}).ids
    places = [ids.index(f"new-{i}") for i in range(3)]
    assert places == [2, 6, 10]


def test_the_order_of_reviews_is_fixed_for_a_day_and_another_the_next() -> None:
    cards = make_cards(*(f"card-{i}" for i in range(20)))
    memories = {id_: review_memory(0) for id_ in cards}
    today = build(cards, memories).reviews
    assert today == build(cards, memories).reviews
    assert today != tuple(cards)
    assert today != build(cards, memories, day=DAY + timedelta(days=1)).reviews
    # The order of the others stays when a card has been answered.
    answered = memories | {today[0]: review_memory(9)}
    assert build(cards, answered).reviews == today[1:]


def test_a_backlog_is_worked_off_from_what_is_remembered_best() -> None:
    cards = make_cards("weak", "strong", "middle")
    memories = {
        "weak": review_memory(-90, stability=1),
        "strong": review_memory(0, stability=50),
        "middle": review_memory(-5),
    }
    queue = build(cards, memories, Limits(20, 2))
    assert queue.reviews == ("strong", "middle")
    assert set(build(cards, memories, Limits(20, 3)).reviews) == set(cards)


def test_the_model_is_not_asked_without_a_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("asked")

    monkeypatch.setattr(Scheduler, "fading", refuse)
    cards = make_cards("a", "b")
    memories = {"a": review_memory(0), "b": review_memory(-3)}
    assert len(build(cards, memories, Limits(20, 2)).reviews) == 2
    with pytest.raises(AssertionError, match="asked"):
        build(cards, memories, Limits(20, 1))


def test_limits_count_what_the_day_has_seen() -> None:
    cards = make_cards(*(f"new-{i}" for i in range(9)), *(f"review-{i}" for i in range(9)))
    memories = {id_: review_memory(0) for id_ in cards if id_ > "r"}
    queue = build(cards, memories, Limits(5, 7), Done(new=3, reviews=6))
    assert queue.counts == Counts(new=2, learning=0, review=1)
    assert build(cards, memories, Limits(5, 7), Done(new=9, reviews=9)).ids == ()


@pytest.mark.parametrize(
    ("memories", "asked"),
    [
        ({}, "a"),
        ({"b": review_memory(0)}, "b"),
        ({"b": review_memory(0), "c": step_memory(-1)}, "c"),
        ({"a": review_memory(0), "b": review_memory(-4)}, "b"),
    ],
    ids=["first of the course", "review", "learning", "due the longest"],
)
def test_one_sibling_a_day(memories: dict[str, Memory], asked: str) -> None:
    cards = {id_: make_card(id_, note="pre-norm") for id_ in "abc"}
    assert build(cards, memories).ids == (asked,)


def test_the_sibling_of_a_waiting_step_is_not_asked() -> None:
    cards = {id_: make_card(id_, note="pre-norm") for id_ in "ab"}
    queue = build(cards, {"b": step_memory(10)})
    assert (queue.ids, queue.waiting) == ((), ("b",))


def test_a_learning_card_comes_back_although_its_note_was_asked_today() -> None:
    cards = {"a": make_card("a", note="pre-norm")}
    queue = build(cards, {"a": step_memory(-1)}, done=Done(new=1, notes=frozenset({"pre-norm"})))
    assert queue.ids == ("a",)


def test_memories_of_cards_outside_the_course_are_ignored() -> None:
    assert build({}, {"gone": review_memory(0)}).ids == ()


def test_counts_by_deck() -> None:
    cards = {
        "a": make_card("a", deck="core"),
        "b": make_card("b", deck="core"),
        "c": make_card("c", deck="gpt"),
        "d": make_card("d", deck="bert"),
    }
    queue = build_queue(
        cards,
        {"b": review_memory(0), "c": step_memory(5), "d": review_memory(5)},
        day=DAY,
        at=MONDAY,
        limits=NO_LIMITS,
        done=Done(),
        scheduler=SCHEDULER,
    )
    assert queue.by_deck(cards) == {
        "core": Counts(new=1, review=1),
        "gpt": Counts(learning=1),
        "bert": Counts(),
    }


@given(courses(), limits_, dones, st.sets(st.integers(0, 29)))
def test_what_counts_for_today_is_what_is_asked_today(
    course: tuple[dict[str, Card], dict[str, Memory]],
    limits: Limits,
    done: Done,
    aside: set[int],
) -> None:
    """One definition: whatever counts cards by their day counts today as the queue does."""
    cards, memories = course
    names = [f"card-{n}" for n in aside]
    marks = Marks(suspended=frozenset(names[::2]), buried=frozenset(names[1::2]))
    queue = build_queue(
        cards, memories, day=DAY, at=MONDAY, limits=limits, done=done, scheduler=SCHEDULER,
        hidden=marks.hidden,
    )  # fmt: skip
    asked = as_asked(memories, marks, queue.held, DAY, MONDAY)
    today = {id_ for id_, memory in asked.items() if memory.due_day and memory.due_day <= DAY}
    assert today == {*queue.learning, *queue.waiting, *queue.reviews}
    due = {id_ for id_, memory in memories.items() if memory.due_day and memory.due_day <= DAY}
    assert due - marks.hidden == (today & due) | queue.held


def test_what_is_due_and_not_asked_has_a_reason() -> None:
    cards = make_cards("alone", "later") | {id_: make_card(id_, note="norm") for id_ in "ab"}
    memories = dict.fromkeys(cards, review_memory(0))
    queue = build(cards, memories, Limits(reviews_per_day=9))
    assert (len(queue.reviews), len(queue.siblings), queue.beyond) == (3, 1, ())
    queue = build(cards, memories, Limits(reviews_per_day=1), Done(notes=frozenset({"norm"})))
    assert (len(queue.reviews), set(queue.siblings), len(queue.beyond)) == (1, {"a", "b"}, 1)


def test_what_comes_next() -> None:
    reviews = {"a": review_memory(2), "b": review_memory(2), "c": review_memory(3)}
    assert next_due(reviews, DAY) == (DAY + timedelta(days=2), 2)
    assert next_due(reviews | {"d": step_memory(5)}, DAY) == (MONDAY + timedelta(minutes=5), 1)
    tomorrow = DAY + timedelta(days=1)
    assert next_due(reviews | {"d": step_memory(5)}, tomorrow) == (tomorrow + timedelta(days=1), 2)
    assert next_due({}, DAY) is None


@given(st.sampled_from([NEW_MEMORY, review_memory(0), step_memory(0)]), dones)
def test_taking_a_review_back_undoes_its_counting(before: Memory, done: Done) -> None:
    card = make_card("a", note="x")
    back = done.plus(card, before).minus(card, before, asked_siblings="x" in done.notes)
    assert back == done


def test_a_graduated_card_is_not_due_on_the_day_of_its_review() -> None:
    after = SCHEDULER.review("a", NEW_MEMORY, Rating.EASY, MONDAY)
    assert build(make_cards("a"), {"a": after}).ids == ()
