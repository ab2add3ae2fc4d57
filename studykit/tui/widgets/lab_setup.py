"""Before a run: the knobs to turn, the outcome to predict, and what the lab is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from studykit.course.cards import Card, Knobs, KnobValue, LabHeader
from studykit.course.models import ShelfModel
from studykit.lab.results import Prediction
from studykit.review.grading import Confidence
from studykit.study.evidence_words import about_before, render_knobs
from studykit.study.prediction import build_bets, build_question
from studykit.text import plural, size_in_words
from studykit.tui.messages import AnswerUnclear
from studykit.tui.widgets.card_text import Fitted, lay_out, parse_lines
from studykit.tui.widgets.evidence import ROOMY, hang
from studykit.tui.widgets.knobs import KnobRows
from studykit.tui.widgets.outcome import render_about, render_prediction
from studykit.tui.widgets.own_value import OwnValue
from studykit.tui.widgets.part_rows import PartRows, build_rows
from studykit.tui.widgets.rows import Rows, row


class _Bets(Rows, can_focus=False):
    """What may be predicted; the cursor is moved from outside, so no key depends on the focus.

    At first it stands on none: what is marked for the learner is no prediction.
    """

    def validate_cursor(self, cursor: int) -> int:
        return max(-1, min(cursor, len(self.rows) - 1))

    def watch_is_live(self, is_live: bool) -> None:
        """Stay out of the focus."""


def _render_lack(models: Sequence[ShelfModel]) -> str:
    """What a lab lacks, how to have it, and what there is without it."""
    names = " and ".join(model.name for model in models)
    size = size_in_words(sum(model.download_bytes for model in models))
    what = f"model {names}, which is" if len(models) == 1 else f"models {names}, which are"
    return (
        f"The lab needs the {what} not installed: i installs, {size}. "
        "Without, a run shows what is recorded."
    )


class LabSetup(VerticalScroll, can_focus=False):
    """The rows of the knobs, those of the prediction, and what the lab is about."""

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
        *,
        is_answered: bool,
        cost_of: Callable[[Knobs], str],
        lacking: Callable[[Knobs], Sequence[ShelfModel]],
    ) -> None:
        super().__init__()
        self._header = header
        self._find_lacking = lacking
        self.lacking: Sequence[ShelfModel] = ()
        """The models that a run with these knobs needs and that are not installed."""
        self._cost_of = cost_of
        """How long a run with such knobs takes, in words."""
        self._card = card
        self._opening_knobs = {**header.defaults, **knobs}
        self._prediction = prediction
        self._is_answered = is_answered
        self._seen = [self._opening_knobs] if card is not None and is_answered else []
        """Knobs whose outcome the learner knows: it can be predicted no longer."""
        self._choices = build_bets(header, card, reps, is_answered=is_answered)
        # While the card waits for its answer, what the lab is about may be that answer.
        tells = card is None or is_answered or prediction is not None
        self._about = about_before(header) if tells else []
        self._knobs = build_rows(header, self._opening_knobs)
        self._is_bench = bool(header.parts)
        self._confidence: Confidence | None = None
        self._bets = _Bets()
        self._bets.rows = tuple(
            row(chr(ord("a") + n), bet.text) for n, bet in enumerate(self._choices)
        )

    def compose(self) -> ComposeResult:
        with Vertical(id="columns"):
            with Vertical(id="turn"):
                yield self._knobs
                yield OwnValue()
                yield Fitted(self._render_ask, id="ask")
                yield self._bets
                yield Fitted(self._render_sure, id="sure")
                yield Fitted(self._render_cost, id="cost")
            yield Fitted(lambda width: render_about(self._about, width), id="about")

    def on_mount(self) -> None:
        self._begin()

    @property
    def knobs(self) -> dict[str, KnobValue]:
        """Every knob as it is set."""
        return self._knobs.values

    @property
    def needs_prediction(self) -> bool:
        """Nothing has been predicted for these knobs, and their outcome is not known."""
        return bool(self._choices) and self.made_prediction is None and not self._is_seen

    @property
    def n_bets(self) -> int:
        """How many predictions there are to choose from."""
        return len(self._choices) if self.needs_prediction else 0

    @property
    def made_prediction(self) -> Prediction | None:
        """What was predicted on the card, as long as the knobs are those that it speaks of."""
        return self._prediction if self.knobs == self._opening_knobs else None

    @property
    def is_predicting(self) -> bool:
        """The cursor has left the knobs for the predictions."""
        return self._bets.is_live

    @property
    def pointed_prediction(self) -> Prediction | None:
        """The prediction under the cursor; None while none is marked."""
        if not self.is_predicting or self._bets.cursor < 0:
            return None
        prediction = self._choices[self._bets.cursor].prediction
        return replace(prediction, confidence=self._confidence)

    @property
    def asks_sure(self) -> bool:
        """It may be said how sure the marked prediction is: of what-if questions."""
        return self._is_bench and self.pointed_prediction is not None

    @property
    def turns_models(self) -> bool:
        """The parts of two models are set, of which the keys turn one."""
        return self._is_bench

    def turn_other_model(self) -> None:
        """Let the keys turn the other of the two models."""
        if isinstance(self._knobs, PartRows):
            self._knobs.in_base = not self._knobs.in_base

    @property
    def n_seeds(self) -> int:
        """How many seeds a run has."""
        return self._knobs.n_seeds

    def predict(self) -> None:
        """Go from the knobs to the predictions, of which none is marked yet."""
        self._point(knob=-1, bet=-1)
        self.call_after_refresh(self._bets.scroll_visible, animate=False)

    def mark(self, bet: int) -> None:
        """Put the cursor on a prediction, if there is one of this index."""
        if bet < self.n_bets:
            self._point(knob=-1, bet=bet)

    def move(self, step: int) -> None:
        """Move the cursor over the knobs and on to the predictions."""
        n_knobs = len(self._knobs.names)
        at = n_knobs + self._bets.cursor if self.is_predicting else self._knobs.cursor
        # From "none marked" the first step down is to the first prediction, up to the last knob.
        if self.is_predicting and self._bets.cursor < 0 and step < 0:
            at += 1
        n_rows = n_knobs + self.n_bets
        at = max(0, min(at + step, n_rows - 1))
        self._point(knob=at if at < n_knobs else -1, bet=at - n_knobs)

    def change(self, step: int) -> None:
        """Turn the knob under the cursor; on a prediction, how sure it is."""
        if self.asks_sure:
            self._turn_confidence(step)
        elif self._knobs.cursor >= 0:
            self._knobs.change(self._knobs.cursor, step)
            self._refresh()

    def _turn_confidence(self, step: int) -> None:
        ladder = [None, *Confidence]
        at = ladder.index(self._confidence) + step
        self._confidence = ladder[max(0, min(at, len(ladder) - 1))]
        self.query_one("#sure", Fitted).show(self._render_sure)

    @property
    def can_set(self) -> bool:
        """The knob under the cursor may be given a value of one's own."""
        at = self._knobs.cursor
        return at >= 0 and self._knobs.takes_own(at)

    @property
    def settings(self) -> list[dict[str, KnobValue]]:
        """Every knob at each value of the one under the cursor; fewer than two: not to be swept."""
        at = self._knobs.cursor
        found: list[dict[str, KnobValue]] = []
        for knobs in self._knobs.along(at) if at >= 0 else []:
            if knobs not in found:
                found.append(knobs)
        return found

    def ask_value(self) -> None:
        """Let the knob under the cursor be given a value of one's own."""
        at = self._knobs.cursor
        name = self._knobs.names[at]
        if name in self._header.text_knobs:  # as wide as the screen, with no room for a hint
            self.query_one(OwnValue).ask(name, str(self.knobs[name]), "")
        else:
            self.query_one(OwnValue).ask(name, "", f"  {self._knobs.describe(at)}")

    @on(Input.Submitted)
    def _set_value(self, event: Input.Submitted) -> None:
        event.stop()
        at = self._knobs.cursor
        try:
            self._knobs.set_own(at, event.value)
        except ValueError as error:
            self.post_message(AnswerUnclear(f"{self._knobs.names[at]} must be {error}"))
            return
        self.screen.set_focus(None)
        self._refresh()

    def set_defaults(self) -> None:
        """Turn every knob to where the lab has it."""
        self._knobs.reset()
        self._refresh()

    def ask_again(self, *, is_known: bool) -> None:
        """Back to the knobs, after a run; `is_known`: their outcome was shown."""
        if is_known:
            self._prediction = None
            self._seen.append(dict(self.knobs))
        self._begin()

    @property
    def _is_seen(self) -> bool:
        return self.knobs in self._seen

    def _begin(self) -> None:
        self._point(knob=self._knobs.first if self._knobs.names else -1, bet=-1)

    def _point(self, *, knob: int, bet: int) -> None:
        """Put the cursor on a knob, or if that is -1 on a prediction, of which -1 is none."""
        self._knobs.cursor = knob
        if knob >= 0:
            self.call_after_refresh(self._show_row, knob)
        elif bet >= 0 and self._is_bench:
            # How sure can be said now, below the last prediction.
            self.call_after_refresh(self.query_one("#sure").scroll_visible, animate=False)
        self._bets.is_live = knob < 0 and self.needs_prediction
        self._bets.cursor = bet
        self._refresh()

    def _show_row(self, index: int) -> None:
        """Keep the chosen row in view, as far as the rows are longer than the screen."""
        if self.max_scroll_y and index < len(self._knobs.names):
            offset = self._knobs.region.offset - self.region.offset + self.scroll_offset
            self.scroll_to_region(self._knobs.place_of(index).translate(offset), animate=False)

    def look_for_models(self) -> None:
        """See what the lab lacks: something may have been installed."""
        self.lacking = self._find_lacking(self.knobs)
        self.query_one("#cost", Fitted).show(self._render_cost)

    def _refresh(self) -> None:
        self._bets.display = self.needs_prediction
        self.query_one("#sure", Fitted).display = self.asks_sure
        self.query_one("#ask", Fitted).show(self._render_ask)
        self.look_for_models()
        self.post_message(self.Changed())

    def _render_ask(self, width: int) -> Content:
        if made := self.made_prediction:
            return render_prediction(self._header, made, width)
        if self._choices and self._is_seen:
            told = "The outcome at these knobs was shown. At others you can predict again."
            return hang(Content(""), Content.styled(told, "$text-muted"), width)
        question = build_question(self._header, self._card, is_answered=self._is_answered)
        if not question:
            return Content("")
        title = "YOUR PREDICTION" if self._choices else "YOUR CARD ASKS"
        lead = Content.styled(f"{title}  ", "bold $text-accent")
        rows = []
        if width < ROOMY:
            rows, lead = [lead], Content("")
        for line in parse_lines(question):
            rows += lay_out(line, width, lead + Content(line.lead))
            lead = Content(" " * lead.cell_length)
        turned = {
            name: value
            for name, value in self.knobs.items()
            if self._card is not None and value != self._opening_knobs[name]
        }
        if turned:
            text = Content.styled(f"Here with {render_knobs(turned)}.", "$text-warning")
            rows.append(hang(lead, text, width))
        if not self._choices:
            text = Content.styled("Answer it in your head before you run.", "$text-muted")
            rows.append(hang(lead, text, width))
        return Content("\n").join(rows)

    def _render_sure(self, width: int) -> Content:
        """How sure: four words, of which one is marked once it was said."""
        words = [
            (f"[{confidence.name.lower()}]", "bold $text-accent")
            if confidence is self._confidence
            else (f" {confidence.name.lower()} ", "$text-muted")
            for confidence in Confidence
        ]
        lead = Content.styled("HOW SURE  ", "bold $text-accent")
        more = ("  h l say it", "$text-muted")
        return hang(lead, Content.assemble(*words, more), width)

    def _render_cost(self, width: int) -> Content:
        header = self._header
        if self.lacking:
            told = _render_lack(self.lacking)
            return hang(Content(""), Content.styled(told, "$text-warning"), width)
        cost = f"A run takes {plural(self.n_seeds, 'seed')}"
        default, here = self._cost_of(header.defaults), self._cost_of(self.knobs)
        if self.n_seeds != header.seeds:
            default, here = (f"{plural(header.seeds, 'seed')} {each}" for each in (default, here))
        if self.knobs != header.defaults and here != default:
            cost += f"; with these knobs {here}"
        elif default:
            cost += f"; with the default knobs {default}"
        return hang(Content(""), Content.styled(cost, "$text-muted"), width)

    @on(KnobRows.Clicked)
    def _knob_clicked(self, event: KnobRows.Clicked) -> None:
        event.stop()
        if self._knobs.cursor == event.index:
            self.change(1)
        else:
            self._point(knob=event.index, bet=-1)

    @on(Rows.Clicked)
    def _bet_clicked(self, event: Rows.Clicked) -> None:
        event.stop()
        self.mark(event.index)
