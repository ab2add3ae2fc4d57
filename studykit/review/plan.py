"""What the learner has settled about days and decks: days off, exams, desired retention. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import blake2b

from studykit.review.schedule import Memory, State
from studykit.settings import WEEKDAYS, ReviewSettings

EXAM_DAYS = 7
"""Study days before an exam in which each known card of it is asked a last time."""


@dataclass(frozen=True, slots=True)
class LastRound:
    """The study days before an exam in which each of its known cards is asked once more."""

    exam: date
    days: tuple[date, ...]
    """In their order."""

    def due_day(self, card_id: str, memory: Memory) -> date | None:
        """When a card is asked: on its own day, or in the round if that would come too late.

        So are cards that were scheduled before the exam was set. Each has its own day of the round,
        by its id; one that was answered in the round has had its turn.
        """
        due, last = memory.due_day, memory.last_review_day
        if memory.state is not State.REVIEW or due is None or last is None:
            return due
        if due < self.exam or last >= self.days[0]:
            return due
        digest = blake2b(f"{self.exam}:{card_id}".encode(), digest_size=4).digest()
        return self.days[int.from_bytes(digest) % len(self.days)]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted of which deck, and how much of a usual day each day is.

    The default one wants nothing but the schedule.
    """

    course_id: str = ""
    desired_retention: float | None = None
    """Of decks that `retention` does not name; None: as the scheduler has it."""
    retention: Mapping[str, float] = field(default_factory=dict)
    """Deck -> its desired retention."""
    is_balanced: bool = False
    """Reviews are spread by how many cards are due on each day already."""
    easy_days: Mapping[int, float] = field(default_factory=dict)
    """Weekday, Monday is 0 -> its share of a usual day, from 0 to 1; the others are usual days."""
    holidays: tuple[tuple[date, date], ...] = ()
    """First and last day of each."""
    exams: Mapping[str, date] = field(default_factory=dict)
    """Deck or course -> the day on which its cards must be known."""

    @classmethod
    def build(cls, review: ReviewSettings, course_id: str, proposed: float | None) -> Plan:
        """The learner's, for a course that proposes a desired retention, or none.

        The proposal counts for those who have left the setting at its default.
        """
        usual = review.desired_retention
        if proposed is not None and usual == ReviewSettings().desired_retention:
            usual = proposed
        return cls(
            course_id=course_id,
            desired_retention=review.retention.get(course_id, usual),
            retention=review.retention,
            is_balanced=review.balance,
            easy_days={WEEKDAYS.index(name): share for name, share in review.easy_days.items()},
            holidays=review.holidays,
            exams=review.exams,
        )

    def retention_of(self, deck_id: str) -> float | None:
        """Share of a deck's reviews that are to be remembered; None: as the scheduler has it."""
        return self.retention.get(deck_id, self.desired_retention)

    def share(self, day: date) -> float:
        """How much of a usual day `day` is, from 0, a day off, to 1."""
        for first, last in self.holidays:
            if first <= day <= last:
                return 0.0
        return self.easy_days.get(day.weekday(), 1.0)

    def holiday_end(self, day: date) -> date | None:
        """The last day of the holiday that `day` is in; None if it is in none."""
        ends = (last for first, last in self.holidays if first <= day <= last)
        return max(ends, default=None)

    def next_study_day(self, day: date) -> date:
        """`day`, or the first after it that is no day off."""
        while self.share(day) == 0:
            day = (self.holiday_end(day) or day) + timedelta(days=1)
        return day

    def next_exam(self, deck_id: str, day: date) -> date | None:
        """The first exam after `day` that asks about the deck; None if none is to come."""
        days = (self.exams.get(name) for name in (deck_id, self.course_id))
        return min((exam for exam in days if exam is not None and exam > day), default=None)

    def last_round(self, exam: date) -> LastRound:
        """The last `EXAM_DAYS` study days before an exam."""
        days: list[date] = []
        day = exam
        while len(days) < EXAM_DAYS:
            day -= timedelta(days=1)
            if self.share(day) > 0:
                days.append(day)
        return LastRound(exam, tuple(reversed(days)))

    def last_rounds(self, deck_ids: Iterable[str], day: date) -> dict[str, LastRound]:
        """Deck -> the last round before its next exam, of each deck that has one after `day`."""
        if not self.exams:
            return {}
        exams = ((deck_id, self.next_exam(deck_id, day)) for deck_id in set(deck_ids))
        return {deck_id: self.last_round(exam) for deck_id, exam in exams if exam is not None}

    @property
    def has_days_off(self) -> bool:
        """Whether any day may be one."""
        return bool(self.holidays) or 0 in self.easy_days.values()

    @property
    def places_reviews(self) -> bool:
        """Whether anything here may move a review within the range of its fuzz, or out of it."""
        return bool(self.is_balanced or self.easy_days or self.holidays or self.exams)


NO_PLAN = Plan()
"""Every day is a usual one."""
