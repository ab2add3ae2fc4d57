"""A sitting line by line: the screens' own sitting behind ``print`` and ``input``. No textual."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Literal

from studykit.commands.plain_card import prompt, read_answer, takes_words
from studykit.commands.plain_voice import Voice
from studykit.commands.terminal import say, warn
from studykit.errors import StudykitError
from studykit.review.confidence import Confidence
from studykit.review.schedule import Rating, describe_interval
from studykit.text import clean
from studykit.tui.evidence_words import render_seconds
from studykit.tui.sitting import Sitting, next_time

if TYPE_CHECKING:
    from studykit.course.cards import Card
    from studykit.tui.services import Services

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

HELP = """\
q: quit; everything rated is saved
u: take the last rating back
x: run the card's lab here
n: I don't know; show the answer
r: read the card again
suspend: do not ask this card any more
bury: do not ask this card today
?: this help
Where words or a number are asked for, a colon goes before: :q, :bury"""


class _Quit(Exception):  # noqa: N818, not an error
    """The learner has had enough for now."""


def review_line_by_line(services: Services) -> int:
    """The exit code of a sitting on today's cards that is read and typed line by line."""
    services.open()
    if services.warning:
        warn(services.warning)
    with closing(services.progress):
        reading = _Reading(services)
        code = 0
        try:
            reading.go_on()
        except _Quit:
            pass
        except EOFError:
            say()
        except KeyboardInterrupt:
            say()
            code = INTERRUPTED
        finally:
            reading.sitting.end()
        reading.voice.say_sum()
    return code


class _Reading:
    """The conversation: says where the sitting stands, asks, and does what the answer wants."""

    def __init__(self, services: Services) -> None:
        self.sitting = Sitting(services)
        self.voice = Voice(services, self.sitting)
        self._services = services
        self._is_past_confidence = False
        """Of the current card: it was asked how sure the prediction is."""

    def go_on(self) -> None:
        """Card after card, until the learner quits."""
        self.voice.say_counts()
        say("? lists the keys, q quits; with a colon before it where you write words: :q.")
        self._say_place()
        while True:
            match self.sitting.phase:
                case "asked":
                    self._ask()
                case "answered":
                    self._ask_confidence()
                case "predicted":
                    self._ask_for_result()
                case "revealed":
                    self._ask_rating()
                case "over":
                    self._ask_at_end()

    def _say_place(self) -> None:
        self._is_past_confidence = False
        self.voice.say_place()

    # One question for each phase

    def _ask(self) -> None:
        shown = self.sitting.shown
        assert shown is not None
        line = self._input(prompt(shown), only_colon=takes_words(shown))
        if line is None:
            return
        try:
            self.sitting.take(read_answer(shown, line))
        except StudykitError as error:
            say(str(error))
            return
        if self.sitting.phase == "revealed":
            self.voice.say_answer()

    def _ask_confidence(self) -> None:
        if self._has_confided():
            self.sitting.show_result()
            self.voice.say_answer()

    def _has_confided(self) -> bool:
        """True once the learner has said how sure the answer is, or has passed over it."""
        levels = {str(n): each for n, each in enumerate(Confidence, 1)}
        words = ", ".join(f"{n} {each.name.lower()}" for n, each in levels.items())
        line = self._input(f"How sure are you? {words}, Enter skips: ")
        if line is None:
            return False
        if line in levels:
            self.sitting.confide(levels[line])
        elif line:
            say(f"Type 1 to {len(levels)}, or Enter.")
        return not line or line in levels

    def _ask_for_result(self) -> None:
        """A prediction is held; its outcome is known already, or the lab will tell."""
        sitting, header = self.sitting, self.voice.header
        if sitting.asks_confidence and not self._is_past_confidence:
            self._is_past_confidence = self._has_confided()
            return
        cost = f" ({render_seconds(header)})" if header and header.seconds else ""
        way_on = ""
        if sitting.can_show_result:
            way_on = ", Enter goes on without a result"
        if sitting.evidence is not None:
            whose = "the recorded run" if sitting.evidence.recorded else "your last run"
            way_on = f", Enter shows the result of {whose}"
        line = self._input(f"Your prediction is held. x runs the lab now{cost}{way_on}: ")
        if line == "" and sitting.can_show_result:
            sitting.show_result()
            self.voice.say_answer()

    def _ask_rating(self) -> None:
        sitting, grade = self.sitting, self.sitting.session.grade
        assert grade is not None
        now, today = self._services.clock.now(), self._services.today
        ratings = ", ".join(
            f"{rating.value} {rating.name.lower()} {describe_interval(after, now, today)}"
            for rating, after in sitting.session.previews.items()
        )
        line = self._input(f"Rate: {ratings}; Enter for {grade.suggested.name.lower()}: ")
        if line is None:
            return
        if line not in {"", *(str(rating.value) for rating in Rating)}:
            say("Type 1, 2, 3 or 4, or Enter.")
            return
        try:
            review = sitting.rate(Rating(int(line)) if line else grade.suggested)
        except StudykitError as error:
            say(f"Not saved: {error}")
            return
        say(f"Saved: {review.rating.name.lower()}, {next_time(review)}.")
        self._say_place()

    def _ask_at_end(self) -> None:
        is_waiting = self.sitting.session.waiting_until is not None
        line = self._input("Enter looks again, q quits: " if is_waiting else "Enter or q quits: ")
        if line is None:
            return
        if not is_waiting:
            raise _Quit
        if self.sitting.refresh():
            self._say_place()
        else:
            say(self.voice.outlook())

    # What can be typed at any question

    def _input(self, question: str, *, only_colon: bool = False) -> str | None:
        """The line that answers `question`; None if it was a command, which is done already."""
        line = input(clean(question)).strip()
        if only_colon and not line.startswith(":"):
            return line
        card = self.sitting.card
        match line.removeprefix(":").casefold():
            case "q":
                raise _Quit
            case "?":
                say(HELP)
            case "r":
                self.voice.say_place()
            case "u":
                self._undo()
            case "x" if card is not None:
                self._run_lab(card)
            case "n" if self.sitting.is_asked:
                self.sitting.take(None)
                self.voice.say_answer()
            case "suspend" if card is not None:
                self._put_aside("suspended")
            case "bury" if card is not None:
                self._put_aside("buried")
            case _ if line.startswith(":"):
                say(f"There is no key {line!r} here; :? lists them.")
            case _:
                return line
        return None

    def _undo(self) -> None:
        try:
            card = self.sitting.undo()
        except StudykitError as error:
            say(f"Not taken back: {error}")
            return
        if card is None:
            say("Nothing rated today is left to take back.")
            return
        say("Taken back; its card stands again.")
        self._say_place()

    def _run_lab(self, card: Card) -> None:
        """Run the card's lab, and take up what came out."""
        sitting, header = self.sitting, self.voice.header
        if header is None:
            say("The lab could not be read; studykit check says why.")
            return
        from studykit.commands.plain_lab import run_card_lab

        was_revealed = sitting.phase == "revealed"
        run_card_lab(self._services, header, card, sitting.prediction)
        sitting.lab_was_open()
        if not sitting.look_again():
            return
        if was_revealed and card.kind != "predict":
            self.voice.say_evidence(card)
        elif sitting.phase == "revealed":
            self.voice.say_answer()
        else:
            say("Your run is kept; it stands with the answer.")

    def _put_aside(self, mark: Literal["suspended", "buried"]) -> None:
        try:
            card = self.sitting.hide(mark)
        except StudykitError as error:
            say(f"Not put aside: {error}")
            return
        say(f"{card.id} is {mark}; u takes that back.")
        self._say_place()
