"""One card to read, with its answer and its evidence; nothing is rated here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widget import Widget

from studykit.course.cards import Card, Cloze, Exercise, Match, Order
from studykit.lab.results import RunResult
from studykit.review.grading import EXAMPLE, Shown, present, right_answer, right_option
from studykit.review.schedule import NEW_MEMORY, Memory
from studykit.study.evidence_words import origin_of_task, task_lines, why_no_lab
from studykit.text import clean
from studykit.tui.messages import LabClosed, OpenLab
from studykit.tui.screens.base import NO_UNDO, TESTS
from studykit.tui.screens.beside import BesideScreen
from studykit.tui.widgets.card_text import Fitted, fit_text
from studykit.tui.widgets.evidence_pane import EvidencePane
from studykit.tui.widgets.memory_text import render_memory
from studykit.tui.widgets.safe import Static


class CardScreen(BesideScreen):
    """Question, right answer, why, and what was measured."""

    CSS_PATH = "card.tcss"
    BINDING_GROUP_TITLE = "Card"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "lab", "lab", id="lab", tooltip="Open the card's lab"),
        TESTS,
        Binding(
            "tab", "turn(1)", "picture", id="next-picture", tooltip="Another picture of the run"
        ),
        Binding("right,l", "step(1)", "next step", show=False, id="step-on"),
        Binding("left,h", "step(-1)", "step back", show=False, id="step-back"),
        NO_UNDO,
        Binding("q,escape,enter", "back", "back", key_display="q", id="back", tooltip="Back"),
        Binding("down,j", "scroll_body(1)", "scroll down", show=False, id="scroll-down"),
        Binding("up,k", "scroll_body(-1)", "scroll up", show=False, id="scroll-up"),
    ]

    def __init__(self, card: Card, memory: Memory = NEW_MEMORY) -> None:
        super().__init__()
        self._card = card
        self._memory = memory

    @property
    def card_in_hand(self) -> Card | None:
        return self._card

    def compose_body(self) -> ComposeResult:
        card = self._card
        title = Content.assemble((clean(card.id), "bold"), (f"  {card.kind}", "$text-muted"))
        yield Static(title, id="title")
        with Container(classes="frame"):
            with VerticalScroll(id="body", can_focus=False):
                yield Fitted(fit_text(self._example().question), classes="question")
                yield Container(*self._answer(), id="answer")
            yield EvidencePane()

    async def on_mount(self) -> None:
        await self._show_beside()

    def _example(self) -> Shown:
        return present(self._card, EXAMPLE, self.services.runs_of(self._card))

    async def _show_beside(self) -> None:
        evidence = self.services.evidence(self._card)
        await self.show_beside(self._card, evidence, self._example().task)

    def _answer(self) -> Iterator[Widget]:
        card = self._card
        evidence = self.services.evidence(card)
        yield Fitted(fit_text(answer_text(self._example(), evidence)), classes="answer")
        if card.explain:
            yield Fitted(fit_text(card.explain), classes="explain")
        yield Fitted(self.fit_evidence(card, evidence), classes="evidence")
        if card.source:
            yield Fitted(fit_text(f"Source: {card.source}"), classes="source")
        memory = render_memory(self._memory, self.services.scheduler, self.services.today)
        yield Static(memory, classes="source")

    def show_tests(self) -> None:
        self.reword_evidence(self._card, self.services.evidence(self._card))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._card.lab) if action == "lab" else super().check_action(action, parameters)

    def action_scroll_body(self, rows: int) -> None:
        self.query_one("#body").scroll_relative(y=rows, animate=False)
        self.pane.scroll_text(rows)

    def action_lab(self) -> None:
        header = self.services.lab_of(self._card)
        if header is None:
            self.say(why_no_lab(self._card))
            return
        wish = OpenLab(self, header, self._card.knobs, self._card, is_answered=True)
        self.app.post_message(wish)

    @on(LabClosed)
    async def _answer_again(self) -> None:
        """The evidence may be another one now."""
        with self.app.batch_update():
            answer = self.query_one("#answer", Container)
            await answer.remove_children()
            await answer.mount(*self._answer())
            await self._show_beside()

    def action_back(self) -> None:
        self.dismiss()


def answer_text(shown: Shown, evidence: RunResult | None) -> str:
    """The right answer as a card's text: one line, or a list where there are several parts."""
    card = shown.card
    body = card.body
    match body:
        case Exercise() if shown.task is not None:
            told = f"For example, {origin_of_task(shown)}; each time other rows are asked:"
            return "\n".join([told, *task_lines(shown)])
        case Order(steps=steps):
            return "\n".join(f"{n}. {step}" for n, step in enumerate(steps, 1))
        case Match(pairs=pairs):
            return "\n".join(f"- {left} → {right}" for left, right in pairs)
        case Cloze(answer=answer, accept=accept):
            also = f" (also: {', '.join(accept)})" if accept else ""
            return f"**{answer}**{also}"
    options = getattr(body, "options", ())
    if options:
        right = right_option(card, evidence)
        lines = []
        for place, option in enumerate(options):
            mark = "?" if right is None else "✓" if place == right else "✗"
            why = f" — {option.misconception}" if option.misconception and place != right else ""
            lines.append(f"{mark} {option.text}{why}")
        return "\n".join(lines)
    return right_answer(card, evidence) or "not measured yet: x runs the lab"
