"""The text of a card: paragraphs, lists, fenced code, `code` and **bold**, laid out to a width.

Not Markdown: ``a_i * b_i`` and ``[B, H, T]`` stay as they are, and nothing in a text is a link
or an action. A line break in the deck is a line break here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from studykit.text import FENCE, SPAN, clean

CODE_STYLE = "$text-accent"

_ITEM = re.compile(r"(?P<indent> *)(?P<marker>[-*•]|\d{1,2}[.)]) +(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the source and how it is laid out."""

    text: Content
    lead: str = ""
    """Stands before the first row; the rows after it are indented as far."""
    is_code: bool = False
    """Code keeps its spaces and is cut, not wrapped at words, where it is too long."""


def parse_lines(text: str) -> tuple[Line, ...]:
    """The lines of a card's text, without blank ones at either end."""
    lines: list[Line] = []
    in_fence = False
    for source in clean(text).strip("\n").split("\n"):
        if source.strip().startswith(FENCE):
            in_fence = not in_fence
        elif in_fence:
            lines.append(Line(Content.styled(source.expandtabs(4), CODE_STYLE), "  ", is_code=True))
        elif item := _ITEM.fullmatch(source):
            marker = item["marker"] if item["marker"][0].isdigit() else "•"
            lines.append(Line(parse_inline(item["text"]), f"{item['indent']}{marker} "))
        else:
            lines.append(Line(parse_inline(source.strip())))
    return tuple(lines)


def parse_inline(text: str) -> Content:
    """One line of text with its `code` and **bold** spans styled and their marks gone."""
    parts: list[str | tuple[str, str]] = []
    end = 0
    for span in SPAN.finditer(text):
        parts.append(text[end : span.start()])
        parts.append((span["code"], CODE_STYLE) if span["code"] else (span["bold"], "bold"))
        end = span.end()
    return Content.assemble(*parts, text[end:])


_BOUND = re.compile(
    r"(?<=\S) (?=· )|(?<=←) (?=\S)|(?<=\d) (?=%)|(?<=[≥≤<>=≈±×−+]) (?=[\d.−-])"
    r"|(?<=\d) (?=(?:ms|s|min|h|d|[KMG]i?B|kB|seeds?)\b)"
)
"""Blanks at which no line ends: ``95 %``, ``≥ 0.95``, ``26 s``, ``← yours``, and before ``·``."""
_BINDER = "\ue000"
"""Stands for such a blank while lines are broken; of private use, and one column wide."""


def wrap(text: Content, width: int) -> list[Content]:
    """`text` in rows of at most `width` columns; a number stays with its sign and its unit."""
    if _BINDER in text.plain or not _BOUND.search(text.plain):
        return text.wrap(width)
    bound = Content(_BOUND.sub(_BINDER, text.plain), spans=[*text.spans])
    rows = bound.wrap(width)
    return [Content(row.plain.replace(_BINDER, " "), spans=[*row.spans]) for row in rows]


def lay_out(line: Line, width: int, lead: Content | None = None) -> list[Content]:
    """The rows of `line`, none wider than `width`; `lead` replaces the line's own."""
    first = Content(line.lead) if lead is None else lead
    inner = max(1, width - first.cell_length)
    rows = line.text.fold(inner) if line.is_code else wrap(line.text, inner)
    indent = Content(" " * first.cell_length)
    return [(indent if index else first) + row for index, row in enumerate(rows or [Content("")])]


class Fitted(Widget):
    """A text that is laid out anew for the width that it gets."""

    DEFAULT_CSS = """
    Fitted { height: auto; }
    """

    def __init__(
        self,
        fit: Callable[[int], Content],
        *,
        id: str | None = None,  # noqa: A002 - textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._fit = fit

    def show(self, fit: Callable[[int], Content]) -> None:
        """Show another text."""
        self._fit = fit
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        # A terminal that is too small for the screen may leave no column at all.
        return len(self._fit(max(1, width)).split(allow_blank=True))

    def render(self) -> Content:
        return self._fit(max(1, self.content_size.width))


def fit_text(source: str) -> Callable[[int], Content]:
    """A card's text, for `Fitted`."""
    lines = parse_lines(source)
    return lambda width: Content("\n").join(row for line in lines for row in lay_out(line, width))
