"""A Python file to read: coloured, with line numbers, no line cut."""

from __future__ import annotations

from itertools import accumulate

from textual.content import Content
from textual.geometry import Size
from textual.highlight import HighlightTheme, highlight
from textual.widget import Widget

from studykit.text import clean
from studykit.tui.widgets.card_text import Line, lay_out


class _Colours(HighlightTheme):
    """Textual's own theme thins some colours out; these all have their contrast."""

    STYLES = {  # noqa: RUF012 - textual's own is no ClassVar
        ("Comment",): "$text-muted italic",
        ("Keyword",): "$text-primary",
        ("Keyword", "Constant"): "$text-warning",
        ("Literal", "Number"): "$text-warning",
        ("Literal", "String"): "$text-success",
        ("Literal", "String", "Doc"): "$text-success italic",
        ("Name", "Builtin"): "$text-secondary",
        ("Name", "Class"): "bold $text-accent",
        ("Name", "Decorator"): "$text-accent",
        ("Name", "Function"): "bold $text-accent",
        ("Operator", "Word"): "$text-primary",
    }
    """Token of Pygments -> style."""


def render_source(source: str, width: int) -> list[list[Content]]:
    """The rows of each line of `source`, none wider than `width`, the number before the first."""
    text = clean(source).expandtabs(4)
    lines = highlight(text, language="python", theme=_Colours).split("\n", allow_blank=True)
    n_digits = len(str(len(lines)))
    return [
        lay_out(
            Line(line, is_code=True), width, Content.styled(f"{n:>{n_digits}}  ", "$text-muted")
        )
        for n, line in enumerate(lines, 1)
    ]


class SourceView(Widget):
    """Shows one file."""

    DEFAULT_CSS = """
    SourceView { height: auto; }
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source
        self._laid_out: tuple[int, list[list[Content]]] = (0, [])
        """The last width, and the rows of each line for it."""

    def row_of(self, line: int, width: int) -> int:
        """The row where the line of that index begins, laid out in `width` columns."""
        return [0, *accumulate(map(len, self._lines(width)))][line]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return sum(map(len, self._lines(width)))

    def render(self) -> Content:
        lines = self._lines(max(1, self.content_size.width))
        return Content("\n").join(row for rows in lines for row in rows)

    def _lines(self, width: int) -> list[list[Content]]:
        if self._laid_out[0] != width:
            self._laid_out = (width, render_source(self._source, width))
        return self._laid_out[1]
