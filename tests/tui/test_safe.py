"""Text of a deck on its way to the terminal: markup is text, controls are visible, rows fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from studykit.text import clean, first_suspect
from studykit.tui.widgets.card_text import fit_text, lay_out, parse_inline, parse_lines
from studykit.tui.widgets.safe import NoControls


@given(st.text(max_size=200), st.integers(4, 90))
def test_any_text_fits_and_is_harmless(text: str, width: int) -> None:
    """Whatever a deck says, no row is wider than its place and no control character is left."""
    for row in fit_text(text)(width).split(allow_blank=True):
        assert row.cell_length <= width
        assert first_suspect(row.plain) is None


@given(st.text(alphabet=st.characters(exclude_characters="`*\n\r", exclude_categories=["C", "Z"])))
def test_brackets_are_kept(text: str) -> None:
    """No character of a text without marks of ours is lost or read as an instruction."""
    assert parse_inline(text).plain == text


def test_inline_marks() -> None:
    """`code` and **bold** are styled and lose their marks; a lone star or backtick is text."""
    content = parse_inline("a_i * b_i, **not** `x[i]` ` **")
    assert content.plain == "a_i * b_i, not x[i] ` **"
    assert [(span.start, span.end, span.style) for span in content.spans] == [
        (11, 14, "bold"),
        (15, 19, "$text-accent"),
    ]


def test_lists_hang_and_code_keeps_its_spaces() -> None:
    """Later rows of an item stand under its text; code is cut at the edge, not at words."""
    lines = parse_lines("- one two three\n2. four\n```\nfor x in y:\n    pass\n```\nend")
    rows = [row.plain for line in lines for row in lay_out(line, 10)]
    assert rows == [
        "• one two",
        "  three",
        "2. four",
        "  for x in",
        "   y:",
        "      pass",
        "end",
    ]


@given(st.text(max_size=60))
def test_the_last_resort_filter(text: str) -> None:
    """The filter lets harmless segments be and makes controls visible in the others."""
    style = Style(bold=True)
    (segment,) = NoControls().apply([Segment(text, style)], Color(0, 0, 0))
    assert segment == Segment(clean(text), style)
    assert first_suspect(segment.text.replace("\n", "").replace("\t", "")) is None
