"""The review line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from studykit.commands.plain_reading import Quit, Reading, read_line_by_line
from studykit.commands.plain_voice import ReviewVoice
from studykit.commands.terminal import say, say_wrapped
from studykit.errors import StudykitError
from studykit.review.schedule import Rating
from studykit.review.session import Session
from studykit.study.practising import open_part
from studykit.study.sitting import CAPPED, TOO_GOOD, Sitting, intervals, next_time
from studykit.study.words import few

if TYPE_CHECKING:
    from studykit.review.offers import Wish
    from studykit.study.services import Services


def review_line_by_line(services: Services, wish: Wish | None = None) -> int:
    """The exit code of a sitting on today's cards, or on what is wished of them."""
    return read_line_by_line(services, lambda opened: _Review(opened, wish))


class _Review(Reading):
    """Rates what the learner answered, and puts cards aside."""

    HELP_WORDS: ClassVar = {
        "rated": "rated",
        "rating": "rating",
        "more": "suspend: do not ask this card any more\nbury: do not ask this card today\n",
    }
    NOTHING_LEFT = "Nothing rated today is left to take back."
    sitting: Sitting[Session]
    voice: ReviewVoice

    def __init__(self, services: Services, wish: Wish | None) -> None:
        if wish is not None and wish.kind == "deck":
            session = open_part(services, wish.what)
        else:
            session = services.open_session(int(wish.what) if wish else 0)
        sitting = Sitting(services, session)
        super().__init__(services, sitting, ReviewVoice(services, sitting))

    def ask_mark(self) -> None:
        sitting, grade = self.sitting, self.sitting.grade
        assert grade is not None
        if sitting.asking.capped and not sitting.asking.is_confident_error:
            say_wrapped(f"{CAPPED.capitalize()}.")
        ratings = ", ".join(
            f"{rating.value} {rating.name.lower()} {interval}"
            for rating, interval in intervals(sitting.asking).items()
        )
        line = self.ask(f"Rate: {ratings}; Enter for {grade.suggested.name.lower()}: ")
        if line is None:
            return
        if line not in {"", *(str(rating.value) for rating in Rating)}:
            say("Type 1, 2, 3 or 4, or Enter.")
            return
        try:
            review = sitting.asking.rate(Rating(int(line)) if line else grade.suggested)
        except StudykitError as error:
            say(f"Not saved: {error}")
            return
        say(f"Saved: {review.rating.name.lower()}, {next_time(review)}.")
        if review.is_too_good:
            say_wrapped(f"Mind: {TOO_GOOD}; u takes the rating back.")
        self.say_place()

    def is_overtaken(self) -> bool:
        sitting, shown = self.sitting, self.sitting.shown
        try:
            changed = sitting.asking.look_elsewhere(keep=not sitting.is_asked)
        except StudykitError as error:
            say(str(error))
            return False
        if changed:
            say(f"Changed in another window: {few(changed)}.")
        if sitting.shown is shown:
            return False
        self.say_place()
        return True

    def ask_at_end(self) -> None:
        is_waiting = self.sitting.asking.waiting_until is not None
        line = self.ask("Enter looks again, q quits: " if is_waiting else "Enter or q quits: ")
        if line is None:
            return
        if not is_waiting:
            raise Quit
        if self.sitting.asking.refresh():
            self.say_place()
        else:
            say(self.voice.end_words())

    def has_done(self, command: str) -> bool:
        if self.sitting.card is None or command not in ("suspend", "bury"):
            return False
        self._put_aside("suspended" if command == "suspend" else "buried")
        return True

    def _put_aside(self, mark: Literal["suspended", "buried"]) -> None:
        try:
            card = self.sitting.asking.hide(mark)
        except StudykitError as error:
            say(f"Not put aside: {error}")
            return
        say(f"{card.id} is {mark}; u takes that back.")
        self.say_place()
