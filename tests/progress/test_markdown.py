"""Text reads as itself in every Markdown place, whatever it is made of."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from studykit.progress.markdown import duration, escape, shorten, table
from studykit.text import clean, percent, plural

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

NASTY = st.text(st.sampled_from("a1 \t\n\\`*_[]()<>|&~$#+-=.:!/;\x1b\u202e\ud800é"), max_size=20)


def read(markdown: str) -> str:
    """The text that a reader of `markdown` sees."""
    tokens = [child for token in READER.parse(markdown) for child in token.children or []]
    assert {token.type for token in tokens} <= {"text", "text_special"}
    return "".join(token.content for token in tokens)


@given(NASTY)
@example("# not a heading")
@example("1. not a list")
@example("- - -")
@example("a_b_c and _this_")
@example("<script>alert(1)</script> &lt;")
@example("[click](javascript:x) ![](y)")
def test_escaped_text_is_read_as_itself(text: str) -> None:
    """In a paragraph, in a list and in the cell of a table."""
    shown = " ".join(clean(text).split())

    assert read(escape(text)) == shown
    assert read(f"- {escape(text)}") == shown
    assert read(table(["head"], [[escape(text)]])) == f"head{shown}"


def test_names_with_underscores_stay_readable() -> None:
    assert escape("d_model of `x`") == r"d_model of \`x\`"


def test_tables_line_up_and_numbers_are_aligned_to_the_right() -> None:
    """Wide characters take two columns, combining ones none."""
    assert table(["Topic", "n"], [["注意", "7"], ["e\u0301t", "1234 %"]]).splitlines() == [
        "| Topic |      n |",
        "| ----- | -----: |",
        "| 注意  |      7 |",
        "| e\u0301t    | 1234 % |",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.42 s"),
        (2.96, "3 s"),
        (9.5, "10 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3540, "59 min"),
        (3599, "1 h 0 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_small_words() -> None:
    assert (plural(1, "day"), plural(0, "day"), plural(2, "day")) == ("1 day", "0 days", "2 days")
    assert percent(0.934) == "93 %"
    assert shorten("a  long\nquestion", 8) == "a long…"
    assert shorten("a long question", 10) == "a long…"
    assert shorten("a long question", 7) == "a long…"
    assert shorten("unbroken", 5) == "unbr…"
    assert shorten("short", 5) == "short"
