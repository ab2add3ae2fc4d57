"""What stands before everything else: progress that cannot be used, a course not trusted yet."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.screen import ModalScreen

from studykit.errors import StudykitError
from studykit.text import clean
from studykit.tui.screens.base import OwnKeys, StudyScreen
from studykit.tui.widgets.safe import Static


class FailureScreen(StudyScreen):
    """What went wrong and what to do; leaving it leaves the program."""

    CSS_PATH = "dialogs.tcss"
    BINDING_GROUP_TITLE = "Trouble"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape,enter", "leave", "quit", key_display="q", id="leave", tooltip="Leave"),
    ]
    NEVER_BLIND = frozenset({"leave"})

    def __init__(self, error: StudykitError) -> None:
        super().__init__()
        self._error = error

    def on_mount(self) -> None:
        self.show_anew()

    def compose_body(self) -> ComposeResult:
        error = self._error
        # A database has no lines to point at.
        where = f"{error.place.path}: " if error.place else ""
        with Container(classes="frame"), Vertical(id="trouble"):
            yield Static(Content.styled("The progress cannot be used", "bold $text-error"))
            yield Static(clean(where + error.what))
            if error.hint:
                yield Static(Content.assemble(("What to do: ", "bold"), clean(error.hint)))
            yield Static("Nothing was changed. q leaves.", id="way-out")

    def action_leave(self) -> None:
        self.app.exit(return_code=self._error.exit_code)


class TrustScreen(OwnKeys, ModalScreen[Literal["now", "own", "no"]]):
    """Closes with whether the labs below `root` may be run: as they are now, or, being the
    learner's own, also when they change; any doubt is a no."""

    BINDING_GROUP_TITLE = "Trust"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer('now')", "run them", id="trust-yes", tooltip="Run the course's labs"),
        Binding(
            "o",
            "answer('own')",
            "they are mine",
            id="trust-own",
            tooltip="Run the course's labs, and do not ask when they change",
        ),
        Binding("n,q,escape", "answer('no')", "do not", id="trust-no", tooltip="Back to the lab"),
    ]
    DEFAULT_CSS = """
    TrustScreen {
        align: center middle;
        Vertical {
            width: 64;
            max-width: 90%;
            height: auto;
            max-height: 90%;
            padding: 1 2;
            border: round $text-warning;
            background: $surface;
        }
    }
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def compose(self) -> ComposeResult:
        key = "bold $text-primary"
        with Vertical():
            yield Static(
                Content.assemble(
                    ("The labs of this course are programs", "bold"),
                    "\n\nThey have not been run here before, or have changed since. A run "
                    "can do whatever you can do on this machine:\n\n",
                    f"{clean(str(self._root / 'labs'))}\n\n",
                    ("y", key),
                    "  run them, and ask again when they change\n",
                    ("o", key),
                    "  they are mine: run them, and never ask again\n",
                    ("n", key),
                    "  do not run them",
                )
            )

    def action_answer(self, answer: Literal["now", "own", "no"]) -> None:
        self.dismiss(answer)
