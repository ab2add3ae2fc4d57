"""A card and its answer as lines to be read aloud: no colour, no layout, no mark without a word."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from string import ascii_lowercase as LETTERS
from typing import TYPE_CHECKING

from studykit.course.cards import HOLE, Cloze, Exercise, Numeric, Predict, Recall
from studykit.review.grading import AnswerError
from studykit.study.evidence_words import (
    ONLY_RELATED,
    WITHOUT_A_LAB,
    claims_of,
    origin_of_task,
    render_origin,
    render_seconds,
    telling_numbers,
)
from studykit.text import format_value, unmarked

if TYPE_CHECKING:
    from studykit.course.cards import Card, LabHeader
    from studykit.lab.results import RunResult
    from studykit.review.grading import Given, Grade, Shown


def takes_words(shown: Shown) -> bool:
    """True if the card is answered in writing, so that a letter may be the answer."""
    match shown.card.body:
        case Cloze() | Numeric():
            return True
        case Predict(measurement=name):
            return bool(name)
    return False


def question_lines(shown: Shown) -> Iterator[str]:
    """The question and everything that can be chosen."""
    yield from unmarked(shown.question.replace(HOLE, "(gap)")).split("\n")
    for name, text in shown.offered:
        yield f"{name}: {unmarked(text)}"


def prompt(shown: Shown) -> str:
    """What is asked for, and in which form."""
    match shown.card.body:
        case Recall():
            return "Say it to yourself, then press Enter for the answer: "
        case Exercise() if shown.task is None:
            return "Nothing is measured yet that it could be drawn from; x runs the lab: "
        case Cloze():
            return "The missing words, or Enter if you don't know: "
        case Numeric(unit=unit):
            return f"A number{_in_unit(unit)}, or Enter if you don't know: "
        case Predict(measurement=name, unit=unit) if name:
            return f"Your prediction, a number{_in_unit(unit)}: "
        case Predict():
            return f"Your prediction, {_form(shown)}: "
    return f"Your answer, {_form(shown)}: "


def _form(shown: Shown) -> str:
    body = shown.card.body
    letters = f"a to {LETTERS[max(0, len(shown.options or shown.steps or shown.rights) - 1)]}"
    if isinstance(body, Exercise) and body.form == "rank":
        return f"all letters {letters}, the one with the largest value first"
    if isinstance(body, Exercise) and body.form == "pick":
        return f"{body.choose} letters {letters}, those with the largest values"
    if shown.steps:
        return f"all letters {letters} in the right order"
    if shown.lefts:
        several = ", several may have the same" if isinstance(body, Exercise) else ""
        return f"one letter {letters} for each number from 1 to {len(shown.lefts)}{several}"
    return f"one letter {letters}"


def _in_unit(unit: str) -> str:
    return f" in {unmarked(unit)}" if unit else ""


def read_answer(shown: Shown, line: str) -> Given:
    """The answer in `line`, None for giving up: an empty line where words are asked for.

    Raises `AnswerError` if it is none of those that can be chosen.
    """
    if isinstance(shown.card.body, Recall):
        return None
    if takes_words(shown):
        return line or None
    is_exercise = isinstance(shown.card.body, Exercise)
    if is_exercise and shown.task is None:
        return None
    is_one = bool(shown.options) and not is_exercise
    n_shown = len(shown.options or shown.steps or shown.rights)
    places = [LETTERS.find(letter) for letter in line.casefold() if letter not in " ,;.-"]
    is_known = all(0 <= place < n_shown for place in places)
    if not is_known or not places or (is_one and len(places) > 1):
        what = f"{line[:40]!r} is no answer" if line else "nothing was typed"
        raise AnswerError(what, hint=f"{_form(shown)}, or n if you don't know")
    return places[0] if is_one else tuple(places)


def answer_lines(shown: Shown, given: Given, grade: Grade) -> Iterator[str]:
    """Right or not, the right answer, why the wrong one tempts, and the explanation."""
    card = shown.card
    if not isinstance(card.body, Recall):
        yield _outcome(given, grade)
        if grade.given and (grade.correct is False or grade.given != given):
            yield f"You said: {unmarked(grade.given)}"
    if grade.answer:
        allowed = f", {grade.tolerance} is right" if grade.tolerance else ""
        yield f"Answer: {unmarked(grade.answer)}{allowed}"
    if told := origin_of_task(shown):
        yield f"That is {told}."
    if grade.misconception:
        yield from unmarked(grade.misconception).split("\n")
    if card.explain:
        yield from unmarked(card.explain).split("\n")


def _outcome(given: Given, grade: Grade) -> str:
    if grade.correct is None:
        return "Not judged: the lab has not measured it yet."
    if grade.correct:
        return f"Right: {grade.score}." if grade.score else "Right."
    if given is None:
        return "Not answered."
    if grade.score:
        return f"Wrong: {grade.score}."
    if grade.detail:
        return f"Wrong: {sum(grade.detail)} of {len(grade.detail)} right."
    return "Wrong."


def evidence_lines(
    card: Card, header: LabHeader | None, result: RunResult | None, now: datetime
) -> Iterator[str]:
    """What was measured for the card: whose run, each claim with its seeds, the numbers."""
    if header is None:
        yield (
            f"The lab {card.lab} could not be read; studykit check says why."
            if card.lab
            else f"{WITHOUT_A_LAB}."
        )
        if card.source:
            yield f"Source: {unmarked(card.source)}"
        return
    if result is None:
        cost = render_seconds(header, "cpu")
        yield f"Not measured yet: x runs the lab{f' ({cost})' if cost else ''}."
        return
    if card.is_only_related:
        yield f"{ONLY_RELATED}."
    yield f"Measured by {render_origin(header, result, now).replace(' · ', ', ')}."
    for claim in claims_of(header, card):
        said = [seed.claims.get(claim) for seed in result.seeds]
        n_so = sum(one is True for one in said)
        votes = "deterministic" if header.deterministic else f"{n_so} of {len(said)} seeds say so"
        verdict = result.verdicts.get(claim, "undecided").capitalize()
        yield f"{verdict}, {votes}: {unmarked(header.claims[claim])}"
        if note := result.patience.get(claim):
            yield f"This {note}."
        if other := result.recorded_verdicts.get(claim):
            yield f"The recorded run says: {other}."
        if reported := header.literature.get(claim):
            yield f"Literature: {unmarked(reported)}"
    for row in telling_numbers(header, card, result):
        level = "to compare with, " if row.yardstick else ""
        spread = f", over the seeds {row.spread}" if row.spread else ""
        number = f"{format_value(row.middle)} {row.unit}".rstrip()
        yield f"{level}{row.label}: {number}{spread}"
    if result.code_hash != header.code_hash:
        yield "Measured with an older version of the lab."
    if card.source:
        yield f"Source: {unmarked(card.source)}"
