"""How cards are written: short, even options, no answer twice, nothing hidden, no LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from studykit.course.cards import Card, Choice, Cloze, Match, Option, Order, Predict, Recall
from studykit.course.source import card_error, locate
from studykit.course.yaml_reader import Document
from studykit.errors import CourseError, Place
from studykit.text import first_suspect

QUESTION_WORDS = 60
ANSWER_WORDS = 25
EXPLAIN_WORDS = 90
OPTION_RATIO = 1.6
"""The longest option has at most this many times the characters of the shortest."""
SHORT_OPTION = 10
"""Characters below which options count as equally short: "MHA" gives nothing away."""

# `$x$` as pandoc finds it: no space inside the dollars and no digit behind, so "$5 or $6" is text.
_LATEX = re.compile(r"\\[A-Za-z]{2,}|\\[()\[\]]|\$(?! )[^$\n]*(?<! )\$(?![0-9])")


def is_plain(source: str) -> bool:
    """Whether a file has neither invisible characters nor LaTeX, nor an escape that makes some."""
    return "\\" not in source and "$" not in source and first_suspect(source) is None


def hidden_characters(document: Document) -> Iterator[CourseError]:
    """Invisible characters anywhere in a deck or manifest, each an error."""
    source = document.source
    if (index := first_suspect(source)) is not None:
        place = locate(document.path, source, index)
        yield hidden(source[index], place)
    for node in document.root.scalars():
        text = node.value
        assert isinstance(text, str)
        if (index := first_suspect(text)) is not None:
            yield hidden(text[index], node.place)


def latex_errors(document: Document) -> Iterator[CourseError]:
    """LaTeX anywhere in a deck or manifest."""
    for node in document.root.scalars():
        if found := _LATEX.search(str(node.value)):
            yield node.fail(f"`{found[0][:40]}` looks like LaTeX", "write Unicode mathematics: √dₖ")


def card_writing_errors(card: Card) -> Iterator[CourseError]:
    """Texts of the card that are too long, and options that give the answer away."""
    yield from _too_long(card, "question", card.question, QUESTION_WORDS)
    yield from _too_long(card, "explanation", card.explain, EXPLAIN_WORDS)
    for text in _answers(card):
        yield from _too_long(card, "answer", text, ANSWER_WORDS)
    lengths = sorted(len(option.text) for option in _options(card))
    if lengths and lengths[-1] > OPTION_RATIO * max(lengths[0], SHORT_OPTION):
        what = f"options of {lengths[0]} to {lengths[-1]} characters"
        yield card_error(card, what, f"alike in length: within a factor of {OPTION_RATIO}")


def repeated_answers(cards: Iterable[Card]) -> Iterator[CourseError]:
    """Cards with the answer of an earlier one; numbers and predictions may agree by chance."""
    first: dict[str, Card] = {}
    for card in cards:
        answer = " ".join(_whole_answer(card).casefold().split()).rstrip(".")
        if not answer:
            continue
        if answer in first:
            other = first[answer]
            what = f"the answer of card {other.id} at {other.place}"
            yield card_error(card, what, "ask for something else")
        else:
            first[answer] = card


def hidden(character: str, place: Place) -> CourseError:
    """The error of a character that acts on a terminal or a reader without being seen."""
    what = f"hidden character U+{ord(character):04X}"
    return CourseError(what, place=place, hint="take it or its escape out")


def _options(card: Card) -> tuple[Option, ...]:
    return card.body.options if isinstance(card.body, Choice | Predict) else ()


def _answers(card: Card) -> tuple[str, ...]:
    """Each text that may be the answer."""
    if isinstance(card.body, Recall | Cloze):
        return (card.body.answer,)
    return tuple(option.text for option in _options(card))


def _whole_answer(card: Card) -> str:
    match card.body:
        case Recall(answer=answer) | Cloze(answer=answer):
            return answer
        case Choice(options=options):
            return next(option.text for option in options if option.correct)
        case Order(steps=steps):
            return " / ".join(steps)
        case Match(pairs=pairs):
            return " / ".join(f"{left} = {right}" for left, right in pairs)
        case _:
            return ""


def _too_long(card: Card, name: str, text: str, limit: int) -> Iterator[CourseError]:
    if (n_words := len(text.split())) > limit:
        yield card_error(card, f"{name} of {n_words} words", f"at most {limit}")
