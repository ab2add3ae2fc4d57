"""What-if questions: designs as knobs, and words that find them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.course.cards import Knobs, LabHeader
from studykit.course.decks import load_course
from studykit.course.designs import (
    design_of,
    render_change,
    replay_command,
    set_family,
    set_part,
)
from studykit.settings import bundled_course_root
from studykit.study.what_if import benches, find_questions, questions
from tests.study.what_if_course import BENCH, bench_header


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> LabHeader:
    return bench_header(tmp_path_factory.mktemp("springs"))


def test_a_design_is_the_family_and_two_settings(header: LabHeader) -> None:
    design = design_of(header, {"base": "coil=narrow", "change": "damper=off"})

    assert design.start == {"damper": "on", "coil": "wide", "hook": "plain"}
    assert design.base == {"damper": "on", "coil": "narrow", "hook": "plain"}
    assert design.changed == {"damper": "off", "coil": "narrow", "hook": "plain"}
    assert design.change == {"damper": "off"}
    assert design.knobs == {"family": "car", "base": "coil=narrow", "change": "damper=off"}


def test_a_part_of_the_base_is_that_of_both_unless_it_is_the_change(header: LabHeader) -> None:
    knobs = set_part(header, header.defaults, "coil", "none", in_base=True)
    assert (knobs["base"], knobs["change"]) == ("coil=none", "damper=off")

    knobs = set_part(header, knobs, "damper", "off", in_base=True)
    assert (knobs["base"], knobs["change"]) == ("damper=off, coil=none", "")
    knobs = set_part(header, knobs, "damper", "on", in_base=False)
    assert (knobs["base"], knobs["change"]) == ("damper=off, coil=none", "damper=on")
    assert knobs["n_steps"] == 40


def test_another_family_keeps_the_settings_that_it_has_the_parts_for(header: LabHeader) -> None:
    knobs = {**header.defaults, "base": "coil=none", "change": "hook=swivel"}

    turned = set_family(header, knobs, "bed")

    assert (turned["family"], turned["base"], turned["change"]) == ("bed", "coil=none", "")
    assert design_of(header, turned).parts == ("damper", "coil")


@given(st.data())
def test_turning_parts_always_leaves_a_design_that_can_be_run(
    header: LabHeader, data: st.DataObject
) -> None:
    """Whatever is turned in whatever order: each model has what was last set."""
    knobs = header.defaults
    for _ in range(data.draw(st.integers(0, 8))):
        part = data.draw(st.sampled_from(design_of(header, knobs).parts))
        value = data.draw(st.sampled_from(header.parts[part]))
        in_base = data.draw(st.booleans())
        knobs = set_part(header, knobs, part, value, in_base=in_base)
        design = design_of(header, knobs)
        assert (design.base if in_base else design.changed)[part] == value
        if data.draw(st.booleans()):
            knobs = set_family(header, knobs, data.draw(st.sampled_from(["car", "bed"])))
    header.models_of(knobs)


def test_the_question_in_words_and_the_command_that_repeats_it(header: LabHeader) -> None:
    assert render_change(header, header.defaults) == "car: remove the damper"
    assert replay_command(header, header.defaults, 3) == (
        f"studykit whatif --lab {BENCH} --family car damper=off"
    )
    knobs: Knobs = {"family": "bed", "base": "coil=none", "change": "damper=on", "n_steps": 80}
    assert render_change(header, knobs) == "bed with coil=none: add a damper"
    asked = replay_command(header, knobs, 5).partition("--family ")[2]
    assert asked == "bed --base coil=none damper=on --set n_steps=80 --seeds 5"
    quick = replay_command(header, knobs, 1, 0.25)
    assert quick.endswith("--set n_steps=80 --seeds 1 --budget 0.25")
    assert render_change(header, {"change": ""}) == "car: nothing is changed"


@pytest.mark.parametrize(
    ("asked", "family", "setting"),
    [
        ("what if I remove the damper?", "car", "damper=off"),
        ("removing dampers", "car", "damper=off"),
        ("without friction", "car", "damper=off"),
        ("no coil", "car", "coil=none"),
        ("fewer turns", "car", "coil=narrow"),
        ("less turns", "car", "coil=narrow"),
        ("replace the hook", "car", "hook=swivel"),
        ("swap the wide coil for a narrow one", "car", "coil=narrow"),
        ("a narrow coil instead of the wide", "car", "coil=narrow"),
        ("a coil that is gone", "car", "coil=none"),
        ("take away the damper", "car", "damper=off"),
        ("a wide coil", "bed", "coil=wide"),
        ("bed: remove the coil", "bed", "coil=none"),
        ("add a damper", "bed", "damper=on"),  # the first family has one
        ("swivel", "car", "hook=swivel"),
        ("a narrow damper", "bed", "damper=on"),  # as far as words tell: beds are narrow
        ("narrowing", "car", "coil=narrow"),
        ("damper=off", "car", "damper=off"),
        ("remove the damper of the engine", "car", "damper=off"),  # as much as is known
    ],
)
def test_words_find_the_setting(header: LabHeader, asked: str, family: str, setting: str) -> None:
    first = find_questions([header], asked)[0]

    assert (first.family, f"{first.part}={first.value}") == (family, setting)


def test_what_is_swapped_or_goes_is_named_too(header: LabHeader) -> None:
    """The palette shows only what answers every word."""
    for asked in (
        "what would happen if the wide coil were gone?",
        "swap the plain hook",
        "narrow coil instead of the wide",
    ):
        assert find_questions([header], asked)[0].share == 1.0, asked


@pytest.mark.parametrize("asked", ["", "what if", "a rubber band", "car", "remove everything"])
def test_words_that_ask_for_nothing_find_nothing(header: LabHeader, asked: str) -> None:
    assert find_questions([header], asked) == []


def test_every_question_is_found_by_its_own_words(header: LabHeader) -> None:
    every = list(questions([header]))

    assert len(every) == 4 + 3  # two values of coil and one of each other part, and three in beds
    for question in every:
        found = find_questions([header], f"{question.family} {question.phrase}")
        assert (found[0].family, found[0].part, found[0].value) == (
            question.family,
            question.part,
            question.value,
        )
        assert found[0].share == 1.0


def test_every_component_of_every_family_of_the_course_is_found_by_its_words() -> None:
    """Of both benches: each change that makes a difference, asked as the screen calls it."""
    labs = benches(load_course(bundled_course_root()))

    assert [lab.id for lab in labs] == ["whatif/trained", "whatif/real"]
    for question in questions(labs):
        asked = f"what if, {question.family}: {question.phrase}?"
        first = find_questions([question.header], asked)[0]
        assert (first.family, first.part, first.value, first.share) == (
            question.family,
            question.part,
            question.value,
            1.0,
        ), asked
