"""Cards and log as tables of text: CSV and TSV for spreadsheets, Anki's text, FSRS's review log."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from studykit.exchange.anki_writer import as_field, deck_name, guid_of
from studykit.exchange.outgoing import OutCard, Outgoing
from studykit.exchange.spreadsheet import guard_cell
from studykit.review.schedule import State

CARD_COLUMNS = (
    *("id", "deck", "topic", "kind", "question", "answer", "explain", "source", "lab", "tags"),
    *("state", "due", "interval_days", "stability_days", "difficulty", "reps", "lapses"),
    *("suspended", "flagged"),
)
"""In this order; described in docs/exchange.md. One may be added at the end, none removed."""

REVLOG_COLUMNS = ("card_id", "review_time", "review_rating", "review_state", "review_duration")
"""As the FSRS optimisers read them."""

_N_AT_A_TIME = 1000


def write_cards(outgoing: Outgoing, path: Path, delimiter: str) -> int:
    """A row a card under a header; returns how many. Raises `OSError`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(CARD_COLUMNS)
        n = 0
        for n, card in enumerate(outgoing.cards, start=1):
            writer.writerow(_card_cells(card))
            _tell(outgoing, n)
    return n


def _card_cells(card: OutCard) -> Iterator[object]:
    memory = card.memory
    yield card.id
    yield from map(guard_cell, (card.deck, card.topic))
    yield card.kind
    yield from map(guard_cell, (card.question, card.answer, card.explain, card.source))
    yield card.lab
    yield "::".join((card.course, *card.path))
    yield memory.state.name.lower()
    yield memory.due_day or ""
    if memory.due_day and memory.last_review_day:
        yield (memory.due_day - memory.last_review_day).days
    else:
        yield ""
    yield from (memory.stability_days, memory.difficulty, memory.reps, memory.lapses)
    yield from (str(mark in card.marks).lower() for mark in ("suspended", "flagged"))


def write_anki_text(outgoing: Outgoing, path: Path) -> int:
    """Notes of Anki's type "Basic" as its text import reads them; returns how many.

    The first column is the note's guid, so that a later import finds the same notes again.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("#separator:tab\n#html:true\n#guid column:1\n#notetype:Basic\n")
        file.write("#deck column:4\n#tags column:5\n")
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        n = 0
        for n, card in enumerate(outgoing.cards, start=1):
            texts = filter(None, (card.answer, card.explain, card.source))
            back = "<br><br>".join(map(as_field, texts))
            deck = f"{deck_name(outgoing.title)}::{deck_name(card.deck)}"
            tag = "::".join((card.course, *card.path))
            cells = (guid_of(card), as_field(card.question), back, deck, tag)
            writer.writerow(cells)
            _tell(outgoing, n)
    return n


def write_revlog(outgoing: Outgoing, path: Path) -> int:
    """A row a review, of whichever course, oldest first; returns how many.

    ``review_time`` in UTC milliseconds, ``review_state`` before the review (0 new to 3
    relearning), ``review_duration`` in milliseconds.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(REVLOG_COLUMNS)
        n = 0
        for row in outgoing.log():
            state = row.state_before or int(State.NEW)
            card_id = guard_cell(row.card_id)
            writer.writerow((card_id, row.at_ms, row.rating, state, row.taken_ms))
            n += 1
    return n


def _tell(outgoing: Outgoing, n: int) -> None:
    if not n % _N_AT_A_TIME or n == outgoing.n_cards:
        outgoing.tell("cards", n, outgoing.n_cards)
