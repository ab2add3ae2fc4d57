"""One practice on the screen: the review's cards and answers, and no schedule behind them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from studykit.errors import StudykitError
from studykit.review.grading import Grade
from studykit.review.practice import Practice
from studykit.review.schedule import NEW_MEMORY, Rating
from studykit.study.practising import LABELS
from studykit.study.sitting import Sitting
from studykit.tui.screens.asking import AskingScreen
from studykit.tui.screens.review_keys import PRACTICE_KEYS
from studykit.tui.widgets.card_view import CardView, Evidence
from studykit.tui.widgets.place_line import PlaceLine, render_label
from studykit.tui.widgets.rating_bar import PRACTICE_NAMES, RatingBar
from studykit.tui.widgets.sitting_end import PracticeEnd


class PracticeScreen(AskingScreen):
    """Cards of a choice, each until it was right once; in a pretest each once."""

    BINDING_GROUP_TITLE = "Practice"
    BINDINGS = PRACTICE_KEYS
    # In a pretest nothing is rated.
    LIVE_IN: ClassVar = {
        **AskingScreen.LIVE_IN,
        "next": ("revealed in a pretest",),
        "another": ("asked", "revealed"),
    }
    NAMES = PRACTICE_NAMES
    NOTHING_LEFT: ClassVar = "Nothing answered in this practice is left to take back"
    _sitting: Sitting[Practice]

    def build_end(self) -> PracticeEnd:
        return PracticeEnd(self._sitting.asking, self.services)

    def show_place(self) -> None:
        sitting, practice = self._sitting, self._sitting.asking
        is_flagged = sitting.card is not None and sitting.card.id in practice.marks.flagged
        total = practice.n_settled + practice.n_left
        self.query_one(PlaceLine).show_place(
            self.services.course,
            sitting.card,
            render_label(LABELS[practice.mode], practice.n_left, is_flagged=is_flagged),
            practice.n_settled / total if total else 1.0,
        )

    async def show_grade(self, grade: Grade, evidence: Evidence, now: datetime) -> None:
        sitting = self._sitting
        await self.query_one(CardView).show_grade(
            sitting.given,
            grade,
            evidence,
            sitting.confidence if sitting.asking.is_confident_error else None,
            NEW_MEMORY,
            comes_back=False,
        )
        bar = self.query_one(RatingBar)
        bar.offer({}, Rating.AGAIN if grade.suggested is Rating.AGAIN else Rating.GOOD)
        bar.display = not sitting.asking.is_pretest

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("accept", "rate", "next"):
            is_next = action == "next"
            return self._sitting.phase == "revealed" and is_next == self._sitting.asking.is_pretest
        if action == "another" and not self._sitting.asking.can_draw_another:
            return False
        return super().check_action(action, parameters)

    async def action_rate(self, value: int) -> None:
        is_right = Rating(value) is not Rating.AGAIN
        await self._keep(is_right)

    async def action_next(self) -> None:
        """On in a pretest: the answer counts as it was graded."""
        await self._keep(None)

    async def action_another(self) -> None:
        """Other rows of the exercise; an answer that is shown counts as it was graded."""
        was_revealed = self._sitting.phase == "revealed"
        try:
            is_other = self._sitting.asking.draw_another()
        except StudykitError as error:
            self.warn(f"not kept: {error}")
            return
        await self.show_card()
        told = "Drawn anew" if is_other else "There are no other rows: these are asked again"
        self.say(self.undoable(f"{told}, and your answer is kept") if was_revealed else told)

    async def _keep(self, is_right: bool | None) -> None:
        practice = self._sitting.asking
        try:
            practised = practice.mark_as_graded() if is_right is None else practice.mark(is_right)
        except StudykitError as error:
            self.warn(f"not kept: {error}")
            return
        await self.show_card()
        if practice.is_pretest:
            self.say("")
        elif is_right:
            self.say(self.undoable(f"✓ {practised.card_id} got"))
        else:
            self.say(self.undoable(f"{practised.card_id} comes again in this practice"))
