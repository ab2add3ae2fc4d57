"""Before a run: the knobs to turn and the outcome to predict, under one cursor."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message

from studykit.course.cards import Card, Knobs, KnobValue, LabHeader
from studykit.lab.results import Prediction
from studykit.study.evidence_words import render_knobs, render_seconds
from studykit.study.prediction import build_bets, build_question
from studykit.text import clean, plural
from studykit.tui.widgets.card_text import Fitted, parse_inline
from studykit.tui.widgets.evidence import hang
from studykit.tui.widgets.knobs import KnobRows
from studykit.tui.widgets.outcome import render_prediction
from studykit.tui.widgets.rows import Rows, row


class _Bets(Rows, can_focus=False):
    """What may be predicted; the cursor is moved from outside, so no key depends on the focus."""

    def watch_is_live(self, is_live: bool) -> None:
        """Stay out of the focus."""


class LabSetup(Vertical):
    """The rows of the knobs and, below them, those of the prediction."""

    @dataclass
    class Changed(Message):
        """The cursor or a knob has moved."""

    def __init__(
        self,
        header: LabHeader,
        knobs: Knobs,
        card: Card | None,
        prediction: Prediction | None,
        reps: int,
    ) -> None:
        super().__init__()
        self._header = header
        self._card = card
        self._opening_knobs = {**header.defaults, **knobs}
        self._prediction = prediction
        self._choices = build_bets(header, card, reps)
        self._knobs = KnobRows(header.knobs, self._opening_knobs)
        self._bets = _Bets()
        self._bets.rows = tuple(
            row(chr(ord("a") + n), bet.text) for n, bet in enumerate(self._choices)
        )

    def compose(self) -> ComposeResult:
        with Vertical(id="turn"):
            yield self._knobs
        with VerticalScroll(id="bet", can_focus=False):
            yield Fitted(self._render_ask, id="ask")
            yield self._bets
            yield Fitted(self._render_cost, id="cost")

    def on_mount(self) -> None:
        self._point_at(0)

    @property
    def knobs(self) -> dict[str, KnobValue]:
        """Every knob as it is set."""
        return self._knobs.values

    @property
    def needs_prediction(self) -> bool:
        """Nothing has been predicted for these knobs."""
        return bool(self._choices) and self.made_prediction is None

    @property
    def made_prediction(self) -> Prediction | None:
        """What was predicted on the card, as long as the knobs are those that it speaks of."""
        return self._prediction if self.knobs == self._opening_knobs else None

    @property
    def is_predicting(self) -> bool:
        """The cursor stands on a prediction."""
        return self._bets.is_live

    @property
    def pointed_prediction(self) -> Prediction:
        """The prediction under the cursor."""
        return self._choices[self._bets.cursor].prediction

    def predict(self) -> None:
        """Go from the knobs to the predictions."""
        self._point_at(self._n_knobs)

    def move(self, step: int) -> None:
        """Move the cursor over the knobs and on to the predictions."""
        at = self._n_knobs + self._bets.cursor if self.is_predicting else self._knobs.cursor
        n_rows = self._n_knobs + (len(self._choices) if self.needs_prediction else 0)
        self._point_at(max(0, min(at + step, n_rows - 1)))

    def change(self, step: int) -> None:
        """Turn the knob under the cursor."""
        if self._knobs.cursor >= 0:
            self._knobs.change(self._knobs.cursor, step)
            self._refresh()

    def set_defaults(self) -> None:
        """Turn every knob to where the lab has it."""
        self._knobs.values = self._header.defaults
        self._refresh()

    def ask_again(self) -> None:
        """Forget what was predicted: its outcome is known."""
        self._prediction = None
        self._point_at(0)

    @property
    def _n_knobs(self) -> int:
        return len(self._header.knobs)

    def _point_at(self, index: int) -> None:
        """Put the cursor on a row, counted over the knobs and the predictions below them."""
        is_knob = index < self._n_knobs
        self._knobs.cursor = index if is_knob else -1
        self._bets.is_live = not is_knob and self.needs_prediction
        self._bets.cursor = 0 if is_knob else index - self._n_knobs
        self._refresh()

    def _refresh(self) -> None:
        self._bets.display = self.needs_prediction
        self.query_one("#ask", Fitted).show(self._render_ask)
        self.post_message(self.Changed())

    def _render_ask(self, width: int) -> Content:
        if made := self.made_prediction:
            return render_prediction(self._header, made, width)
        if not self._choices:
            return Content("")
        lead = Content.styled("YOUR PREDICTION  ", "bold $text-accent")
        turned = {
            name: value
            for name, value in self.knobs.items()
            if self._card is not None and value != self._opening_knobs[name]
        }
        text = Content.assemble(
            parse_inline(clean(build_question(self._header, self._card))),
            (f"  Here with {render_knobs(turned)}." if turned else "", "$text-warning"),
        )
        return hang(lead, text, width)

    def _render_cost(self, width: int) -> Content:
        header = self._header
        seeds, seconds = plural(header.seeds, "seed"), render_seconds(header)
        cost = f"A run takes {seeds}"
        if seconds:
            cost += f"; with the default knobs {seconds}"
        return hang(Content(""), Content.styled(cost, "$text-muted"), width)

    @on(KnobRows.Clicked)
    def _knob_clicked(self, event: KnobRows.Clicked) -> None:
        event.stop()
        if self._knobs.cursor == event.index:
            self.change(1)
        else:
            self._point_at(event.index)

    @on(Rows.Clicked)
    def _bet_clicked(self, event: Rows.Clicked) -> None:
        event.stop()
        self._point_at(self._n_knobs + event.index)
