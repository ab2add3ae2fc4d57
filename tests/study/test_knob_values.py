"""The values that a knob may take: the lab's in order, and others like them."""

from __future__ import annotations

import pytest

from studykit.course.cards import KnobValue
from studykit.study.knob_values import describe, in_order, parse_knob, takes_own


def test_numbers_ascend_and_names_stand_as_the_lab_has_them() -> None:
    assert in_order((8, 2, 16), 6) == (2, 6, 8, 16)
    assert in_order((8, 2), 8) == (2, 8)
    assert in_order(("pre", "none", "post")) == ("pre", "none", "post")
    assert in_order((True, False)) == (True, False)


@pytest.mark.parametrize(
    ("choices", "text", "value"),
    [
        ((8, 2), "6", 6),
        ((8, 2), "1e3", 1000),
        ((0.5, 0.0), "0", 0.0),
        ((0.5, -1.0), "-2.5", -2.5),
        (("pre", "post"), "POST", "post"),
        ((True, False), "false", False),
    ],
)
def test_what_is_typed_is_taken_as_it_is_meant(
    choices: tuple[KnobValue, ...], text: str, value: KnobValue
) -> None:
    parsed = parse_knob(choices, text)
    assert (parsed, type(parsed)) == (value, type(choices[0]))


@pytest.mark.parametrize(
    ("choices", "text", "told"),
    [
        ((8, 2), "6.5", "a whole number above 0"),
        ((8, 2), "0", "a whole number above 0"),
        ((8, 2), "", "a whole number above 0"),
        ((8, 2), "1e12", "a whole number above 0"),
        ((0.5, 0.0), "-1", "a number from 0"),
        ((0.5, -1.0), "nan", "a number"),
        ((0.5, -1.0), "inf", "a number"),
        ((0.5, -1.0), "9" * 5000, "a number"),
        (("pre", "none", "post"), "none at all", "pre, none or post"),
        ((True, False), "1", "True or False"),
    ],
)
def test_what_it_cannot_be_is_told(choices: tuple[KnobValue, ...], text: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{told}$"):
        parse_knob(choices, text)
    assert describe(choices) == told


def test_only_numbers_have_others_like_them() -> None:
    assert takes_own((8, 2)) and takes_own((0.5,))
    assert not takes_own(("pre", "post")) and not takes_own((True, False))
