"""Everything of a learner as one JSON document, written row by row; `json_reader` takes it back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from studykit import __version__
from studykit.exchange.learner_files import learner_files
from studykit.exchange.outgoing import OutCard, Outgoing
from studykit.progress.migrations import HEAD_REVISION
from studykit.progress.store import Store
from studykit.progress.table_rows import TABLES
from studykit.settings import Paths

FORMAT, VERSION = "studykit-learner", 1


def write_json(outgoing: Outgoing, store: Store | None, paths: Paths, path: Path) -> int:
    """Write the document to `path`; returns how many reviews it holds. Raises `OSError`.

    First what it is, then the learner's files, the tables of the progress with one row a line,
    and the cards of the course for programs that do not have it.
    """
    head = {
        "format": FORMAT,
        "version": VERSION,
        "studykit": __version__,
        "schema": HEAD_REVISION,
        "at": outgoing.now.isoformat(),
    }
    n_reviews = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("{\n")
        for key, value in head.items():
            file.write(f"{_json(key)}: {_json(value)},\n")
        file.write(f'"files": {_json(dict(learner_files(paths)))},\n')
        tables = ((name, iter(())) for name in TABLES) if store is None else store.tables()
        for n, (name, rows) in enumerate(tables, start=1):
            n_rows = _write_list(file, name, rows)
            n_reviews = n_rows if name == "reviews" else n_reviews
            outgoing.tell("tables", n, len(TABLES))
        _write_list(file, "cards", map(_card, outgoing.cards), end="\n")
        file.write("}\n")
    return n_reviews


def _write_list(
    file: TextIO, name: str, rows: Iterator[Mapping[str, Any]], *, end: str = ",\n"
) -> int:
    file.write(f"{_json(name)}: [")
    n = 0
    for n, row in enumerate(rows, start=1):
        file.write(f"{',' if n > 1 else ''}\n{_json(row)}")
    file.write(f"{chr(10) if n else ''}]{end}")
    return n


def _card(card: OutCard) -> dict[str, str]:
    """The texts; what is known of the card stands in ``memories``."""
    texts = {
        "id": card.id,
        "course": card.course,
        "deck": card.path[0],
        "topic": card.path[1],
        "kind": card.kind,
        "question": card.question,
        "answer": card.answer,
        "explain": card.explain,
        "source": card.source,
        "lab": card.lab,
    }
    return {key: text for key, text in texts.items() if text}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
