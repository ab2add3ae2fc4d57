"""The course that studykit ships: every deck, every lab and their integrity."""

from __future__ import annotations

from pathlib import Path

import pytest

from studykit.course.decks import load_course, load_deck, load_manifest
from studykit.course.labs import find_labs, load_lab_header
from studykit.settings import bundled_course_root
from studykit.study.check import check_course, coverage

ROOT = bundled_course_root()
DECKS = [ROOT / "decks" / name for name, _ in load_manifest(ROOT).deck_names]
LABS = find_labs(ROOT)


@pytest.mark.parametrize("path", DECKS, ids=lambda path: path.name)
def test_each_deck_is_valid(path: Path) -> None:
    assert load_deck(path).cards


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_each_lab_header_is_valid(path: Path) -> None:
    assert load_lab_header(path, ROOT).claims


def test_there_are_decks_and_labs() -> None:
    assert DECKS
    assert LABS


def test_each_card_has_a_lab() -> None:
    assert not load_manifest(ROOT).labs_are_optional
    assert all(card.lab for card in load_course(ROOT).cards.values())


def test_the_course_loads_whole() -> None:
    assert load_course(ROOT).problems == ()


def test_the_course_has_no_problems() -> None:
    assert check_course(ROOT).problems == ()


def test_the_outline_is_the_guide_s() -> None:
    topics = coverage(load_course(ROOT))

    assert len(topics) == 32
    assert sum(topic.n_points for topic in topics) == 134
