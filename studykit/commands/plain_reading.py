"""Cards asked line by line, by the screens' own sitting behind ``print`` and ``input``.

A review and a practice are both such readings; they differ in what an answer is
marked with and in their end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar

from studykit.commands.plain_card import prompt, read_answer, takes_words
from studykit.commands.terminal import rows_of, say, say_wrapped, warn
from studykit.errors import StudykitError
from studykit.review.grading import Confidence
from studykit.study.evidence_words import render_seconds, why_no_lab
from studykit.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from studykit.commands.plain_voice import Voice
    from studykit.course.cards import Card
    from studykit.review.asking import Asking
    from studykit.study.services import Services
    from studykit.study.sitting import Sitting

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

HELP = """\
q: quit; everything {rated} is saved
u: take the last {rating} back
x: run the card's lab here
own: run it on a text of your own, where it takes one, and hear what it draws
n: I don't know; show the answer
r: read the card again
{more}?: this help
Where words or a number are asked for, a colon goes before: :q, :n"""


class Quit(Exception):  # noqa: N818, not an error
    """The learner has had enough for now."""


def read_line_by_line(services: Services, build: Callable[[Services], Reading]) -> int:
    """The exit code of the reading that `build` makes once the progress is open."""
    services.open()
    if services.warning:
        warn(services.warning)
    with closing(services.progress):
        reading = build(services)
        code = 0
        try:
            reading.go_on()
        except Quit:
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


class Reading(ABC):
    """The conversation: says where the sitting stands, asks, and does what the answer wants."""

    HELP_WORDS: ClassVar[Mapping[str, str]]
    """What fills `HELP`: the words for what is kept, and lines for commands of its own."""
    NOTHING_LEFT: ClassVar[str]
    """Said where there is nothing to take back."""

    def __init__(self, services: Services, sitting: Sitting[Asking], voice: Voice) -> None:
        self.sitting = sitting
        self.voice = voice
        self._services = services
        self._is_past_confidence = False
        """Of the current card: it was asked how sure the prediction is."""

    @abstractmethod
    def ask_mark(self) -> None:
        """Ask how the answer was, keep it, and read on."""

    @abstractmethod
    def ask_at_end(self) -> None:
        """Ask what to do where no card is left; raises `Quit`."""

    def has_done(self, command: str) -> bool:
        """True if it is a command of its own, which is done then."""
        return False

    def is_overtaken(self) -> bool:
        """True if another card stands now, which is said: this one was answered elsewhere."""
        return False

    def go_on(self) -> None:
        """Card after card, until the learner quits."""
        self.voice.say_begin()
        say_wrapped("? lists the keys, q quits; with a colon before it where you write words: :q.")
        self.say_place()
        while True:
            match self.sitting.phase:
                case "asked":
                    self._ask()
                case "answered":
                    self._ask_confidence()
                case "predicted":
                    self._ask_for_result()
                case "revealed":
                    self.ask_mark()
                case "over":
                    self.ask_at_end()

    def say_place(self) -> None:
        self._is_past_confidence = False
        if news := self._services.reload_changed_decks():
            self.sitting.change_cards()
            say_wrapped(*news.splitlines())
        self.voice.say_place()

    # One question for each phase

    def _ask(self) -> None:
        shown = self.sitting.shown
        assert shown is not None
        line = self.ask(prompt(shown), only_colon=takes_words(shown))
        if line is None or self.is_overtaken():
            return
        try:
            self.sitting.take(read_answer(shown, line))
        except StudykitError as error:
            say_wrapped(str(error))
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
        line = self.ask(f"How sure are you? {words}, Enter skips: ")
        if line is None:
            return False
        if line in levels:
            self.sitting.confide(levels[line])
        elif line:
            say_wrapped(f"Type 1 to {len(levels)}, or Enter.")
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
        line = self.ask(f"Your prediction is held. x runs the lab now{cost}{way_on}: ")
        if line == "" and sitting.can_show_result:
            sitting.show_result()
            self.voice.say_answer()

    # What can be typed at any question

    def ask(self, question: str, *, only_colon: bool = False) -> str | None:
        """The line that answers `question`; None if it was a command, which is done already."""
        *before, last = rows_of(clean(question.rstrip()))
        say_wrapped(*before)
        line = input(f"{last} ").strip()
        if only_colon and not line.startswith(":"):
            return line
        card = self.sitting.card
        match line.removeprefix(":").casefold():
            case "q":
                raise Quit
            case "?":
                say(HELP.format_map(self.HELP_WORDS))
            case "r":
                self.voice.say_place()
            case "u":
                self._undo()
            case "x" if card is not None:
                self._run_lab(card)
            case "own" if card is not None:
                self._run_on_own_text(card)
            case "n" if self.sitting.is_asked:
                self.sitting.take(None)
                self.voice.say_answer()
            case command if self.has_done(command):
                pass
            case _ if line.startswith(":"):
                say_wrapped(f"There is no key {line!r} here; :? lists them.")
            case _:
                return line
        return None

    def _undo(self) -> None:
        try:
            card = self.sitting.asking.undo()
        except StudykitError as error:
            say_wrapped(f"Not taken back: {error}")
            return
        if card is None:
            say_wrapped(self.NOTHING_LEFT)
            return
        say_wrapped("Taken back; its card stands again.")
        self.say_place()

    def _run_on_own_text(self, card: Card) -> None:
        header = self.voice.header
        if header is None or not header.own_texts:
            say_wrapped("The lab of this card takes no text.")
        elif self.sitting.phase != "revealed":
            say_wrapped("Answer the card first: what the lab draws may tell.")
        else:
            from studykit.commands.plain_lab import run_on_own_text

            run_on_own_text(self._services, header, card)

    def _run_lab(self, card: Card) -> None:
        """Run the card's lab, and take up what came out."""
        sitting, header = self.sitting, self.voice.header
        if header is None:
            say_wrapped(f"{why_no_lab(card).capitalize()}.")
            return
        from studykit.commands.plain_lab import run_card_lab

        was_revealed, shown = sitting.phase == "revealed", sitting.shown
        run_card_lab(self._services, header, card, sitting.prediction)
        sitting.lab_was_open()
        has_news = sitting.refresh_evidence()
        is_judged = not was_revealed or (has_news and card.kind == "predict")
        if sitting.shown is not shown:
            self.voice.say_place()
        elif sitting.phase == "revealed" and is_judged:
            self.voice.say_answer()
        elif has_news and was_revealed:
            self.voice.say_evidence(card)
        elif has_news:
            say_wrapped(f"Your run of {header.id} is kept; it stands with the answer.")
