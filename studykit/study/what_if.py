"""What-if questions: the benches of a course, and words that find the setting that is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from studykit.course.cards import Course, Knobs, KnobValue, LabHeader
from studykit.course.designs import DESIGN, phrase_of, render_change, replay_command
from studykit.course.parts import BASE_KNOB, CHANGE_KNOB, FAMILY_KNOB, settings_text
from studykit.lab.differences import describe_mean, differences_of
from studykit.lab.results import RunResult
from studykit.study.evidence_words import render_knobs
from studykit.text import plural


def benches(course: Course) -> tuple[LabHeader, ...]:
    """The labs on which what-if questions are asked; those first that need nothing."""
    found = filter(is_bench, course.labs.values())
    return tuple(sorted(found, key=lambda lab: bool(lab.needs)))


def is_bench(header: LabHeader) -> bool:
    """Whether the lab runs two models that are set up part by part."""
    return bool(header.parts)


def families_in_order(header: LabHeader) -> list[str]:
    """The families of a bench, its default first."""
    first = header.defaults[FAMILY_KNOB]
    return sorted(header.families, key=lambda family: family != first)


def render_setup(header: LabHeader, knobs: Knobs) -> str:
    """The knobs of a run in one line; on a bench the question in words before the others."""
    if not header.parts:
        return render_knobs(knobs)
    others = {name: value for name, value in knobs.items() if name not in DESIGN}
    return ", ".join(filter(None, [render_change(header, knobs), render_knobs(others)]))


def describe_outcome(header: LabHeader, knobs: Knobs, result: RunResult | None) -> str:
    """A question and what a run of it has found, in one text with the command that repeats it."""
    try:
        asked = render_setup(header, {n: v for n, v in knobs.items() if _is_told(header, n, v)})
    except (KeyError, ValueError):
        return f"{header.id} no longer has these parts"
    n_seeds = header.seeds if result is None else len(result.seeds)
    told, budget = "not run yet", 1.0
    if result is not None:
        rows, budget = differences_of(header, result.seeds), result.budget
        told = "; ".join(f"{row.label} {describe_mean(row)}" for row in rows)
        told += f" ({plural(n_seeds, 'seed')}, {result.started_at:%Y-%m-%d})"
    return f"{asked}: {told} · {replay_command(header, knobs, n_seeds, budget)}"


def _is_told(header: LabHeader, name: str, value: KnobValue) -> bool:
    return name in DESIGN or header.defaults.get(name) != value


@dataclass(frozen=True, slots=True)
class Question:
    """A change that can be asked for: of which lab, in which family, which setting."""

    header: LabHeader
    family: str
    part: str
    value: str
    base: str = ""
    """What the base has otherwise than its family, as the knob holds it."""
    share: float = 1.0
    """How much of what was asked the words of the setting answer, 0 to 1."""

    @property
    def knobs(self) -> dict[str, KnobValue]:
        """All knobs of the lab: at their defaults, but for the family and the change."""
        design = {
            FAMILY_KNOB: self.family,
            BASE_KNOB: self.base,
            CHANGE_KNOB: settings_text({self.part: self.value}),
        }
        return {**self.header.defaults, **design}

    @property
    def phrase(self) -> str:
        """The change in plain words."""
        return phrase_of(self.header, self.part, self.value)


def questions(labs: Iterable[LabHeader], base: str = "") -> Iterator[Question]:
    """Every change of one part, in every family in which it makes a difference.

    `base`: what the base has otherwise than its family; families that cannot have it are left out.
    """
    for header in labs:
        for family in families_in_order(header):
            try:
                model, _ = header.models_of({FAMILY_KNOB: family, BASE_KNOB: base, CHANGE_KNOB: ""})
            except ValueError:
                continue
            for part, own in model.items():
                for value in header.parts[part]:
                    if value != own:
                        yield Question(header, family, part, value, base)


def find_questions(labs: Sequence[LabHeader], asked: str, base: str = "") -> list[Question]:
    """The questions that `asked` may mean, the likeliest first; none if no word fits.

    Only those that have every word of it, if there are such. `base` as in `questions`.
    """
    wanted = _meanings(asked)
    found = [(_score(question, wanted), question) for question in questions(labs, base)]
    best = max((score.share for score, _ in found), default=0.0)
    kept = [each for each in found if 0 < each[0].share == best]
    kept.sort(key=lambda each: each[0][1:], reverse=True)  # stable: a lab's first family is first
    return [replace(question, share=score.share) for score, question in kept]


class _Score(NamedTuple):
    """How well a question answers what was asked; the larger the better."""

    share: float
    """Of the words asked, those that it has."""
    n_present: int
    """Of the words asked, those that its family has as values: what is there can be swapped."""
    fit: float
    """Of the words of its best phrase, those that were asked."""


def _score(question: Question, wanted: Sequence[str]) -> _Score:
    header, best = question.header, _Score(0.0, 0, 0.0)
    model, _ = header.models_of(question.knobs)
    part = _meanings(question.part)
    always = [*part, *_meanings(f"{question.family} {question.value} {header.id}")]
    if not _SWAPS.isdisjoint(wanted):  # what goes is named, too
        always += ["swap", *_meanings(model[question.part])]
    present = _meanings(" ".join(model.values()))
    n_present = sum(_has(present, word) for word in wanted if word not in _MEANINGS)
    for phrase in header.words.get(f"{question.part}={question.value}", ()) or ("",):
        words = _meanings(phrase)
        # A family's name, a value, "remove" alone ask for nothing.
        if any(_has([*words, *part], word) for word in wanted if word not in _MEANINGS):
            n_found = sum(_has([*words, *always], word) for word in wanted)
            n_fitting = sum(_has(wanted, word) for word in words)
            fit = n_fitting / max(1, len(words))
            best = max(best, _Score(n_found / len(wanted), n_present, fit))
    return best


def _has(words: Sequence[str], word: str) -> bool:
    """Whether one of `words` is the word, begins it or is begun by it."""
    least = 3  # letters that a beginning has, so that "no" does not mean "norm"
    return any(
        word == each
        or (len(word) >= least and each.startswith(word))
        or (len(each) >= least and word.startswith(each))
        for each in words
    )


_WORD = re.compile(r"[a-z0-9]+")
_SILENT_WORDS = """
a all an and any are at by do does for from happen happens how i if in into is it its my of on the
their them then this to up use using was we were what when which will with would you your
"""
_SILENT = frozenset(_SILENT_WORDS.split())
_REMOVING_WORDS = """
removed removing without no drop dropping dropped delete out off disable cut take away gone missing
"""
_MEANINGS = {
    "remove": _REMOVING_WORDS,
    "fewer": "less reduce smaller small lower",
    "more": "larger increase greater bigger",
    "swap": "replace replacing change instead switch",
}
_SWAPS = frozenset({"remove", "swap"})
_MEANING_OF = {word: meaning for meaning, words in _MEANINGS.items() for word in words.split()}


def _meanings(text: str) -> list[str]:
    """The words of a question that say something, each by one of those that mean the same."""
    folded = text.casefold().replace("ization", "isation").replace("-", " ")
    words = [word for word in _WORD.findall(folded) if word not in _SILENT]
    return [_MEANING_OF.get(word, _stem(word)) for word in words]


def _stem(word: str) -> str:
    """The word without the endings of plurals and of the likes of ``scaling``."""
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return word[:-3] if len(word) > 5 and word.endswith("ing") else word
