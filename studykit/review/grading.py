"""Was it right: a card as it is shown, and what the learner gave -> grade. Pure.

What a grade suggests is a proposal: the learner rates.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from random import Random
from statistics import median
from string import ascii_lowercase as LETTERS
from typing import TypeAlias

from studykit.course.cards import (
    GROUP_HOLE,
    Card,
    Choice,
    Cloze,
    Exercise,
    Match,
    Numeric,
    Option,
    Order,
    Predict,
    Recall,
)
from studykit.errors import StudykitError
from studykit.lab.results import RunResult
from studykit.review.arithmetic import evaluate, first_other_digit, is_literal, spell_out
from studykit.review.exercises import Task, draw_task, score
from studykit.review.schedule import Rating
from studykit.text import clean, format_value, percent


class Confidence(IntEnum):
    """The four words to choose from; the value is the chance of being right, in percent."""

    GUESS = 25
    UNSURE = 50
    SURE = 75
    CERTAIN = 95


def is_confident_error(correct: bool | None, percent: int | None) -> bool:
    """True if the answer was wrong and the learner had been at least sure of it."""
    return correct is False and percent is not None and percent >= Confidence.SURE


Given: TypeAlias = int | str | tuple[int, ...] | None
"""An answer, in places of what is shown: the index of an option; text (cloze, numeric, predict
with a measurement); the indices of the steps in the chosen order; the index of a right side for
each left side; the indices of the options that were picked (`exercise`); None: none was given
(`recall`, or the learner gave up)."""


class AnswerError(StudykitError):
    """What was given cannot be an answer to the card: it is neither right nor wrong."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A card as it stands on the screen; only what its kind has is filled."""

    card: Card
    options: tuple[Option, ...] = ()
    """`choice`, `predict` with options, and `exercise` where some are picked."""
    steps: tuple[str, ...] = ()
    """`order`, and `exercise` where rows are ranked: never in the right order."""
    lefts: tuple[str, ...] = ()
    rights: tuple[str, ...] = ()
    """`match`: the left sides in the deck's order, the right sides with the spare ones among.
    `exercise` where rows are placed: a right side may belong to several left sides, or to none."""
    task: Task | None = None
    """`exercise`: what was drawn; None if nothing is measured that could serve."""

    @property
    def question(self) -> str:
        """The question, with the group that an exercise asks about."""
        if self.task is None:
            return self.card.headline
        return self.card.question.replace(GROUP_HOLE, self.task.group)

    @property
    def offered(self) -> Iterator[tuple[str, str]]:
        """What stands below the question, each with what it is called by: ``a``; a left side ``1``.

        For answers that are written in one line.
        """
        for texts in ((option.text for option in self.options), self.steps):
            yield from zip(LETTERS, texts, strict=False)
        for number, left in enumerate(self.lefts, 1):
            yield str(number), left
        yield from zip(LETTERS, self.rights, strict=False)


@dataclass(frozen=True, slots=True)
class Grade:
    """How an answer fared."""

    correct: bool | None
    """None: it cannot be judged (`recall`, or nothing was measured yet)."""
    suggested: Rating
    answer: str
    """The right answer in one line; empty if it was not measured yet."""
    given: str = ""
    """What the learner gave, in one line."""
    misconception: str = ""
    """Why the chosen wrong option tempts and is wrong."""
    detail: tuple[bool, ...] = ()
    """`order`: which places are right; `match`: which left sides are."""
    tolerance: str = ""
    """How far from the right number an answer may be, ``± 0.1 nats``; empty if not at all."""
    score: str = ""
    """`exercise`: how good the answer was, ``rank correlation 0.90, 0.8 needed``."""
    share: float | None = None
    """`exercise`: the same from 0 to 1; None if there was nothing to judge."""


EXAMPLE = -1
"""The number of an example, by which neither a review nor a practice asks."""


def present(card: Card, reps: int, runs: Iterable[RunResult] = ()) -> Shown:
    """The card as it is shown at its review number `reps`: shuffled anew for each.

    An exercise is drawn from the first of `runs` that can serve it.
    """
    random = Random(f"{card.id}:{reps}")
    match card.body:
        case Exercise() as body:
            return _present_task(card, draw_task(body, runs, f"{card.id}:{reps}"), body)
        case Choice(options=options) | Predict(options=options):
            return Shown(card, options=tuple(random.sample(options, len(options))))
        case Order(steps=steps):
            shuffled = tuple(random.sample(steps, len(steps)))
            return Shown(card, steps=shuffled if shuffled != steps else steps[1:] + steps[:1])
        case Match(pairs=pairs, spare=spare):
            rights = [right for _, right in pairs] + list(spare)
            random.shuffle(rights)
            return Shown(card, lefts=tuple(left for left, _ in pairs), rights=tuple(rights))
        case _:
            return Shown(card)


def _present_task(card: Card, task: Task | None, body: Exercise) -> Shown:
    if task is None:
        return Shown(card)
    match body.form:
        case "rank":
            return Shown(card, steps=task.items, task=task)
        case "pick":
            return Shown(card, options=tuple(map(Option, task.items)), task=task)
        case _:
            return Shown(card, lefts=task.items, rights=task.places, task=task)


def grade(shown: Shown, given: Given, evidence: RunResult | None) -> Grade:
    """How `given` fares; what a `predict` card's answer is, only `evidence` tells.

    Raises `AnswerError` if it cannot be read as an answer to this card.
    """
    card = shown.card
    if isinstance(card.body, Exercise):
        return _grade_task(card.body, shown.task, given)
    answer, tolerance = right_answer(card, evidence), _tolerance(card, evidence)
    if given is None:
        if isinstance(card.body, Recall):
            return Grade(None, Rating.GOOD, answer)
        return Grade(False, Rating.AGAIN, answer, tolerance=_allowance(tolerance, card))

    correct: bool | None
    misconception = ""
    detail: tuple[bool, ...] = ()
    match card.body:
        case Recall():
            told, correct = _text(given), None
        case Cloze(answer=word, accept=accept):
            told = _text(given)
            correct = any(_same_words(told, each) for each in (word, *accept))
        case Numeric(answer=target, unit=unit):
            number = _number(_text(given), unit)
            told = _with_value(_text(given), number, unit)
            correct = _is_near(number, target, tolerance)
        case Predict(measurement=name, unit=unit) if name:
            number, measured = _number(_text(given), unit), _measured(name, evidence)
            told = _with_value(_text(given), number, unit)
            correct = None if measured is None else _is_near(number, measured, tolerance)
        case Order(steps=steps):
            places = _places(given, len(steps), len(steps))
            if len(set(places)) < len(steps):
                raise AnswerError("a step stands twice", hint="use every step once")
            chosen = [shown.steps[place] for place in places]
            told = " → ".join(chosen)
            detail = tuple(step == mine for step, mine in zip(steps, chosen, strict=True))
            correct = all(detail)
        case Match(pairs=pairs):
            chosen = [shown.rights[i] for i in _places(given, len(pairs), len(shown.rights))]
            told = _join_pairs(shown.lefts, chosen)
            detail = tuple(right == mine for (_, right), mine in zip(pairs, chosen, strict=True))
            correct = all(detail)
        case Choice(options=options) | Predict(options=options):
            option = shown.options[_places((given,), 1, len(options))[0]]
            right = right_option(card, evidence)
            told, correct = option.text, None if right is None else option == options[right]
            misconception = option.misconception if correct is False else ""
    suggested = Rating.AGAIN if correct is False else Rating.GOOD
    allowance = _allowance(tolerance, card)
    return Grade(correct, suggested, answer, clean(told), misconception, detail, allowance)


def _grade_task(body: Exercise, task: Task | None, given: Given) -> Grade:
    """By what was measured of the rows when they were drawn, whatever was run since."""
    if task is None:
        if given is not None:
            raise AnswerError("the lab has not measured it yet", hint="run the lab")
        return Grade(None, Rating.AGAIN, "")
    answer = _told(body, task, task.right, with_values=True)
    if given is None:
        return Grade(False, Rating.AGAIN, answer, share=0.0)
    n_shown = len(task.places if body.form in ("place", "signs") else task.items)
    places = _places(given, len(task.right), n_shown)
    if body.form in ("rank", "pick") and len(set(places)) < len(places):
        raise AnswerError("one stands twice", hint="use each once")
    reached = score(body, task, places)
    correct = reached >= body.right_from - 1e-9  # a share such as 4 / 5 is rounded
    if not correct:
        suggested = Rating.AGAIN
    else:
        suggested = Rating.GOOD if math.isclose(reached, 1) else Rating.HARD
    told = _told(body, task, places)
    told_score, share = _scored(body, task, reached), max(0.0, reached)
    return Grade(correct, suggested, answer, told, score=told_score, share=share)


def _told(body: Exercise, task: Task, places: Sequence[int], *, with_values: bool = False) -> str:
    """An answer to an exercise in one line, with the group that it is about."""

    def name(at: int) -> str:
        value = task.values[at]
        is_told = with_values and not isinstance(value, str)
        return f"{task.items[at]} ({format_value(float(value))})" if is_told else task.items[at]

    match body.form:
        case "rank":
            told = " → ".join(map(name, places))
        case "pick":
            told = ", ".join(map(name, places))
        case _:
            told = _join_pairs(map(name, range(len(places))), (task.places[at] for at in places))
    return f"{task.group}: {told}" if task.group else told


def _scored(body: Exercise, task: Task, reached: float) -> str:
    if body.form == "rank":
        told, least = f"rank correlation {reached:.2f}", f"{body.right_from:.2g}"
    else:
        n = len(task.right)
        told, least = f"{round(reached * n)} of {n} right", percent(body.right_from)
    return told if math.isclose(reached, 1) else f"{told}, {least} needed"


def right_answer(card: Card, evidence: RunResult | None) -> str:
    """The right answer in one line; empty for what `evidence` does not answer.

    That is a `predict` card of which nothing was measured, and an exercise, whose answer is that
    of the rows that were drawn.
    """
    match card.body:
        case Exercise():
            return ""
        case Recall(answer=answer) | Cloze(answer=answer):
            return answer
        case Numeric(answer=number, unit=unit):
            return _with_unit(f"{number:.10g}", unit)
        case Order(steps=steps):
            return " → ".join(steps)
        case Match(pairs=pairs):
            return _join_pairs([left for left, _ in pairs], [right for _, right in pairs])
        case Predict(measurement=name, unit=unit) if name:
            measured = _measured(name, evidence)
            return "" if measured is None else _with_unit(format_value(measured), unit)
        case Choice(options=options) | Predict(options=options):
            right = right_option(card, evidence)
            return "" if right is None else options[right].text


def right_option(card: Card, evidence: RunResult | None) -> int | None:
    """Index, in the deck's order, of the one option that is right; None if that is not known.

    Of a `predict` card: the option whose claim `evidence` confirms, if it confirms exactly one.
    """
    if isinstance(card.body, Choice):
        right = [place for place, option in enumerate(card.body.options) if option.correct]
    elif isinstance(card.body, Predict) and evidence is not None:
        right = [
            place
            for place, option in enumerate(card.body.options)
            if evidence.verdicts.get(option.claim) == "confirmed"
        ]
    else:
        right = []
    return right[0] if len(right) == 1 else None


def parse_number(text: str, unit: str = "") -> float | None:
    """The number in `text`, or None: "3.3", "3.3 nats" if that is the unit, "1e-3", "1 024", "2⁸".

    It may be worked out, as `arithmetic.evaluate` does. A comma is refused: "3,300" is three
    thousand to one reader and three to the next. Without a unit "20 %" is 0.2.
    """
    plain = _without_unit(text, unit)
    is_share = not unit and plain.endswith("%")
    number = evaluate(plain.removesuffix("%") if is_share else plain)
    return None if number is None else number / (100 if is_share else 1)


def _without_unit(text: str, unit: str) -> str:
    plain = spell_out(text, _POWER).strip()
    for each in (unit, *_ALSO_WRITTEN.get(unit, ())) if unit else ():
        written = spell_out(each, _POWER)
        if plain.endswith(written):
            return plain.removesuffix(written).rstrip()
    return plain


_POWER = "^({})"
_ALSO_WRITTEN = {"times": ("time", "×", "x"), "%": ("percent", "per cent")}
"""Unit -> what else people write for it."""
_RANGE = re.compile(r"[0-9] *-")
"""In a cloze "3-4" is from three to four, not minus one."""
_DASHES_IN_WORD = re.compile(r"(?<=\w)-+(?=\w)")


def _same_words(given: str, answer: str) -> bool:
    """True if both are one number, or one text but for case, spaces and dashes inside."""
    right, number = parse_number(answer), parse_number(given)
    if right is not None and number is not None and not _RANGE.search(answer):
        return math.isclose(number, right)
    return _words(given) == _words(answer)


def _words(text: str) -> str:
    letters = []
    for letter in spell_out(text, "^{}").replace("**", "^"):
        is_dash = unicodedata.category(letter) == "Pd" or letter == "\N{MINUS SIGN}"
        if not letter.isspace():
            letters.append("-" if is_dash else letter)
    # A dash before a word is a sign: "-inf" is not "inf".
    return _DASHES_IN_WORD.sub("", "".join(letters))


def _is_near(number: float, target: float, tolerance: float) -> bool:
    # The allowance is for decimals: 3.2 is within 0.1 of 3.3, but not in binary.
    return abs(number - target) <= tolerance + 1e-9 * max(abs(number), abs(target))


def _number(text: str, unit: str) -> float:
    number = parse_number(text, unit)
    if number is None:
        example = _with_unit("3.3, 1e-3, 2^8 or 3/4", unit)
        what = f"{clean(text.strip())[:40]!r} is not a number" if text.strip() else "no number"
        if other := first_other_digit(text):
            what += f": {other} is none of the digits 0 to 9"
        raise AnswerError(what, hint=f"type one such as {example}, with a point and no comma")
    return number


def _with_value(text: str, number: float, unit: str) -> str:
    """``2^8 = 256``: what was understood, where that had to be worked out."""
    if is_literal(_without_unit(text, unit).removesuffix("%")):
        return text
    value = f"{number:.{10 if number.is_integer() else 4}g}"
    return f"{text.strip()} = {_with_unit(value, unit)}"


def _tolerance(card: Card, evidence: RunResult | None) -> float:
    """How far a number may be from the right one; 0 where none is asked for, or known."""
    match card.body:
        case Numeric(tolerance=tolerance):
            return tolerance
        case Predict(measurement=name, tolerance=tolerance, relative=relative) if name:
            measured = _measured(name, evidence)
            return 0.0 if measured is None else tolerance * (abs(measured) if relative else 1.0)
    return 0.0


def _allowance(tolerance: float, card: Card) -> str:
    if not tolerance or not isinstance(card.body, Numeric | Predict):
        return ""
    rounded = float(f"{tolerance:.3g}")  # 5240, where :.3g alone says 5.24e+03
    return f"± {_with_unit(f'{rounded:.10g}', card.body.unit)}"


def _measured(name: str, evidence: RunResult | None) -> float | None:
    """The median over the seeds; None if nothing was measured or half of the seeds diverged."""
    values = evidence.values(name) if evidence else ()
    # NaN has no place in an order; it came from growing without bound.
    middle = median(math.inf if math.isnan(value) else value for value in values or (math.nan,))
    return middle if math.isfinite(middle) else None


def _text(given: Given) -> str:
    if not isinstance(given, str):
        raise AnswerError("this card takes text", hint="type the answer")
    return given


def _places(given: object, n_places: int, n_shown: int) -> tuple[int, ...]:
    """`given` as `n_places` indices of what is shown."""
    if (
        not isinstance(given, tuple)
        or len(given) != n_places
        or not all(type(place) is int and 0 <= place < n_shown for place in given)
    ):
        raise AnswerError(
            "the answer does not fit the card", hint=f"choose {n_places} of the {n_shown} shown"
        )
    return given


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}".rstrip()


def _join_pairs(lefts: Iterable[str], rights: Iterable[str]) -> str:
    return "; ".join(f"{left} = {right}" for left, right in zip(lefts, rights, strict=True))
