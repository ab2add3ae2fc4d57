"""Tests of claims: what is understood, what is refused and where, and three-valued logic."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from studykit.course.holds import (
    DEEPEST_TEST,
    LONGEST_TEST,
    ClaimTestError,
    holds,
    names_in,
    parse_test,
    render_test,
)

NAN, INF = math.nan, math.inf
Y, N, U = "1 < 2", "1 > 2", "nan < 1"
"""Tests that are true, false and unknown where `nan` is NaN."""


def judge(text: str, **values: float) -> bool | None:
    return holds(parse_test(text), {"nan": NAN, "inf": INF, **values})


# Any text at all

SNIPPETS = [
    "a", "b", "1", "0.5", "1e999", "nan", "unknown", "True", "None", "1j", "...", "'x'", "f''",
    "+", "-", "*", "/", "**", "<", ">=", "==", "(", ")", ",", ":=", ".b", "[0]", " ", "\n", "#",
    " and ", " or ", " not ", " if ", " else ", " else unknown", " is ", " in ", "lambda: ",
    "abs(", "min(", "max(", "sqrt(", "log(", "best(", "diverged(", "a < 1", "await ",
    "é", "ﬁ", "\0", "\\",
]  # fmt: skip


@settings(deadline=None, derandomize=True, max_examples=400)
@given(st.text() | st.lists(st.sampled_from(SNIPPETS), max_size=30).map("".join))
@example("(" * LONGEST_TEST)
@example("-" * (LONGEST_TEST - 3) + "1<2")
@example("not " * 100 + "1<2")
@example("9" * (LONGEST_TEST - 2) + "<1")
@example("1if 1<2else unknown")
def test_any_text_is_a_test_or_an_error_with_its_column(text: str) -> None:
    """A test that is accepted can be judged and written, whatever was measured."""
    try:
        test = parse_test(text)
    except ClaimTestError as error:
        assert error.what
        assert error.hint
        assert 0 <= error.column <= len(text)
        return
    assert render_test(test)
    for value in (0.0, -1.0, 1e300, NAN, INF, -INF):
        assert holds(test, dict.fromkeys(names_in(test), value)) in (True, False, None)


REFUSED = [
    ("", "the test is empty"),
    ("  @@", "the test is empty"),
    ("@@a", "a comparison must stand here"),
    ("a <@@", "no expression"),
    ("a < 1 and @@b", "a comparison must stand here"),
    ("a < (@@b < 1)", "a number, a measurement or arithmetic must stand here"),
    ("@@a is b", "compare with <"),
    ("@@a in b", "compare with <"),
    ("a < @@'x'", "a number, a measurement"),
    ("a < @@True", "a number, a measurement"),
    ("a < @@1j", "a number, a measurement"),
    ("a < @@1e999", "the number is too large"),
    ("a < @@" + "9" * 400, "the number is too large"),
    ("a < @@b.c", "a number, a measurement"),
    ("a < @@b[0]", "a number, a measurement"),
    ("a < @@[b]", "a number, a measurement"),
    ("a < 1 or @@any(b for b in c)", "a comparison must stand here"),
    ("@@(lambda: a)() < 1", "a number, a measurement"),
    ("@@__import__('os') < 1", "functions of numbers are abs, sqrt"),
    ("@@pow(a, 2) < 1", "functions of numbers are abs, sqrt"),
    ("@@diverged(a) < 1", "functions of numbers are abs, sqrt"),
    ("@@diverged(a, b)", "diverged takes one number"),
    ("@@abs(a, b) < 1", "abs takes one number"),
    ("@@abs(a, key=b) < 1", "abs takes one number"),
    ("@@min(a) < 1", "min takes two numbers or more"),
    ("max(@@*a, b) < 1", "a number, a measurement"),
    ("@@+a < 1", "a number, a measurement"),
    ("@@a % 2 < 1", "a number, a measurement"),
    ("@@a // 2 < 1", "a number, a measurement"),
    ("@@abs < 1", "measurements are called by"),
    ("@@unknown < 1", "measurements are called by"),
    ("@@Loss < 1", "measurements are called by"),
    ("@@__class__ < 1", "measurements are called by"),
    ("a < 1 if b < 2 else @@3", "TEST if PREMISE else unknown"),
    ("a < 1 if b < 2 else @@b > 1", "TEST if PREMISE else unknown"),
    ("@@a if b < 2 else unknown", "a comparison must stand here"),
    ("a < 1 @@# or b", "write operators as Python does"),
    ("a @@≤ 1", "write operators as Python does"),
    ("@@ﬁ < 1", "write operators as Python does"),
    ("a < 1@@; b", "no expression"),
    ("  a < 1\n  and (@@b)", "a comparison must stand here"),
    ("-" * (DEEPEST_TEST - 1) + "@@1 < 2", "nested too deeply"),
    ("a < 1" + " " * (LONGEST_TEST - 5) + "@@ ", f"at most {LONGEST_TEST}"),
]


@pytest.mark.parametrize(("marked", "gist"), REFUSED)
def test_what_is_no_test_is_refused_at_its_place(marked: str, gist: str) -> None:
    column = max(marked.find("@@"), 0)
    with pytest.raises(ClaimTestError) as caught:
        parse_test(marked.replace("@@", ""))

    assert (caught.value.column, gist in str(caught.value)) == (column, True)


# Agreement with Python, where nothing is NaN

LETTERS = ("a", "b", "c")
numbers = st.recursive(
    st.sampled_from(LETTERS) | st.integers(0, 9).map(str) | st.sampled_from(["0.5", "1e-3"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({' '.join(t)})")
        | inner.map(lambda x: f"-{x}")
        | inner.map(lambda x: f"abs({x})")
        | inner.map(lambda x: f"({x}) ** 2")
        | st.tuples(st.sampled_from(["min", "max", "best"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        )
    ),
    max_leaves=6,
)
comparisons = st.lists(numbers, min_size=2, max_size=3).flatmap(
    lambda sides: st.lists(
        st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        min_size=len(sides) - 1,
        max_size=len(sides) - 1,
    ).map(lambda ops: " ".join([sides[0], *itertools.chain(*zip(ops, sides[1:], strict=True))]))
)
tests = st.recursive(
    comparisons,
    lambda inner: (
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map(lambda t: f"({''.join(t)})")
        | inner.map(lambda x: f"(not {x})")
    ),
    max_leaves=4,
)
finite = st.integers(-5, 5).map(float) | st.floats(-10, 10)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(tests, st.tuples(finite, finite, finite))
def test_without_nan_it_says_what_python_says(text: str, values: tuple[float, ...]) -> None:
    named: dict[str, Any] = dict(zip(LETTERS, values, strict=True))

    try:
        test = parse_test(text)
    except ClaimTestError as error:
        assert len(text) > LONGEST_TEST or "nested" in error.what
        return
    assert holds(test, named) is eval(text, {"best": min}, named)


# Three values

ANSWERS = {True: Y, False: N, None: U}
KLEENE_AND = {
    (True, True): True, (True, False): False, (True, None): None,
    (False, False): False, (False, None): False, (None, None): None,
}  # fmt: skip


@pytest.mark.parametrize(("pair", "together"), KLEENE_AND.items())
def test_the_tables_of_three_valued_logic(
    pair: tuple[bool | None, bool | None], together: bool | None
) -> None:
    """`and` by its table, `or` by De Morgan's law, both in either order."""
    flipped = {True: False, False: True, None: None}
    for one, other in (pair, pair[::-1]):
        assert judge(f"{ANSWERS[one]} and {ANSWERS[other]}") is together
        negated = f"{ANSWERS[flipped[one]]} or {ANSWERS[flipped[other]]}"
        assert judge(negated) is flipped[together]
        assert judge(f"not ({ANSWERS[one]} and {ANSWERS[other]})") is flipped[together]


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    tests.filter(lambda text: "best" not in text and len(text) <= LONGEST_TEST),
    st.tuples(finite, finite, finite),
    st.sets(st.sampled_from(LETTERS)),
)
def test_what_is_known_of_some_numbers_stays_so_when_all_are(
    text: str, values: tuple[float, ...], lost: set[str]
) -> None:
    """Monotone in information, except where a test asks for NaN (`diverged`, `best`)."""
    named = dict(zip(LETTERS, values, strict=True))
    partly = holds(parse_test(text), named | dict.fromkeys(lost, NAN))

    assert partly is None or partly is holds(parse_test(text), named)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("nan < 1", None),
        ("nan == nan", None),
        ("nan != 1", None),
        ("1 < nan < 3", None),
        ("nan < 2 < 1", False),
        ("abs(nan) < 1", None),
        ("min(nan, 1) < 2", None),
        ("max(1, nan) > 0", None),
        ("nan ** 0 == 1", None),
        ("1 ** nan == 1", None),
        ("best(nan, 3, 2) == 2", True),
        ("best(nan, nan) < 1", None),
        ("best(inf, 3) == 3", True),
        ("diverged(nan)", True),
        ("diverged(inf)", True),
        ("diverged(-inf)", True),
        ("diverged(1)", False),
        ("diverged(1 / 0)", True),
        ("1 / 0 > 0", None),
        ("0 ** -1 > 0", None),
        ("inf - inf < 1", None),
        ("inf > 1e300", True),
        ("sqrt(-1) < 1", None),
        ("log(0) < 1", None),
        ("log(-1) < 1", None),
        ("sqrt(4) == 2 and abs(log(8) - 3 * log(2)) < 1e-12", True),
        ("(-8) ** 0.5 < 1", None),
        ("-2 ** 2 == -4", True),
        ("10 ** 400 == inf", True),
        ("(-10) ** 401 == -inf", True),
        ("1e308 * 10 == inf", True),
        # a premise and an undecided band
        (f"1 < 2 if {Y} else unknown", True),
        (f"1 > 2 if {Y} else unknown", False),
        (f"1 < 2 if {N} else unknown", None),
        (f"1 < 2 if {U} else unknown", None),
        (f"({Y} if {N} else unknown) or {Y}", True),
        ("1.5 >= 2 if not 1.6 < 1.5 < 2 else unknown", False),
        ("1.7 >= 2 if not 1.6 < 1.7 < 2 else unknown", None),
        ("nan >= 2 if not 1.6 < nan < 2 else unknown", None),
        # a line break is a space
        ("\n 1 < 2\n and 2 < 3 ", True),
    ],
)
def test_the_corners(text: str, answer: bool | None) -> None:
    assert judge(text) is answer


def test_what_was_not_measured_decides_nothing() -> None:
    """Not even where it is asked whether it diverged."""
    assert holds(parse_test("diverged(a) or 1 < 2"), {}) is None
    assert holds(parse_test("a < 2"), {"a": 1, "b": NAN}) is True


def test_the_names_come_as_they_are_written_first() -> None:
    test = parse_test("max(loss_b, 2) < loss_a if base < loss_b else unknown")

    assert names_in(test) == ("loss_b", "loss_a", "base")
    assert test.names == {"loss_b": 4, "loss_a": 17, "base": 27}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("abs(loss_base - unigram_entropy) <= 0.05", "|loss_base − unigram_entropy| ≤ 0.05"),
        ("a - (b - c) < (a + b) * 2 ** n", "a − (b − c) < (a + b) × 2^n"),
        ("a / (b * c) != 1e-9", "a / (b × c) ≠ 1e-09"),
        ("-x ** 2 < 20000", "−x² < 20,000"),
        ("x ** -10 == 1", "x⁻¹⁰ = 1"),
        ("log(a + b) > sqrt(2)", "ln(a + b) > √2"),
        ("(a < 1 or b < 2) and not c < 1 < d", "(a < 1 or b < 2) and not c < 1 < d"),
        ("not (a < 1 and b < 2)", "not (a < 1 and b < 2)"),
        ("best(a, b) < 1 or diverged(c)", "best(a, b) < 1 or diverged(c)"),
        ("r >= 2 if not 1.6 < r < 2 else unknown", "r ≥ 2, undecided if 1.6 < r < 2"),
        ("r >= 2 if base < 1 else unknown", "r ≥ 2, undecided unless base < 1"),
    ],
)
def test_a_test_is_written_for_people(text: str, shown: str) -> None:
    assert render_test(parse_test(text)) == shown
