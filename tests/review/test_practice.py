"""A practice: seeded order, wrong cards again, the way back, and no trace in the schedule."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.clock import FixedClock
from studykit.course.cards import Choice, Cloze
from studykit.errors import StoreError
from studykit.review.grading import present
from studykit.review.marks import Marks
from studykit.review.practice import Mode, Practice, Practised
from studykit.review.schedule import Memory, Rating, Scheduler, ScheduleSettings
from tests.review.helpers import MONDAY, MemoryJournal, make_card, make_cards, make_options
from tests.review.test_exercises import RANK, RUN

SCHEDULER = Scheduler(ScheduleSettings())


@dataclass
class PracticeBook(MemoryJournal):
    """A journal of reviews that keeps practised answers, too."""

    practised: dict[int, Practised] = field(default_factory=dict)

    def record_practised(self, practised: Practised) -> int:
        if self.is_broken:
            raise StoreError("the disk is full")
        number = max(self.practised, default=0) + 1
        self.practised[number] = practised
        return number

    def take_back_practised(self, number: int) -> None:
        if self.is_broken:
            raise StoreError("the disk is full")
        del self.practised[number]


def practise(
    *ids: str,
    mode: Mode = "cram",
    seed: int = 1,
    book: PracticeBook | None = None,
    memories: dict[str, Memory] | None = None,
    clock: FixedClock | None = None,
) -> Practice:
    cards = {id_: make_card(id_, Cloze("norm")) for id_ in ids}
    return Practice(
        mode,
        ids,
        cards,
        memories or {},
        Marks(),
        book or PracticeBook(),
        SCHEDULER.study_day,
        clock or FixedClock(MONDAY),
        seed,
    )


def answer(practice: Practice, is_right: bool) -> str:
    """Answers the current card; returns its id."""
    assert practice.current is not None
    id_ = practice.current.id
    practice.answer("norm" if is_right else "scale", None)
    practice.mark(is_right)
    return id_


def picture(practice: Practice) -> tuple[Any, ...]:
    """Everything that a learner could notice."""
    return (
        practice.shown,
        practice.grade,
        practice.n_left,
        practice.n_settled,
        practice.answers,
        practice.marks,
        practice._queue,
    )


id_sets = st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1)
outcomes = st.lists(st.booleans(), max_size=20)


@given(id_sets, st.integers(0, 2**40))
def test_the_order_is_a_shuffle_that_the_seed_decides(ids: list[str], seed: int) -> None:
    orders = []
    for _ in range(2):
        practice = practise(*ids, seed=seed)
        orders.append([answer(practice, True) for _ in ids])
        assert practice.current is None
    assert sorted(orders[0]) == sorted(ids)
    assert orders[0] == orders[1]


def test_another_seed_gives_another_order() -> None:
    ids = "abcdefgh"
    orders = {practise(*ids, seed=seed)._queue for seed in range(5)}
    assert len(orders) > 1


@given(id_sets, outcomes)
def test_every_wrong_card_comes_again_until_it_was_right_once(
    ids: list[str], outcomes: list[bool]
) -> None:
    """Behind all that wait, and no card after it was right."""
    practice = practise(*ids)
    right: set[str] = set()
    for outcome in outcomes:
        if practice.current is None:
            break
        waiting = set(practice._queue[1:])
        id_ = answer(practice, outcome)
        assert id_ not in right
        right |= {id_} if outcome else set()
        assert practice.n_settled == len(right)
        assert practice.n_left == len(ids) - len(right)
        if not outcome:
            assert practice._queue[-1] == id_
            assert set(practice._queue) == waiting | {id_}
    assert (practice.current is None) == (right == set(ids))


@given(id_sets, outcomes, st.booleans(), st.sampled_from(["ahead", "cram", "pretest"]))
def test_undoing_an_answer_leaves_no_trace(
    ids: list[str], history: list[bool], outcome: bool, mode: Mode
) -> None:
    clock, book = FixedClock(MONDAY), PracticeBook()
    practice = practise(*ids, mode=mode, book=book, clock=clock)
    for each in history:
        clock.advance(timedelta(seconds=7))
        if practice.current is not None:
            answer(practice, each)
    if practice.current is None:
        return
    before, kept = picture(practice), dict(book.practised)
    answer(practice, outcome)
    assert picture(practice) != before
    undone = practice.undo()
    assert undone is practice.current
    assert (picture(practice), book.practised) == (before, kept)


@given(id_sets, outcomes)
def test_all_answers_can_be_taken_back_and_no_more(ids: list[str], outcomes: list[bool]) -> None:
    book = PracticeBook()
    practice = practise(*ids, book=book)
    first = picture(practice)
    n_answers = 0
    for outcome in outcomes:
        if practice.current is not None:
            answer(practice, outcome)
            n_answers += 1
    for _ in range(n_answers):
        assert practice.undo() is not None
    assert practice.undo() is None
    assert picture(practice) == first and book.practised == {}


@given(id_sets, outcomes, st.sampled_from(["ahead", "cram", "pretest"]))
def test_no_memory_and_no_review_comes_of_it(
    ids: list[str], outcomes: list[bool], mode: Mode
) -> None:
    book = PracticeBook()
    memories = {
        id_: SCHEDULER.review(id_, Memory(), Rating.GOOD, MONDAY - timedelta(days=3)) for id_ in ids
    }
    before = dict(memories)
    practice = practise(*ids, mode=mode, book=book, memories=memories)
    for outcome in outcomes:
        if practice.current is not None:
            answer(practice, outcome)
    assert memories == before and practice.cards.keys() == set(ids)
    assert book.reviews == [] and book.markings == []


def test_a_pretest_asks_each_card_once_in_the_courses_order_and_marks_by_the_grade() -> None:
    practice = practise("c", "a", "b", mode="pretest")
    for given_, correct in (("norm", True), ("scale", False), (None, False)):
        practice.answer(given_, None, 75)
        assert practice.mark_as_graded().correct is correct
    assert practice.current is None
    assert [each.card_id for each in practice.answers] == ["c", "a", "b"]
    assert [each.confidence for each in practice.answers] == [75, 75, 75]


def test_the_score_counts_first_answers() -> None:
    practice = practise("a")
    answer(practice, False)
    answer(practice, True)
    assert [each.correct for each in practice.answers] == [False, True]
    assert [each.correct for each in practice.firsts] == [False]


def test_an_answer_that_cannot_be_kept_changes_nothing() -> None:
    """Neither it nor its undoing, and both can be tried again."""
    book = PracticeBook()
    practice = practise("a", "b", book=book)
    practice.answer("norm", None)
    before = picture(practice)
    book.is_broken = True
    with pytest.raises(StoreError):
        practice.mark(True)
    assert picture(practice) == before
    book.is_broken = False
    practice.mark(True)
    before, book.is_broken = picture(practice), True
    with pytest.raises(StoreError):
        practice.undo()
    assert picture(practice) == before


def test_options_stand_otherwise_than_in_the_review_that_comes() -> None:
    """Who remembers "b" from a practice knows nothing of the review."""
    options = make_options(*"12345678", correct="3")
    card = make_card("a", Choice(options))
    practice = practise("a")
    practice.change_cards({"a": card}, None)
    assert practice.shown is not None
    assert practice.shown.options not in [present(card, reps).options for reps in range(20)]
    first = practice.shown.options
    practice.reveal()
    practice.mark(False)
    assert practice.shown.options != first


def test_cards_that_leave_the_course_are_not_asked_and_keep_their_answers() -> None:
    practice = practise("a", "b", "c")
    gone = answer(practice, True)
    assert practice.current is not None
    current = practice.current.id
    practice.change_cards({id_: card for id_, card in practice.cards.items() if id_ != gone}, None)
    assert practice.current.id == current
    assert practice.undo() is None
    assert Counter(each.card_id for each in practice.answers) == {gone: 1}
    practice.change_cards({}, None)
    assert practice.current is None


def test_a_flag_is_kept_and_stays() -> None:
    book = PracticeBook()
    practice = practise("a", book=book)
    assert practice.toggle_flag()
    answer(practice, True)
    practice.undo()
    assert practice.marks.flagged == {"a"} and len(book.markings) == 1
    assert not practice.toggle_flag()
    assert book.markings == []


def test_ids_that_the_course_has_not_are_left_out() -> None:
    cards = make_cards("a")
    practice = Practice(
        "cram",
        ["a", "b"],
        cards,
        {},
        Marks(),
        PracticeBook(),
        SCHEDULER.study_day,
        FixedClock(MONDAY),
        1,
    )
    assert practice.n_left == 1


def practise_exercise(mode: Mode = "cram", book: PracticeBook | None = None) -> Practice:
    return Practice(
        mode,
        ["a", "b"],
        {id_: make_card(id_, RANK) for id_ in "ab"},
        {},
        Marks(),
        book or PracticeBook(),
        SCHEDULER.study_day,
        FixedClock(MONDAY),
        1,
        runs_of=lambda _: [RUN],
    )


def test_another_draw_of_an_exercise_keeps_no_answer_before_there_is_one() -> None:
    practice = practise_exercise()
    card, first = practice.current, practice.shown
    assert practice.draw_another()
    assert practice.current is card and practice.shown != first
    assert (practice.answers, practice.n_left) == ((), 2)


def test_another_draw_after_the_answer_keeps_it_and_undo_brings_it_back() -> None:
    book = PracticeBook()
    practice = practise_exercise(book=book)
    practice.draw_another()
    shown = practice.shown
    assert shown is not None and shown.task is not None
    practice.answer(shown.task.right, None)
    assert practice.draw_another()

    assert practice.current is shown.card and practice.shown != shown and not practice.revealed
    assert [each.correct for each in book.practised.values()] == [True]
    assert practice.n_left == 2
    practice.draw_another()
    assert practice.undo() is shown.card
    assert practice.shown == shown
    assert book.practised == {}


def test_another_draw_needs_the_answer_to_be_kept() -> None:
    book = PracticeBook()
    practice = practise_exercise(book=book)
    practice.reveal()
    before, book.is_broken = picture(practice), True
    with pytest.raises(StoreError):
        practice.draw_another()
    assert picture(practice) == before


def test_a_pretest_asks_each_exercise_once() -> None:
    practice = practise_exercise("pretest")
    assert not practice.can_draw_another
    with pytest.raises(RuntimeError):
        practice.draw_another()


def test_another_draw_ends_where_there_is_no_other() -> None:
    practice = practise_exercise()
    shown = practice.shown
    practice._present = lambda card, draw: shown  # type: ignore[method-assign, assignment, return-value]
    assert not practice.draw_another()
    assert practice.shown is shown
