"""One sitting on the screen: question, answer, evidence, rating, and on to the next card."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from textual import on
from textual.app import ComposeResult, SuspendNotSupported
from textual.containers import Center, Container
from textual.content import Content

from studykit.course.cards import Card
from studykit.errors import StudykitError
from studykit.review.confidence import Confidence
from studykit.review.grading import Given
from studykit.review.leeches import turned_leech
from studykit.review.schedule import Rating, describe_interval
from studykit.tui.editing import editor_command, read_again
from studykit.tui.messages import Answered, AnswerUnclear, ConfidencePicked, RatingPicked
from studykit.tui.screens.base import StudyScreen
from studykit.tui.screens.review_keys import REVIEW_KEYS
from studykit.tui.sitting import Sitting, next_time
from studykit.tui.widgets.answer_text import AnswerInput
from studykit.tui.widgets.card_view import CardView, build_offer, fit_evidence
from studykit.tui.widgets.confidence_bar import ConfidenceBar
from studykit.tui.widgets.place_line import PlaceLine
from studykit.tui.widgets.rating_bar import NAMES, RatingBar
from studykit.tui.widgets.sitting_end import SittingEnd

KEY = "bold $text-primary"
TICK_SECONDS = 1.0
"""How often the screen looks whether a learning step or a lab has ended."""


class ReviewScreen(StudyScreen):
    """The due cards, one after the other."""

    CSS_PATH = "review.tcss"
    BINDING_GROUP_TITLE = "Review"
    BINDINGS = REVIEW_KEYS

    def __init__(self, sitting: Sitting) -> None:
        super().__init__()
        self._sitting = sitting
        self._is_warm = False
        self._is_painting = False

    def compose_body(self) -> ComposeResult:
        yield PlaceLine()
        yield Container(id="body", classes="frame")
        with Center():
            yield ConfidenceBar(self.services.settings.keys)
            yield RatingBar(self.services.settings.keys)

    async def on_mount(self) -> None:
        await self._show_card()
        self.set_interval(TICK_SECONDS, self._tick)

    def on_unmount(self) -> None:
        try:
            self._sitting.end()
        except StudykitError as error:
            self.log.error(str(error))

    # What is on the screen

    async def _show_card(self) -> None:
        """Put the current card on the screen, or the end of the sitting."""
        sitting = self._sitting
        body = self.query_one("#body", Container)
        with self._painting():
            await body.remove_children()
            if sitting.shown is None:
                await body.mount(SittingEnd(sitting.session, sitting.reviews, self.services))
            else:
                view = CardView(sitting.shown)
                await body.mount(view)
                view.focus_answer()
                self._warm_lab()
            self.query_one(PlaceLine).show_place(self.services.course, sitting.session)
            self.query_one(ConfidenceBar).display = False
            self.query_one(RatingBar).display = False

    async def _show_held(self) -> None:
        """Put the answer that is held on the screen, and what comes before its outcome."""
        sitting = self._sitting
        offer = None
        if sitting.phase == "predicted" and sitting.card is not None:
            offer = build_offer(self.services.lab_of(sitting.card), sitting.evidence)
        with self._painting():
            await self.query_one(CardView).show_given(sitting.given, offer)
            self._ask_confidence()
            self.set_focus(None)

    def _ask_confidence(self) -> None:
        bar = self.query_one(ConfidenceBar)
        bar.display = self._sitting.asks_confidence
        way_on = "Enter skips" if self._sitting.phase == "answered" else ""
        bar.ask(self._sitting.confidence, way_on)

    async def _show_answer(self) -> None:
        """Put the graded answer and the ratings on the screen."""
        sitting, grade = self._sitting, self._sitting.session.grade
        if sitting.card is None or grade is None:
            return
        now = self.services.clock.now()
        header = self.services.lab_of(sitting.card)
        evidence = fit_evidence(sitting.card, header, sitting.evidence, now)
        intervals = {
            rating: describe_interval(after, now, self.services.today)
            for rating, after in sitting.session.previews.items()
        }
        with self._painting():
            await self.query_one(CardView).show_grade(
                sitting.given,
                grade,
                evidence,
                sitting.confidence if sitting.session.is_confident_error else None,
                sitting.memory,
            )
            self.query_one(ConfidenceBar).display = False
            self.query_one(RatingBar).offer(intervals, grade.suggested)
            self.query_one(RatingBar).display = True
            self.set_focus(None)

    @contextmanager
    def _painting(self) -> Iterator[None]:
        """While a card is half drawn nothing is shown and no tick comes between."""
        self._is_painting = True
        try:
            with self.app.batch_update():
                yield
        finally:
            self._is_painting = False
        self.call_after_refresh(self.refresh_bindings)

    async def _tick(self) -> None:
        """Let in what time has brought: a learning card, the end of a lab."""
        if self._is_painting or not self.is_current:
            return
        if self._sitting.refresh():
            await self._show_card()
        elif self._sitting.card is not None:
            await self._look_again()
        for end in self.query(SittingEnd):
            end.say()
        run = self.services.lab_run
        is_running = run is not None and not run.is_over
        self.query_one(PlaceLine).badge(f"lab {run.fraction:.0%}" if run and is_running else "")

    def _warm_lab(self) -> None:
        """Let the labs' process load while the learner thinks, once a sitting."""
        card = self._sitting.card
        if not self._is_warm and card is not None and self.services.lab_of(card) is not None:
            self._is_warm = True
            self.run_worker(self.services.runner.warm(), exit_on_error=False, group="warm")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys live: one that does nothing now is neither shown nor obeyed."""
        phase, card = self._sitting.phase, self._sitting.card
        match action:
            case "reveal":
                return phase == "asked" and card is not None and card.kind == "recall"
            case "give_up":
                return phase == "asked" and card is not None and card.kind != "recall"
            case "write":
                return phase == "asked" and self.focused is None and bool(self.query(AnswerInput))
            case "accept" | "rate":
                return phase == "revealed"
            case "show_result":
                return self._sitting.can_show_result
            case "confide":
                return self._sitting.asks_confidence
            case "skip":
                return phase == "answered"
            case "lab" | "copy" | "suspend" | "bury" | "flag" | "edit":
                return card is not None
            case "scroll_card":
                return any(view.max_scroll_y > 0 for view in self.query(CardView))
            case "home_at_end":
                return phase == "over"
        return True

    # Answering and rating

    async def action_reveal(self) -> None:
        await self._take(None)

    async def action_give_up(self) -> None:
        await self._take(None)

    def action_write(self) -> None:
        self.query_one(CardView).focus_answer()

    @on(Answered)
    async def _take_answered(self, event: Answered) -> None:
        event.stop()
        await self._take(event.given)

    async def _take(self, given: Given) -> None:
        sitting = self._sitting
        if not sitting.is_asked:
            return
        try:
            sitting.take(given)
        except StudykitError as error:
            self._warn(str(error))
            return
        self.say("")
        if sitting.phase == "revealed":
            await self._show_answer()
        else:
            await self._show_held()

    @on(AnswerUnclear)
    def _ask_for_more(self, event: AnswerUnclear) -> None:
        event.stop()
        self._warn(event.hint)

    async def action_confide(self, percent: int) -> None:
        """Note how sure the answer is; nothing else is waited for but the lab of a prediction."""
        self._sitting.confide(Confidence(percent))
        if self._sitting.phase == "answered":
            await self.action_skip()
        else:
            self._ask_confidence()

    @on(ConfidencePicked)
    async def _confide_picked(self, event: ConfidencePicked) -> None:
        event.stop()
        await self.action_confide(event.confidence)

    async def action_skip(self) -> None:
        self._sitting.show_result()
        await self._show_answer()

    async def action_show_result(self) -> None:
        self._sitting.show_result()
        await self._show_answer()

    async def action_accept(self) -> None:
        if (grade := self._sitting.session.grade) is not None:
            await self.action_rate(grade.suggested)

    @on(RatingPicked)
    async def _rate_picked(self, event: RatingPicked) -> None:
        event.stop()
        await self.action_rate(event.rating)

    async def action_rate(self, value: int) -> None:
        """Save the rating, then go on; what cannot be saved leaves everything as it is."""
        before = self._sitting.memory
        try:
            review = self._sitting.rate(Rating(value))
        except StudykitError as error:
            self._warn(f"not saved: {error}")
            return
        await self._show_card()
        rated = f"{review.card_id} rated {NAMES[review.rating]}, {next_time(review)} — "
        said = Content.assemble(("✓ ", "$text-success"), rated, ("u", KEY), " undoes it")
        if turned_leech(before, review.after):
            leech = f"\n! leech: {review.after.lapses} lapses; when it is back, "
            said += Content.assemble(
                (leech, "$text-warning"), ("x", KEY), " runs its lab, ", ("e", KEY), " edits it"
            )
        self.say(said)

    async def action_undo(self) -> None:
        """Take back the study day's last rating; its card stands again."""
        try:
            card = self._sitting.undo()
        except StudykitError as error:
            self._warn(f"not taken back: {error}")
            return
        if card is None:
            self.say("Nothing rated today is left to take back")
            return
        await self._show_card()
        self.say(f"Taken back: {card.id} stands again as it was")

    # Putting aside and flagging

    async def action_suspend(self) -> None:
        await self._hide("suspended", "is suspended")

    async def action_bury(self) -> None:
        await self._hide("buried", "waits until tomorrow")

    async def _hide(self, mark: Literal["suspended", "buried"], what: str) -> None:
        try:
            card = self._sitting.hide(mark)
        except StudykitError as error:
            self._warn(f"not saved: {error}")
            return
        await self._show_card()
        self.say(Content.assemble(f"{card.id} {what} — ", ("u", KEY), " undoes it"))

    def action_flag(self) -> None:
        try:
            is_flagged = self._sitting.session.toggle_flag()
        except StudykitError as error:
            self._warn(f"not saved: {error}")
            return
        self.query_one(PlaceLine).show_place(self.services.course, self._sitting.session)
        self.say("Flagged" if is_flagged else "The flag is off")

    # Editing

    async def action_edit(self) -> None:
        """Open the card's deck in the learner's editor; the card stands here as it is then."""
        card = self._sitting.card
        if card is None:
            return
        try:
            command = editor_command(card, os.environ)
            with self.app.suspend():
                subprocess.run(command, check=False)
            read_again(self.services, card.place.path)
        except SuspendNotSupported:
            self._warn("this terminal cannot be lent to an editor")
        except OSError as error:
            self._warn(f"{command[0]} cannot be started: {error.strerror} (set $EDITOR)")
        except StudykitError as error:
            self._warn(f"not taken over: {error}")
        else:
            await self._show_edited(card)

    async def _show_edited(self, old: Card) -> None:
        sitting = self._sitting
        sitting.change_cards()
        await self._show_card()
        if sitting.phase == "revealed":
            await self._show_answer()
        if old.id not in self.services.cards:
            self.say(f"{old.id} is in the deck no longer; its answers are kept")
        else:
            is_same = self.services.cards[old.id] == old
            self.say("Nothing was changed on the card" if is_same else "Read again")

    # Everything else

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.query_one(CardView).as_text(self._sitting.session.grade))
        self.say("Copied")

    def action_scroll_card(self, rows: int) -> None:
        self.query_one(CardView).scroll_relative(y=rows, animate=False)

    def action_home(self) -> None:
        self.dismiss()

    def action_home_at_end(self) -> None:
        self.dismiss()

    def action_lab(self) -> None:
        """Open the card's lab with the card's knobs and what was predicted."""
        card = self._sitting.card
        header = self.services.lab_of(card) if card else None
        if card is None or header is None:
            self._warn("the lab could not be read: studykit check says why")
            return
        self.open_lab(header, card.knobs, card, self._sitting.prediction)

    async def lab_closed(self) -> None:
        """The same card stands here in the same state, with what the lab has brought."""
        self._sitting.lab_was_open()
        await self._look_again()
        self.refresh_bindings()

    async def _look_again(self) -> None:
        before = self._sitting.phase
        if not self._sitting.look_again():
            return
        if self._sitting.phase in ("asked", "answered"):
            self.say("Your run is kept; it stands with the answer")
            return
        await self._show_answer()
        if before == "revealed":
            self.call_after_refresh(self.query_one(CardView).scroll_to_evidence)

    def _warn(self, text: str) -> None:
        self.say(Content.styled(f"! {text}", "$text-warning"))
