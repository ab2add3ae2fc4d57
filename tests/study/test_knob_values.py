"""The values that a knob may take: the lab's in order, and others like them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studykit.course.cards import KnobValue, LabHeader
from studykit.study.knob_values import describe, in_order, parse_knob, takes_own


def lab(choices: tuple[KnobValue, ...], *, name: str = "k", takes_text: bool = False) -> LabHeader:
    """A lab with one knob."""
    return LabHeader(
        id="demo/probe",
        path=Path("probe.py"),
        title="",
        about="",
        question="",
        points=(),
        claims={},
        knobs={name: choices},
        text_knobs=(name,) if takes_text else (),
        seeds=1,
        seconds={},
    )


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
    parsed = parse_knob(lab(choices), "k", text)
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
        parse_knob(lab(choices), "k", text)
    assert describe(lab(choices), "k") == told


def test_only_numbers_and_texts_have_others_like_them() -> None:
    for choices in ((8, 2), (0.5,)):
        assert takes_own(lab(choices), "k")
    for names in (("pre", "post"), (True, False)):
        assert not takes_own(lab(names), "k")
    assert takes_own(lab(("One.", "Two."), takes_text=True), "k")


def test_a_knob_of_texts_takes_any_text_as_it_stands() -> None:
    sentences = lab(("One.",), takes_text=True)

    assert parse_knob(sentences, "k", " Ein Öl-Fleck, 3×! ") == "Ein Öl-Fleck, 3×!"
    assert parse_knob(sentences, "k", "ONE.") == "ONE."
    assert parse_knob(sentences, "k", "x" * 200) == "x" * 200


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing was written"),
        ("  ", "nothing was written"),
        ("x" * 201, "this one has 201"),
        ("two\nlines", "no part of a line"),
        ("a\x1b[2Jb", "no part of a line"),
        ("a\tb", "no part of a line"),
        ("a\u202eb", "cannot be seen"),
    ],
)
def test_a_text_that_cannot_be_shown_in_a_line_is_refused_and_told_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=rf"^a text of one line, at most 200 characters; .*{why}"):
        parse_knob(lab(("One.",), takes_text=True), "k", text)


def test_a_knob_of_settings_keeps_them_in_one_form() -> None:
    of_parts = replace(
        lab(("",), name="change", takes_text=True),
        parts={"residual": ("on", "off"), "norm": ("pre", "none")},
    )

    assert parse_knob(of_parts, "change", " NORM = none,residual=off,") == "residual=off, norm=none"
    assert parse_knob(of_parts, "change", "") == ""
    for text, why in (
        ("norm", "'norm' is no setting"),
        ("skip=off", "there is no part 'skip': one of residual, norm"),
        ("norm=post", "norm cannot be 'post': one of pre, none"),
        ("norm=pre, norm=none", "norm is set to both"),
    ):
        with pytest.raises(ValueError, match=f"^settings of parts.*; {why}"):
            parse_knob(of_parts, "change", text)


def test_no_model_is_not_the_folder_that_one_stands_in() -> None:
    with pytest.raises(ValueError, match=r"nothing was written$"):
        parse_knob(lab(("smollm2",), name="model", takes_text=True), "model", "")


def test_the_path_of_a_model_is_one_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    weights = lab(("smollm2",), name="model", takes_text=True)

    for text in ("./tiny", "~/tiny", str(tmp_path / "tiny")):
        assert parse_knob(weights, "model", text) == str(tmp_path / "tiny")
    for name in ("smollm2", "tiny", "someone/tiny", "~nobody-here/tiny"):
        assert parse_knob(weights, "model", name) == name
