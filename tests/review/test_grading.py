"""Grading: what counts as right, what cannot be an answer, what is suggested."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given as on
from hypothesis import strategies as st

from studykit.course.cards import Body, Choice, Cloze, Match, Numeric, Order, Predict, Recall
from studykit.errors import StudykitError
from studykit.lab.results import RunResult
from studykit.review.grading import (
    AnswerError,
    Given,
    Grade,
    grade,
    parse_number,
    present,
    right_option,
)
from studykit.review.schedule import Rating
from tests.review.helpers import make_card, make_options, make_run

STEPS = ("norm", "attention", "add", "norm again", "feed-forward")
PAIRS = (("pre", "before"), ("post", "after"), ("none", "never"))
BODIES: dict[str, Body] = {
    "recall": Recall("because"),
    "choice": Choice(make_options("red", "green", "blue", correct="green")),
    "cloze": Cloze("pre-norm", accept=("pre-LN",)),
    "order": Order(STEPS),
    "match": Match(PAIRS, spare=("sometimes",)),
    "numeric": Numeric(3.3, "nats", 0.1),
    "predict": Predict(options=make_options("stuck", "slower")),
    "measure": Predict(measurement="loss", unit="nats", tolerance=0.1),
}


def give(kind: str, given: Given, evidence: RunResult | None = None, reps: int = 0) -> Grade:
    return grade(present(make_card("a", BODIES[kind]), reps), given, evidence)


def test_recall_is_not_judged() -> None:
    assert give("recall", None) == Grade(None, Rating.GOOD, "because")


@pytest.mark.parametrize("reps", range(6))
def test_a_choice_is_judged_as_it_was_shown(reps: int) -> None:
    texts = [option.text for option in present(make_card("a", BODIES["choice"]), reps).options]
    right = give("choice", texts.index("green"), reps=reps)
    assert right == Grade(True, Rating.GOOD, "green", "green")
    wrong = give("choice", texts.index("red"), reps=reps)
    assert wrong == Grade(False, Rating.AGAIN, "green", "red", misconception="not red")


@pytest.mark.parametrize(
    "text",
    ["pre-norm", "Pre-Norm", " pre norm ", "prenorm", "PRE\N{EN DASH}NORM", "pre - norm", "pre-ln",
     "\N{FULLWIDTH LATIN SMALL LETTER P}re-norm", "pre\N{NO-BREAK SPACE}norm"],
)  # fmt: skip
def test_case_spaces_and_dashes_do_not_matter_in_a_cloze(text: str) -> None:
    assert give("cloze", text).correct


@pytest.mark.parametrize(
    ("answer", "given", "correct"),
    [
        ("-inf", "inf", False),
        ("-inf", "\N{MINUS SIGN}Inf", True),
        ("1e-3", "1e3", False),
        ("0.5", ".50", True),
        ("1 024", "1024", True),
        ("softmax", "soft max", True),
        ("softmax", "", False),
        ("softmax", "--", False),
        ("GPT-2", "gpt2", True),
        ("d_k", "dk", False),
        ("√d_k", "√d_k", True),
        ("102", "10²", False),
        ("100", "10²", True),
        ("12", "①②", False),
        ("H₂O", "H2O", False),
        ("256", "2⁸", True),
        ("2^8", "256", True),
        ("O(n²)", "O(n^2)", True),
        ("O(n²)", "O(n**2)", True),
        ("O(n²)", "O(n2)", False),
        ("1/2", "0.5", True),
        ("1/2", "½", True),
        ("3-4", "-1", False),
        ("3-4", "3\N{EN DASH}4", True),
    ],
)
def test_a_sign_and_a_value_do_matter_in_a_cloze(answer: str, given: str, correct: bool) -> None:
    graded = grade(present(make_card("a", Cloze(answer)), 0), given, None)
    assert (graded.correct, graded.answer, graded.given) == (correct, answer, given)
    assert graded.suggested is (Rating.GOOD if correct else Rating.AGAIN)


def test_an_order_is_judged_place_by_place() -> None:
    shown = present(make_card("a", BODIES["order"]), 0)
    right = tuple(shown.steps.index(step) for step in STEPS)
    assert grade(shown, right, None).correct
    graded = grade(shown, (right[1], right[0], *right[2:]), None)
    assert (graded.correct, graded.suggested) == (False, Rating.AGAIN)
    assert graded.detail == (False, False, True, True, True)
    assert graded.given == "attention → norm → add → norm again → feed-forward"
    assert graded.answer == " → ".join(STEPS)


def test_a_match_is_judged_left_by_left() -> None:
    shown = present(make_card("a", BODIES["match"]), 0)
    assert shown.lefts == ("pre", "post", "none")
    assert sorted(shown.rights) == ["after", "before", "never", "sometimes"]
    places = [shown.rights.index(right) for _, right in PAIRS]
    assert grade(shown, tuple(places), None).correct
    graded = grade(shown, (places[0], shown.rights.index("sometimes"), places[2]), None)
    assert (graded.correct, graded.detail) == (False, (True, False, True))
    assert graded.given == "pre = before; post = sometimes; none = never"
    assert graded.answer == "pre = before; post = after; none = never"


@pytest.mark.parametrize(
    ("text", "correct"),
    [
        ("3.3", True),
        ("3.2", True),
        ("3.4 nats", True),
        ("3.41", False),
        ("3.19", False),
        ("-3.3", False),
    ],
)
def test_a_number_may_differ_by_the_tolerance(text: str, correct: bool) -> None:
    graded = give("numeric", text)
    assert (graded.correct, graded.answer, graded.given) == (correct, "3.3 nats", text)


@pytest.mark.parametrize(
    "text", ["", "abc", "3,3", "3.3 bits", "nan", "inf", "1e999", "3.3 nats 4"]
)
def test_what_is_no_number_is_refused_not_wrong(text: str) -> None:
    for kind in ("numeric", "measure"):
        with pytest.raises(AnswerError, match="type one such as") as caught:
            give(kind, text)
        assert isinstance(caught.value, StudykitError)


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("3.3", "", 3.3),
        (" 3.3 NATS ", "nats", 3.3),
        ("12%", "%", 12),
        ("128 KiB", "KiB", 128),
        ("1e-3", "", 0.001),
        ("\N{MINUS SIGN}2E+2", "", -200),
        ("+.5", "", 0.5),
        ("5.", "", 5),
        ("1 024", "", 1024),
        ("1_048_576", "", 1048576),
        ("1\N{NARROW NO-BREAK SPACE}024.5", "", 1024.5),
        ("20 %", "", 0.2),
        ("20%", "%", 20),
        ("20%", "nats", None),
        ("%", "", None),
        ("10 24", "", None),
        ("3,300", "", None),
        ("3.3.3", "", None),
        ("nats", "nats", None),
        ("8×", "times", 8),
        ("8 x", "times", 8),
        ("1 time", "times", 1),
        ("2 x 4 times", "times", 8),
        ("x", "times", None),
        ("8×", "nats", None),
        ("50 percent", "%", 50),
        ("٣", "", None),
        ("2⁸", "", 256),
        ("2⁸ weights", "weights", 256),
        ("2⁸3", "", None),
        ("10⁻³", "", 0.001),
        ("10⁻³", "s⁻¹", 0.001),
        ("5 s⁻¹", "s⁻¹", 5),
        ("768²", "", 589824),
        ("2^11", "", 2048),
        ("2**11", "", 2048),
        ("2^3^2", "", 512),
        ("-2^2", "", -4),
        ("2^-1", "", 0.5),
        ("(-2)^2", "", 4),
        ("(-8)^(1/3)", "", None),
        ("4 \N{MULTIPLICATION SIGN} 768²", "", 2359296),
        ("6.02·10^23", "", 6.02e23),
        ("12x64", "", 768),
        ("10x64", "", 640),
        ("0x10", "", None),
        ("2*1 024", "", 2048),
        ("3/4", "", 0.75),
        ("1/2/2", "", 0.25),
        ("3\N{FRACTION SLASH}4", "", 0.75),
        ("¾", "", 0.75),
        ("3½", "", 3.5),
        ("1/4 %", "", 0.0025),
        ("1/4 %", "%", 0.25),
        ("sqrt(64)", "", 8),
        ("SQRT(2^6)", "", 8),
        ("√64", "", 8),
        ("2√16 ", "", None),
        ("√(9+16)", "", 5),
        ("ln 64", "", math.log(64)),
        ("2*ln(2^3)", "", 2 * math.log(8)),
        ("log2(1 024)", "", 10),
        ("(ln 2)^2", "", math.log(2) ** 2),
        ("ln 2^3", "", None),
        ("ln 0", "", None),
        ("2^8 - 1", "", 255),
        ("1 - -1", "", 2),
        ("2 3", "", None),
        ("3 4/5", "", None),
        ("①②", "", None),
        ("2₈", "", None),
        ("9^9^9^9", "", None),
        ("1/0", "", None),
        ("0^-1", "", None),
        ("(" * 80, "", None),
        ("-" * 5000 + "1", "", None),
        ("\N{FULLWIDTH DIGIT TWO}\N{FULLWIDTH DIGIT FOUR}", "", 24),
        ("__import__('os')", "", None),
    ],
)
def test_numbers_that_can_be_read(text: str, unit: str, number: float | None) -> None:
    assert parse_number(text, unit) == number


@pytest.mark.parametrize(("text", "digit"), [("①②", "①"), ("2₈", "₈"), ("٣", "٣")])
def test_what_only_looks_like_a_digit_is_named(text: str, digit: str) -> None:
    with pytest.raises(AnswerError, match=f"{digit} is none of the digits 0 to 9"):
        give("numeric", text)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("3.3", "3.3"),
        ("3.3 nats", "3.3 nats"),
        ("-1 024", "-1 024"),
        ("33/10", "33/10 = 3.3 nats"),
        ("1/3", "1/3 = 0.3333 nats"),
        ("768²", "768² = 589824 nats"),
        (" 2⁸ nats", "2⁸ nats = 256 nats"),
    ],
)
def test_what_was_worked_out_is_said(text: str, given: str) -> None:
    assert give("numeric", text).given == given


@pytest.mark.parametrize("given", ["3.3", "4", None])
def test_the_tolerance_stands_with_the_outcome(given: str | None) -> None:
    assert give("numeric", given).tolerance == "± 0.1 nats"
    run = make_run(losses=(200.0,))
    assert give("measure", given, run).tolerance == "± 0.1 nats"
    share = Predict(measurement="loss", unit="ms", tolerance=0.1, relative=True)
    shown = present(make_card("a", share), 0)
    assert grade(shown, given, run).tolerance == "± 20 ms"
    assert grade(shown, given, None).tolerance == ""
    assert grade(present(make_card("a", Numeric(3, "", 0.0)), 0), given, None).tolerance == ""


SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@on(st.integers(2, 99), st.integers(-9, 9))
def test_a_raised_number_is_a_power_however_it_is_written(base: int, power: int) -> None:
    raised = f"{base}{str(power).translate(SUPERSCRIPTS)}"
    for text in (raised, f"{base}^{power}", f"{base} ** {power}", f"{base}^({power})"):
        assert parse_number(text) == math.pow(base, power)


def test_a_prediction_is_judged_by_what_was_confirmed() -> None:
    card = make_card("a", BODIES["predict"])
    shown = present(card, 0)
    stuck = [option.claim for option in shown.options].index("stuck")
    evidence = make_run({"stuck": "confirmed", "slower": "refuted"})
    assert right_option(card, evidence) == 0
    assert grade(shown, stuck, evidence).correct
    wrong = grade(shown, 1 - stuck, evidence)
    assert (wrong.correct, wrong.answer, wrong.misconception) == (False, "stuck", "not slower")


@pytest.mark.parametrize(
    "evidence",
    [
        None,
        make_run({"stuck": "depends", "slower": "refuted"}),
        make_run({"stuck": "confirmed", "slower": "confirmed"}),
        make_run({}),
    ],
    ids=["not run", "none confirmed", "two confirmed", "no verdict"],
)
def test_a_prediction_without_one_confirmed_claim_is_not_judged(evidence: RunResult | None) -> None:
    graded = give("predict", 0, evidence)
    assert (graded.correct, graded.suggested, graded.answer) == (None, Rating.GOOD, "")
    assert graded.misconception == ""


@pytest.mark.parametrize(
    ("text", "losses", "correct", "answer"),
    [
        ("2.5", (2.4, 2.6, 9.0), True, "2.600 nats"),
        ("2.4", (2.4, 2.6, 9.0), False, "2.600 nats"),
        ("2.4", (2.4, math.nan, 2.3), True, "2.400 nats"),
        ("2.4", (math.inf, 2.4, math.nan), None, ""),
        ("2.4", (), None, ""),
        ("131072", (131072.04,), True, "131072 nats"),
    ],
)
def test_a_predicted_number_is_compared_with_the_median_of_the_seeds(
    text: str, losses: tuple[float, ...], correct: bool | None, answer: str
) -> None:
    graded = give("measure", text, make_run(losses=losses))
    assert (graded.correct, graded.answer) == (correct, answer)


def test_a_tolerance_may_be_a_share_of_what_was_measured() -> None:
    body = Predict(measurement="loss", unit="ms", tolerance=0.1, relative=True)
    shown = present(make_card("a", body), 0)
    run = make_run(losses=(200.0,))
    assert grade(shown, "220", run).correct
    assert grade(shown, "221", run).correct is False


@pytest.mark.parametrize("kind", [kind for kind in BODIES if kind != "recall"])
def test_giving_up_is_wrong_and_shows_the_answer(kind: str) -> None:
    evidence = make_run({"stuck": "confirmed"}, losses=(2.5,))
    graded = give(kind, None, evidence)
    assert (graded.correct, graded.suggested, graded.given) == (False, Rating.AGAIN, "")
    assert graded.answer


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("choice", 3),
        ("choice", -1),
        ("choice", "green"),
        ("choice", True),
        ("order", (0, 1, 2, 3)),
        ("order", (0, 0, 1, 2, 3)),
        ("match", (0, 1, 4)),
        ("match", 1),
        ("cloze", 1),
        ("predict", 2),
    ],
)
def test_what_does_not_fit_the_card_is_refused(kind: str, given: Given) -> None:
    with pytest.raises(AnswerError):
        give(kind, given)


def test_what_was_typed_is_safe_to_show_and_to_store() -> None:
    assert give("cloze", "\x1b[31mpre\ud800").given == "␛[31mpre�"


anything: st.SearchStrategy[Any] = st.one_of(
    st.text(st.characters()),
    st.integers(-2, 6),
    st.lists(st.integers(-1, 5), max_size=6).map(tuple),
    st.none(),
)


@on(st.sampled_from(sorted(BODIES)), anything, st.sampled_from([None, make_run({}, (2.5,))]))
def test_anything_given_is_graded_or_refused(
    kind: str, given: Given, evidence: RunResult | None
) -> None:
    try:
        graded = give(kind, given, evidence)
    except AnswerError as refusal:
        assert refusal.hint
        str(refusal).encode()
    else:
        assert graded.suggested is (Rating.AGAIN if graded.correct is False else Rating.GOOD)
        graded.given.encode()


@on(st.lists(st.sampled_from("abcd"), min_size=2, unique=True), st.integers(0, 50))
def test_steps_are_never_shown_in_the_right_order(steps: list[str], reps: int) -> None:
    shown = present(make_card("a", Order(tuple(steps))), reps)
    assert sorted(shown.steps) == sorted(steps)
    assert shown.steps != tuple(steps)


def test_a_card_is_shuffled_anew_for_each_review_and_only_then() -> None:
    card = make_card("a", BODIES["order"])
    assert present(card, 3) == present(card, 3)
    assert len({present(card, reps).steps for reps in range(20)}) > 5
    other = make_card("b", BODIES["order"])
    assert any(present(card, reps).steps != present(other, reps).steps for reps in range(3))
