"""A screen with a card and what was measured for it: below its answer, or beside it."""

from __future__ import annotations

from studykit.course.cards import Card
from studykit.lab.results import RunResult
from studykit.review.exercises import Task
from studykit.tui.screens.base import StudyScreen
from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.card_view import Evidence, fit_evidence
from studykit.tui.widgets.evidence_pane import BESIDE, EvidencePane


class BesideScreen(StudyScreen):
    """Has an `EvidencePane`, which shows from `BESIDE` columns on; below, a text has its place."""

    def on_resize(self) -> None:
        self.set_class(self.size.width >= BESIDE, "-beside")

    @property
    def pane(self) -> EvidencePane:
        """What stands beside the card."""
        return self.query_one(EvidencePane)

    def fit_evidence(
        self, card: Card, result: RunResult | None, *, is_beside: bool = False
    ) -> Evidence:
        """What was measured for `card`; curves have rows of their own where no picture has room."""
        services = self.services
        return fit_evidence(
            card,
            services.lab_of(card),
            result,
            services.clock.now(),
            with_tests=services.shows_tests,
            with_curves=not is_beside,
            pinned=services.pinned(card),
        )

    async def show_beside(
        self, card: Card, result: RunResult | None, task: Task | None = None
    ) -> None:
        """Show what was measured for `card` beside it, and for an exercise's `task`."""
        text = self.fit_evidence(card, result, is_beside=True)
        await self.pane.show(card, self.services.lab_of(card), result, text, task)
        self.refresh_bindings()

    def reword_evidence(self, card: Card, result: RunResult | None) -> None:
        """Tell the same evidence anew, with the tests of its claims or without."""
        below = self.query_one(".evidence", Fitted)
        below.show(self.fit_evidence(card, result))
        self.pane.show_text(self.fit_evidence(card, result, is_beside=True))
        if self.services.shows_tests and not self.pane.display:
            # In a low terminal it stands below the fold, and the key would seem dead.
            below.scroll_visible(animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("turn", "step"):
            panes = [pane for pane in self.query(EvidencePane) if pane.display]
            return any(p.has_figures if action == "turn" else p.shows == "walk" for p in panes)
        return True

    async def action_turn(self, step: int) -> None:
        """Show another picture of the run beside the card."""
        await self.pane.turn(step)
        self.refresh_bindings()

    def action_step(self, step: int) -> None:
        self.pane.walk.advance(step)
