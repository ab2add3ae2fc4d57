"""A sitting: durable first, undo across restarts, steps within the sitting, a new study day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from studykit.clock import FixedClock
from studykit.course.cards import Card, Cloze, Numeric, Predict
from studykit.errors import StoreError
from studykit.review.grading import AnswerError, Confidence
from studykit.review.marks import Marks
from studykit.review.schedule import Rating, Scheduler, ScheduleSettings, State
from studykit.review.session import Part, Review, Session
from studykit.review.study_queue import LEARN_AHEAD, Counts, Done, Limits
from tests.review.helpers import (
    MONDAY,
    MemoryJournal,
    make_card,
    make_cards,
    make_options,
    make_run,
)

SCHEDULER = Scheduler(ScheduleSettings())
MINUTE = timedelta(minutes=1)


def sit(
    cards: Mapping[str, Card],
    journal: MemoryJournal | None = None,
    clock: FixedClock | None = None,
    limits: Limits | None = None,
    scheduler: Scheduler = SCHEDULER,
) -> Session:
    """A sitting that begins where the journal's last one ended."""
    return Session(
        cards,
        journal or MemoryJournal(),
        scheduler,
        limits or Limits(),
        clock or FixedClock(MONDAY),
    )


def current(session: Session) -> str:
    assert session.current is not None
    return session.current.id


def rate(session: Session, rating: Rating = Rating.GOOD) -> Review:
    session.reveal()
    return session.rate(rating)


def play_out(session: Session) -> list[str]:
    """The cards that are still asked if every one is easy."""
    asked = []
    while session.current is not None:
        asked.append(session.current.id)
        rate(session, Rating.EASY)
    return asked


def test_a_rating_is_recorded_with_all_that_the_log_needs() -> None:
    cards = {"a": make_card("a", Cloze("norm"))}
    journal, clock = MemoryJournal(), FixedClock(MONDAY)
    session = sit(cards, journal, clock)
    clock.advance(timedelta(seconds=4.5))
    session.answer("Nrom\x1b", None, confidence=80)
    preview = session.previews[Rating.HARD]
    review = session.rate(Rating.HARD)
    assert journal.reviews == [review]
    assert review == Review(
        card_id="a",
        at=MONDAY + timedelta(seconds=4.5),
        day=MONDAY.date(),
        rating=Rating.HARD,
        kind="cloze",
        correct=False,
        suggested=Rating.AGAIN,
        given="Nrom␛",
        confidence=80,
        taken_ms=4500,
        scheduler=SCHEDULER.version,
        parameters_id=SCHEDULER.parameters_id,
        content_hash="hash of a",
        after=preview,
        before=State.NEW,
    )
    assert journal.schedules == {SCHEDULER.parameters_id: SCHEDULER.settings}
    assert (session.n_done, session.last) == (1, review)


def test_the_journal_learns_of_a_sitting_with_its_first_rating() -> None:
    """When it began, and its end; a session that rates nothing leaves no trace."""
    journal, clock = MemoryJournal(), FixedClock(MONDAY)
    sit(make_cards("a"), journal, clock).end()
    assert (journal.sittings, journal.ended) == ([], [])
    session = sit(make_cards("a", "b"), journal, clock)
    clock.advance(timedelta(minutes=1))
    rate(session)
    rate(session)
    assert journal.sittings == [(MONDAY, MONDAY.date())]
    session.end()
    assert journal.ended == [MONDAY + timedelta(minutes=1)]


def test_nobody_takes_longer_than_ten_minutes_or_less_than_no_time() -> None:
    clock = FixedClock(MONDAY)
    session = sit(make_cards("a", "b"), clock=clock)
    clock.advance(timedelta(hours=2))
    assert rate(session).taken_ms == 600_000
    clock.advance(-timedelta(hours=1))
    assert rate(session).taken_ms == 0


def test_instants_are_whole_milliseconds_as_the_log_keeps_them() -> None:
    session = sit(make_cards("a"), clock=FixedClock(MONDAY.replace(microsecond=123_456)))
    assert rate(session).at == MONDAY.replace(microsecond=123_000)


def test_when_the_journal_fails_nothing_has_changed_and_the_rating_can_be_tried_again() -> None:
    journal = MemoryJournal()
    session = sit(make_cards("a", "b"), journal)
    session.reveal()
    before = picture(session)
    journal.is_broken = True
    for _ in range(2):
        with pytest.raises(StoreError, match="disk is full"):
            session.rate(Rating.GOOD)
        assert picture(session) == before
        assert session.revealed
    journal.is_broken = False
    session.rate(Rating.GOOD)
    assert [review.card_id for review in journal.reviews] == ["a"]
    assert current(session) == "b"


def test_a_failing_undo_changes_nothing() -> None:
    journal = MemoryJournal()
    session = sit(make_cards("a", "b"), journal)
    rate(session)
    before = picture(session)
    journal.is_broken = True
    with pytest.raises(StoreError):
        session.undo()
    assert picture(session) == before


def test_an_answer_that_does_not_fit_leaves_the_question_open() -> None:
    session = sit({"a": make_card("a", Numeric(3.3, "nats", 0.1))})
    with pytest.raises(AnswerError):
        session.answer("three", None)
    assert not session.revealed
    assert session.answer("3.3", None).correct


def test_only_a_revealed_card_can_be_rated() -> None:
    session = sit(make_cards("a"))
    with pytest.raises(RuntimeError, match="not revealed"):
        session.rate(Rating.GOOD)
    session.reveal()
    with pytest.raises(RuntimeError, match="revealed already"):
        session.reveal()
    session.rate(Rating.EASY)
    with pytest.raises(RuntimeError, match="no card"):
        session.reveal()
    assert (session.current, session.shown, session.grade) == (None, None, None)


def test_a_bet_is_judged_again_when_the_lab_has_run() -> None:
    card = make_card("a", Predict(options=make_options("stuck", "slower")))
    session = sit({"a": card})
    assert session.shown is not None
    stuck = [option.claim for option in session.shown.options].index("stuck")
    assert session.answer(stuck, None).correct is None
    assert session.judge_again(make_run({"stuck": "refuted", "slower": "confirmed"})).suggested is (
        Rating.AGAIN
    )
    assert session.rate(Rating.AGAIN).correct is False


def test_a_step_comes_back_in_the_sitting_when_it_ends() -> None:
    clock = FixedClock(MONDAY)
    session = sit(make_cards("a", "b", "c"), clock=clock)
    rate(session, Rating.AGAIN)
    assert current(session) == "b"
    clock.advance(MINUTE)
    rate(session, Rating.EASY)
    assert current(session) == "a"


def test_with_nothing_else_left_a_step_that_ends_soon_is_not_waited_for() -> None:
    session = sit(make_cards("a", "b"))
    rate(session, Rating.GOOD)
    rate(session, Rating.GOOD)
    assert current(session) == "a"
    rate(session, Rating.EASY)
    assert current(session) == "b"


def test_the_same_card_twice_in_a_row_only_if_no_other_is_left() -> None:
    session = sit(make_cards("a", "b"))
    rate(session, Rating.GOOD)
    rate(session, Rating.AGAIN)
    # The step of b ends in a minute, that of a in ten.
    assert current(session) == "a"
    rate(session, Rating.EASY)
    rate(session, Rating.AGAIN)
    assert current(session) == "b"


def test_the_step_that_ended_first_comes_first() -> None:
    clock = FixedClock(MONDAY)
    session = sit(make_cards("a", "b", "c"), clock=clock)
    rate(session, Rating.GOOD)
    rate(session, Rating.AGAIN)
    clock.advance(11 * MINUTE)
    rate(session, Rating.EASY)
    assert play_out(session) == ["b", "a"]


def test_a_long_step_is_waited_for() -> None:
    scheduler = Scheduler(ScheduleSettings(learning_steps=(timedelta(minutes=30),)))
    clock = FixedClock(MONDAY)
    session = sit(make_cards("a"), clock=clock, scheduler=scheduler)
    rate(session, Rating.AGAIN)
    assert session.current is None
    assert session.counts == Counts(learning=1)
    until = session.waiting_until
    assert until == MONDAY + timedelta(minutes=30) - LEARN_AHEAD
    clock.advance(until - MONDAY - MINUTE)
    session.refresh()
    assert session.current is None
    clock.advance(MINUTE)
    session.refresh()
    assert current(session) == "a"
    assert session.waiting_until is None


def test_refreshing_leaves_the_question_that_is_open() -> None:
    clock = FixedClock(MONDAY)
    session = sit(make_cards("a", "b"), clock=clock)
    rate(session, Rating.AGAIN)
    clock.advance(5 * MINUTE)
    session.refresh()
    assert current(session) == "b"


def test_undo_asks_the_card_again_one_by_one() -> None:
    journal = MemoryJournal()
    session = sit(make_cards("a", "b", "c"), journal)
    beginning = picture(session)
    rate(session, Rating.EASY)
    rate(session, Rating.AGAIN)
    assert current(session) == "c"
    session.reveal()
    undone = session.undo()
    assert undone is not None
    assert (undone.id, current(session), session.revealed) == ("b", "b", False)
    assert session.undo() is not None
    assert picture(session) == beginning
    assert session.undo() is None
    assert (journal.reviews, session.n_done, session.last) == ([], 0, None)
    assert play_out(session) == ["a", "b", "c"]


def test_undo_reaches_into_earlier_sittings_of_the_day() -> None:
    cards = {id_: make_card(id_, note="norm" if id_ < "c" else "") for id_ in "abc"}
    journal = MemoryJournal()
    first = sit(cards, journal, limits=Limits(new_per_day=1))
    rate(first, Rating.GOOD)
    again = sit(cards, journal, limits=Limits(new_per_day=1))
    assert (current(again), again.n_done) == ("a", 0)
    rate(again, Rating.EASY)
    assert again.current is None
    assert again.undo() is not None
    assert again.done == Done(new=1, notes=frozenset({"norm"}))
    assert again.undo() is not None
    assert (current(again), again.done, again.memories) == ("a", Done(), {})
    assert again.counts == Counts(new=1)


def test_undo_does_not_reach_into_yesterday() -> None:
    journal, clock = MemoryJournal(), FixedClock(MONDAY)
    session = sit(make_cards("a", "b"), journal, clock)
    rate(session)
    clock.advance(timedelta(days=1))
    assert session.undo() is None
    assert len(journal.reviews) == 1


def test_undo_stops_at_a_card_that_left_the_course() -> None:
    journal = MemoryJournal()
    rate(sit(make_cards("gone"), journal))
    recorded = list(journal.reviews)
    session = sit(make_cards("a"), journal)
    assert session.memories == {}
    assert session.undo() is None
    assert (journal.reviews, current(session)) == (recorded, "a")


def test_a_part_asks_only_its_cards_within_the_limits_of_all() -> None:
    """Also of cards that come again; what the other deck has used of the limit is used."""
    cards = {id_: make_card(id_, deck=deck) for id_, deck in zip("abxyz", "oopppp", strict=False)}
    journal, limits = MemoryJournal(), Limits(new_per_day=3)
    rate(sit(cards, journal, limits=limits), Rating.EASY)
    part = Part("P", frozenset("xyz"))
    session = Session(cards, journal, SCHEDULER, limits, FixedClock(MONDAY), part=part)
    assert session.counts == Counts(new=2)
    assert set(play_out(session)) == {"x", "y"}
    assert sit(cards, journal, limits=limits).current is None
    assert session.undo() is not None and session.current is not None


def test_a_card_put_aside_makes_room_for_another() -> None:
    """Hiding it is no answer: the log stays empty, and the day's limit asks the next one."""
    journal = MemoryJournal()
    session = sit(make_cards("a", "b", "c"), journal, limits=Limits(new_per_day=2))
    assert session.hide("suspended").id == "a"
    assert (current(session), session.counts) == ("b", Counts(new=2))
    assert session.hide("buried").id == "b"
    assert play_out(session) == ["c"]
    assert [review.card_id for review in journal.reviews] == ["c"]


def test_a_buried_card_is_back_tomorrow_and_a_suspended_one_is_not() -> None:
    journal, clock = MemoryJournal(), FixedClock(MONDAY)
    session = sit(make_cards("a", "b", "c"), journal, clock)
    session.hide("suspended")
    session.hide("buried")
    assert play_out(session) == ["c"]
    clock.advance(timedelta(days=1))
    session.refresh()
    assert play_out(session) == ["b"]
    assert play_out(sit(make_cards("a", "b", "c"), journal, clock)) == []


def test_undo_takes_back_ratings_and_what_was_put_aside_in_turn() -> None:
    """Across a restart, too, and a flag is not among them: it has a key of its own."""
    journal, clock = MemoryJournal(), FixedClock(MONDAY)
    cards = make_cards("a", "b", "c", "d")
    session = sit(cards, journal, clock)
    session.hide("suspended")
    clock.advance(MINUTE)
    rate(session, Rating.EASY)
    clock.advance(MINUTE)
    session.hide("buried")
    session.toggle_flag()
    again = sit(cards, journal, clock)
    undone = [card.id for _ in range(3) if (card := again.undo())]
    assert undone == ["c", "b", "a"]
    assert again.undo() is None
    assert again.marks == Marks(flagged=frozenset("d"))
    assert play_out(again) == ["a", "b", "c", "d"]


def test_a_mark_that_cannot_be_stored_changes_nothing() -> None:
    journal = MemoryJournal()
    session = sit(make_cards("a", "b"), journal)
    before = picture(session)
    journal.is_broken = True
    for act in (lambda: session.hide("suspended"), session.toggle_flag):
        with pytest.raises(StoreError):
            act()
    assert (picture(session), session.marks) == (before, Marks())


def test_a_confident_error_keeps_the_next_interval_short() -> None:
    """Whatever the rating; without the confidence, or when right, the interval is long."""
    intervals = []
    for word, confidence in (("scale", 95), ("scale", 50), ("scale", None), ("norm", 95)):
        session = sit({"a": make_card("a", Cloze("norm"))})
        session.answer(word, None, confidence)
        due_day = session.rate(Rating.EASY).after.due_day
        assert due_day is not None
        intervals.append((due_day - MONDAY.date()).days)
    assert intervals[0] == 1
    assert min(intervals[1:]) > 5


def test_capped_intervals_are_told_as_long_as_they_are() -> None:
    """After a confident error a day, then a week; where no cap bites nothing is said."""
    clock = FixedClock(MONDAY)
    session = sit({"a": make_card("a", Cloze("norm"))}, clock=clock)
    assert session.capped == frozenset()
    session.answer("scale", None, 95)
    assert session.capped == {Rating.EASY}  # the others go through steps
    session.rate(Rating.EASY)
    clock.advance(timedelta(days=1))
    session.refresh()
    session.answer("norm", None)
    assert session.capped == {Rating.HARD, Rating.GOOD, Rating.EASY}
    assert session.rate(Rating.EASY).after.due_day == MONDAY.date() + timedelta(days=8)
    clock.advance(timedelta(days=7))
    session.refresh()
    assert session.capped == frozenset()


def test_a_wrong_answer_rated_as_known_is_told_apart() -> None:
    session = sit({id_: make_card(id_, Cloze("norm")) for id_ in "abcd"})
    told = []
    for word, rating in (
        ("scale", Rating.GOOD), ("scale", Rating.HARD), ("norm", Rating.EASY), (None, Rating.EASY)
    ):  # fmt: skip
        session.answer(word, None)
        told.append(session.rate(rating).is_too_good)
    assert told == [True, False, False, True]


def test_a_new_study_day_brings_its_own_cards_and_limits() -> None:
    clock = FixedClock(datetime(2026, 11, 24, 3, 50, tzinfo=UTC))
    session = sit(make_cards("a", "b", "c", "d"), clock=clock, limits=Limits(new_per_day=2))
    rate(session, Rating.EASY)
    assert session.counts == Counts(new=1)
    clock.advance(9 * MINUTE)
    session.refresh()
    assert session.counts == Counts(new=1)
    clock.advance(MINUTE)
    session.refresh()
    # The open card belongs to the new day now and takes one of its two places.
    assert current(session) == "b"
    assert session.counts == Counts(new=2)
    assert play_out(session) == ["b", "c"]
    assert session.done == Done(new=2)


def test_an_answer_after_the_rollover_counts_for_the_new_day() -> None:
    cards = {id_: make_card(id_, note="norm") for id_ in "ab"}
    journal, clock = MemoryJournal(), FixedClock(datetime(2026, 11, 24, 3, 59, tzinfo=UTC))
    session = sit(cards, journal, clock)
    clock.advance(2 * MINUTE)
    assert rate(session, Rating.EASY).day == clock.now().date()
    assert session.done == journal.done(clock.now().date(), cards)
    assert session.current is None


def test_a_step_across_the_rollover_still_comes_in_the_sitting() -> None:
    clock = FixedClock(datetime(2026, 11, 24, 3, 55, tzinfo=UTC))
    session = sit(make_cards("a", "b"), clock=clock)
    rate(session, Rating.GOOD)
    rate(session, Rating.EASY)
    assert current(session) == "a"


def test_a_clock_set_back_to_yesterday_does_not_hand_out_the_limits_again() -> None:
    clock = FixedClock(MONDAY)
    session = sit(make_cards("a", "b", "c"), clock=clock, limits=Limits(new_per_day=1))
    rate(session, Rating.EASY)
    clock.advance(-timedelta(days=1))
    session.refresh()
    assert session.current is None


@pytest.mark.parametrize("back", [timedelta(hours=3), timedelta(days=1), timedelta(days=400)])
def test_a_clock_put_back_in_the_middle_of_a_sitting(back: timedelta) -> None:
    """No answer is lost, none is out of order, the day's limit holds when the clock is right again.

    And a step that began in what is now the future is not waited for.
    """
    journal, clock = MemoryJournal(), FixedClock(MONDAY)
    session = sit(make_cards("a", "b", "c"), journal, clock, Limits(new_per_day=2))
    rate(session, Rating.AGAIN)
    rate(session, Rating.EASY)
    clock.advance(-back)
    session.refresh()
    assert current(session) == "a"
    rate(session, Rating.EASY)
    clock.advance(back)
    session.refresh()
    assert session.counts.new == 0
    assert [review.card_id for review in journal.reviews] == ["a", "b", "a"]
    assert session.memories == journal.replayed(SCHEDULER)
    clock.advance(-back)
    assert [card.id for _ in range(3) if (card := session.undo())] == ["a", "b", "a"]
    assert journal.reviews == []


def test_siblings_of_an_asked_card_wait_for_another_day() -> None:
    cards = {id_: make_card(id_, note="norm") for id_ in "ab"} | make_cards("c")
    clock = FixedClock(MONDAY)
    session = sit(cards, clock=clock)
    assert play_out(session) == ["a", "c"]
    clock.advance(timedelta(days=1))
    session.refresh()
    assert play_out(session) == ["b"]


def picture(session: Session) -> dict[str, Any]:
    """All that a sitting shows of itself."""
    return {
        "current": session.current,
        "shown": session.shown,
        "counts": session.counts,
        "memories": dict(session.memories),
        "done": session.done,
        "n_done": session.n_done,
        "waiting_until": session.waiting_until,
    }


def make_course(notes: str) -> dict[str, Card]:
    return {
        f"card-{i}": make_card(
            f"card-{i}", Cloze("norm"), topic=f"topic-{i % 3}", note=note.strip()
        )
        for i, note in enumerate(notes)
    }


courses = st.text("  xy", min_size=1, max_size=8).map(make_course)
ratings = st.sampled_from(Rating)
pauses = st.sampled_from([timedelta(), MINUTE, 12 * MINUTE, timedelta(hours=7), timedelta(days=3)])


@given(courses, st.lists(st.tuples(ratings, pauses), max_size=12), ratings)
def test_undoing_a_rating_leaves_no_trace(
    cards: dict[str, Card], history: list[tuple[Rating, timedelta]], rating: Rating
) -> None:
    sittings = []
    for _ in range(2):
        clock = FixedClock(MONDAY)
        session = sit(cards, clock=clock, limits=Limits(4, 4))
        for played, pause in history:
            if session.current is not None:
                rate(session, played)
            clock.advance(pause)
            session.refresh()
        sittings.append(session)
    touched, twin = sittings
    if touched.current is not None:
        rate(touched, rating)
        touched.undo()
    assert picture(touched) == picture(twin)
    assert play_out(touched) == play_out(twin)


class Sittings(RuleBasedStateMachine):
    """Any sequence of answers, ratings, undos, pauses, failures and restarts."""

    @initialize(cards=courses, new=st.integers(0, 4), reviews=st.integers(0, 4))
    def begin(self, cards: dict[str, Card], new: int, reviews: int) -> None:
        self.cards = cards
        self.limits = Limits(new, reviews)
        self.journal = MemoryJournal()
        self.clock = FixedClock(MONDAY)
        self.restart()

    @rule()
    def restart(self) -> None:
        self.session = sit(self.cards, self.journal, self.clock, self.limits)

    @rule(pause=pauses)
    def wait(self, pause: timedelta) -> None:
        self.clock.advance(pause)
        self.session.refresh()

    @precondition(lambda self: self.session.current and not self.session.revealed)
    @rule(confidence=st.sampled_from([None, *Confidence]))
    def answer_wrongly(self, confidence: int | None) -> None:
        self.session.answer("scale", None, confidence)

    @precondition(lambda self: self.session.current)
    @rule(rating=ratings, pause=pauses)
    def rate(self, rating: Rating, pause: timedelta) -> None:
        if not self.session.revealed:
            self.session.reveal()
        self.clock.advance(pause)
        asked = current(self.session)
        preview = self.session.previews[rating]
        review = self.session.rate(rating)
        assert (review.card_id, review.after) == (asked, preview)
        if self.session.current is not None and self.session.current.id == asked:
            counts = self.session.counts
            assert (counts.new, counts.review) == (0, 0)
            soon = self.clock.now() + LEARN_AHEAD
            others = self.session.memories.keys() - self.session.marks.hidden - {asked}
            steps = [self.session.memories[id_].due_at for id_ in others]
            assert not any(due_at is not None and due_at <= soon for due_at in steps)

    @precondition(lambda self: self.session.revealed)
    @rule(rating=ratings)
    def rate_on_a_full_disk(self, rating: Rating) -> None:
        before = picture(self.session)
        self.journal.is_broken = True
        with pytest.raises(StoreError):
            self.session.rate(rating)
        self.journal.is_broken = False
        assert picture(self.session) == before

    @precondition(lambda self: self.session.current)
    @rule(mark=st.sampled_from(["suspended", "buried"]))
    def hide(self, mark: Literal["suspended", "buried"]) -> None:
        self.clock.advance(timedelta(seconds=1))
        card = self.session.hide(mark)
        self.clock.advance(timedelta(seconds=1))
        assert card.id in getattr(self.session.marks, mark)

    @precondition(lambda self: self.session.current)
    @rule()
    def flag(self) -> None:
        asked = current(self.session)
        was_flagged = asked in self.session.marks.flagged
        assert self.session.toggle_flag() is not was_flagged
        assert current(self.session) == asked

    @rule()
    def undo(self) -> None:
        day = SCHEDULER.study_day(self.clock.now())
        of_day = [review.card_id for review in self.journal.reviews if review.day == day]
        twin = replace(self.journal, markings=[*self.journal.markings])
        if (marking := twin.take_back_mark(day, self.cards)) is not None:
            of_day = [marking.card_id]
        card = self.session.undo()
        assert (card.id if card else None) == (of_day[-1] if of_day else None)
        if card is not None:
            assert current(self.session) == card.id
            assert not self.session.revealed

    @invariant()
    def memories_are_what_the_journal_says(self) -> None:
        assert self.session.memories == self.journal.memories()
        assert self.session.memories == self.journal.replayed(SCHEDULER)

    @invariant()
    def the_day_is_counted_right_and_within_its_limits(self) -> None:
        day = SCHEDULER.study_day(self.clock.now())
        done = self.journal.done(day, self.cards)
        assert self.session.done == done
        counts = self.session.counts
        assert done.new + counts.new <= self.limits.new_per_day
        assert done.reviews + counts.review <= self.limits.reviews_per_day

    @invariant()
    def no_sibling_is_asked_on_the_day_of_another(self) -> None:
        states: dict[str, State] = {}
        asked: dict[tuple[Any, str], str] = {}
        for review in self.journal.reviews:
            before = states.get(review.card_id, State.NEW)
            states[review.card_id] = review.after.state
            note = self.cards[review.card_id].note
            if note and before in (State.NEW, State.REVIEW):
                assert asked.setdefault((review.day, note), review.card_id) == review.card_id

    @invariant()
    def what_is_hidden_is_neither_asked_nor_counted(self) -> None:
        marks = self.session.marks
        assert marks == self.journal.marks(SCHEDULER.study_day(self.clock.now()))
        if self.session.current is not None:
            assert self.session.current.id not in marks.hidden
        assert self.session.counts.total <= len(self.cards) - len(marks.hidden)

    @invariant()
    def waiting_means_that_nothing_is_asked(self) -> None:
        if self.session.waiting_until is not None:
            assert self.session.current is None
            assert self.session.waiting_until > self.clock.now()


TestSittings = Sittings.TestCase
TestSittings.settings = settings(max_examples=150, stateful_step_count=30)


def test_a_memory_of_a_card_that_is_not_in_the_course_is_left_out() -> None:
    journal = MemoryJournal()
    rate(sit(make_cards("gone"), journal))
    session = sit(make_cards("a"), journal)
    assert session.memories == {}
    assert session.counts == Counts(new=1)
