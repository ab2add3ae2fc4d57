"""Tables of text: no formula for a spreadsheet, and every text as it was."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.exchange.spreadsheet import guard_cell, unguard_cell
from studykit.exchange.tables_out import (
    CARD_COLUMNS,
    REVLOG_COLUMNS,
    write_anki_text,
    write_cards,
    write_revlog,
)
from studykit.review.schedule import State
from tests.exchange.outgoings import make_card, make_memory, make_outgoing, make_row


@given(text=st.text(st.sampled_from("'=+-@|%1.e \nab")))
def test_a_guarded_cell_is_no_formula_and_comes_back(text: str) -> None:
    """Also one that begins with an apostrophe already."""
    cell = guard_cell(text)
    assert unguard_cell(cell) == text
    if re.match(r"\s*[=+\-@|%]", cell):
        assert float(cell) is not None  # a number, which computes to itself


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_cards_as_a_table(delimiter: str, tmp_path: Path) -> None:
    """Line ends, quotes and the delimiter stay inside of their cells."""
    path = tmp_path / "cards"
    question = 'a "b",\tc\nd'
    cards = [
        make_card("a", question, "=1+1", memory=make_memory(State.REVIEW)),
        make_card("b", marks=frozenset({"suspended"})),
    ]
    assert write_cards(make_outgoing(cards), path, delimiter) == 2
    with path.open(encoding="utf-8", newline="") as file:
        header, first, second = csv.reader(file, delimiter=delimiter)
    assert tuple(header) == CARD_COLUMNS
    known = dict(zip(header, first, strict=True))
    assert (known["question"], known["answer"]) == (question, "'=1+1")
    assert [known[name] for name in ("state", "due", "interval_days", "stability_days")] == [
        *("review", "2026-11-27", "7", "12.5")
    ]
    new = dict(zip(header, second, strict=True))
    assert [new[name] for name in ("state", "due", "suspended", "flagged", "tags")] == [
        *("new", "", "true", "false", "notes::core::norms")
    ]


def test_the_review_log_as_optimisers_read_it(tmp_path: Path) -> None:
    """Milliseconds, and the state before the review."""
    path = tmp_path / "revlog.csv"
    log = [make_row(at_ms=1_795_000_000_000, state_before=0), make_row("b", 1_795_000_060_000)]
    assert write_revlog(make_outgoing([], log), path) == 2
    header, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    assert tuple(header) == REVLOG_COLUMNS
    assert rows == [
        ["a", "1795000000000", "3", "0", "8000"],
        ["b", "1795000060000", "3", "2", "8000"],
    ]


@given(text=st.text(st.sampled_from('ab<>&"\t\n#;`'), min_size=1).filter(str.strip))
def test_anki_text_keeps_a_note_in_its_row(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The guid first, HTML escaped, line ends as ``<br>``: no text ends a row or a column."""
    path = tmp_path_factory.mktemp("text") / "a.txt"
    write_anki_text(make_outgoing([make_card("a", text, text, explain="Since.")]), path)
    lines = path.read_text(encoding="utf-8").split("\n")
    comments = [line for line in lines if line.startswith("#")]
    assert "#guid column:1" in comments
    body = "\n".join(lines[len(comments) :])
    ((guid, front, back, deck, tags),) = csv.reader(io.StringIO(body), delimiter="\t")
    assert (guid, deck, tags) == ("notes/a", "Notes::Core", "notes::core::norms")
    assert back == f"{front}<br><br>Since."
    assert not set("<>") & set(re.sub("</?(?:pre|code|br)[^<>]*>", "", front))
