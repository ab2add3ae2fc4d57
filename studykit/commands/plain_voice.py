"""What is said in a sitting line by line: where it stands, the card, its answer, the end."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from studykit.commands.plain_card import answer_lines, evidence_lines, question_lines
from studykit.commands.terminal import counted, say, terminal_width
from studykit.review.schedule import Rating
from studykit.review.study_queue import next_due
from studykit.tui.words import minutes, outlook

if TYPE_CHECKING:
    from studykit.course.cards import Card, LabHeader
    from studykit.tui.services import Services
    from studykit.tui.sitting import Sitting


class Voice:
    """Reads a sitting out."""

    def __init__(self, services: Services, sitting: Sitting) -> None:
        self._services = services
        self._sitting = sitting

    def say_counts(self) -> None:
        """The course, and what is due of it."""
        counts = self._sitting.session.counts
        say(
            f"{self._services.course.title}. {counted(counts.total, 'card')} today:"
            f" {counts.new} new, {counts.learning} learning, {counts.review} to review."
        )

    @property
    def header(self) -> LabHeader | None:
        """The lab behind the current card; None if it could not be read."""
        card = self._sitting.card
        return self._services.lab_of(card) if card else None

    def say_place(self) -> None:
        """Where the sitting stands now: the question and what is revealed of it, or the end."""
        shown = self._sitting.shown
        if shown is None:
            say()
            say(self.outlook())
            return
        say()
        say(
            f"{self._topic(shown.card)} {counted(self._sitting.session.counts.total, 'card')} left."
        )
        _say_wrapped(question_lines(shown))
        if self._sitting.phase == "revealed":
            self.say_answer()

    def _topic(self, card: Card) -> str:
        for deck in self._services.course.decks:
            for topic in deck.topics:
                if deck.id == card.deck_id and topic.id == card.topic_id:
                    return f"{topic.number} {topic.title}, {card.kind}."
        return f"{card.kind}."

    def say_answer(self) -> None:
        """How the answer fared, the right one, and what was measured."""
        sitting = self._sitting
        shown, grade = sitting.shown, sitting.session.grade
        assert shown is not None and grade is not None
        say()
        _say_wrapped(answer_lines(shown, sitting.given, grade))
        if sitting.session.is_confident_error and sitting.confidence is not None:
            say(f"You were {sitting.confidence.name.lower()} of it: it comes back soon.")
        self.say_evidence(shown.card)

    def say_evidence(self, card: Card) -> None:
        """What was measured for the card."""
        now = self._services.clock.now()
        _say_wrapped(evidence_lines(card, self.header, self._sitting.evidence, now))

    def outlook(self) -> str:
        """When it goes on: a wait within the day, or the end of it."""
        session, services = self._sitting.session, self._services
        now = services.clock.now()
        if (until := session.waiting_until) is not None:
            wait = minutes(max(timedelta(), until - now))
            return f"The next card comes in {wait}, at {until.astimezone(now.tzinfo):%H:%M}."
        n_unseen = len(session.cards) - len(session.memories)
        coming = next_due(session.memories, services.today)
        rollover_hour = services.settings.review.rollover_hour
        return f"Done for today. {outlook(coming, n_unseen, services.today, rollover_hour)}."

    def say_sum(self) -> None:
        """What the sitting was."""
        reviews = self._sitting.reviews
        n_again = sum(review.rating is Rating.AGAIN for review in reviews)
        again = f", {n_again} again" if reviews else ""
        say(f"{counted(len(reviews), 'card')} rated{again}; all of it is saved.")


def _say_wrapped(lines: Iterable[str]) -> None:
    """Print lines, broken between words where the terminal would break inside one."""
    width = max(24, terminal_width())
    for line in lines:
        rows = [line] if len(line) <= width else textwrap.wrap(line, width)
        for row in rows or [""]:
            say(row)
