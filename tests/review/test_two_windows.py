"""Two sittings on one progress: nothing is lost, doubled, stuck or over the day's limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from studykit.clock import FixedClock
from studykit.review.schedule import Rating, Scheduler, ScheduleSettings, State
from studykit.review.session import ElsewhereError, Session
from studykit.review.study_queue import Done, Limits
from tests.review.helpers import MONDAY, MemoryJournal, make_card, make_cards
from tests.review.interleavings import run_trials

SCHEDULER = Scheduler(ScheduleSettings())


class Windows:
    """Sittings on one journal, with five new cards a day of twenty."""

    def __init__(self, at: datetime = MONDAY, limits: Limits | None = None) -> None:
        self.cards = make_cards(*(f"c{n:02}" for n in range(20)))
        self.journal = MemoryJournal()
        self.clock = FixedClock(at)
        self.limits = limits or Limits(new_per_day=5)

    def open(self, n_more_new: int = 0) -> Session:
        return Session(self.cards, self.journal, SCHEDULER, self.limits, self.clock, n_more_new)

    def n_new(self) -> int:
        return self.journal.done(SCHEDULER.study_day(self.clock.now()), self.cards).new


def rate(session: Session, rating: Rating = Rating.EASY) -> str:
    session.look_elsewhere(keep=session.revealed)
    session.reveal()
    return session.rate(rating).card_id


def play_out(session: Session) -> list[str]:
    asked = []
    while session.current is not None:
        asked.append(rate(session))
    return asked


def test_a_card_answered_between_two_answers_here_can_be_rated() -> None:
    """What this window writes does not hide what the other one wrote before it."""
    windows = Windows()
    here = windows.open()
    rate(here, Rating.AGAIN)
    windows.clock.advance(timedelta(minutes=2))
    assert rate(windows.open()) == "c00"
    here.reveal()
    here.rate(Rating.EASY)
    # The first card would have come again; it is known here that it was answered.
    assert here.memories["c00"].state is State.REVIEW
    assert "c00" not in play_out(here)


def test_a_refused_rating_can_be_given_at_once() -> None:
    windows = Windows()
    here, there = windows.open(), windows.open()
    here.reveal()
    rate(there)
    with pytest.raises(ElsewhereError, match="rate again to count both"):
        here.rate(Rating.GOOD)
    assert here.rate(Rating.GOOD).after.reps == 2


def test_a_window_left_open_overnight_knows_what_the_morning_has_used() -> None:
    windows = Windows()
    overnight = windows.open()
    assert len(play_out(overnight)) == 5
    windows.clock.advance(timedelta(days=1))
    assert len(play_out(windows.open())) == 5
    overnight.refresh()
    assert overnight.current is None
    assert windows.n_new() == 5


def test_an_open_question_gives_way_when_the_day_has_no_room_for_it() -> None:
    """An answer that was looked at stays: it is never thrown away."""
    windows = Windows()
    windows.cards = make_cards("a", "b", "c")
    windows.limits = Limits(new_per_day=1)
    asked, revealed, there = windows.open(), windows.open(), windows.open()
    revealed.reveal()
    there.hide("suspended")
    rate(there)
    windows.journal.unmark("a", "suspended")
    assert asked.look_elsewhere(keep=False) == {"b"}
    assert asked.current is None
    revealed.look_elsewhere(keep=True)
    assert revealed.rate(Rating.GOOD).card_id == "a"


def test_a_review_gives_way_when_the_day_has_no_room_for_it() -> None:
    windows = Windows(limits=Limits(reviews_per_day=1))
    windows.cards = make_cards("a", "b", "c")
    play_out(windows.open())
    windows.clock.advance(timedelta(days=60))
    here, there = windows.open(), windows.open()
    asked = there.hide("buried").id
    assert here.current is not None and here.current.id == asked
    other = rate(there)
    windows.journal.unmark(asked, "buried")
    assert here.look_elsewhere(keep=False) == {other}
    assert here.current is None


def test_an_open_question_gives_way_to_a_sibling_answered_elsewhere() -> None:
    windows = Windows()
    windows.cards = {id_: make_card(id_, note="norm") for id_ in "ab"} | make_cards("c")
    here, there = windows.open(), windows.open()
    there.hide("buried")
    rate(there)
    windows.journal.unmark("a", "buried")
    here.look_elsewhere(keep=False)
    assert here.current is not None
    assert here.current.id == "c"


def test_a_flight_does_not_hand_out_a_day_twice() -> None:
    """Tokyo to Los Angeles: the local clock goes back seventeen hours, and over the rollover."""
    tokyo, angeles = timezone(timedelta(hours=9)), timezone(timedelta(hours=-8))
    windows = Windows(datetime(2026, 11, 24, 9, tzinfo=tokyo))
    session = windows.open()
    assert len(play_out(session)) == 5
    windows.clock.at = datetime(2026, 11, 24, 2, tzinfo=UTC).astimezone(angeles)
    session.refresh()
    assert (session.current, windows.n_new()) == (None, 5)
    windows.clock.advance(timedelta(hours=12))
    session.refresh()
    assert (session.current, windows.n_new()) == (None, 5)
    windows.clock.advance(timedelta(days=1))
    session.refresh()
    assert len(play_out(session)) == 5


def test_more_new_cards_are_of_the_day_they_were_asked_for() -> None:
    windows = Windows()
    session = windows.open(n_more_new=3)
    assert len(play_out(session)) == 8
    windows.clock.advance(timedelta(days=1))
    session.refresh()
    assert len(play_out(session)) == 5


def test_what_another_window_took_back_is_not_counted_here() -> None:
    windows = Windows()
    here = windows.open()
    rate(here)
    there = windows.open()
    assert there.undo() is not None
    here.look_elsewhere()
    assert (here.reviews, here.done) == ((), Done())


def test_undo_never_takes_back_an_answer_to_put_it_in_again() -> None:
    """A card that has left the course keeps its answer, whatever happens between two writes."""
    windows = Windows()
    rate(windows.open())
    del windows.cards["c00"]
    session = windows.open()
    records = []
    windows.journal.record = lambda *args: records.append(args)  # type: ignore[method-assign]
    assert session.undo() is None
    assert records == []
    assert len(windows.journal.reviews) == 1


def test_random_interleavings(tmp_path: Path) -> None:
    """A few of the thousand that `tests.review.interleavings` walks through."""
    counts = run_trials(tmp_path, range(8))
    assert counts["answers"] > 60
    assert counts["refused once"] > 5
