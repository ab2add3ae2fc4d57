from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from studykit.course.decks import load_course
from studykit.course.models import models_path
from studykit.errors import CourseError
from studykit.study.check import check_course, coverage
from tests.course.mini_course import DECK, LAB, MiniCourse, recorded_run
from tests.course.test_models import TINY, write


def problems_of(mini: MiniCourse) -> list[str]:
    """The same whether or not the course is at hand already."""
    report = check_course(mini.root)
    with suppress(CourseError):
        assert check_course(mini.root, load_course(mini.root)) == report
    return list(report.problems)


def the_problem_of(mini: MiniCourse) -> str:
    problems = problems_of(mini)
    assert len(problems) == 1, problems
    return problems[0]


def test_a_whole_course_has_no_problems(mini: MiniCourse) -> None:
    report = check_course(mini.root)

    assert report.problems == ()
    assert (report.n_decks, report.n_cards, report.n_labs, report.n_claims) == (1, 9, 1, 3)


def test_an_unusable_manifest_is_the_only_problem(mini: MiniCourse) -> None:
    place = mini.change(mini.manifest, "format: 1", "format: @@2")

    assert the_problem_of(mini).startswith(f"{place}: ")


def test_problems_are_ordered_by_file_line_and_column(mini: MiniCourse) -> None:
    """Line 9 comes before line 10, which text order would turn round."""
    mini.change(mini.deck, "title: Depth", "title: $x$")
    mini.change(mini.deck, "points: [1.1.1]", "points: [9.9.9]")
    mini.change(mini.deck, "kind: cloze", "kind: close")
    mini.change(mini.lab, "SEEDS = 2", "SEEDS = 0")

    problems = problems_of(mini)

    places = [line.split(": ")[0].rsplit(":", 2) for line in problems]
    keys = [(path, int(line), int(column)) for path, line, column in places]
    assert len(keys) == 3
    assert keys == sorted(keys)


# What is named exists


CARD_PROBLEMS = [
    ("lab: core/depth", "lab: core/width", "there is no usable lab core/width"),
    ("claim: stuck", "claim: stack", "lab core/depth makes no claim stack"),
    ("{n_layers: 8", "{layers: 8", "lab core/depth has no knob layers"),
    ("{n_layers: 8", "{n_layers: 4", "knob n_layers cannot be 4 (it takes 8, 2)"),
]


@pytest.mark.parametrize(("old", "new", "gist"), CARD_PROBLEMS)
def test_a_card_must_fit_its_lab(mini: MiniCourse, old: str, new: str, gist: str) -> None:
    mini.change(mini.deck, old, new)

    problem = the_problem_of(mini)

    assert problem.startswith(f"{mini.deck}:")
    assert gist in problem


def test_a_card_s_lab_must_measure_one_of_its_points(mini: MiniCourse) -> None:
    mini.change(mini.lab, 'POINTS = ("1.1.1", "1.1.2")', 'POINTS = ("1.1.1",)')

    problems = problems_of(mini)

    assert len(problems) == 4
    assert all("measures none of its points (it measures 1.1.1)" in line for line in problems)


@pytest.mark.parametrize("point", ["1.1.3", "9.1.1"])
def test_the_points_of_a_lab_must_be_in_the_outline(mini: MiniCourse, point: str) -> None:
    place = mini.change(mini.lab, '"1.1.2")', f'"1.1.2", @@"{point}")')

    assert the_problem_of(mini).startswith(f"{place}: the outline has no point {point}")


def test_the_topics_of_a_deck_must_be_in_the_outline(mini: MiniCourse) -> None:
    mini.deck.write_text(DECK.replace("1.1", "3.1"))
    mini.lab.write_text(LAB.replace('"1.1.1", "1.1.2"', '"1.1.1", "3.1.1", "3.1.2"'))
    number = DECK[: DECK.index('"1.1"')]

    problems = problems_of(mini)

    place = f"{mini.deck}:{number.count(chr(10)) + 1}:13"
    assert problems[0].startswith(f"{place}: `number`: the outline has no topic 3.1")


def test_a_topic_must_teach_all_points_of_the_outline(mini: MiniCourse) -> None:
    place = mini.change(mini.deck, "points:\n      1.1.1", "points:\n      @@1.1.1")
    mini.change(mini.manifest, "points: 2", "points: 3")

    assert the_problem_of(mini).startswith(f"{place}: `points`: point 1.1.3 is missing")


def test_a_topic_may_teach_no_point_beyond_the_outline(mini: MiniCourse) -> None:
    place = mini.change(mini.deck, "1.1.2: A norm", "@@1.1.2: A norm")
    mini.change(mini.manifest, "points: 2", "points: 1")

    problems = problems_of(mini)

    assert f"{place}: the outline has no point 1.1.2 (it ends with 1.1.1)" in problems


# What exists is named


def test_every_claim_must_back_a_card(mini: MiniCourse) -> None:
    mini.change(mini.lab, '"scales": "loss', '"unasked": "loss_with > 9",\n    "scales": "loss')
    place = mini.change(mini.lab, '"scales": "A', '@@"unasked": "x",\n    "scales": "A')

    assert the_problem_of(mini) == (
        f"{place}: claim unasked backs no card (ask for it, or drop it)"
    )


def test_every_point_needs_a_card(mini: MiniCourse) -> None:
    place = mini.change(mini.deck, "    cards:", "      @@1.1.3: Unasked\n    cards:")
    mini.change(mini.manifest, "points: 2", "points: 3")

    assert the_problem_of(mini).startswith(f"{place}: no card asks about point 1.1.3")


def test_what_no_card_asks_is_not_reported_while_cards_are_unreadable(mini: MiniCourse) -> None:
    mini.change(mini.deck, "kind: cloze", "kind: close")
    assert "no kind is called" in the_problem_of(mini)

    mini.deck.write_text(DECK.replace("lab: core/depth", "lab: core/width"))
    assert all("no usable lab core/width" in line for line in problems_of(mini))


@pytest.mark.parametrize(
    ("name", "gist"),
    [
        ("decks/2-more.yaml", "course.yaml does not list it"),
        ("decks/notes.txt", "course.yaml does not list it"),
        ("labs/core/helper.py", "no lab: it assigns no QUESTION"),
        ("labs/core/data.csv", "no lab: it assigns no QUESTION"),
        ("data/results/core/gone.json", "no lab of the course recorded it"),
    ],
)
def test_a_file_that_nothing_names_is_a_problem(mini: MiniCourse, name: str, gist: str) -> None:
    path = mini.root / name
    path.write_text("x = 1\n")

    assert the_problem_of(mini).startswith(f"{path}:1:1: {gist}")


@pytest.mark.parametrize("name", ["labs/lost.py", "labs/core/deep/lost.py"])
def test_a_lab_in_the_wrong_place_is_a_problem(mini: MiniCourse, name: str) -> None:
    path = mini.root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(LAB)

    assert any(f"{path}:1:1: no place for a lab" in line for line in problems_of(mini))


def test_helpers_and_caches_are_no_problem(mini: MiniCourse) -> None:
    for name in ("labs/tasks/words.py", "labs/core/__pycache__/depth.pyc", "decks/.swap"):
        path = mini.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x = 1\n")

    assert problems_of(mini) == []


def test_a_file_name_cannot_break_the_line_or_the_terminal(mini: MiniCourse) -> None:
    (mini.root / "decks" / "a\n\x1b[31m.yaml").write_text("")

    assert "decks/a␊␛[31m.yaml:1:1: course.yaml does not list it" in the_problem_of(mini)


# Hidden characters and LaTeX


def test_a_raw_control_character_is_reported_where_it_stands(mini: MiniCourse) -> None:
    place = mini.change(mini.deck, "What does a residual", "What @@\x1b[2Jdoes a residual")

    assert the_problem_of(mini).startswith(f"{place}: hidden character U+001B")


@pytest.mark.parametrize(
    ("escape", "code"),
    [("\\e]52;c;x\\a", "001B"), ("\\u202e", "202E"), ("\\u200b", "200B"), ("\\x07", "0007")],
)
def test_an_escaped_control_character_is_reported_at_its_text(
    mini: MiniCourse, escape: str, code: str
) -> None:
    place = mini.change(mini.deck, "answer: norm", f'answer: @@"norm{escape}"')

    assert the_problem_of(mini).startswith(f"{place}: hidden character U+{code}")


def test_hidden_characters_in_the_manifest_and_in_labs_are_reported(mini: MiniCourse) -> None:
    places = [
        mini.change(mini.manifest, "A mini course", "A mini @@\u202ecourse"),
        mini.change(mini.lab, "What it is about.", "What it @@\u2066is about."),
        mini.change(mini.lab, '"What if I remove', '@@"What\\x07 if I remove'),
    ]

    problems = problems_of(mini)

    assert [line.split(": ")[0] for line in problems] == places


EXPLAIN = "explain: The sum leaves a path around the block."


@pytest.mark.parametrize(
    "text",
    ["the ratio $QK^T$", "'\\frac{a}{b}'", "'\\theta'", "'\\(x\\)'", "'$$x$$'", '"\\\\alpha x"'],
)
def test_latex_is_reported(mini: MiniCourse, text: str) -> None:
    place = mini.change(mini.deck, EXPLAIN, f"explain: @@{text}")

    problem = the_problem_of(mini)

    assert problem.startswith(f"{place}: `explain`: `")
    assert "looks like LaTeX (write Unicode mathematics" in problem


@pytest.mark.parametrize("text", ["It costs $5 or $6", "a split at '\\n'", "√dₖ·V", "US$ and $"])
def test_dollars_and_short_escapes_are_no_latex(mini: MiniCourse, text: str) -> None:
    mini.change(mini.deck, EXPLAIN, f"explain: {text}")

    assert problems_of(mini) == []


# How cards are written


WRITING_PROBLEMS = [
    ("question: What does", "question: " + "what " * 57, "card say: question of 61 words"),
    ("answer: The input", "answer: " + "the " * 20, "card say: answer of 26 words (at most 25)"),
    ("explain: The sum", "explain: " + "the " * 85, "card say: explanation of 91 words"),
    ("text: Its tokens", "text: All of its many tokens", "card pick: options of 21 to 35"),
    ("text: They stay stuck", "text: Still", "card bet: options of 5 to 17 characters"),
    ("answer: norm", "answer: the input of the Block to its output.", "the answer of card say"),
]


@pytest.mark.parametrize(
    ("old", "new", "gist"), WRITING_PROBLEMS, ids=[gist for _, _, gist in WRITING_PROBLEMS]
)
def test_cards_are_short_even_and_different(
    mini: MiniCourse, old: str, new: str, gist: str
) -> None:
    mini.change(mini.deck, old, new)

    problem = the_problem_of(mini)

    assert problem.startswith(f"{mini.deck}:")
    assert gist in problem


def test_short_options_give_nothing_away(mini: MiniCourse) -> None:
    mini.change(mini.deck, "text: They stay stuck", "text: MHA")
    mini.change(mini.deck, "text: They learn slower", "text: grouped")

    assert problems_of(mini) == []


def test_the_limits_themselves_are_allowed(mini: MiniCourse) -> None:
    mini.change(mini.deck, "question: What does", "question: " + "what " * 56)
    mini.change(mini.deck, "answer: The input", "answer: " + "the " * 19)
    mini.change(mini.deck, "explain: The sum", "explain: " + "the " * 84)

    assert problems_of(mini) == []


# What the recorded runs say


def test_every_lab_needs_a_recorded_run(mini: MiniCourse) -> None:
    mini.results.unlink()

    assert (
        f"{mini.results}:1:1: lab core/depth has no recorded run with its default knobs "
        "(studykit lab run core/depth --record)"
    ) in problems_of(mini)


def test_the_default_knobs_must_have_been_run(mini: MiniCourse) -> None:
    knobs = recorded_run()["knobs"] | {"n_layers": 2}
    mini.record(recorded_run(knobs=knobs))

    problems = problems_of(mini)

    assert any("no recorded run with its default knobs" in line for line in problems)


def test_a_run_that_broke_off_is_no_evidence(mini: MiniCourse) -> None:
    mini.record(recorded_run(status="cancelled"))

    assert any("with its default knobs" in line for line in problems_of(mini))


def test_a_test_names_what_the_recorded_runs_measured(mini: MiniCourse) -> None:
    place = mini.change(mini.lab, '"loss_with < 2"', '"loss_with < @@loss_wiht"')

    assert the_problem_of(mini) == (
        f"{place}: no recorded run measured loss_wiht "
        "(record again, or did you mean loss_with or loss_without?)"
    )


@pytest.mark.parametrize(
    ("stuck", "slower", "n_confirmed", "loss_without"),
    [
        ("confirmed", "confirmed", 2, 1.2),
        ("refuted", "refuted", 0, 1.8),
        ("undecided", "undecided", 0, {"$float": "nan"}),
    ],
)
def test_a_prediction_needs_exactly_one_confirmed_option(
    mini: MiniCourse, stuck: str, slower: str, n_confirmed: int, loss_without: Any
) -> None:
    """Judged by the tests that the lab has now, whatever verdicts are stored."""
    mini.change(mini.lab, '"loss_without > 2"', '"loss_without > 2 or loss_without < 1.4"')
    verdicts = {"stuck": "confirmed", "slower": "refuted", "scales": "confirmed"}
    mini.record(recorded_run(loss_without=loss_without, verdicts=verdicts))

    problem = the_problem_of(mini)

    assert f"card bet: the recorded run confirms {n_confirmed} options, not one" in problem
    assert f"(stuck: {stuck}, slower: {slower})" in problem


def test_a_prediction_is_settled_by_the_run_with_its_own_knobs(mini: MiniCourse) -> None:
    """The default run confirms one option; with the card's knobs nothing was recorded."""
    mini.change(mini.deck, "{n_layers: 8,", "{n_layers: 2,")
    assert "card bet: no recorded run with n_layers=2, norm=pre, rate=0.5, tied=True" in (
        the_problem_of(mini)
    )

    knobs = recorded_run()["knobs"] | {"n_layers": 2}
    mini.record(recorded_run(), recorded_run(knobs=knobs, loss_without=1.2))
    assert problems_of(mini) == []


def test_an_option_that_is_not_confirmed_needs_its_misconception(mini: MiniCourse) -> None:
    mini.change(mini.deck, ", misconception: They do not learn at all.", "")

    assert "option slower, which the recorded run does not confirm, has no misconception" in (
        the_problem_of(mini)
    )


def test_a_measurement_must_have_been_measured(mini: MiniCourse) -> None:
    mini.change(mini.deck, "measurement: loss_without", "measurement: loss_base")

    assert "card guess: no measurement is called loss_base (there are loss_with, loss_without)" in (
        the_problem_of(mini)
    )


@pytest.mark.parametrize(
    ("old", "new", "gist"),
    [
        (
            "table: Cost of",
            "table: Gain of",
            "no table is called Gain of each part (there are Cost",
        ),
        ("item: part", "item: name", "table Cost of each part has no column name (it has model, "),
        ("value: cost", "value: kind", "column kind holds no numbers"),
        ("apart: 0.2", "apart: 0.6", "no seed has 3 rows of model small that are 0.6 apart"),
        ("apart: 0.2", "apart: 0.5", "of 20 draws only 2 differ, so it can be learned by heart"),
    ],
)
def test_an_exercise_needs_a_recorded_table_that_can_serve_it(
    mini: MiniCourse, old: str, new: str, gist: str
) -> None:
    mini.change(mini.deck, old, new)

    assert f"card weigh: {gist}" in the_problem_of(mini)


HALF_READ = {"format": 1, "lab": "core/depth", "runs": [recorded_run()]}
"""A run that a laxer reader would take."""
HALF_READ["runs"][0]["seeds"][1]["measurements"]["loss_with"]["value"] = "1.5"  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "gist"),
    [
        ("", "1:1: not valid JSON"),
        ('{"format": 1,\n  format}', "2:3: not valid JSON"),
        ("[]", "1:1: damaged: not the recorded runs of core/depth in format 1"),
        ('{"format": 1, "lab": "core/depth", "runs": [1]}', "1:1: damaged: a run must be"),
        (json.dumps(HALF_READ), "1:1: damaged: Measurement 'loss_with': str where a number"),
        ("[" * 100_000, "1:1: is nested too deeply"),
    ],
)
def test_recorded_results_of_another_form_are_a_problem(
    mini: MiniCourse, text: str, gist: str
) -> None:
    mini.results.write_text(text)

    assert the_problem_of(mini).startswith(f"{mini.results}:{gist}")


def test_recorded_nan_is_no_problem(mini: MiniCourse) -> None:
    run = recorded_run()
    for seed in run["seeds"]:
        seed["measurements"]["loss_base"] = {"value": {"$float": "nan"}}
    mini.results.write_text(json.dumps({"format": 1, "lab": "core/depth", "runs": [run]}))

    assert problems_of(mini) == []


# Coverage


def test_coverage_counts_the_cards_of_each_point(mini: MiniCourse) -> None:
    depth, width = coverage(load_course(mini.root))

    assert (depth.number, depth.title, depth.n_points) == ("1.1", "Depth", 2)
    assert depth.points == {"1.1.1": 5, "1.1.2": 5}
    assert (width.number, width.n_points) == ("1.2", 3)
    assert width.points == {"1.2.1": 0, "1.2.2": 0, "1.2.3": 0}


def test_a_missing_folder_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    assert "does not exist" in check_course(tmp_path).problems[0]


def test_a_lab_needs_models_that_the_course_lists(mini: MiniCourse) -> None:
    place = mini.change(mini.lab, 'NEEDS = ("numpy",)', 'NEEDS = @@("model:tiny",)')

    assert the_problem_of(mini).startswith(f"{place}: the course has no model tiny")

    write(mini.root, tiny=TINY)
    assert problems_of(mini) == []

    write(mini.root, tiny=TINY | {"module": "no module"})
    assert the_problem_of(mini).startswith(f"{models_path(mini.root)}:1:1: model tiny: module")
