"""One sitting on the screen: the due cards, each rated and saved before the next one shows."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from textual.content import Content

from studykit.errors import StudykitError
from studykit.review.grading import Grade
from studykit.review.schedule import Rating, turned_leech
from studykit.review.session import Session
from studykit.study.sitting import CAPPED, TOO_GOOD, Sitting, intervals, next_time
from studykit.study.words import few
from studykit.tui.messages import OpenLab
from studykit.tui.screens.asking import KEY, AskingScreen
from studykit.tui.screens.review_keys import REVIEW_KEYS
from studykit.tui.widgets.card_view import CardView, Evidence
from studykit.tui.widgets.place_line import PlaceLine, render_counts
from studykit.tui.widgets.rating_bar import NAMES, RatingBar
from studykit.tui.widgets.sitting_end import SittingEnd


class ReviewScreen(AskingScreen):
    """The due cards, one after the other."""

    BINDING_GROUP_TITLE = "Review"
    BINDINGS = REVIEW_KEYS
    NAMES = NAMES
    NOTHING_LEFT: ClassVar = "Nothing rated today is left to take back"
    _sitting: Sitting[Session]

    def build_end(self) -> SittingEnd:
        return SittingEnd(self._sitting.asking, self.services)

    def show_place(self) -> None:
        session = self._sitting.asking
        counts = session.counts
        total = session.n_done + counts.total
        self.query_one(PlaceLine).show_place(
            self.services.course,
            session.current,
            render_counts(session, counts),
            session.n_done / total if total else 1.0,
        )

    async def show_grade(self, grade: Grade, evidence: Evidence, now: datetime) -> None:
        sitting = self._sitting
        await self.query_one(CardView).show_grade(
            sitting.given,
            grade,
            evidence,
            sitting.confidence if sitting.asking.is_confident_error else None,
            sitting.asking.memory,
        )
        self.query_one(RatingBar).offer(intervals(sitting.asking), grade.suggested)
        self.query_one(RatingBar).display = True
        if sitting.asking.capped and not sitting.asking.is_confident_error:
            self.say(Content.styled(CAPPED.capitalize(), "$text-muted"))

    async def tick(self) -> None:
        if self.is_on_top and not self.is_painting:
            await self._look_elsewhere()
        await super().tick()
        for end in self.query(SittingEnd):
            end.say()

    async def action_rate(self, value: int) -> None:
        """Save the rating, then go on; what cannot be saved leaves everything as it is."""
        if await self._look_elsewhere():
            return  # the learner has seen other intervals than there are now
        before = self._sitting.asking.memory
        try:
            review = self._sitting.asking.rate(Rating(value))
        except StudykitError as error:
            self.warn(f"not saved: {error}")
            return
        await self.show_card()
        rated = f"{review.card_id} rated {NAMES[review.rating]}, {next_time(review)}"
        said = self.undoable(Content.assemble(("✓ ", "$text-success"), rated))
        if review.is_too_good:
            said += Content.styled(f"\n! {TOO_GOOD}", "$text-warning")
        if turned_leech(before, review.after):
            leech = f"\n! leech: {review.after.lapses} lapses; when it is back, "
            said += Content.assemble(
                (leech, "$text-warning"), ("x", KEY), " runs its lab, ", ("e", KEY), " edits it"
            )
        self.say(said)

    async def action_undo(self) -> None:
        await self._look_elsewhere()
        await super().action_undo()

    async def _look_elsewhere(self) -> bool:
        """Take up what another window has done, and say so; True if the current card was in it."""
        sitting, card, shown = self._sitting, self._sitting.card, self._sitting.shown
        try:
            changed = sitting.asking.look_elsewhere(keep=not sitting.is_asked)
        except StudykitError as error:
            self.warn(str(error))
            return False
        if sitting.shown is not shown:
            await self.show_card()
        elif changed:
            self.show_place()
        else:
            return False
        if not changed:
            self.say("A new study day has begun, and its cards stand here")
            return False
        is_current = card is not None and card.id in changed
        way_on = ""
        if is_current and sitting.phase == "revealed":
            await self.show_answer()
            way_on = "; its intervals are new, and a rating here counts beside the other"
        self.warn(f"changed in another window: {few(changed)}{way_on}")
        return is_current

    # At the end

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "missed_labs":
            return any(end.next_lab is not None for end in self.query(SittingEnd))
        return super().check_action(action, parameters)

    def action_missed_labs(self) -> None:
        """Open the lab behind the next of the day's misses; the end stands here afterwards."""
        card = self.query_one(SittingEnd).open_next()
        header = self.services.lab_of(card) if card else None
        if card is not None and header is not None:
            wish = OpenLab(self, header, card.knobs, card, is_answered=True)
            self.app.post_message(wish)

    # Putting aside

    async def action_suspend(self) -> None:
        await self._hide("suspended", "is suspended")

    async def action_bury(self) -> None:
        await self._hide("buried", "waits until tomorrow")

    async def _hide(self, mark: Literal["suspended", "buried"], what: str) -> None:
        try:
            card = self._sitting.asking.hide(mark)
        except StudykitError as error:
            self.warn(f"not saved: {error}")
            return
        await self.show_card()
        self.say(self.undoable(f"{card.id} {what}"))
