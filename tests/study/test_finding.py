"""Which cards a search finds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studykit.review.marks import Marks
from studykit.review.schedule import NEW_MEMORY, State
from studykit.study.finding import build_entries, find
from tests.progress.builders import MONDAY, make_card, make_course, make_memory

TODAY = MONDAY.date()
COURSE = make_course(
    {
        "Norms": (make_card("norm-rms", question="What does RMSNorm keep?"), make_card("b")),
        "Streams": (make_card("c", topic_id="s"), make_card("d", topic_id="s")),
    }
)
MEMORIES = {
    "norm-rms": make_memory(days=0, lapses=8),
    "b": make_memory(days=4),
    "c": make_memory(State.RELEARNING),
}
MARKS = Marks(suspended=frozenset({"c"}), buried=frozenset({"b"}), flagged=frozenset({"d", "b"}))


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ("", "norm-rms b c d"),
        ("RMSN", "norm-rms"),
        ("what of", "b c d"),
        ("streams", "c d"),
        ("1.1 keep", "norm-rms"),
        ("s:new", "d"),
        ("s:learning", "c"),
        ("s:rev", "norm-rms b"),
        ("s:due", "norm-rms"),
        ("s:suspended", "c"),
        ("s:buried", "b"),
        ("s:flagged", "b d"),
        ("s:leech", "norm-rms"),
        ("s:flagged s:new", "d"),
        ("s:flagged what", "b d"),
        ("s:", "norm-rms b c d"),
        ("t:rec", "norm-rms b c d"),
        ("t:cloze", ""),
        ("d:core", "norm-rms b c d"),
        ("d:1", "norm-rms b c d"),
        ("d:core/s", "c d"),
        ("d:", "norm-rms b c d"),
        ("l:core/", "norm-rms b c d"),
        ("l:resid", "norm-rms b c d"),
    ],
)
def test_words_and_filters_all_hold(search: str, ids: str) -> None:
    found = find(build_entries(COURSE, MEMORIES), search, MARKS, TODAY)

    assert [entry.card.id for entry in found.entries] == ids.split()
    assert found.hint == ""


@pytest.mark.parametrize(
    ("search", "hint"),
    [
        ("s:nwe", "s: takes new, learning"),
        ("t:quiz", "t: takes recall, choice"),
        ("d:other", "d: takes core"),
        ("d:2", "d: takes core"),
        ("l:nope", "l: takes core/residuals"),
        ("x:y", "x: is no filter; s:state  t:kind  d:deck  l:lab"),
        ("deck:core", "deck: is no filter"),
    ],
)
def test_a_filter_that_does_not_exist_says_what_does(search: str, hint: str) -> None:
    found = find(build_entries(COURSE, MEMORIES), search, MARKS, TODAY)

    assert found.entries == ()
    assert found.hint.startswith(hint)


def test_a_colon_that_a_card_has_is_a_part_of_a_word() -> None:
    """``Note: …`` is looked for as it stands."""
    card = make_card("noted", question="Note: what is K:V?")
    entries = build_entries(make_course({"Norms": (card,)}), {})
    for search in ("note:", "k:v", "2:1"):
        assert find(entries, search, MARKS, TODAY).hint == ""
    assert len(find(entries, "note: k:v", MARKS, TODAY).entries) == 1


def test_every_card_of_the_course_is_an_entry() -> None:
    """One never reviewed has the memory of a new card."""
    entries = build_entries(COURSE, {"b": replace(NEW_MEMORY, reps=1)})

    assert [entry.card.id for entry in entries] == [*COURSE.cards]
    assert [entry.memory.reps for entry in entries] == [0, 1, 0, 0]
    assert [entry.topic.title for entry in entries] == ["Norms", "Norms", "Streams", "Streams"]
