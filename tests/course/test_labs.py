from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studykit.course.decks import load_course
from studykit.course.labs import find_labs, load_lab_header, read_lab_header
from studykit.errors import CourseError
from tests.course.mini_course import LAB, MiniCourse, write_marked


def error_of(mini: MiniCourse) -> str:
    with pytest.raises(CourseError) as caught:
        load_lab_header(mini.lab, mini.root)
    return str(caught.value)


def test_a_header_is_read_without_running_the_lab(mini: MiniCourse) -> None:
    """The mini lab imports what does not exist and exits when it is executed."""
    header = load_lab_header(mini.lab, mini.root)

    assert header.id == "core/depth"
    assert (header.title, header.about) == (
        "Residuals keep a deep stack alive.",
        "What it is about.",
    )
    assert header.question == "What if I remove the residuals?"
    assert header.points == ("1.1.1", "1.1.2")
    assert list(header.claims) == ["stuck", "slower", "scales"]
    assert header.knobs["rate"] == (0.5, -1.5)
    assert header.defaults == {"n_layers": 8, "norm": "pre", "rate": 0.5, "tied": True}
    assert (header.seeds, header.seconds) == (2, {"cpu": 12.5, "cuda": 2.0})
    assert header.needs == ("numpy",)
    assert header.literature == {"stuck": "2015: 110 layers train"}
    assert header.knob_help == {"rate": "learning rate"}
    assert "labs.core.depth" not in sys.modules


def test_needs_and_literature_may_be_left_out(mini: MiniCourse) -> None:
    mini.change(mini.lab, 'NEEDS = ("numpy",)\n', "")
    mini.change(mini.lab, "LITERATURE = {", "IGNORED = {")

    header = load_lab_header(mini.lab, mini.root)

    assert (header.needs, header.literature) == ((), {})


def test_a_claim_has_its_test(mini: MiniCourse) -> None:
    header = load_lab_header(mini.lab, mini.root)

    assert header.holds_if == {
        "stuck": "loss_without > 2",
        "slower": "loss_without < loss_with",
        "scales": "loss_with < 2",
    }


def test_a_claim_without_a_test_is_reported_at_the_claim(mini: MiniCourse) -> None:
    mini.change(mini.lab, '    "slower": "loss_without < loss_with",\n', "")
    place = mini.change(mini.lab, '"slower": "With', '@@"slower": "With')

    assert error_of(mini).startswith(f"{place}: claim slower has no test")


def test_a_lab_may_be_deterministic_and_take_a_budget(mini: MiniCourse) -> None:
    before = load_lab_header(mini.lab, mini.root)
    mini.change(mini.lab, "SEEDS = 2", "SEEDS = 1\nDETERMINISTIC = True")
    mini.change(mini.lab, "seed, device):", "seed, device, budget):")

    header = load_lab_header(mini.lab, mini.root)

    assert (before.deterministic, before.takes_budget) == (False, False)
    assert (header.deterministic, header.takes_budget) == (True, True)


def test_a_lab_may_have_to_run_alone(mini: MiniCourse) -> None:
    """To say so changes nothing of what it measures: what is recorded stays as it is."""
    before = load_lab_header(mini.lab, mini.root)
    mini.change(mini.lab, "SEEDS = 2", "SEEDS = 2\nALONE = True")
    after = load_lab_header(mini.lab, mini.root)
    assert (before.runs_alone, after.runs_alone) == (False, True)
    assert before.code_hash == after.code_hash


def test_a_knob_may_take_texts(mini: MiniCourse) -> None:
    """The texts that it is offered with are examples, and may be as long as one's own."""
    mini.change(mini.lab, '("pre", "post")', f'("{"x" * 200}", "post")')
    mini.change(mini.lab, "SEEDS = 2", 'SEEDS = 2\nTEXT_KNOBS = ("norm",)')

    header = load_lab_header(mini.lab, mini.root)

    assert header.text_knobs == ("norm",)
    assert header.defaults["norm"] == "x" * 200


def test_a_lab_may_take_a_model(mini: MiniCourse) -> None:
    """The first that it needs is the default of a knob that it need not write down."""
    mini.change(mini.lab, '("numpy",)', '("numpy", "model:tiny", "model:other")')
    without = load_lab_header(mini.lab, mini.root)
    mini.change(mini.lab, "seed, device):", "seed, device, model):")

    header = load_lab_header(mini.lab, mini.root)

    assert (without.models, without.takes_model) == (("tiny", "other"), False)
    assert header.takes_model and header.text_knobs == ("model",)
    assert header.defaults["model"] == "tiny"
    assert "studykit models" in header.knob_help["model"]
    assert header.models_at({"model": "tiny"}) == ("tiny", "other")
    assert header.models_at({"model": "third"}) == ("third", "other")
    assert header.models_at({"model": "/some/folder"}) == ("other",)
    assert not header.has_other_model({}) and header.has_other_model({"model": "third"})


def test_a_lab_may_have_no_knobs(mini: MiniCourse) -> None:
    text = LAB.replace("*, n_layers, norm, rate, tied, ", "*, ")
    text = text.replace('KNOB_HELP = {"rate": "learning rate"}\n', "")
    before, _, after = text.partition("KNOBS = ")
    mini.lab.write_text(f"{before}KNOBS = {{}}\n{after.partition(chr(10))[2]}")

    assert load_lab_header(mini.lab, mini.root).knobs == {}


def test_the_code_hash_follows_what_is_measured_alone(mini: MiniCourse) -> None:
    before = load_lab_header(mini.lab, mini.root).code_hash
    mini.lab.write_bytes(LAB.replace("\n", "\r\n").encode())
    as_windows = load_lab_header(mini.lab, mini.root).code_hash
    mini.lab.write_text(LAB.replace("loss_without > 2", "loss_without > 3").replace("12.5", "9"))
    as_judged_otherwise = load_lab_header(mini.lab, mini.root).code_hash
    mini.lab.write_text(LAB.replace("yield None", "yield 1"))

    assert as_windows == as_judged_otherwise == before
    assert load_lab_header(mini.lab, mini.root).code_hash != before


def test_hidden_characters_of_a_header_are_made_visible(mini: MiniCourse) -> None:
    mini.change(mini.lab, 'KNOB_HELP = {"rate": "learning rate"}\n', "")
    mini.change(mini.lab, "What if I", "What \\x1b[2Jif I")

    assert load_lab_header(mini.lab, mini.root).question.startswith("What ␛[2Jif")


def test_labs_are_found_by_their_question(mini: MiniCourse) -> None:
    helpers = mini.root / "labs" / "tasks"
    helpers.mkdir()
    (helpers / "words.py").write_text("def words():\n    QUESTION = 1\n")
    other = mini.lab.with_name("another.py")
    other.write_text('QUESTION: str = "x"\n')

    assert find_labs(mini.root) == [other, mini.lab]


PARTS = """
KNOBS = {"family": ("gpt2", "bert"), "base": ("",), "change": ("residual=off", "norm=post")}
TEXT_KNOBS = ("base", "change")
PARTS = {"residual": ("on", "off"), "norm": ("pre", "post", "none"), "theta": ("10000", "100")}
FAMILIES = {
    "bert": "residual=on, norm=post",
    "gpt2": {"norm": "pre", "residual": "on", "theta": "100"},
}
WORDS = {"residual=off": ("no skip connections",), "norm=none": ("no norm",), "theta=100": ("θ",)}
DIFFERENCES = ("loss_change",)
"""
PARTS_LAB = LAB.replace("n_layers, norm, rate, tied, ", "family, base, change, ").replace(
    'KNOB_HELP = {"rate": "learning rate"}\n', ""
)


@pytest.fixture
def of_parts(mini: MiniCourse) -> MiniCourse:
    """The mini course, whose lab compares two models of parts."""
    before, _, after = PARTS_LAB.partition("KNOBS = ")
    mini.lab.write_text(before + PARTS + after.partition("\n")[2])
    return mini


def test_a_lab_may_compare_two_models_of_parts(of_parts: MiniCourse) -> None:
    header = load_lab_header(of_parts.lab, of_parts.root)

    assert header.parts["norm"] == ("pre", "post", "none")
    assert list(header.families["bert"].items()) == [("residual", "on"), ("norm", "post")]
    assert header.words["residual=off"] == ("no skip connections",)
    assert header.differences == ("loss_change",)
    assert header.setting_knobs == ("base", "change")
    base = {"residual": "on", "norm": "pre", "theta": "100"}
    assert header.models_of({}) == (base, base | {"residual": "off"})
    knobs = {"family": "bert", "base": "residual=off", "change": "residual=on, norm=none"}
    assert header.models_of(knobs) == (
        {"residual": "off", "norm": "post"},
        {"residual": "on", "norm": "none"},
    )
    with pytest.raises(ValueError, match="this model has no theta: change one of residual, norm"):
        header.models_of({"family": "bert", "change": "theta=100"})


def test_any_lab_may_name_its_differences(mini: MiniCourse) -> None:
    with mini.lab.open("a") as file:
        file.write('DIFFERENCES = ("loss_change",)\n')

    header = load_lab_header(mini.lab, mini.root)

    assert header.differences == ("loss_change",)
    assert not header.parts


@pytest.mark.parametrize(
    ("knobs", "gist"),
    [
        ('{family: bert, change: "norm=none"}', ""),
        ('{family: bert, change: "theta=100"}', "this model has no theta"),
        ('{change: "norm=of"}', "norm cannot be 'of': one of pre, post, none"),
        ('{base: "skip=off"}', "there is no part 'skip'"),
        ("{change: 5}", "'5' is no setting"),
        ('{change: "norm=none, residual=off"}', "write 'residual=off, norm=none'"),
        ('{family: t5, change: "norm=none"}', "knob family cannot be 't5'"),
    ],
)
def test_a_card_sets_what_the_models_have(of_parts: MiniCourse, knobs: str, gist: str) -> None:
    of_parts.change(of_parts.deck, '{n_layers: 8, norm: "pre"}', knobs)

    problems = load_course(of_parts.root).problems

    assert len(problems) == bool(gist)
    assert gist in "".join(problems)


def test_words_for_parts_are_no_code(of_parts: MiniCourse) -> None:
    before = load_lab_header(of_parts.lab, of_parts.root).code_hash
    of_parts.change(of_parts.lab, "no skip connections", "plain stack")
    reworded = load_lab_header(of_parts.lab, of_parts.root).code_hash
    of_parts.change(of_parts.lab, '"theta": "100"', '"theta": "10000"')

    assert reworded == before != load_lab_header(of_parts.lab, of_parts.root).code_hash


@pytest.mark.parametrize(
    ("old", "new", "gist"),
    [
        ('"residual": ("on", "off")', '"residual": @@("on",)', "part residual has one value"),
        ('"off"), "norm"', '@@"on"), "norm"', "part residual has 'on' twice"),
        ('"off"), "norm"', '@@"a=b"), "norm"', "part residual cannot be 'a=b'"),
        ('{"residual": ("on"', '{@@"Skip": ("on"', "'Skip' is not of the right form"),
        ('"base": ("",), ', "", "there is no knob base"),
        ('("base", "change")', '("change",)', "knob base is of the wrong kind"),
        ('("residual=off", "n', '(@@"residual=of", "n', "residual cannot be 'of' (one of on, off"),
        ('("residual=off", "n', '(@@"skip=off", "n', "there is no part 'skip' (one of residual,"),
        ('("residual=off", "n', '(@@"residual", "n', "'residual' is no setting"),
        ('("residual=off", "n', '(@@"residual = off", "n', "is not as it is kept"),
        ('"bert": "', '@@"t5": "', "knob family does not offer 't5'"),
        ('"bert": "residual', '"bert": @@"skip', "there is no part 'skip'"),
        ('"bert": "residual=on', '"bert": @@"residual=0', "residual cannot be '0'"),
        ('    "bert": "residual=on, norm=post",\n', "", "family 'bert' has no parts"),
        ('{"residual=off": (', '{@@"residual=none": (', "residual cannot be 'none'"),
        ('"theta=100": ("θ",)', "", "WORDS has none for theta"),
        ('("loss_change",)', '(@@"Loss",)', "'Loss' is not of the right form"),
        ("DIFFERENCES = ", "DIFFERENCE = ", "has no DIFFERENCES"),
        ("PARTS = ", "PART = ", "without PARTS"),
    ],
)
def test_broken_parts_are_reported(of_parts: MiniCourse, old: str, new: str, gist: str) -> None:
    place = of_parts.change(of_parts.lab, old, new)

    _, errors = read_lab_header(of_parts.lab, of_parts.root)

    (error,) = (str(error) for error in errors if gist in str(error))
    assert error.startswith(f"{place}: " if "@@" in new else str(of_parts.lab))


# Headers that break a rule: @@ marks where the error is expected

KNOBS_LINE = next(line for line in LAB.split("\n") if line.startswith("KNOBS"))
CLAIMS_TEXT = LAB[LAB.index("CLAIMS = ") : LAB.index("HOLDS_IF")]
TESTS_TEXT = LAB[LAB.index("HOLDS_IF") : LAB.index("KNOBS")]
RUN_LINE = "def run(*, n_layers, norm, rate, tied, seed, device):"

NINE_CLAIMS = ", ".join(f'{"@@" * (n == 8)}"claim_{n}": "x"' for n in range(9))

BROKEN = [
    ("QUESTION = ", "QUESTIONS = ", "has no QUESTION (a lab assigns QUESTION at module level)"),
    (CLAIMS_TEXT, "", "has no CLAIMS"),
    (KNOBS_LINE, "", "has no KNOBS"),
    ("POINTS = ", "POINT = ", "has no POINTS"),
    ("SEEDS = ", "SEED = ", "has no SEEDS"),
    ("SECONDS = ", "SECOND = ", "has no SECONDS"),
    ('"""Residuals keep a deep stack alive.\n\nWhat it is about.\n"""', "", "has no docstring"),
    ("SEEDS = 2", "SEEDS = 2\n@@SEEDS = 3", "SEEDS is assigned twice"),
    ('"What if I remove the residuals?"', "@@f'What {1}?'", "must be a literal"),
    ('"What if I remove the residuals?"', "@@input()", "must be a literal"),
    ('"What if I remove the residuals?"', "@@5", "must be text, not int"),
    ('"What if I remove the residuals?"', '@@" "', "is empty"),
    ('"What if I remove the residuals?"', '@@"' + "x" * 3000 + '"', "has 3000 characters"),
    # points
    ('POINTS = ("1.1.1", "1.1.2")', 'POINTS = (@@"1.1.1")', "POINTS must be a tuple"),
    ('POINTS = ("1.1.1", "1.1.2")', "POINTS = @@()", "POINTS is empty"),
    ('POINTS = ("1.1.1", "1.1.2")', 'POINTS = (@@"é", 1.1)', "'é' is no point"),
    ('POINTS = ("1.1.1", ', 'POINTS = ("1.1.1", @@1.1, ', "must be text, not float"),
    ('POINTS = ("1.1.1", "1.1.2")', 'POINTS = ("1.1.1", @@"1.1.1")', "point 1.1.1 stands twice"),
    # claims
    (CLAIMS_TEXT, "CLAIMS = @@{}\n", "CLAIMS is empty"),
    (CLAIMS_TEXT, f"CLAIMS = {{{NINE_CLAIMS}}}\n", "CLAIMS has 9 entries (at most 8"),
    (CLAIMS_TEXT, "CLAIMS = @@[1]\n", "CLAIMS must be a dict"),
    (CLAIMS_TEXT, "CLAIMS = {**@@other}\n", "CLAIMS must be a literal"),
    ('"slower":', '@@"Slower down":', "'Slower down' is not of the right form"),
    ('"slower":', '@@"stuck":', "CLAIMS has 'stuck' twice"),
    ('"Without residuals it learns slower."', "@@None", "must be text, not NoneType"),
    # tests of claims
    (TESTS_TEXT, "", "has no HOLDS_IF"),
    ('"scales": "loss_with', '@@"scale": "loss_with', "HOLDS_IF names no claim 'scale'"),
    ('"loss_with < 2"', "@@2", "must be text, not int"),
    ('"loss_with < 2"', '@@"1 < 2"', "the test compares no measurement"),
    ('"loss_with < 2"', '"@@loss_with"', "a comparison must stand here"),
    ('"loss_with < 2"', "r'loss_with < @@$'", "no expression"),
    ('"loss_with < 2"', '"loss_with < 2 and @@any(loss)"', "a comparison must stand here"),
    ('"loss_with < 2"', '("loss_with < 2"  # "why"\n  " and @@loss")', "a comparison must stand"),
    ('"loss_with < 2"', '"""loss_with\n < 2 and @@loss"""', "a comparison must stand here"),
    ('"loss_with < 2"', '@@"loss_with \\x3c 2 and loss"', "a comparison must stand here"),
    ('"loss_with < 2"', '"loss_with @@≤ 2"', "a test cannot hold '≤'"),
    ('"loss_with < 2"', '@@""', "the test is empty"),
    # knobs
    ('"n_layers": (8, 2)', '"n_layers": @@8', "knob n_layers must be a tuple"),
    ('"n_layers": (8, 2)', '"n_layers": @@()', "knob n_layers is empty"),
    ('"n_layers": (8, 2)', '"n_layers": (8, @@2.0)', "knob n_layers mixes types"),
    ('"n_layers": (8, 2)', '"n_layers": (8, @@"2")', "knob n_layers mixes types"),
    ('"tied": (True, False)', '"tied": (True, @@0)', "knob tied mixes types"),
    ('"n_layers": (8, 2)', '"n_layers": (8, 2, @@8)', "knob n_layers has 8 twice"),
    ('"n_layers": (8, 2)', '"n_layers": (@@None, 2)', "a NoneType is no knob value"),
    ('"n_layers": (8, 2)', '"n_layers": (@@N, 2)', "must be a literal"),
    ('"rate": (0.5,', '"rate": (@@1e999,', "knob rate has a value that is not finite"),
    ('"norm": ("pre",', '"norm": (@@"\\x1b[2J",', "knob norm has a value that cannot be shown"),
    ('{"n_layers": (8', '{@@"seed": (8', "no knob may be called seed"),
    ('{"n_layers": (8', '{@@"budget": (8', "no knob may be called budget"),
    ('{"n_layers": (8', '{@@"N": (8', "'N' is not of the right form"),
    ('{"n_layers": (8', '{@@"model": (8', "no knob may be called model"),
    ("SEEDS = 2", 'SEEDS = 2\nTEXT_KNOBS = (@@"size",)', "TEXT_KNOBS names no knob 'size'"),
    ("SEEDS = 2", "SEEDS = 2\nTEXT_KNOBS = @@'norm'", "TEXT_KNOBS must be a tuple"),
    (
        KNOBS_LINE,
        KNOBS_LINE.replace("(8, 2)", "(@@8, 2)") + "\nTEXT_KNOBS = ('n_layers',)",
        "knob n_layers takes texts, not 8",
    ),
    (
        KNOBS_LINE,
        KNOBS_LINE.replace('("pre"', f'(@@"{"x" * 201}"') + "\nTEXT_KNOBS = ('norm',)",
        "a value of 201 characters (at most 200)",
    ),
    # seeds, seconds, literature
    ("SEEDS = 2", "SEEDS = @@0", "SEEDS must be a whole number from 1"),
    ("SEEDS = 2", "SEEDS = @@True", "SEEDS must be a whole number from 1"),
    ("SEEDS = 2", "SEEDS = @@(0, 1)", "SEEDS must be a whole number from 1"),
    ("SEEDS = 2", "SEEDS = 2\nDETERMINISTIC = @@True", "a deterministic lab has one seed"),
    ("SEEDS = 2", "SEEDS = 1\nDETERMINISTIC = @@1", "DETERMINISTIC must be True or False"),
    ("SEEDS = 2", "SEEDS = 2\nALONE = @@'yes'", "ALONE must be True or False"),
    ('{"cpu": 12.5', '{@@"gpu": 12.5', "no device is called 'gpu'"),
    ('{"cpu": 12.5', '{"cpu": @@0', "must be seconds above 0"),
    ('{"cpu": 12.5', '{"cpu": @@"fast"', "must be seconds above 0"),
    ('SECONDS = {"cpu": 12.5, "cuda": 2}', "SECONDS = @@{}", "SECONDS is empty"),
    ('LITERATURE = {"stuck"', 'LITERATURE = {@@"stack"', "LITERATURE names no claim 'stack'"),
    ('KNOB_HELP = {"rate"', 'KNOB_HELP = {@@"rates"', "KNOB_HELP names no knob 'rates'"),
    ('{"rate": "learning rate"}', '{"rate": @@0.5}', "must be text, not float"),
    ('NEEDS = ("numpy",)', 'NEEDS = @@"numpy"', "NEEDS must be a tuple"),
    ('NEEDS = ("numpy",)', 'NEEDS = (@@"model:Big-1",)', "'Big-1' is not of the right form"),
    (RUN_LINE, f"@@{RUN_LINE.replace('seed,', 'seed, model,')}", "the lab needs none"),
    # functions
    (RUN_LINE, "def go():", "defines no function run"),
    (RUN_LINE, "async " + RUN_LINE, "defines no function run"),
    (RUN_LINE, "@@def run(*, n_layers, norm, rate, device):", "run does not take seed, tied"),
    (
        RUN_LINE,
        "def run(*, n_layers, norm, rate, tied, @@width, seed, device):",
        "run takes width, which is no knob",
    ),
    (RUN_LINE, "def run(@@n_layers, norm, rate, tied, seed, device):", "n_layers not by keyword"),
    (RUN_LINE, "def run(@@seed, /, *, n_layers, norm, rate, tied, device):", "takes seed not by"),
    (RUN_LINE, "def run(*@@more, n_layers, norm, rate, tied, seed, device):", "takes more not by"),
    (RUN_LINE, "def run(*, n_layers, norm, rate, tied, seed, device, **@@more):", "takes more not"),
    (RUN_LINE, "def run(*, n_layers, norm, rate, tied, seed, device, @@budgets):", "is no knob"),
    # Python itself
    ("SEEDS = 2", "SEEDS = @@(", "not valid Python: '(' was never closed"),
    ("SEEDS = 2", "SEEDS = @@" + "-" * 2500 + "1", "must be a literal"),
    ("SEEDS = 2", "SEEDS = " + "-" * 100_000 + "1", "nested too deeply"),
    ("SEEDS = 2", "@@SEEDS = " + "9" * 5000, "not valid Python"),
    # bounds
    ("SEEDS = 2", "SEEDS = @@300_000", "SEEDS must be a whole number from 1 to 100"),
    ("SEEDS = 2", "SEEDS = @@0x" + "f" * 5000, "SEEDS must be a whole number from 1 to 100"),
    ("SEEDS = 2", "SEEDS = 2\n# " + "x" * 200_000, "is too large (it may hold at most 128 KiB)"),
    ('{"cpu": 12.5', '{"cpu": @@' + "9" * 400, "must be seconds above 0, at most 86,400"),
    ('{"cpu": 12.5', '{"cpu": @@True', "must be seconds above 0"),
    ('"n_layers": (8, 2)', '"n_layers": (8, @@0x' + "f" * 5000 + ")", "value that is too large"),
    ('"n_layers": (8, 2)', f'"n_layers": @@{tuple(range(30))}', "n_layers has 30 entries (at most"),
    ('"norm": ("pre",', f'"norm": (@@"{"x" * 90}",', "a value of 90 characters (at most 80)"),
    ('"n_layers": (8, 2)', f'@@"{"x" * 90}": (8, 2)', "has 90 characters (at most 80)"),
    ('NEEDS = ("numpy",)', f"NEEDS = @@{('a',) * 30}", "NEEDS has 30 entries (at most 20)"),
    ('NEEDS = ("numpy",)', f'NEEDS = (@@"{"x" * 90}",)', "has 90 characters (at most 80)"),
    ('("1.1.1", "1.1.2")', f"@@{('1.1.1',) * 60}", "POINTS has 60 entries (at most 50)"),
    ('"""Residuals keep', '"""' + "x" * 300, "first line has 320 characters"),
    ("What it is about.", "x" * 20_000, "the docstring has 20001 characters (at most 10000)"),
    ('LITERATURE = {"stuck"', "LITERATURE = @@{" + "1: 2, " * 30 + '"stuck"', "has 31 entries"),
    ("SEEDS = 2", "SEEDS = '\0'", "null bytes"),
]


@pytest.mark.parametrize(("old", "new", "gist"), BROKEN, ids=[gist for _, _, gist in BROKEN])
def test_a_broken_header_is_reported_at_its_place(
    mini: MiniCourse, old: str, new: str, gist: str
) -> None:
    place = mini.change(mini.lab, old, new)

    error = error_of(mini)

    assert gist in error
    assert error.startswith(f"{place}: ")


def test_a_column_counts_characters_not_bytes(mini: MiniCourse) -> None:
    place = mini.change(
        mini.lab, '{"stuck": "2015: 110 layers train"}', '{"stuck": "é√é", @@"x": ""}'
    )

    assert error_of(mini).startswith(f"{place}: LITERATURE names no claim")


def test_every_problem_of_a_header_is_found_in_order(mini: MiniCourse) -> None:
    first = mini.change(mini.lab, 'POINTS = ("1.1.1", "1.1.2")', "POINTS = @@()")
    second = mini.change(mini.lab, "SEEDS = 2", "SEEDS = @@0")

    header, errors = read_lab_header(mini.lab, mini.root)

    assert header is None
    assert [str(error.place) for error in errors] == [first, second]


def test_a_folder_of_labs_may_have_two_names(mini: MiniCourse) -> None:
    """One of them by a link; and a link to itself is no other folder."""
    (mini.root / "labs" / "alias").symlink_to(mini.lab.parent)
    (mini.lab.parent / "circle").symlink_to(mini.root / "labs")

    assert find_labs(mini.root) == [mini.root / "labs" / "alias" / "depth.py", mini.lab]


def test_a_lab_that_is_not_utf8_is_found_and_reported(mini: MiniCourse) -> None:
    mini.lab.write_bytes(LAB.encode() + b"# \xe9\n")

    assert find_labs(mini.root) == [mini.lab]
    assert "is not UTF-8" in error_of(mini)


def test_a_lab_s_file_name_must_be_a_python_name(mini: MiniCourse) -> None:
    lab = mini.lab.rename(mini.lab.with_name("the-depth.py"))

    with pytest.raises(CourseError, match="is no place for a lab"):
        load_lab_header(lab, mini.root)


def test_invalid_escapes_of_a_lab_warn_nobody(mini: MiniCourse) -> None:
    mini.change(mini.lab, "yield None", "yield '\\d'")

    assert load_lab_header(mini.lab, mini.root).id == "core/depth"


@given(st.text() | st.text(alphabet="QUESTION=CLAIMSKNOB()[]{}:,'\"\\ \n0.5*fx"))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True
)
def test_any_text_as_a_lab_is_a_lab_or_a_placed_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labs" / "core" / "any.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_marked(path, LAB.replace("SEEDS = 2", text).encode("utf-8", "replace").decode())

    header, errors = read_lab_header(path, tmp_path)

    assert (header is None) == bool(errors)
    assert all(error.place and error.place.path == path for error in errors)
