from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from studykit.text import clean, first_suspect, format_value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("a\x00b", "a␀b"),
        ("bell\x07 and delete\x7f", "bell␇ and delete␡"),
        ("line\r\nline", "line␍\nline"),
        ("\x9b31m", "\ufffd31m"),
        ("abc\u202edcba", "abc\ufffddcba"),
        ("zero\u200bwidth\ufeff", "zero\ufffdwidth\ufffd"),
        ("\u2028separator", "\ufffdseparator"),
        ("tag\U000e0041", "tag\ufffd"),
        ("half\ud800", "half\ufffd"),
        ("no letter\u200cjoins", "no letter\ufffdjoins"),
        ("\u200dat the beginning", "\ufffdat the beginning"),
        ("\u0645\u06cc\u200c\u200c\u062e", "\u0645\u06cc\u200c\ufffd\u062e"),
    ],
)
def test_what_drives_a_terminal_becomes_visible(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "tab\tand\nline",
        "softmax(QKᵀ/√dₖ)·V",
        "θᵢ = 10000^(−2i/d)",
        "é 漢字 🙂",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with ZWNJ
        "\u0915\u094d\u200d\u0937 \u0915\u094d\u200c\u0937",  # Hindi, with ZWJ and ZWNJ
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert clean(text) == text
    assert first_suspect(text) is None


@given(st.text())
@settings(derandomize=True)
@example("\x1b[31m\u202e\ufeff\x9d")
def test_no_clean_text_holds_a_control_character(text: str) -> None:
    """Whatever came in: no control, no surrogate, no bidirectional override is left."""
    cleaned = clean(text)

    assert len(cleaned) == len(text), "places in the text stay"
    assert not [
        character
        for character in cleaned
        if character not in "\t\n"
        and (
            unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
            or unicodedata.bidirectional(character) in _OVERRIDES
        )
    ]


@given(st.text())
@settings(derandomize=True)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text())
@settings(derandomize=True)
@example("ok\x1b")
def test_the_first_suspect_is_the_first_character_that_cleaning_changes(text: str) -> None:
    changed = [i for i, (a, b) in enumerate(zip(text, clean(text), strict=True)) if a != b]

    assert first_suspect(text) == (changed[0] if changed else None)


_OVERRIDES = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2.9512, "2.951"), (0.3324, "0.332"), (0.0123, "0.0123"), (7.6e-9, "7.60e-9"),
        (12.345, "12.35"), (123.45, "123.5"), (32768.0, "32768"), (3, "3"), (0.0, "0"),
        (1.5e9, "1.50e9"), (math.nan, "diverged"), (math.inf, "∞"), (-math.inf, "-∞"),
    ],
)  # fmt: skip
def test_numbers_have_three_or_four_digits(value: float, shown: str) -> None:
    assert format_value(value) == shown
