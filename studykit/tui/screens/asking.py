"""A card on the screen: question, answer, evidence, and what comes after.

The scheduled review and the practice are both such screens. They differ in what a card is marked
with, in what the top line counts, and in their end.
"""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Center, Container, VerticalScroll
from textual.content import Content

from studykit.course.cards import Card, LabHeader
from studykit.errors import StudykitError
from studykit.review.asking import Asking
from studykit.review.grading import Confidence, Given, Grade
from studykit.review.schedule import Rating
from studykit.study.evidence_words import why_no_lab
from studykit.study.lab_run import LabRun
from studykit.study.sitting import Sitting
from studykit.text import plural
from studykit.tui.messages import (
    Answered,
    AnswerUnclear,
    ConfidencePicked,
    LabClosed,
    OpenLab,
    OpenPractice,
    RatingPicked,
    StartLab,
)
from studykit.tui.pace import collect_young
from studykit.tui.screens.beside import BesideScreen
from studykit.tui.screens.review_keys import ANSWERING, HABITUAL, LIVE_IN, REPEATED
from studykit.tui.widgets.answer_text import AnswerInput
from studykit.tui.widgets.card_view import CardView, Evidence, build_offer
from studykit.tui.widgets.confidence_bar import ConfidenceBar
from studykit.tui.widgets.evidence_pane import EvidencePane
from studykit.tui.widgets.labs_in_hand import render_lab_news
from studykit.tui.widgets.place_line import PlaceLine
from studykit.tui.widgets.rating_bar import RatingBar
from studykit.tui.widgets.safe import Static

KEY = "bold $text-primary"
FOOTER_SECONDS = 0.02
"""How long after a card the footer shows its keys."""
COLLECT_SECONDS = 0.1
"""How long after a card the terminal surely has it."""
PICTURES_SECONDS = 0.3
"""How long after the first card what draws the evidence is imported."""
TICK_SECONDS = 1.0
"""How often the screen looks whether a learning step or a lab has ended."""


class AskingScreen(BesideScreen):
    """The cards of a sitting, one after the other."""

    CSS_PATH = "review.tcss"
    NAMES: ClassVar[Mapping[Rating, str]]
    """What a card can be marked with."""
    NOTHING_LEFT: ClassVar[str]
    """Said where there is nothing to take back."""

    LIVE_IN: ClassVar[Mapping[str, tuple[str, ...]]] = LIVE_IN
    NEVER_BLIND = ANSWERING - HABITUAL
    NEVER_COVERED = HABITUAL
    NEVER_HELD = BesideScreen.NEVER_HELD | (ANSWERING - REPEATED)

    _sitting: Sitting[Asking]

    def __init__(self, asking: Asking) -> None:
        super().__init__()
        self._sitting = Sitting(self.services, asking)
        self._is_warm = False
        self._has_pictures = False
        self._news = ""  # of the decks, not told yet
        self.is_painting = False

    # What is another in the review and in a practice

    @abstractmethod
    def build_end(self) -> Static:
        """What stands where a card would when there is none."""

    @abstractmethod
    def show_place(self) -> None:
        """Bring the top line up to date."""

    @abstractmethod
    async def show_grade(self, grade: Grade, evidence: Evidence, now: datetime) -> None:
        """Put the graded answer on the screen, and what the card can be marked with."""

    @abstractmethod
    async def action_rate(self, value: int) -> None:
        """Keep what the learner says of the answer, then go on; unkept, nothing changes."""

    def compose_body(self) -> ComposeResult:
        yield PlaceLine()
        with Container(id="body"):
            yield Container(id="card", classes="frame")
            yield EvidencePane()
        with Center():
            yield ConfidenceBar(self.services.settings.keys)
            yield RatingBar(self.services.settings.keys, self.NAMES)

    async def on_mount(self) -> None:
        await self.show_card()
        self.set_interval(TICK_SECONDS, self.tick)

    def on_unmount(self) -> None:
        try:
            self._sitting.end()
        except StudykitError as error:
            self.log.error(str(error))

    @property
    def card_in_hand(self) -> Card | None:
        return self._sitting.card

    # What is on the screen

    async def show_card(self) -> None:
        """Put the current card on the screen, or the end of the sitting."""
        sitting = self._sitting
        if news := self.services.reload_changed_decks():
            sitting.change_cards()
            self._news = news
        body = self.query_one("#card", Container)
        with self._painting():
            view = next(iter(body.query_children(CardView)), None)
            if view is not None and sitting.shown is not None:
                await view.ask(sitting.shown)
            else:
                await body.remove_children()
                view = CardView(sitting.shown) if sitting.shown else None
                await body.mount(view or self.build_end())
            self.pane.clear()
            self.set_class(view is not None, "-asking")
            self.query_one(Center).display = view is not None
            if view is not None:
                view.focus_answer()
                self._warm_lab()
            self.show_place()
            self.query_one(ConfidenceBar).display = False
            self.query_one(RatingBar).display = False

    def say(self, text: str | Content) -> None:
        """Put `text` in the status line, and below it what is new of the decks."""
        news, self._news = self._news, ""
        super().say(Content.assemble(text, "\n" if text else "", news) if news else text)

    def undoable(self, told: str | Content) -> Content:
        """What was done, and how it is undone: in a text field `u` is a letter."""
        return Content.assemble(
            told, " — ", ("Esc u" if self._is_writing else "u", KEY), " undoes it"
        )

    @property
    def _is_writing(self) -> bool:
        """The keys write an answer."""
        return self._sitting.is_asked and bool(self.query(AnswerInput))

    async def _show_held(self) -> None:
        """Put the answer that is held on the screen, and what comes before its outcome."""
        sitting = self._sitting
        offer = None
        if sitting.phase == "predicted" and sitting.card is not None:
            header = self.services.lab_of(sitting.card)
            cost = self.services.cost_of(header, sitting.card.knobs) if header else ""
            offer = build_offer(cost, sitting.evidence)
        with self._painting():
            await self.query_one(CardView).show_given(sitting.given, offer)
            self._ask_confidence()
            self.set_focus(None)

    def _ask_confidence(self) -> None:
        bar = self.query_one(ConfidenceBar)
        bar.display = self._sitting.asks_confidence
        way_on = "Enter skips" if self._sitting.phase == "answered" else ""
        bar.ask(self._sitting.confidence, way_on)

    async def show_answer(self) -> None:
        """Put the graded answer on the screen, and what comes after it."""
        sitting, grade = self._sitting, self._sitting.grade
        if sitting.card is None or sitting.shown is None or grade is None:
            return
        with self._painting():
            now = self.services.clock.now()
            await self.show_grade(grade, self.fit_evidence(sitting.card, sitting.evidence), now)
            await self.show_beside(sitting.card, sitting.evidence, sitting.shown.task)
            self.query_one(ConfidenceBar).display = False
            self.set_focus(None)

    def show_tests(self) -> None:
        if (card := self._sitting.card) is not None:
            self.reword_evidence(card, self._sitting.evidence)

    @contextmanager
    def _painting(self) -> Iterator[None]:
        """While a card is half drawn nothing is shown and no tick comes between."""
        self.is_painting = True
        self.show_anew()
        try:
            with self.app.batch_update():
                yield
        finally:
            self.is_painting = False
        # The thread that writes to the terminal goes first; the footer may follow a frame later.
        self.call_after_refresh(self.set_timer, FOOTER_SECONDS, self._after_paint)

    def _after_paint(self) -> None:
        self.refresh_bindings()
        self.set_timer(COLLECT_SECONDS, collect_young)
        if not self._has_pictures:
            self._has_pictures = True
            self.set_timer(PICTURES_SECONDS, self._load_pictures)

    def _load_pictures(self) -> None:
        """Import what draws the evidence while the first card is read, not when it is answered."""
        names = ["studykit.tui.widgets.sparklines"]
        if self.has_class("-beside"):
            names.append("textual_plot")
        for name in names:
            importlib.import_module(name)

    async def tick(self) -> None:
        """Let in what time has brought: a learning card, the end of a lab."""
        if self.is_painting or not self.is_on_top:
            return
        if self._news:
            self.say("")
        if self._sitting.card is not None:
            await self._refresh_evidence()
        elif self._sitting.asking.refresh():
            await self.show_card()

    def _warm_lab(self) -> None:
        """Let the labs' process load while the learner thinks, once a sitting."""
        card = self._sitting.card
        if not self._is_warm and card is not None and self.services.lab_of(card) is not None:
            self._is_warm = True
            self.run_worker(self.services.runner.warm(), exit_on_error=False, group="warm")

    def heeds_text(self, event: events.Key) -> bool:
        is_text = isinstance(self.focused, AnswerInput) and event.is_printable
        return not is_text or self.is_seen(event.time)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Which keys live: one that does nothing now is neither shown nor obeyed."""
        sitting, card = self._sitting, self._sitting.card
        if action in LIVE_IN and sitting.phase not in LIVE_IN[action]:
            return False
        match action:
            case "reveal":
                return card is not None and card.kind == "recall"
            case "give_up":
                return card is not None and card.kind != "recall"
            case "write":
                return self.focused is None and bool(self.query(AnswerInput))
            case "lab" | "lab_beside":
                return card is None or bool(card.lab)
            case "tests":
                return sitting.evidence is not None
            case "show_result":
                return sitting.can_show_result
            case "confide":
                return sitting.asks_confidence
            case "reopen":
                return sitting.can_let_go
            case "suspend" | "bury":
                # `b` after `a` is meant for the second option, not to put the card aside.
                return not sitting.can_let_go
            case "turn" | "step":
                return super().check_action(action, parameters)
            case "scroll_card":
                return any(view.max_scroll_y > 0 for view in self.query(VerticalScroll))
        return True

    # Answering and marking

    async def action_reveal(self) -> None:
        await self._take(None)

    async def action_give_up(self) -> None:
        await self._take(None)

    def action_write(self) -> None:
        self.query_one(CardView).focus_answer()

    @on(Answered)
    async def _take_answered(self, event: Answered) -> None:
        event.stop()
        if self.is_seen(event.time):
            await self._take(event.given)

    async def _take(self, given: Given) -> None:
        sitting = self._sitting
        if not sitting.is_asked:
            return
        try:
            sitting.take(given)
        except StudykitError as error:
            self.warn(str(error))
            return
        self.say("")
        if sitting.phase == "revealed":
            await self.show_answer()
        else:
            await self._show_held()

    @on(AnswerUnclear)
    def _ask_for_more(self, event: AnswerUnclear) -> None:
        event.stop()
        self.warn(event.hint)

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
        if self.is_seen(event.time):
            await self.action_confide(event.confidence)

    async def action_skip(self) -> None:
        self._sitting.show_result()
        await self.show_answer()

    async def action_reopen(self) -> None:
        """Go back from the held answer to the question; the answer stands there to be changed."""
        self._sitting.let_go()
        with self._painting():
            await self.query_one(CardView).reopen()
            self.query_one(ConfidenceBar).display = False
        self.say("Change your answer, or give it again; its outcome was not shown yet")

    async def action_show_result(self) -> None:
        self._sitting.show_result()
        await self.show_answer()

    async def action_accept(self) -> None:
        if (grade := self._sitting.grade) is not None:
            await self.action_rate(grade.suggested)

    @on(RatingPicked)
    async def _rate_picked(self, event: RatingPicked) -> None:
        event.stop()
        if self.is_seen(event.time):
            await self.action_rate(event.rating)

    async def action_undo(self) -> None:
        """Take back the answer that is held, else what was last kept; its card stands again."""
        if self._sitting.can_let_go:
            self._sitting.let_go()
            await self.show_card()
            self.say("Your answer is taken back; its outcome was not shown yet")
            return
        try:
            card = self._sitting.asking.undo()
        except StudykitError as error:
            self.warn(f"not taken back: {error}")
            return
        if card is None:
            self.say(self.NOTHING_LEFT)
            return
        await self.show_card()
        stands = "stands again as it was" if card is self._sitting.card else "is asked again"
        told = Content(f"Taken back: {card.id} {stands}")
        # Another `u` would be written into its answer.
        more = (" — ", ("Esc u", KEY), " takes back more") if self._is_writing else ()
        self.say(Content.assemble(told, *more))

    def action_flag(self) -> None:
        try:
            is_flagged = self._sitting.asking.toggle_flag()
        except StudykitError as error:
            self.warn(f"not saved: {error}")
            return
        self.show_place()
        self.say("Flagged" if is_flagged else "The flag is off")

    # Editing

    async def action_edit(self) -> None:
        """Open the card's deck in the learner's editor; the card stands here as it is then."""
        if self._sitting.card is None or (told := self.edit_deck(self._sitting.card)) is None:
            return
        self._sitting.change_cards()
        await self.show_card()
        if self._sitting.phase == "revealed":
            await self.show_answer()
        self.say(told)

    # Everything else

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.query_one(CardView).as_text(self._sitting.grade))
        self.say("Copied")

    def action_scroll_card(self, rows: int) -> None:
        self.query_one(CardView).scroll_relative(y=rows, animate=False)
        self.pane.scroll_text(rows)

    def action_home(self) -> None:
        self.dismiss()

    def action_home_at_end(self) -> None:
        self.dismiss()

    def action_practise(self) -> None:
        """Choose what to practise; Home lies below it."""
        self.app.post_message(OpenPractice(self))

    def _card_with_lab(self) -> tuple[Card, LabHeader] | None:
        """The card in hand and its lab; where that could not be read, the status line says so."""
        card = self._sitting.card
        header = self.services.lab_of(card) if card else None
        if card is None or header is None:
            self.warn(why_no_lab(card))
            return None
        return card, header

    def action_lab(self) -> None:
        """Open the card's lab with the card's knobs and what was predicted."""
        if (found := self._card_with_lab()) is None:
            return
        card, header = found
        sitting = self._sitting
        is_answered = sitting.phase == "revealed"
        self.app.post_message(
            OpenLab(self, header, card.knobs, card, sitting.prediction, is_answered=is_answered)
        )

    def action_lab_beside(self) -> None:
        """Start the card's lab with the card's knobs and what was predicted; the card stays."""
        if (found := self._card_with_lab()) is None:
            return
        card, header = found
        run = LabRun(header, dict(card.knobs), card, self._sitting.prediction)
        self.app.post_message(StartLab(self, run))

    async def lab_started(self, run: LabRun) -> None:
        """The card stays as it is."""
        state = f"waits behind {plural(run.n_ahead, 'other run')}" if run.n_ahead else "runs"
        self.say(f"{run.header.id} {state}; go on meanwhile")

    def tell_of_lab(self, run: LabRun) -> None:
        """The verdict is no news while it would answer the card."""
        card, phase = self._sitting.card, self._sitting.phase
        is_open = card is not None and phase != "revealed" and card.lab == run.header.id
        self.say(render_lab_news(run, tells_outcome=not is_open))

    @on(LabClosed)
    async def _take_up_lab(self, event: LabClosed) -> None:
        """The same card stands here in the same state, with what the lab has brought."""
        before = self._sitting.phase
        if (card := self._sitting.card) is not None and card.lab == event.lab_id:
            self._sitting.lab_was_open()
        if self._sitting.phase != before:
            # What was predicted there is the answer, whatever became of the run.
            is_held = self._sitting.phase != "revealed"
            await (self._show_held() if is_held else self.show_answer())
        await self._refresh_evidence()
        self.refresh_bindings()

    async def _refresh_evidence(self) -> None:
        before, card, shown = self._sitting.phase, self._sitting.card, self._sitting.shown
        if card is None or not self._sitting.refresh_evidence():
            return
        if self._sitting.shown is not shown:
            await self.show_card()
            self.say("Drawn from your run")
            return
        if self._sitting.phase in ("asked", "answered"):
            self.say(f"Your run of {card.lab} is kept; it stands with the answer")
            return
        await self.show_answer()
        if before == "revealed":
            self.call_after_refresh(self.query_one(CardView).scroll_to_evidence)
