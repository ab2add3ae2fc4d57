"""Courses whose labs are optional: what their cards may leave out, and what they may not."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from studykit.course.decks import load_course
from studykit.course.serialisation import pack_course, unpack_course
from studykit.review.marks import Marks
from studykit.study.check import check_course
from studykit.study.finding import build_entries, find
from tests.course.mini_course import MiniCourse

MANIFEST = """\
format: 1
course: words
title: Words
labs: optional
decks: [1-words.yaml]
"""

OUTLINE = """\
outline:
  - {number: 1, title: Words, topics: [{number: "1.1", title: Verbs, points: 1}]}
"""

DECK = """\
format: 1
deck: words
title: Words
topics:
  - id: words-verbs
    number: "1.1"
    title: Verbs
    cards:
      - id: to-go
        kind: recall
        question: to go
        answer: ir
        tags: [irregular, "verbs::ir"]
      - id: to-be
        kind: cloze
        question: yo ___
        answer: soy
        explain: Of what lasts.
"""


@pytest.fixture
def words(tmp_path: Path) -> Path:
    decks = tmp_path / "decks"
    decks.mkdir()
    (decks / "course.yaml").write_text(MANIFEST)
    (decks / "1-words.yaml").write_text(DECK)
    return tmp_path


def change(root: Path, name: str, old: str, new: str) -> None:
    path = root / "decks" / name
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_cards_need_neither_lab_nor_points_nor_explanation(words: Path) -> None:
    course = load_course(words)

    assert course.problems == ()
    go, be = course.cards.values()
    assert (go.lab, go.claims, go.points, go.explain) == ("", (), (), "")
    assert go.tags == ("irregular", "verbs::ir")
    assert be.explain == "Of what lasts."
    assert check_course(words).problems == ()


def test_the_cache_gives_the_same_cards(words: Path) -> None:
    course = load_course(words)

    assert unpack_course(json.loads(json.dumps([*pack_course(course)])), words) == course


def test_without_the_key_each_card_needs_a_lab(words: Path) -> None:
    change(words, "course.yaml", "labs: optional\n", OUTLINE)

    problems = load_course(words).problems

    assert any(line.endswith("has no points (add points: …)") for line in problems)


def test_the_key_takes_one_word(words: Path) -> None:
    change(words, "course.yaml", "labs: optional", "labs: never")

    (problem,) = check_course(words).problems

    assert problem.endswith(
        "`labs`: `never` is not known (optional, or leave it out where each card has a lab)"
    )


@pytest.mark.parametrize(
    ("added", "what"),
    [
        ("claim: stuck", "has claim and no lab (add lab: …, or take claim out)"),
        ("knobs: {n: 2}", "has knobs and no lab (add lab: …, or take knobs out)"),
        ("lab: core/depth", "has a lab and no claim (add claim: …)"),
        ("tags: [a, a]", "a tag stands twice (first in line 18; keep one)"),
    ],
)
def test_half_a_lab_is_a_mistake(words: Path, added: str, what: str) -> None:
    change(words, "1-words.yaml", "        explain: Of", f"        {added}\n        explain: Of")

    (problem,) = load_course(words).problems

    assert problem.endswith(what)


def test_a_card_with_a_lab_is_held_to_it(mini: MiniCourse) -> None:
    mini.change(mini.manifest, "title: A", "labs: optional\ntitle: A")
    assert check_course(mini.root).problems == ()

    mini.change(mini.deck, "claim: stuck\n        note", "claim: stack\n        note")

    (problem,) = check_course(mini.root).problems
    assert "lab core/depth makes no claim stack" in problem


def test_a_prediction_always_needs_its_lab(mini: MiniCourse) -> None:
    mini.change(mini.manifest, "title: A", "labs: optional\ntitle: A")
    mini.change(
        mini.deck,
        "        lab: core/depth\n        knobs: {n_layers: 8",
        "        knobs: {n_layers: 8",
    )

    assert any("has no lab" in line for line in load_course(mini.root).problems)


def test_rules_of_writing_are_notes(words: Path) -> None:
    long = "word " * 70
    change(words, "1-words.yaml", "question: to go", f"question: {long}")
    change(words, "1-words.yaml", "answer: ir", r"answer: \(x^2\)")

    report = check_course(words)

    assert report.problems == ()
    assert ["question of 70 words" in note for note in report.notes] == [True, False]
    assert "looks like LaTeX" in report.notes[1]


def test_cards_are_found_by_tag_and_by_having_no_lab(words: Path) -> None:
    entries = build_entries(load_course(words), {})

    def ids(search: str) -> list[str]:
        found = find(entries, search, Marks(), date(2026, 11, 23))
        return [entry.card.id for entry in found.entries]

    assert ids("verbs::ir") == ["to-go"]
    assert ids("l:none") == ["to-go", "to-be"]
