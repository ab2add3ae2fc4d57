"""When a claim holds: a literal expression over the measurements of one seed, never run as code.

    abs(loss_base - unigram_entropy) <= 0.05
    right_summary >= right_base - 0.15 if right_base >= 0.9 else unknown

Only what `parse_test` lists is understood. A test is true, false or unknown, by Kleene's logic:

- A comparison with NaN is unknown; ``diverged(x)`` is the one way to ask for NaN or infinity.
- Arithmetic, ``min`` and ``max`` pass NaN on; ``best`` is the lowest number that is not NaN.
  What has no value (x / 0, the root or logarithm of a negative number) is NaN.
- ``TEST if PREMISE else unknown`` is unknown unless the premise is true.

The text is parsed by Python's own parser and walked by this module, with every number a float.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from studykit.course.names import NAME, NAME_HINT

LONGEST_TEST = 500
"""Characters."""
DEEPEST_TEST = 50
"""Levels of nesting; a sum of 50 terms has as many."""
UNKNOWN = "unknown"

_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ONE_ARGUMENT: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "sqrt": math.sqrt,
    "log": math.log,
}
_MANY_ARGUMENTS = ("min", "max", "best")
_FUNCTIONS = (*_ONE_ARGUMENT, *_MANY_ARGUMENTS, "diverged")
_RESERVED = (*_FUNCTIONS, UNKNOWN)


class ClaimTestError(ValueError):
    """What a test may not be, and where."""

    def __init__(self, what: str, hint: str, column: int) -> None:
        super().__init__(f"{what} ({hint})")
        self.what = what
        self.hint = hint
        self.column = column
        """Index of the character in the test's text, from 0."""


@dataclass(frozen=True)
class ClaimTest:
    """A test that `parse_test` accepted."""

    text: str
    names: Mapping[str, int]
    """Measurements that it compares, by first appearance -> column of that, from 0."""
    tree: ast.expr


@lru_cache(maxsize=1024)
def parse_test(text: str) -> ClaimTest:
    """The test in `text`; raises `ClaimTestError`, and nothing else whatever the text.

    Numbers, names of measurements, ``+ - * / **``, comparisons (also chained), ``and or not``,
    parentheses, ``abs sqrt log`` of one number, ``min max best`` of several, ``diverged`` of one,
    and ``TEST if PREMISE else unknown``.
    """
    if len(text) > LONGEST_TEST:
        hint = f"at most {LONGEST_TEST}: let the lab yield the number that decides"
        raise ClaimTestError(f"a test of {len(text)} characters", hint, LONGEST_TEST)
    for column, character in enumerate(text):
        # Python would take the letter for a plain one, and what follows # for a comment.
        if character == "#" or not character.isascii():
            what = f"a test cannot hold {character!r}"
            raise ClaimTestError(what, "write operators as Python does", column)
    checker = _Checker(text)
    tree = _parse(text)
    checker.truth(tree, 1)
    return ClaimTest(text, dict(sorted(checker.names.items(), key=lambda found: found[1])), tree)


def names_in(test: ClaimTest) -> tuple[str, ...]:
    """The measurements that decide a claim, as its test names them first."""
    return tuple(test.names)


def holds(test: ClaimTest, values: Mapping[str, float]) -> bool | None:
    """Whether the claim holds with the measurements `values` of one seed; None: unknown.

    It is unknown if one of `names_in` was not measured at all.
    """
    if not test.names.keys() <= values.keys():
        return None
    return _truth(test.tree, values)


def _parse(text: str) -> ast.expr:
    start = len(text) - len(text.lstrip())
    # A line break is a space, also where no bracket is open.
    line = text[start:].replace("\n", " ").replace("\r", " ")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(line, mode="eval").body
    except SyntaxError as error:
        # Offset 0: it ended too early.
        column = start + (min(error.offset - 1, len(line)) if error.offset else len(line))
        what = "is empty" if not line else "is no expression"
        raise ClaimTestError(f"the test {what}", "like loss_base < 2.5", column) from None
    except (ValueError, RecursionError, MemoryError):
        raise ClaimTestError("the test is no expression", "like loss_base < 2.5", start) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            node.col_offset += start
            node.end_col_offset = (node.end_col_offset or 0) + start
    return tree


class _Checker:
    """Refuses whatever is not of the grammar, and notes the names."""

    def __init__(self, text: str) -> None:
        self.names: dict[str, int] = {}
        self._text = text

    def truth(self, node: ast.expr, depth: int) -> None:
        """`node` must be true, false or unknown."""
        self._measure(node, depth)
        match node:
            case ast.Compare(left, ops, rights):
                if not all(type(op) in _COMPARISONS for op in ops):
                    self._refuse(node, "compare with < <= > >= == !=")
                for operand in (left, *rights):
                    self.number(operand, depth + 1)
            case ast.BoolOp(_, operands):
                for operand in operands:
                    self.truth(operand, depth + 1)
            case ast.UnaryOp(ast.Not(), operand):
                self.truth(operand, depth + 1)
            case ast.IfExp(premise, test, ast.Name(name)) if name == UNKNOWN:
                self.truth(test, depth + 1)
                self.truth(premise, depth + 1)
            case ast.IfExp():
                self._refuse(node.orelse, f"TEST if PREMISE else {UNKNOWN}")
            case ast.Call(ast.Name("diverged")):
                self._arguments(node, depth)
            case _:
                self._refuse(node, "a comparison must stand here")

    def number(self, node: ast.expr, depth: int) -> None:
        """`node` must be a number."""
        self._measure(node, depth)
        match node:
            case ast.Constant(int() | float() as value) if not isinstance(value, bool):
                if not _is_finite(value):
                    self._refuse(node, "the number is too large")
            case ast.Name(name):
                if name in _RESERVED or not NAME.fullmatch(name):
                    self._refuse(node, f"measurements are called by {NAME_HINT}")
                self.names.setdefault(name, node.col_offset)
            case ast.BinOp(left, op, right) if type(op) in _ARITHMETIC:
                self.number(left, depth + 1)
                self.number(right, depth + 1)
            case ast.UnaryOp(ast.USub(), operand):
                self.number(operand, depth + 1)
            case ast.Call(ast.Name(name)) if name in _FUNCTIONS and name != "diverged":
                self._arguments(node, depth)
            case ast.Call(ast.Name()):
                self._refuse(node, f"functions of numbers are {', '.join(_FUNCTIONS[:-1])}")
            case _:
                self._refuse(node, "a number, a measurement or arithmetic must stand here")

    def _arguments(self, call: ast.Call, depth: int) -> None:
        assert isinstance(call.func, ast.Name)
        name, n = call.func.id, len(call.args)
        if name in _MANY_ARGUMENTS and (n < 2 or call.keywords):
            self._refuse(call, f"{name} takes two numbers or more")
        if name not in _MANY_ARGUMENTS and (n != 1 or call.keywords):
            self._refuse(call, f"{name} takes one number")
        for argument in call.args:
            self.number(argument, depth + 1)

    def _measure(self, node: ast.expr, depth: int) -> None:
        if depth > DEEPEST_TEST:
            raise ClaimTestError(
                "the test is nested too deeply",
                "let the lab yield the number that decides",
                node.col_offset,
            )

    def _refuse(self, node: ast.expr, hint: str) -> NoReturn:
        source = " ".join(self._text[node.col_offset : node.end_col_offset].split())
        shown = source if len(source) <= 40 else source[:39] + "…"
        raise ClaimTestError(f"a test cannot hold {shown!r} here", hint, node.col_offset)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float reaches
        return False


def _truth(node: ast.expr, values: Mapping[str, float]) -> bool | None:
    match node:
        case ast.Compare(left, ops, rights):
            numbers = [_number(operand, values) for operand in (left, *rights)]
            pairs = zip(ops, numbers[:-1], numbers[1:], strict=True)
            return _all([_compare(op, a, b) for op, a, b in pairs])
        case ast.BoolOp(ast.And(), operands):
            return _all([_truth(operand, values) for operand in operands])
        case ast.BoolOp(ast.Or(), operands):
            return _not(_all([_not(_truth(operand, values)) for operand in operands]))
        case ast.UnaryOp(ast.Not(), operand):
            return _not(_truth(operand, values))
        case ast.IfExp(premise, test, _):
            return _truth(test, values) if _truth(premise, values) else None
        case ast.Call(_, [argument]):
            return not math.isfinite(_number(argument, values))
    raise AssertionError("parse_test refuses it")


def _compare(op: ast.cmpop, a: float, b: float) -> bool | None:
    return None if math.isnan(a) or math.isnan(b) else _COMPARISONS[type(op)](a, b)


def _all(answers: list[bool | None]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _number(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(float() | int() as value):
            return float(value)
        case ast.Name(name):
            return float(values[name])
        case ast.UnaryOp(_, operand):
            return -_number(operand, values)
        case ast.BinOp(left, op, right):
            return _calculate(op, _number(left, values), _number(right, values))
        case ast.Call(ast.Name(name), arguments):
            return _call(name, [_number(argument, values) for argument in arguments])
    raise AssertionError("parse_test refuses it")


def _calculate(op: ast.operator, a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b):
        return math.nan  # also where pow would say 1
    try:
        return _ARITHMETIC[type(op)](a, b)
    except (ZeroDivisionError, ValueError):
        return math.nan
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf


def _call(name: str, numbers: list[float]) -> float:
    if name == "best":
        return min((number for number in numbers if not math.isnan(number)), default=math.nan)
    if any(map(math.isnan, numbers)):
        return math.nan
    if name in _MANY_ARGUMENTS:
        return min(numbers) if name == "min" else max(numbers)
    try:
        return _ONE_ARGUMENT[name](numbers[0])
    except ValueError:
        return math.nan


# For people

_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: " + ",
    ast.Sub: " − ",
    ast.Mult: " × ",
    ast.Div: " / ",
    ast.Lt: " < ",
    ast.LtE: " ≤ ",
    ast.Gt: " > ",
    ast.GtE: " ≥ ",
    ast.Eq: " = ",
    ast.NotEq: " ≠ ",
    ast.And: " and ",
    ast.Or: " or ",
}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_IF, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(10)
"""How tightly what is written binds; what binds looser than its place wants brackets."""


def render_test(test: ClaimTest) -> str:
    """The test as it is shown: ``|loss_base − unigram_entropy| ≤ 0.05``."""
    return _write(test.tree, _IF)


def _write(node: ast.expr, place: int) -> str:
    text, strength = _written(node)
    return text if strength >= place else f"({text})"


def _written(node: ast.expr) -> tuple[str, int]:
    match node:
        case ast.IfExp(ast.UnaryOp(ast.Not(), exception), test):
            return f"{_write(test, _OR)}, undecided if {_write(exception, _OR)}", _IF
        case ast.IfExp(premise, test):
            return f"{_write(test, _OR)}, undecided unless {_write(premise, _OR)}", _IF
        case ast.BoolOp(op, operands):
            strength = _AND if isinstance(op, ast.And) else _OR
            return _SIGNS[type(op)].join(_write(each, strength + 1) for each in operands), strength
        case ast.UnaryOp(ast.Not(), operand):
            return f"not {_write(operand, _NOT)}", _NOT
        case ast.Compare(left, ops, rights):
            signs = [_SIGNS[type(op)] for op in ops]
            rest = [sign + _write(each, _SUM) for sign, each in zip(signs, rights, strict=True)]
            return _write(left, _SUM) + "".join(rest), _COMPARE
        case ast.BinOp(base, ast.Pow(), exponent):
            return _written_power(base, exponent), _POWER
        case ast.BinOp(left, op, right):
            strength = _SUM if isinstance(op, ast.Add | ast.Sub) else _PRODUCT
            # What is subtracted or divided by keeps its brackets.
            after = strength + isinstance(op, ast.Sub | ast.Div)
            return f"{_write(left, strength)}{_SIGNS[type(op)]}{_write(right, after)}", strength
        case ast.UnaryOp(_, operand):
            return f"−{_write(operand, _SIGN)}", _SIGN
        case ast.Call(ast.Name("abs"), [argument]):
            return f"|{_write(argument, _SUM)}|", _ATOM
        case ast.Call(ast.Name("sqrt"), [argument]):
            return f"√{_write(argument, _ATOM)}", _POWER
        case ast.Call(ast.Name(name), arguments):
            shown = {"log": "ln"}.get(name, name)
            return f"{shown}({', '.join(_write(each, _SUM) for each in arguments)})", _ATOM
        case ast.Constant(int() | float() as value):
            return f"{value:,}" if isinstance(value, int) else f"{value:g}", _ATOM
        case ast.Name(name):
            return name, _ATOM
    raise AssertionError("parse_test refuses it")


def _written_power(base: ast.expr, exponent: ast.expr) -> str:
    match exponent:
        case ast.Constant(int() as value) | ast.UnaryOp(ast.USub(), ast.Constant(int() as value)):
            sign = "-" if isinstance(exponent, ast.UnaryOp) else ""
            return _write(base, _ATOM) + f"{sign}{value}".translate(_SUPERSCRIPTS)
    return f"{_write(base, _ATOM)}^{_write(exponent, _ATOM)}"
