"""A practice line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from studykit.commands.plain_reading import Quit, Reading, read_line_by_line
from studykit.commands.plain_voice import PracticeVoice
from studykit.commands.terminal import say
from studykit.errors import StudykitError, UsageError
from studykit.review.practice import Practice
from studykit.review.schedule import Rating
from studykit.study.practising import find_offer
from studykit.study.sitting import Sitting

if TYPE_CHECKING:
    from studykit.review.offers import Wish
    from studykit.study.services import Services


def practise_line_by_line(services: Services, wish: Wish) -> int:
    """The exit code of the practice that is asked for; raises `UsageError` if there is none."""
    return read_line_by_line(services, lambda opened: _Practice(opened, wish))


class _Practice(Reading):
    """Keeps whether the learner had it; a pretest is marked by the grade alone."""

    HELP_WORDS: ClassVar = {
        "rated": "answered",
        "rating": "answer",
        "more": "another: ask for other rows of an exercise; after the answer n does so, too\n",
    }
    NOTHING_LEFT = "Nothing answered in this practice is left to take back."
    sitting: Sitting[Practice]

    def __init__(self, services: Services, wish: Wish) -> None:
        offer = find_offer(services, wish)
        if offer.kind == "new" or not offer.ids:
            raise UsageError(f"there is no card now for: {offer.title}")
        practice = services.open_practice(offer.kind, offer.ids, offer.title)
        sitting = Sitting(services, practice)
        super().__init__(services, sitting, PracticeVoice(services, sitting))

    def ask_mark(self) -> None:
        sitting, grade = self.sitting, self.sitting.grade
        assert grade is not None
        is_again = grade.suggested is Rating.AGAIN
        question = "1 again, 3 got it; Enter for " + ("again: " if is_again else "got it: ")
        line = self.ask("Enter goes on: " if sitting.asking.is_pretest else question)
        if line is None:
            return
        if line not in ("", "1", "3") or (line and sitting.asking.is_pretest):
            say("Press Enter." if sitting.asking.is_pretest else "Type 1 or 3, or Enter.")
            return
        is_right = not is_again if line == "" else line == "3"
        try:
            if sitting.asking.is_pretest:
                sitting.asking.mark_as_graded()
            else:
                sitting.asking.mark(is_right)
        except StudykitError as error:
            say(f"Not kept: {error}")
            return
        self.say_place()

    def has_done(self, command: str) -> bool:
        is_wished = command == "another" or (command == "n" and self.sitting.phase == "revealed")
        if not is_wished or not self.sitting.asking.can_draw_another:
            if command == "another":
                say("Other rows can be drawn of an exercise only, and in no pretest.")
            return command == "another"
        try:
            is_other = self.sitting.asking.draw_another()
        except StudykitError as error:
            say(f"Not kept: {error}")
            return True
        if not is_other:
            say("There are no other rows; these are asked again.")
        self.say_place()
        return True

    def ask_at_end(self) -> None:
        if self.ask("Enter or q quits: ") is not None:
            raise Quit
