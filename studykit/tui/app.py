"""The app around the screens: themes, keys, safety nets. What a screen does, the screen owns.

Screens are imported when they are opened, so that the first paint waits for Home alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from textual import events, on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import CommandPalette, Provider
from textual.css.query import NoMatches
from textual.filter import LineFilter
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import MountError

from studykit.errors import StudykitError
from studykit.settings_file import keep_settings
from studykit.study.services import Services
from studykit.text import clean
from studykit.tui.commands import CardChoice, CourseCommands, ScreenCommands
from studykit.tui.messages import (
    ChooseCard,
    LabClosed,
    LabEnded,
    OpenBrowse,
    OpenCard,
    OpenLab,
    OpenPart,
    OpenPractice,
    OpenSitting,
    OpenSweep,
    OpenWeights,
    StartLab,
)
from studykit.tui.pace import KeyRepeats
from studykit.tui.screens.base import StudyScreen
from studykit.tui.theme import DARK, THEMES, first_theme, wants_no_colour
from studykit.tui.widgets.chrome import MINIMUM, KeyHints, StatusLine
from studykit.tui.widgets.safe import NoControls

if TYPE_CHECKING:
    from studykit.course.cards import Card
    from studykit.review.offers import Wish
    from studykit.study.lab_run import LabRun

INTERRUPT_SECONDS = 2.0
"""A second ctrl+c within this time quits, and a second q where labs run."""

NARROW_TO_WIDE = [(0, "-too-narrow"), (MINIMUM[0], "-normal"), (100, "-wide")]
"""Columns from which a screen has the class."""
LOW_TO_HIGH = [(0, "-too-low"), (MINIMUM[1], "-normal-rows"), (30, "-high")]
"""Rows from which a screen has the class."""
KEY_NAMES = {
    "enter": "Enter",
    "space": "Space",
    "escape": "Esc",
    "tab": "Tab",
    "home": "Home",
    "end": "End",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "f1": "F1",
}


class StudykitApp(App[None]):
    """The terminal program."""

    TITLE = "studykit"
    # Textual reads the style sheet of a pushed screen only, and Home is not pushed.
    CSS_PATH: ClassVar = ["app.tcss", "screens/home.tcss"]
    COMMANDS: ClassVar = {CourseCommands, ScreenCommands}
    BINDING_GROUP_TITLE = "Everywhere"
    HORIZONTAL_BREAKPOINTS = NARROW_TO_WIDE
    VERTICAL_BREAKPOINTS = LOW_TO_HIGH
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", id="help", tooltip="This help"),
        Binding("f1", "help", "help", id="help-in-field", tooltip="This help"),
        Binding(
            "colon,ctrl+p",
            "command_palette",
            "commands",
            show=False,
            id="palette",
            tooltip="Commands, cards, labs, decks",
        ),
        Binding(
            "w",
            "what_if",
            "what if",
            show=False,
            id="whatif",
            tooltip="What if a part were missing: two models side by side",
        ),
        Binding(
            "W", "show_labs", "lab", id="labs-in-hand", tooltip="The labs that run, wait or ended"
        ),
        Binding(
            "ctrl+z",
            "suspend_process",
            "suspend",
            show=False,
            id="suspend",
            tooltip="To the shell; fg returns",
        ),
    ]

    def __init__(self, services: Services, wish: Wish | None = None) -> None:
        # An ANSI theme chosen later would be filtered to black on black: it must be known here.
        super().__init__(ansi_color=True if wants_no_colour(os.environ) else None)
        self.services = services
        self.wish = wish
        """What to begin with, in place of Home."""
        self.last_words = ""
        """What to say once the terminal is the shell's again: why the app ended by itself."""
        self.heeds_haste = True
        """False: every key counts, however fast it comes; so for a pilot, which never looks."""
        self._repeats = KeyRepeats()
        self._no_controls = NoControls()
        self._is_interrupted = False
        self._lab_ticker: Timer | None = None
        """Runs while there are labs in hand."""
        for theme in THEMES:
            self.register_theme(theme)
        wanted = first_theme(os.environ, services.settings.screen.theme)
        self._unknown_theme = "" if wanted in self.available_themes else wanted
        self.set_reactive(App.theme, DARK if self._unknown_theme else wanted)
        self.stylesheet.set_variables(self.get_css_variables())

    async def on_event(self, event: events.Event) -> None:
        """Textual's, but a text field gets no letter that was typed before it could be seen."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            screen = self.screen
            if isinstance(screen, StudyScreen) and not screen.heeds_text(event):
                if not self._repeats.is_held(event.key, event.time):
                    screen.say_too_early()
                return
        await super().on_event(event)

    def on_key(self, event: events.Key) -> None:
        """Keep a key that nobody can have meant from the bindings.

        It is asked here, where the bindings are tried and what earlier keys did is done.
        """
        is_held = self._repeats.is_held(event.key, event.time)
        screen = self.screen
        if isinstance(screen, StudyScreen) and not screen.heeds(event, is_held=is_held):
            event.prevent_default()
            if not is_held:
                screen.say_too_early()

    def get_default_screen(self) -> Screen[None]:
        """Home lies at the bottom of the stack."""
        from studykit.tui.screens.home import HomeScreen

        return HomeScreen(self.wish)

    def get_key_display(self, binding: Binding) -> str:
        """Keys by the names printed on them."""
        if binding.key_display:
            return binding.key_display
        *modifiers, key = binding.key.split("+")
        if modifiers == ["ctrl"]:
            return f"Ctrl+{key.upper()}"
        return KEY_NAMES.get(binding.key) or super().get_key_display(binding)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """``$rule``, for themes that are not ours."""
        return {"rule": self.current_theme.to_color_system().generate()["border-blurred"]}

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's filters, and behind them the last-resort filter of control characters."""
        return [*super().get_line_filters(), self._no_controls]

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Literal["information", "warning", "error"] = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a message of Textual's own (ours stand in the status line), never as markup."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    # Screens that several others open

    @on(OpenLab)
    def _open_lab(self, event: OpenLab) -> None:
        from studykit.tui.screens.lab import LabScreen

        def closed(_: None) -> None:
            for screen in self.screen_stack:
                screen.post_message(LabClosed(event.header.id))

        if event.by is self.screen:
            screen = LabScreen(
                event.header,
                event.knobs,
                event.card,
                event.prediction,
                is_answered=event.is_answered,
                run=event.run,
            )
            if event.is_instead:
                self.switch_screen(screen)
            else:
                self.push_screen(screen, closed)

    # Labs that run while the learner does something else

    @on(StartLab)
    async def _start_lab(self, event: StartLab) -> None:
        await self._once_trusted(event.by, partial(self._put_in_line, event.run))

    @on(OpenSweep)
    async def _open_sweep(self, event: OpenSweep) -> None:
        from studykit.tui.screens.sweep import SweepScreen

        async def show(_: StudyScreen) -> None:
            await self.push_screen(SweepScreen(event.header, event.settings, event.n_seeds))

        await self._once_trusted(event.by, show)

    async def _once_trusted(
        self, by: Screen[None], run: Callable[[StudyScreen], Awaitable[None]]
    ) -> None:
        """Let `run` run labs, after asking once for a course that is not our own."""
        from studykit.lab.trust import is_trusted, remember
        from studykit.tui.screens.dialogs import TrustScreen

        root, data_dir = self.services.course.root, self.services.paths.data_dir
        if by is not self.screen or not isinstance(by, StudyScreen):
            return

        async def answered(answer: Literal["now", "own", "no"] | None) -> None:
            if answer in ("now", "own"):
                try:
                    remember(root, data_dir, as_own=answer == "own")
                except (StudykitError, OSError) as error:
                    by.warn(f"it will be asked again: {error}")
                await run(by)

        try:
            if is_trusted(root, data_dir):
                await run(by)
            else:
                self.push_screen(TrustScreen(root), answered)
        except StudykitError as error:
            by.warn(str(error))

    async def _put_in_line(self, run: LabRun, by: StudyScreen) -> None:
        labs = self.services.labs
        if labs.has_same(run):
            by.say(f"{run.header.id} is in hand already")
            return
        labs.add(run)
        await by.lab_started(run)
        self.run_worker(
            self.services.run_labs(lambda run: self.post_message(LabEnded(run))), group="lab-run"
        )
        if self._lab_ticker is None:
            self._lab_ticker = self.set_interval(1.0, self._show_labs_in_hand)
        self._show_labs_in_hand()

    def _show_labs_in_hand(self) -> None:
        if self._lab_ticker is not None and not self.services.labs.in_hand:
            self._lab_ticker.stop()
            self._lab_ticker = None
        for hints in self.screen.query(KeyHints):
            hints.refresh()

    @on(LabEnded)
    def _tell_of_lab(self, event: LabEnded) -> None:
        screen = self.screen
        # A screen that opens or closes just now has no line to say it in; the mark stays.
        if isinstance(screen, StudyScreen) and screen.query(StatusLine) and not event.run.is_seen:
            screen.tell_of_lab(event.run)
        self._show_labs_in_hand()

    def action_show_labs(self) -> None:
        """The one lab in hand, or all of them to choose from."""
        from studykit.tui.screens.labs_in_hand import LabsInHandScreen

        if not isinstance(self.screen, StudyScreen):
            return
        runs = self.screen.runs_beside
        if runs:
            self.screen.say("")  # it may say that one has ended and how to look at it
        if len(runs) == 1:
            (run,) = runs
            self.post_message(OpenLab(self.screen, run.header, run.knobs, run.card, run=run))
        elif runs and not isinstance(self.screen, LabsInHandScreen):
            self.push_screen(LabsInHandScreen())

    def action_what_if(self) -> None:
        """The first bench of the course; from a bench, the next one."""
        from studykit.study.what_if import benches
        from studykit.tui.screens.lab import LabScreen

        screen = self.screen
        if not isinstance(screen, StudyScreen):
            return
        labs = benches(self.services.course)
        shown = screen.header_id if isinstance(screen, LabScreen) else ""
        at = next((n + 1 for n, lab in enumerate(labs) if lab.id == shown), 0)
        if labs and (at == 0 or len(labs) > 1):
            lab = labs[at % len(labs)]
            self.post_message(OpenLab(screen, lab, lab.defaults, is_instead=at > 0))
        elif not labs:
            screen.say("This course has no bench for what-if questions")

    @on(OpenCard)
    def _open_card(self, event: OpenCard) -> None:
        from studykit.tui.screens.card import CardScreen

        if event.by is self.screen:
            self.push_screen(CardScreen(event.card, event.memory))

    @on(ChooseCard)
    def _choose_card(self, event: ChooseCard) -> None:
        if event.by is self.screen and isinstance(event.by, StudyScreen):
            # A provider that is made already, as Textual's own `search_commands` has one.
            choice = cast("type[Provider]", CardChoice(event.by, event.chosen, self._card_in_hand))
            self.push_screen(CommandPalette([choice], placeholder=event.asks))

    @property
    def _card_in_hand(self) -> Card | None:
        """The card of the uppermost screen that has one in hand."""
        screens = (s for s in reversed(self.screen_stack) if isinstance(s, StudyScreen))
        return next((card for screen in screens if (card := screen.card_in_hand)), None)

    @on(OpenPractice)
    def _open_practice(self, event: OpenPractice) -> None:
        from studykit.tui.screens.practice_menu import PracticeMenu

        if event.by is self.screen:
            self._put_on_home(PracticeMenu(event.what))

    @on(OpenPart)
    def _open_part(self, event: OpenPart) -> None:
        from studykit.study.practising import open_part

        screen = self.screen
        if event.by is not screen or not isinstance(screen, StudyScreen):
            return
        try:
            session = open_part(self.services, event.what)
        except StudykitError as error:
            screen.fail(str(error))
            return
        if session.current is None and session.waiting_until is None and session.part:
            screen.say(f"Nothing is left today in {clean(session.part.title)}")
            return
        self._open_sitting(OpenSitting(screen, session))

    @on(OpenBrowse)
    def _open_browse(self, event: OpenBrowse) -> None:
        from studykit.tui.screens.browse import BrowseScreen

        if event.by is self.screen:
            self.push_screen(BrowseScreen(event.search))

    @on(OpenWeights)
    def _open_weights(self, event: OpenWeights) -> None:
        from studykit.tui.screens.optimise import OptimiseScreen

        if event.by is self.screen:
            self.push_screen(OptimiseScreen())

    @on(OpenSitting)
    def _open_sitting(self, event: OpenSitting) -> None:
        from studykit.review.practice import Practice
        from studykit.review.session import Session
        from studykit.tui.screens.practice import PracticeScreen
        from studykit.tui.screens.review import ReviewScreen

        if event.by is self.screen:
            match event.asking:
                case Session() as session:
                    self._put_on_home(ReviewScreen(session))
                case Practice() as practice:
                    self._put_on_home(PracticeScreen(practice))

    def _put_on_home(self, screen: Screen[None]) -> None:
        """Show `screen` in place of what lies on Home, so that leaving it leads there."""
        if len(self.screen_stack) > 1:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    def action_command_palette(self) -> None:
        if not CommandPalette.is_open(cast("App[object]", self)):
            what = "A command, card, lab, deck or theme …"
            self.push_screen(CommandPalette(placeholder=what, id="--command-palette"))

    def choose_theme(self, name: str) -> None:
        """Show the theme from now on, and at the next start, too."""
        self.theme = name
        kept = "kept in settings.toml"
        if wants_no_colour(os.environ) or os.environ.get("TEXTUAL_THEME"):
            kept += "; at the start NO_COLOR and TEXTUAL_THEME go before it"
        try:
            keep_settings(self.services.paths.settings_file, "screen", {"theme": name})
        except StudykitError as error:
            kept = f"until the program ends: {error}"
        for line in self.screen.query(StatusLine):
            line.say(f"Theme {name}, {kept}")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There are labs to show while the screen does not show them all."""
        if action == "what_if":  # whether there is a bench, only the whole course knows
            return isinstance(self.screen, StudyScreen)
        if action != "show_labs":
            return True
        return isinstance(self.screen, StudyScreen) and bool(self.screen.runs_beside)

    def action_help(self) -> None:
        from studykit.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def action_help_quit(self) -> None:
        """Ctrl+c, where nothing is selected and no lab runs: quit at the second press."""
        self._leave_at_second("ctrl+c again to quit")

    async def action_quit(self) -> None:
        """Leave; at the second press where that stops labs, whose work so far would be lost."""
        if unfinished := self.services.labs.unfinished:
            names = ", ".join(dict.fromkeys(run.header.id for run in unfinished))
            self._leave_at_second(f"Once more quits and stops {names}")
        else:
            self.exit()

    def _leave_at_second(self, said: str) -> None:
        if self._is_interrupted:
            self.exit()
            return
        self._is_interrupted = True
        for line in self.screen.query(StatusLine):
            line.say(said, seconds=INTERRUPT_SECONDS)
        self.set_timer(INTERRUPT_SECONDS, self._forget_interrupt)

    def _forget_interrupt(self) -> None:
        self._is_interrupted = False

    def on_mount(self) -> None:
        self.heeds_haste = not self.is_headless
        if self.services.settings.keys:
            self.call_after_refresh(self._name_key_problems)
        if self._unknown_theme:
            self.call_after_refresh(self._name_unknown_theme)
        # After ctrl+z and fg Textual has the terminal back, but draws nothing by itself.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))

    def _name_key_problems(self) -> None:
        from studykit.tui.keymap import key_problems

        problems = key_problems(self.services.settings.keys)
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            for line in self.screen.query(StatusLine):
                line.say(f"! settings.toml [keys]: {problems[0]}{more}; docs/keys.md has all keys")

    def _name_unknown_theme(self) -> None:
        kept = self.services.settings.screen.theme == self._unknown_theme
        where = "settings.toml [screen]" if kept else "TEXTUAL_THEME"
        for line in self.screen.query(StatusLine):
            line.say(f"! {where}: there is no theme {clean(self._unknown_theme)}; : lists them all")

    async def on_unmount(self) -> None:
        await self.services.close()

    def end_by_signal(self, number: signal.Signals) -> None:
        """Leave as the shell expects of a program that the signal has ended."""
        if number != signal.SIGHUP:  # which says that nobody is there to read it
            self.last_words = f"studykit: ended by {number.name}; every rated answer is saved"
        self.exit(return_code=128 + number)

    def _handle_exception(self, error: Exception) -> None:
        # An action that goes on after the app was told to leave finds its screen taken down.
        if not (self._exit and isinstance(error, MountError | NoMatches)):
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        # Textual's own ends with a traceback that shows every local variable.
        error = self._exception
        self.last_words = (
            f"studykit: unexpected {type(error).__name__}: {clean(str(error))}\n"
            f"Every rated answer is saved.{self._write_log(error)}"
        )
        self.panic()

    def _write_log(self, error: Exception | None) -> str:
        log = self.services.paths.data_dir / "last-error.log"
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        except OSError:
            return ""
        return f" The details are in {log}"


def run_app(services: Services, wish: Wish | None = None) -> int:
    """Show the screens until the learner leaves; returns the exit code."""
    from studykit.tui.terminal import TerminalDriver, hearing_signals

    if not wants_no_colour(os.environ):
        # Textual takes an empty NO_COLOR for a wish.
        os.environ.pop("NO_COLOR", None)
    app = StudykitApp(services, wish)
    app.driver_class = TerminalDriver

    async def run() -> None:
        with hearing_signals(app, app.end_by_signal):
            await app.run_async(mouse=services.settings.screen.mouse)

    asyncio.run(run())
    with suppress(OSError):  # the terminal may be gone, and nobody reads it then
        if cut_off := services.labs.cut_off:
            names = ", ".join(run.header.id for run in cut_off)
            print(f"studykit: not run to the end: {names}", file=sys.stderr, flush=True)
        if app.last_words:
            print(app.last_words, file=sys.stderr, flush=True)
    return app.return_code or 0
