"""A package of ours, read by our own reader of Anki's packages: what leaves can come back."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studykit.clock import to_ms
from studykit.course.cards import Recall
from studykit.exchange.anki_reader import read_anki
from studykit.exchange.anki_writer import write_apkg
from studykit.exchange.circumstances import Circumstances
from studykit.exchange.html_text import as_html
from studykit.exchange.plain_text import to_text
from studykit.progress.log_rows import LogRow
from studykit.review.marks import Mark
from studykit.review.schedule import (
    NEW_MEMORY,
    Memory,
    Rating,
    Scheduler,
    ScheduleSettings,
    State,
)
from tests.exchange.outgoings import NOW, make_card, make_outgoing

SCHEDULER = Scheduler(ScheduleSettings())
HISTORIES = st.lists(st.tuples(st.sampled_from(Rating), st.integers(0, 30)), max_size=6)
"""Ratings, each with the days since the one before."""


def study(
    card_id: str, history: list[tuple[Rating, int]], last: int
) -> tuple[Memory, list[LogRow]]:
    """What a history leads to, its last answer `last` days before `NOW`."""
    memory, rows = NEW_MEMORY, []
    at = NOW - timedelta(days=last + sum(days for _, days in history[1:]))
    for n, (rating, days) in enumerate(history):
        at += timedelta(days=days if n else 0, minutes=11)
        after = SCHEDULER.review(card_id, memory, rating, at)
        rows.append(
            LogRow(
                card_id=card_id,
                at_ms=to_ms(at),
                day=SCHEDULER.study_day(at).isoformat(),
                rating=int(rating),
                taken_ms=5000 + n,
                state_before=int(memory.state),
                state=int(after.state),
                difficulty=after.difficulty,
                due_day=after.due_day.isoformat() if after.due_day else None,
                due_at_ms=to_ms(after.due_at) if after.due_at else None,
            )
        )
        memory = after
    return memory, rows


@settings(deadline=None, max_examples=40)
@given(
    histories=st.lists(HISTORIES, min_size=1, max_size=4),
    mark=st.sampled_from([None, "suspended", "flagged"]),
    last=st.integers(1, 40),
)
def test_schedule_log_and_marks_come_back(
    histories: list[list[tuple[Rating, int]]],
    mark: Mark | None,
    last: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Every answer, and the day on which a card in review is due."""
    path = tmp_path_factory.mktemp("anki") / "a.apkg"
    cards, log = [], []
    for n, history in enumerate(histories):
        memory, rows = study(f"c-{n}", history, last)
        marks: frozenset[Mark] = frozenset([mark] if mark else [])
        cards.append(make_card(f"c-{n}", f"Question {n}?", "So.", memory=memory, marks=marks))
        log += rows
    write_apkg(make_outgoing(cards, sorted(log, key=lambda row: row.at_ms)), path)
    collection = read_anki(path, Circumstances(NOW, rollover_hour=4))
    assert collection.title == "Notes"
    (deck,) = collection.decks
    assert deck.path == ("Notes", "Core")
    found = {note.key: note for note in deck.notes}
    for card in cards:
        note = found[f"notes/{card.id}"]
        (read,) = note.cards
        assert (read.question, read.body) == (f"Norms\n{card.question}", Recall("So."))
        assert read.marks == card.marks
        assert note.tags == ("notes::core::norms",)
        own = [row for row in log if row.card_id == card.id]
        assert [(review.rating, review.taken_ms) for review in read.reviews] == [
            (row.rating, row.taken_ms) for row in own
        ]
        if card.memory.state is State.REVIEW:
            assert read.memory is not None
            assert read.memory.due_day == card.memory.due_day


TEXTS = st.text(st.sampled_from("ab<>&\"'`*\n[]_/=x;#")).filter(
    lambda text: text.strip() and "```" not in text
)


@given(text=TEXTS)
def test_a_text_comes_back_from_html(text: str) -> None:
    """With its marks, whatever looks like HTML in it; blank lines and ends of lines aside."""
    lines = "\n".join(line.rstrip() for line in text.strip().split("\n"))
    assert to_text(as_html(text)) == re.sub(r"\n{3,}", "\n\n", lines)


def test_code_comes_back_from_html() -> None:
    """Line by line, with its indentation."""
    text = "So:\n```\nif a < b:\n    **c**\n```\nthen"
    assert to_text(as_html(text)) == text
