"""What a lab is made of and what it wrote, to read: its code, the log of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from studykit.course.cards import LabHeader
from studykit.course.source import read_source
from studykit.errors import CourseError
from studykit.study.bench import first_line
from studykit.text import clean
from studykit.tui.screens.base import StudyScreen
from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.safe import Static
from studykit.tui.widgets.source_view import SourceView

LOOK_SECONDS = 0.5
"""How often a log that may still grow is read."""


class LabSourceScreen(StudyScreen):
    """One lab's file from where it runs; read, never executed."""

    BINDING_GROUP_TITLE = "Code of a lab"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "q,escape,o",
            "app.pop_screen",
            "back",
            key_display="q",
            id="back",
            tooltip="Back to the lab",
        ),
        Binding("down,j", "scroll(1)", "down", show=False, id="source-down"),
        Binding("up,k", "scroll(-1)", "up", show=False, id="source-up"),
        Binding(
            "pagedown,space",
            "page(1)",
            "page down",
            key_display="PgDn",
            id="source-page-down",
            tooltip="A page on",
        ),
        Binding("pageup", "page(-1)", "page up", id="source-page-up", tooltip="A page back"),
        Binding("home,g", "edge(-1)", "top", key_display="g", id="source-top", tooltip="The top"),
        Binding("end,G", "edge(1)", "end", key_display="G", id="source-end", tooltip="The end"),
    ]
    DEFAULT_CSS = """
    LabSourceScreen {
        .title { height: 1; padding: 0 1; margin-bottom: 1; }
        VerticalScroll { height: 1fr; padding: 0 1; }
    }
    """

    def __init__(self, header: LabHeader) -> None:
        super().__init__()
        self._path = clean(str(header.path))
        self._first = 0
        self._source: str | None = None
        self._problem = ""
        try:
            self._source = read_source(header.path)
            self._first = first_line(self._source)
        except CourseError as error:
            self._problem = str(error)

    def compose_body(self) -> ComposeResult:
        yield Fitted(self._render_title, classes="title")
        with VerticalScroll(can_focus=False):
            if self._source is not None:
                yield SourceView(self._source)
            else:
                yield Static(Content.styled(clean(self._problem), "$text-error"))

    def on_mount(self) -> None:
        self.call_after_refresh(self._go_to_run)

    def _go_to_run(self) -> None:
        """The header and the helpers stand above; the experiment begins here."""
        for view in self.query(SourceView):
            row = view.row_of(self._first, view.content_size.width)
            self._body.scroll_to(y=row, animate=False)

    def _render_title(self, width: int) -> Content:
        """The path; of a long one the end, which tells more."""
        path = self._path
        while cell_len(path) > width and len(path) > 1:
            path = "…" + path[2:]
        return Content.styled(path, "bold")

    @property
    def _body(self) -> VerticalScroll:
        return self.query_one(VerticalScroll)

    def action_scroll(self, step: int) -> None:
        self._body.scroll_relative(y=step, animate=False)

    def action_page(self, step: int) -> None:
        """One row of the last page stays in sight."""
        self._body.scroll_relative(y=step * max(1, self._body.size.height - 1), animate=False)

    def action_edge(self, step: int) -> None:
        if step < 0:
            self._body.scroll_home(animate=False)
        else:
            self._body.scroll_end(animate=False)


class LabLogScreen(StudyScreen):
    """What one run has printed and its trace, as they come."""

    BINDING_GROUP_TITLE = "Log of a lab"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape,v", "app.pop_screen", "back", id="back", tooltip="Back to the lab"),
        Binding("down,j", "scroll(1)", "down", show=False, id="log-down"),
        Binding("up,k", "scroll(-1)", "up", show=False, id="log-up"),
    ]
    DEFAULT_CSS = """
    LabLogScreen {
        .title { padding: 0 1; margin-bottom: 1; }
        VerticalScroll { padding: 0 1; }
    }
    """

    def __init__(self, lab_id: str, read: Callable[[], str]) -> None:
        super().__init__()
        self._lab_id = lab_id
        self._read = read
        self._shown = ""

    def compose_body(self) -> ComposeResult:
        yield Static(Content.styled(f"Log of {self._lab_id}", "bold"), classes="title")
        with VerticalScroll(can_focus=False):
            yield Static(id="log")

    def on_mount(self) -> None:
        self._look()
        self.set_interval(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Show what is new; the end says why, so it is kept in sight where it was."""
        text = self._read()
        if text == self._shown:
            return
        self._shown = text
        body = self.query_one(VerticalScroll)
        was_at_end = body.scroll_y >= body.max_scroll_y
        self.query_one("#log", Static).update(clean(text))
        if was_at_end:
            body.scroll_end(animate=False)

    def action_scroll(self, step: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=step, animate=False)
