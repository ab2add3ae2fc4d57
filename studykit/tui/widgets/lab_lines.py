"""The labs on Home: one line each, with its outcome and its question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from studykit.text import clean

if TYPE_CHECKING:
    from studykit.course.cards import LabHeader
    from studykit.progress.runs import RunEntry

WAITS = "waits for your prediction"


class LabLines(Widget):
    """Those that wait for a prediction before the others, as many as there is room for."""

    DEFAULT_CSS = """
    LabLines { height: auto; }
    """

    cursor: reactive[int | None] = reactive(None)
    """The marked lab; None if no lab is."""
    n_most: reactive[int] = reactive(0, layout=True)
    """Labs that are shown; the list of labs has them all."""

    @dataclass
    class Clicked(Message):
        """The mouse picked a lab."""

        row: int

    def __init__(self) -> None:
        super().__init__()
        self._labs: list[LabHeader] = []
        self._waiting: Sequence[LabHeader] = ()
        self._runs: Sequence[RunEntry] = ()

    def fill(
        self,
        labs: Mapping[str, LabHeader],
        waiting: Sequence[LabHeader],
        runs: Sequence[RunEntry],
    ) -> None:
        """Show `labs`, by their ids, with what became of each in `runs`."""
        order = {header.id: header for header in waiting} | dict(labs)
        self._labs, self._waiting, self._runs = list(order.values()), waiting, runs
        self.refresh(layout=True)

    @property
    def labs(self) -> list[LabHeader]:
        """Those that are shown, from the top."""
        return self._labs[: self.n_most]

    def on_click(self, event: events.Click) -> None:
        if 1 <= event.y <= len(self.labs):
            self.post_message(self.Clicked(event.y - 1))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return bool(self._labs) + len(self.labs) + (len(self._labs) > self.n_most)

    def render(self) -> Content:
        width = self.content_size.width
        lines = [Content.styled("LABS", "bold $text-accent")] if self._labs else []
        for place, header in enumerate(self.labs):
            is_marked = place == self.cursor
            line = Content("▸ " if is_marked else "  ") + self._line(header)
            line = line.truncate(width, ellipsis=True)
            if is_marked:
                line = line.pad_right(max(0, width - line.cell_length)).stylize("bold on $panel")
            lines.append(line)
        if (more := len(self._labs) - self.n_most) > 0:
            lines.append(Content.styled(f"  and {more} more: x lists them", "$text-muted"))
        return Content("\n").join(lines)

    def _line(self, header: LabHeader) -> Content:
        runs = [run for run in self._runs if run.lab == header.id and run.is_complete]
        judged = [p.correct for run in runs if (p := run.prediction) and p.correct is not None]
        if judged and judged[-1]:
            mark, said = Content.styled("✓", "$text-success"), "last predicted right"
        elif judged:
            mark, said = Content.styled("✗", "$text-error"), "last predicted wrong"
        elif header in self._waiting:
            mark, said = Content.styled("?", "$text-accent"), WAITS
        elif runs:
            mark, said = Content("●"), f"run {len(runs)}×"
        else:
            mark, said = Content("–"), "not run yet"
        said = said.ljust(len(WAITS))
        return Content.assemble(mark, (f" {said}  ", "$text-muted"), clean(header.question))
