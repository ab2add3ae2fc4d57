"""A package for Anki with cards, schedule and review log; see `anki_schema` for its form."""

from __future__ import annotations

import errno
import hashlib
import html
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from studykit.clock import offset_minutes, to_ms
from studykit.exchange import anki_schema
from studykit.exchange.html_text import as_html
from studykit.exchange.outgoing import OutCard, Outgoing
from studykit.progress.log_rows import LogRow
from studykit.review.schedule import State

LEGACY_2 = b"\x08\x02"
"""The package's ``meta``, a protobuf message: field 1, its version, is 2."""

_FIRST_ID = 1_400_000_000_000
"""Ids of notes and cards are milliseconds in Anki; ours lie in 2014 to 2017, where few are."""
_N_IDS = 100_000_000_000

_SPECIAL = re.compile(r"\[(?=sound:|anki:|/?latex\]|/?\$\$?\])")
"""Begins what Anki would play or typeset."""
_TAGS = re.compile(r"<[^>]*>")
_N_AT_A_TIME = 1000

_TYPES = {State.LEARNING: 1, State.REVIEW: 2, State.RELEARNING: 3}
_KINDS_OF_REVIEW = {State.NEW: 0, State.LEARNING: 0, State.REVIEW: 1, State.RELEARNING: 2}
_LEARNING, _REVIEW, _DAY_LEARNING, _SUSPENDED, _BURIED = 1, 2, 3, -1, -3
_RED = 1


class Written(NamedTuple):
    """What went into a file."""

    n_cards: int
    n_reviews: int
    n_other_reviews: int
    """Of cards that the course has no longer, or never had; they stay out."""


def write_apkg(outgoing: Outgoing, path: Path) -> Written:
    """Write the package to `path`, which is new or may be written over.

    Raises `OSError` if it cannot be written. Ids of notes and cards follow from those of the
    cards, so a later package finds again what an earlier one has brought.
    """
    with TemporaryDirectory(prefix="studykit-", dir=path.parent) as folder:
        database = Path(folder, "collection.anki21")
        try:
            with closing(sqlite3.connect(database, isolation_level=None)) as connection:
                written = _Writer(outgoing, connection).write()
        except sqlite3.OperationalError as error:  # a full disk, for SQLite
            raise OSError(errno.EIO, str(error)) from None
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as package:
            package.writestr("meta", LEGACY_2)
            package.write(database, database.name)
            package.writestr("media", "{}")
    return written


class _Writer:
    def __init__(self, outgoing: Outgoing, connection: sqlite3.Connection) -> None:
        self._out = outgoing
        self._connection = connection
        self._ids: dict[str, int] = {}
        """Card id -> id of its note and of its card."""
        self._taken: set[int] = set()
        self._decks: dict[str, dict[str, Any]] = {
            "1": anki_schema.deck(anki_schema.DEFAULT_DECK_ID, "Default", 0)
        }
        self._deck_ids: dict[str, int] = {}
        self._tags: set[str] = set()
        self._n_new = 0

    def write(self) -> Written:
        execute = self._connection.execute
        execute("PRAGMA journal_mode = OFF")
        execute("PRAGMA synchronous = OFF")
        self._connection.executescript(anki_schema.CREATE)
        execute("BEGIN")
        for n, card in enumerate(self._out.cards, start=1):
            self._write_card(card)
            if not n % _N_AT_A_TIME or n == self._out.n_cards:
                self._out.tell("cards", n, self._out.n_cards)
        counts = [0, 0]
        self._connection.executemany(
            "INSERT INTO revlog VALUES (?, ?, -1, ?, ?, ?, ?, ?, ?)", self._log(counts)
        )
        self._write_collection()
        execute("COMMIT")
        self._connection.executescript(anki_schema.INDEX)
        execute("ANALYZE")
        return Written(len(self._ids), *counts)

    def _write_card(self, card: OutCard) -> None:
        id_ = self._free_id(f"{card.course}/{card.id}")
        self._ids[card.id] = id_
        question = as_field(card.question)
        fields = [
            question,
            as_field(card.answer),
            as_field(card.explain),
            as_field(card.source),
            as_field(card.topic),
            as_field(card.lab),
            card.kind,
        ]
        fields += [""] * (len(anki_schema.FIELDS) - len(fields))
        tag = "::".join((card.course, *card.path))
        self._tags.add(tag)
        plain = html.unescape(_TAGS.sub("", question))
        self._connection.execute(
            "INSERT INTO notes VALUES (?, ?, ?, ?, -1, ?, ?, ?, ?, 0, '')",
            (
                id_,
                guid_of(card),
                anki_schema.NOTE_TYPE_ID,
                card.changed_at_s,
                f" {tag} ",
                "\x1f".join(fields),
                plain,
                _checksum(plain),
            ),
        )
        self._connection.execute(
            "INSERT INTO cards VALUES (?, ?, ?, 0, ?, -1, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?)",
            (id_, id_, self._deck_of(card), *self._schedule(card)),
        )

    def _schedule(self, card: OutCard) -> tuple[Any, ...]:
        """The columns from ``mod`` on, less those that are 0 outside of filtered decks."""
        memory, out = card.memory, self._out
        queue, type_, interval, factor, left = 0, 0, 0, 0, 0
        changed_at_s = card.changed_at_s
        data: dict[str, Any] = {}
        if memory.state is State.NEW or memory.due_day is None:
            self._n_new += 1
            due = self._n_new
            data["pos"] = due
        else:
            type_, factor = _TYPES[memory.state], 2500
            if memory.last_review_at is not None:
                changed_at_s = to_ms(memory.last_review_at) // 1000
            due = (memory.due_day - out.today).days
            data |= {
                "s": round(memory.stability_days or 0, 4),
                "d": round(memory.difficulty or 0, 3),
                "dr": card.desired_retention,
                "decay": round(out.settings.parameters[20], 3),
                "lrt": changed_at_s,
            }
            if memory.due_at is None:
                last_day = memory.last_review_day or memory.due_day
                queue, interval = _REVIEW, (memory.due_day - last_day).days
            else:
                steps = out.settings.learning_steps
                if memory.state is State.RELEARNING:
                    steps = out.settings.relearning_steps
                    interval = max(1, round(memory.stability_days or 0))
                left = max(1, len(steps) - (memory.step or 0))
                if memory.due_day > out.today:
                    queue = _DAY_LEARNING
                else:
                    queue, due = _LEARNING, to_ms(memory.due_at) // 1000
        if "suspended" in card.marks:
            queue = _SUSPENDED
        elif "buried" in card.marks:
            queue = _BURIED
        return (
            changed_at_s,
            type_,
            queue,
            due,
            interval,
            factor,
            memory.reps,
            memory.lapses,
            left,
            _RED if "flagged" in card.marks else 0,
            json.dumps(data, separators=(",", ":")),
        )

    def _log(self, counts: list[int]) -> Iterator[tuple[int, ...]]:
        """The rows of the log; `counts` are those that went in, and those of other cards."""
        intervals: dict[str, int] = {}
        taken: set[int] = set()
        for n, row in enumerate(self._out.log(), start=1):
            if not n % (20 * _N_AT_A_TIME) or n == self._out.n_reviews:
                self._out.tell("reviews", n, self._out.n_reviews)
            card = self._ids.get(row.card_id)
            if card is None:
                counts[1] += 1
                continue
            counts[0] += 1
            at_ms = row.at_ms
            while at_ms in taken:  # the instant is a row's identity in Anki
                at_ms += 1
            taken.add(at_ms)
            interval, last = _interval(row), intervals.get(row.card_id, 0)
            intervals[row.card_id] = interval
            yield (
                at_ms,
                card,
                row.rating,
                interval,
                last,
                0 if row.difficulty is None else round(((row.difficulty - 1) / 9 + 0.1) * 1000),
                row.taken_ms,
                _KINDS_OF_REVIEW[State(row.state_before or 0)],
            )

    def _write_collection(self) -> None:
        out = self._out
        # Anki counts days from the one on which the collection was made: here, today.
        day_begins = datetime.combine(out.today, time(out.settings.rollover_hour), out.now.tzinfo)
        config = anki_schema.configuration(
            -offset_minutes(out.now), out.settings.rollover_hour, self._n_new
        )
        documents = (
            config,
            {str(anki_schema.NOTE_TYPE_ID): anki_schema.note_type()},
            self._decks,
            anki_schema.presets(out.settings, to_ms(out.now) // 1000),
            anki_schema.tags(self._tags),
        )
        self._connection.execute(
            "INSERT INTO col VALUES (1, ?, ?, ?, 11, 0, 0, 0, ?, ?, ?, ?, ?)",
            (
                to_ms(day_begins) // 1000,
                to_ms(out.now),
                to_ms(out.now),
                *(json.dumps(each, ensure_ascii=False) for each in documents),
            ),
        )

    def _deck_of(self, card: OutCard) -> int:
        """Id of the card's deck, made with the one that it lies in at its first card."""
        if card.deck not in self._deck_ids:
            course = deck_name(self._out.title)
            if not self._deck_ids:
                self._add_deck(course)
            self._deck_ids[card.deck] = self._add_deck(f"{course}::{deck_name(card.deck)}")
        return self._deck_ids[card.deck]

    def _add_deck(self, name: str) -> int:
        """Two decks of one title are one deck in Anki, as they are there."""
        for deck in self._decks.values():
            if deck["name"] == name:
                return int(deck["id"])
        id_ = self._free_id(f"deck {name}")
        self._decks[str(id_)] = anki_schema.deck(id_, name, to_ms(self._out.now) // 1000)
        return id_

    def _free_id(self, name: str) -> int:
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        id_ = _FIRST_ID + int.from_bytes(digest) % _N_IDS
        while id_ in self._taken:
            id_ += 1
        self._taken.add(id_)
        return id_


def guid_of(card: OutCard) -> str:
    """What Anki knows the note by, whatever becomes of its text."""
    return f"{card.course}/{card.id}"


def deck_name(title: str) -> str:
    """A title as one level of a deck's name; Anki keeps "Default" for itself."""
    name = " ".join(title.replace("::", ":").split()) or "deck"
    return f"{name} (studykit)" if name.casefold() == "default" else name


def as_field(text: str) -> str:
    """A text as a field of a note: HTML in which Anki finds nothing to play or to typeset."""
    return _SPECIAL.sub("&#91;", as_html(text))


def _checksum(text: str) -> int:
    """Of the first field, by which Anki finds notes that begin alike."""
    return int(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:8], 16)


def _interval(row: LogRow) -> int:
    """Days until the next review, or minus the seconds of a learning step."""
    if row.due_at_ms is not None:
        return -max(1, round((row.due_at_ms - row.at_ms) / 1000))
    if row.due_day is None:
        return 0
    return (date.fromisoformat(row.due_day) - date.fromisoformat(row.day)) // timedelta(days=1)
