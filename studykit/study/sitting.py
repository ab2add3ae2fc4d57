"""A sitting as the review screen needs it: the session, and where its answers are kept."""

from __future__ import annotations

from typing import Literal

from studykit.course.cards import Card
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, describe_interval
from studykit.review.session import ElsewhereError, Review, Session
from studykit.study.card_sitting import CardSitting
from studykit.study.services import Services
from studykit.study.words import short_day


class Sitting(CardSitting):
    """One sitting on today's cards, with `n_more_new` beyond the day's limit of new ones."""

    session: Session
    reviews: list[Review]
    """Of this sitting, without those taken back."""

    def __init__(self, services: Services, n_more_new: int = 0) -> None:
        self.session = services.open_session(n_more_new)
        self.reviews = []
        self._began_at = services.clock.now()
        self._is_stored = False
        super().__init__(services, self.session)

    @property
    def n_left(self) -> int:
        return self.session.counts.total

    @property
    def memory(self) -> Memory:
        """What is known of the current card."""
        card = self.session.current
        return self.session.memories.get(card.id, NEW_MEMORY) if card else NEW_MEMORY

    def rate(self, rating: Rating) -> Review:
        """Save the rating and go on to the next card; what raises has changed nothing."""
        if not self._is_stored:
            day = self._services.scheduler.study_day(self._began_at)
            self._services.progress.begin_sitting(self._began_at, day)
            self._is_stored = True
        try:
            review = self.session.rate(rating)
        except ElsewhereError:
            self.session.look_elsewhere()
            raise
        self.reviews.append(review)
        self._enter_card()
        return review

    def undo(self) -> Card | None:
        """The card last rated or put aside today, asked again; None if none is left."""
        card = super().undo()
        del self.reviews[self.session.n_done :]
        return card

    def hide(self, mark: Literal["suspended", "buried"]) -> Card:
        """The current card, put aside; the next one is current."""
        card = self.session.hide(mark)
        self._enter_card()
        return card

    def look_elsewhere(self) -> frozenset[str]:
        """The cards that another window has answered or put aside meanwhile.

        The current one gives way if it is among them and was not answered here.
        """
        shown = self.shown
        changed = self.session.look_elsewhere(keep=not self.is_asked)
        if self.shown is not shown:
            self._enter_card()
        return changed

    def refresh(self) -> bool:
        """Let in learning cards whose step has ended; True if one is current now."""
        if self.card is not None:
            return False
        self.session.refresh()
        self._enter_card()
        return self.card is not None

    def end(self) -> None:
        """Note the end, if anything was rated."""
        if self._is_stored and self._services.store is not None:
            self._services.store.end_sitting(self._services.clock.now())


def next_time(review: Review) -> str:
    """When a card comes again that was just rated: ``again in 10 min``, ``next 6 Dec``."""
    after = review.after
    if after.due_at is not None or after.due_day is None:
        return f"again in {describe_interval(after, review.at, review.day)}"
    return f"next {short_day(after.due_day, review.day)}"
