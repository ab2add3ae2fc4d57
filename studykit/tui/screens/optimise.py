"""Weights of the schedule: fit them to the log, go back to others, reschedule by them."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from studykit.errors import StudykitError
from studykit.review.weights import WeightsEntry, in_use
from studykit.study.optimising import (
    Rescheduling,
    find_rescheduling,
    go_back,
    optimise,
    reschedule,
)
from studykit.text import plural
from studykit.tui.messages import (
    CardsMoved,
    MovesFound,
    ProgressFailed,
    WeightsFitted,
    WorkTold,
)
from studykit.tui.screens.base import NO_UNDO, StudyScreen
from studykit.tui.widgets.card_text import Fitted, wrap
from studykit.tui.widgets.rows import LongRows, Rows
from studykit.tui.widgets.safe import Static
from studykit.tui.widgets.weights_text import (
    render_defaults,
    render_entry,
    render_moves,
    weights_row,
)


class OptimiseScreen(StudyScreen):
    """The history of weights, the defaults first, and below it what is known of the marked ones."""

    CSS_PATH = "optimise.tcss"
    AUTO_FOCUS = "Rows"
    BINDING_GROUP_TITLE = "Weights"
    LIVE_IN: ClassVar = {"move": ("told",)}
    NEVER_HELD = StudyScreen.NEVER_HELD | {"fit", "use", "move"}
    NEVER_BLIND = frozenset({"move"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "fit", "fit", id="weights-fit", tooltip="Fit weights to your own log"),
        Binding("enter", "use", "use", id="weights-use", tooltip="Use the marked weights"),
        Binding(
            "r",
            "reschedule",
            "reschedule",
            id="weights-reschedule",
            tooltip="Tell what the weights in use would move",
        ),
        Binding("m", "move", "move", id="weights-move", tooltip="Move the cards as told"),
        NO_UNDO,
        Binding("q,escape", "home", "back", key_display="q", id="home", tooltip="Back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._history: list[WeightsEntry] = []
        self._is_busy = False
        self._moves: Rescheduling | None = None
        """What was told of; None while something else is shown."""

    def compose_body(self) -> ComposeResult:
        yield Static(Content.styled("Weights of the schedule", "bold"), id="title")
        with Container(classes="frame"), Container(id="body"):
            with VerticalScroll(id="history", can_focus=False):
                yield LongRows()
            with VerticalScroll(id="told", can_focus=False):
                yield Fitted(lambda _: Content())

    def on_mount(self) -> None:
        self._read()
        self.watch(self.query_one(Rows), "cursor", self._tell_of_marked, init=False)

    def _read(self) -> None:
        """Show the history, its latest line marked."""
        try:
            self._history = self.services.progress.weights()
        except StudykitError as error:
            self.fail(str(error))
            return
        used, zone = in_use(self._history), self.services.clock.now().tzinfo
        rows = self.query_one(Rows)
        rows.rows = tuple(
            weights_row(entry, is_used=entry is used, zone=zone) for entry in (None, *self._history)
        )
        rows.cursor = len(self._history)
        self._tell_of_marked()

    @property
    def _marked(self) -> WeightsEntry | None:
        """None: the defaults of FSRS."""
        cursor = self.query_one(Rows).cursor
        return self._history[cursor - 1] if cursor > 0 else None

    def _tell_of_marked(self) -> None:
        if self._is_busy:
            return
        self._moves = None
        entry = self._marked
        self._show(render_defaults() if entry is None else render_entry(entry))
        self.refresh_bindings()

    def _show(self, text: Content) -> None:
        lines = text.split(allow_blank=True)

        def fit(width: int) -> Content:
            rows = (row for line in lines for row in wrap(line, width) or [Content()])
            return Content("\n").join(rows)

        self.query_one(Fitted).show(fit)
        self.query_one("#told").scroll_home(animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "move":
                return not self._is_busy and self._moves is not None and self._moves.n_moved > 0
            case "fit" | "use" | "reschedule":
                return not self._is_busy or None
        return True

    def _begin(self, text: str) -> None:
        self._is_busy, self._moves = True, None
        self._show(Content(text))
        self.refresh_bindings()

    @on(ProgressFailed)
    def _blame(self, event: ProgressFailed) -> None:
        self._is_busy = False
        self._tell_of_marked()
        self.fail(str(event.error))

    # Fitting, and going back

    def action_fit(self) -> None:
        """Fit, and keep what is better."""
        self._begin("Reading the log …")
        self._fit()

    @work(thread=True, exclusive=True, group="weights")
    def _fit(self) -> None:
        services = self.services
        settings, at = services.scheduler.settings, services.clock.now()
        try:
            entry = optimise(
                services.progress, settings, at, lambda text: self.post_message(WorkTold(text))
            )
        except StudykitError as error:
            self.post_message(ProgressFailed(error))
        else:
            self.post_message(WeightsFitted(entry))

    @on(WorkTold)
    def _tell(self, event: WorkTold) -> None:
        self._show(Content(f"{event.text[0].upper()}{event.text[1:]} …"))

    @on(WeightsFitted)
    def _show_fitted(self, event: WeightsFitted) -> None:
        self._is_busy = False
        self._read()
        self._take_up()
        self.say("In use from the next sitting on" if event.entry.is_adopted else "Not kept")

    def _take_up(self) -> None:
        try:
            self.services.use_weights(self.services.progress)
        except StudykitError as error:
            self.fail(str(error))

    def action_use(self) -> None:
        """The marked weights are in use from now on."""
        entry = self._marked
        which = "default" if entry is None else str(entry.id)
        try:
            go_back(self.services.progress, which, self.services.clock.now())
        except StudykitError as error:
            self.fail(str(error))
            return
        self._read()
        self._take_up()
        self.say("In use from the next sitting on; due days stay, r tells what would move")

    # Rescheduling

    def action_reschedule(self) -> None:
        """Tell what would move."""
        self._begin("Scheduling every answer anew …")
        self._find_moves()

    @work(thread=True, exclusive=True, group="weights")
    def _find_moves(self) -> None:
        services = self.services
        try:
            store = services.progress
            weights = store.weights_in_use()
            found = find_rescheduling(store, services.scheduler.settings, weights, services.today)
        except StudykitError as error:
            self.post_message(ProgressFailed(error))
        else:
            self.post_message(MovesFound(found))

    @on(MovesFound)
    def _show_moves(self, event: MovesFound) -> None:
        self._is_busy, self._moves = False, event.moves
        self._show(render_moves(event.moves))
        self.show_anew()
        self.refresh_bindings()

    def action_move(self) -> None:
        """Move them."""
        assert self._moves is not None
        n_moved = self._moves.n_moved
        self._begin("Moving …")
        self._move(n_moved)

    @work(thread=True, exclusive=True, group="weights")
    def _move(self, n_moved: int) -> None:
        services = self.services
        try:
            store = services.progress
            settings, weights = services.scheduler.settings, store.weights_in_use()
            reschedule(store, settings, weights, services.clock.now())
        except StudykitError as error:
            self.post_message(ProgressFailed(error))
        else:
            self.post_message(CardsMoved(n_moved))

    @on(CardsMoved)
    def _show_moved(self, event: CardsMoved) -> None:
        self._is_busy = False
        self._read()
        self.say(f"{plural(event.n_cards, 'card')} moved; a copy of before is in backups/")

    def action_home(self) -> None:
        self.dismiss()
