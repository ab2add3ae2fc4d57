"""The lab behind a card: set its knobs, predict, run it, see what came out.

The screen only shows a `LabRun`; the run belongs to the app and goes on when the screen closes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.reactive import reactive
from textual.timer import Timer

from studykit.course.cards import Card, Knobs, LabHeader
from studykit.course.designs import replay_command
from studykit.course.source import read_source
from studykit.errors import StudykitError
from studykit.lab.results import Prediction
from studykit.study.evidence_words import render_budget
from studykit.study.lab_run import QUICK_LOOK, LabRun, has_quick_look
from studykit.study.run_words import render_log
from studykit.study.what_if import benches, render_setup
from studykit.text import clean
from studykit.tui.messages import AnswerUnclear, ChooseCard, OpenLab, OpenSweep, StartLab
from studykit.tui.screens.lab_keys import DECIDING, LAB_KEYS, LIVE_IN
from studykit.tui.screens.staged import StagedScreen
from studykit.tui.widgets.gauges import Phase, render_phases
from studykit.tui.widgets.lab_setup import LabSetup
from studykit.tui.widgets.safe import Static

LOOKS_PER_SECOND = 10.0
"""How often the state of a run is looked at; what is drawn is drawn less often."""
LOOKS_PER_DRAWING = 3
"""A chart takes 10 to 20 ms to draw."""


class LabScreen(StagedScreen):
    """One lab, from its question to its outcome."""

    BINDING_GROUP_TITLE = "Lab"
    BINDINGS: ClassVar[list[BindingType]] = LAB_KEYS
    LIVE_IN = LIVE_IN
    NEVER_BLIND = DECIDING
    NEVER_HELD = StagedScreen.NEVER_HELD | DECIDING

    phase: reactive[Phase | None] = reactive(None, init=False)

    def __init__(
        self,
        header: LabHeader,
        knobs: Knobs,
        card: Card | None,
        prediction: Prediction | None = None,
        *,
        is_answered: bool = False,
        run: LabRun | None = None,
    ) -> None:
        super().__init__()
        self._header = header
        self._card = card
        store = self.services.store
        # The options stand in the order in which the card has just shown them.
        reps = store.memory(card.id).reps if card is not None and store is not None else 0
        self._setup = LabSetup(
            header,
            knobs,
            card,
            prediction,
            reps,
            is_answered=is_answered,
            cost_of=lambda turned: self.services.cost_of(header, turned),
            lacking=lambda turned: self.services.lacking(header, turned),
        )
        self._in_hand = run
        """What to show at first: a run that goes on, waits or has ended."""
        self._lab_run: LabRun | None = None
        self._ticker: Timer | None = None
        self._n_looks = 0

    def compose_body(self) -> ComposeResult:
        yield Static(self._header.question, id="question")
        yield Static(id="origin")
        yield Static(id="phases")
        yield self._setup
        yield self._stage

    async def on_mount(self) -> None:
        run = self._in_hand or self.services.labs.of_lab(self._header.id)
        if run is not None and (run is self._in_hand or self._is_wanted(run)):
            await self._follow(run)
        else:
            self._set_up()
        # The child imports torch while the learner thinks.
        self.app.run_worker(self.services.runner.warm(), group="lab-warm", exit_on_error=False)

    @property
    def card_in_hand(self) -> Card | None:
        return self._card

    @property
    def header_id(self) -> str:
        """The id of its lab."""
        return self._header.id

    @property
    def _has_answer(self) -> bool:
        """Its run has ended as it should and is in the progress."""
        run = self._lab_run
        return run is not None and run.stored is not None and run.stored.status == "done"

    def _is_wanted(self, run: LabRun) -> bool:
        """Whether a run in hand is what the learner comes for: not one of another card's knobs."""
        card = self._card
        is_alike = run.knobs == self._setup.knobs
        if self._header.parts and self._setup.knobs != self._header.defaults:
            return is_alike  # a question was asked, and it may be another
        is_same = card is None or run.card is None or run.card.id == card.id
        return is_same or is_alike

    def _origin(self) -> Content:
        """The lab, what it measures or is run with, and the card behind."""
        parts = [self._header.id]
        if self._lab_run is not None:
            parts.append(render_setup(self._header, self._lab_run.knobs))
            parts.append(render_budget(self._lab_run.budget))
        elif self._header.points and self._card is None:
            parts.append(f"measures {', '.join(self._header.points)}")
        if self._card is not None:
            parts.append(f"from card {self._card.id}")
        return Content.styled(" · ".join(part for part in parts if part), "$text-muted")

    def watch_phase(self, phase: Phase) -> None:
        """Show what belongs to `phase`, and where it stands among the four."""
        self.show_anew()
        self._setup.display = phase in ("knobs", "predict")
        self._stage.display = not self._setup.display
        self.query_one("#origin", Static).update(self._origin())
        has_predicted = self._lab_run is not None and self._lab_run.prediction is not None
        self.query_one("#phases", Static).update(render_phases(phase, has_predicted=has_predicted))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in LIVE_IN and self.phase not in LIVE_IN[action]:
            return False
        if action == "skip":
            return self._setup.needs_prediction
        if action == "bet":
            return parameters[0] in range(self._setup.n_bets)
        if action == "defaults":
            # Where there is an option d, its letter marks it.
            return self._setup.n_bets < 4
        if action == "predict":
            return self._setup.needs_prediction and self._setup.pointed_prediction is None
        if action == "run":
            setup = self._setup
            return setup.pointed_prediction is not None or not setup.needs_prediction
        if action == "own_value":
            return self._setup.can_set
        if action == "sweep":
            return len(self._setup.settings) > 1
        if action == "quick_look":
            return has_quick_look(self._header)
        if action == "install":
            return bool(self._setup.lacking)
        if action == "log":
            return self._lab_run is not None and self._lab_run.has_log
        if action == "change" and self._lab_run is None:
            return self.phase == "knobs" or self._setup.asks_sure
        if action == "other_model":
            return self._setup.turns_models
        if action == "copy_command":
            return bool(self._header.parts) and self._has_answer
        if action in ("pin", "make_card"):
            return bool(self._header.parts) and self._has_answer and not self._header.is_own
        return super().check_action(action, parameters)

    # Before the run.

    def _set_up(self) -> None:
        self._lab_run = None
        self.phase = "predict" if self._setup.is_predicting else "knobs"
        if self.phase == "predict":
            sure = ", h l: how sure you are" if self._setup.asks_sure else ""
            self.say(f"j k or a letter: mark what you predict{sure}")
        elif self._setup.turns_models:
            other = any(lab.id != self.header_id for lab in benches(self.services.course))
            told = "j k move · h l turn a part · Tab turns the other model"
            self.say(f"{told} · w another bench" if other else told)
        elif self._header.knobs:
            self.say("j k move · h l turn a knob · PgDn and PgUp scroll")
        else:
            self.say("")

    @on(LabSetup.Changed)
    def _setup_changed(self) -> None:
        if self._lab_run is None:
            self._set_up()
            self.refresh_bindings()

    def action_move(self, step: int) -> None:
        """Move the cursor; where there is none, scroll."""
        if self._lab_run is None:
            self._setup.move(step)
        else:
            super().action_move(step)

    def action_change(self, step: int) -> None:
        """Turn a knob; on the stage, move the cursor or go a step."""
        if self._lab_run is None:
            self._setup.change(step)
        else:
            super().action_change(step)

    def action_other_model(self) -> None:
        self._setup.turn_other_model()

    def action_own_value(self) -> None:
        self._setup.ask_value()

    @on(AnswerUnclear)
    def _ask_for_value(self, event: AnswerUnclear) -> None:
        event.stop()
        self.warn(event.hint)

    def action_page(self, step: int) -> None:
        """Scroll the outcome, and before the run what the lab is about."""
        if self._lab_run is None:
            rows = step * max(1, self._setup.size.height - 1)
            self._setup.scroll_relative(y=rows, animate=False)
        else:
            super().action_page(step)

    def action_defaults(self) -> None:
        self._setup.set_defaults()

    def action_predict(self) -> None:
        """On to the predictions; there, one has to be marked before the run."""
        if self._setup.is_predicting:
            self.warn("mark what you predict with j k or its letter; s runs without a prediction")
        else:
            self._setup.predict()

    def action_bet(self, index: int) -> None:
        self._setup.mark(index)

    async def action_run(self) -> None:
        setup = self._setup
        self._start(setup.pointed_prediction or setup.made_prediction)

    async def action_skip(self) -> None:
        self._start(None)

    async def action_quick_look(self) -> None:
        """Run one seed, with a quarter of the training if it trains; no prediction is judged."""
        self._start(None, QUICK_LOOK if self._header.takes_budget else 1.0, n_seeds=1)

    def action_sweep(self) -> None:
        """Run the lab at every value of the knob under the cursor."""
        setup = self._setup
        self.app.post_message(OpenSweep(self, self._header, setup.settings, setup.n_seeds))

    # The run.

    def _start(
        self, prediction: Prediction | None, budget: float = 1.0, *, n_seeds: int | None = None
    ) -> None:
        n_seeds = self._setup.n_seeds if n_seeds is None and budget == 1 else n_seeds
        knobs = self._setup.knobs
        run = LabRun(self._header, knobs, self._card, prediction, budget=budget, n_seeds=n_seeds)
        self.app.post_message(StartLab(self, run))

    async def lab_started(self, run: LabRun) -> None:
        """Follow it from here."""
        await self._follow(run)

    async def _follow(self, run: LabRun) -> None:
        self._lab_run = run
        self.say("")
        self.phase = "run"
        await self._stage.show(
            run,
            self.services.evidence_at(run.header, run.knobs),
            with_tests=self.services.shows_tests,
        )
        if self._ticker is not None:
            self._ticker.stop()
        self._ticker = self.set_interval(1 / LOOKS_PER_SECOND, self._tick)

    @property
    def _figures(self) -> tuple[object, ...]:
        """What decides which keys are live on the stage."""
        has_log = self._lab_run is not None and self._lab_run.has_log
        return self._stage.has_figures, self._stage.shows, has_log

    async def _tick(self) -> None:
        run = self._lab_run
        self._n_looks += 1
        if run is None or not (run.is_over or self._n_looks % LOOKS_PER_DRAWING == 0):
            return
        had = self._figures
        is_over = run.is_over  # before the look: what ends during it wants another
        await self._stage.look()
        if had != self._figures:
            self.refresh_bindings()
        if is_over:
            if self._ticker is not None:
                self._ticker.stop()
            self.phase = "outcome"
            run.is_seen = self.is_on_top
            self.say(self._whereabouts(run))

    def on_screen_resume(self) -> None:
        """A run may have ended below another screen."""
        if self._lab_run is not None and self.phase == "outcome":
            self._lab_run.is_seen = True

    @property
    def shown_run(self) -> LabRun | None:
        return self._lab_run

    def tell_of_lab(self, run: LabRun) -> None:
        """The end of the run that is shown here is seen without a word."""
        if run is not self._lab_run:
            super().tell_of_lab(run)

    def _whereabouts(self, run: LabRun) -> str:
        """Where the result of `run` can be found from now on."""
        if run.stored is None:
            return ""
        if run.stored.status != "done":
            return f"saved as {run.stored.status}; it is no evidence for a card"
        if run.is_quick:
            return "✓ saved as a quick look; it is no evidence for a card"
        if self._header.is_own:
            return "✓ saved · p compares it with the original"
        if self._card is None:
            return "✓ saved"
        if run.knobs == {**self._header.defaults, **self._card.knobs}:
            return "✓ saved; the card shows it from now on"
        return "✓ saved; other knobs than the card's, so the card keeps its own result"

    async def action_cancel(self) -> None:
        run = self._lab_run
        if run is None or run.is_over:
            return
        was_waiting = run.state == "waiting"
        self.services.cancel_lab(run)
        if was_waiting:
            self._leave_line()
        else:
            await self._stage.look()

    def _leave_line(self) -> None:
        """Nothing was run: back to the knobs."""
        if self._ticker is not None:
            self._ticker.stop()
        self._set_up()
        self.say("Out of the line; nothing was run")

    def action_copy_text(self) -> None:
        """Ctrl+c: copy a selection, else cancel the run, else what it does elsewhere."""
        if self.phase == "run" and self.get_selected_text() is None:
            self.call_later(self.action_cancel)
        else:
            super().action_copy_text()

    # After the run.

    def action_again(self) -> None:
        run = self._lab_run
        is_known = run is not None and bool(run.seeds) and run.knobs == self._setup.knobs
        self._setup.ask_again(is_known=is_known)
        self._set_up()

    def _log_text(self) -> str:
        return render_log(self._lab_run) if self._lab_run is not None else ""

    def action_copy_command(self) -> None:
        run = self._lab_run
        if run is not None and run.result is not None:
            n_seeds = len(run.result.seeds)
            command = replay_command(self._header, run.knobs, n_seeds, run.budget)
            self.app.copy_to_clipboard(command)
            self.say(f"Copied: {command}")

    def action_pin(self) -> None:
        """Choose the card whose answer the outcome is to stand beside."""
        run = self._lab_run
        if run is None:
            return

        def pin(card: Card) -> None:
            try:
                is_new = self.services.pin(self._header, run.knobs, card)
            except StudykitError as error:
                self.warn(f"not pinned: {error}")
            else:
                already = "" if is_new else " already"
                self.say(f"✓ pinned to {card.id}{already}: it stands beside the answer")

        self.app.post_message(ChooseCard(self, "Pin to which card …", pin))

    def action_make_card(self) -> None:
        """Ask the question from now on, with the answer that was measured."""
        run = self._lab_run
        if run is None or run.stored is None:
            return
        try:
            card_id = self.services.make_card(self._header, run.stored)
        except StudykitError as error:
            self.warn(f"no card was made: {error}")
        else:
            self.say(f"✓ card {card_id} is in your own deck; e on it edits the deck")

    def action_log(self) -> None:
        from studykit.tui.screens.lab_source import LabLogScreen

        self.app.push_screen(LabLogScreen(self._header.id, self._log_text))

    def action_source(self) -> None:
        from studykit.tui.screens.lab_source import LabSourceScreen

        self.app.push_screen(LabSourceScreen(self._header))

    def action_edit(self) -> None:
        """Open the learner's own version in the editor, at first a copy, and then its lab."""
        from studykit.study.bench import first_line

        bench, old = self.services.bench, self._header
        try:
            path = bench.copy(old.original)
            trouble = self.edit_file(path, first_line(read_source(path)) + 1)
            if trouble is None:
                return
            new = bench.load(old.original)
        except StudykitError as error:
            self.warn(f"not taken over: {error}")
            return
        if trouble:
            self.warn(trouble)
        elif replace(new, id=old.id, path=old.path) == old:
            self.say(f"Nothing was changed in {clean(str(path))}")
        else:
            wish = OpenLab(self, new, self._setup.knobs, is_instead=old.is_own)
            self.app.post_message(wish)

    def action_install(self) -> None:
        """Install what the lab lacks."""
        self.install_models([model.name for model in self._setup.lacking])

    def install_models(self, names: Sequence[str]) -> None:
        """As on any screen; then the lab may lack nothing any longer."""
        super().install_models(names)
        self._setup.look_for_models()
        self.refresh_bindings()

    def action_runs(self) -> None:
        from studykit.tui.screens.lab_runs import LabRunsScreen

        self.app.push_screen(LabRunsScreen(self._header, self._card))

    def action_close(self) -> None:
        self.dismiss()
