"""Note types, decks and settings of an Anki collection, of schema 11 (JSON) or 18 (Protobuf)."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from studykit.clock import LAST_YEAR, to_ms, year_start
from studykit.exchange.anki_templates import NoteType, Template
from studykit.exchange.protobuf import read_fields

ROLLOVER_HOUR = 4
"""When Anki's day begins unless the learner says otherwise."""
_CLOZE = 1
"""The kind of note type that hides parts of a text."""
_LATEST_S = to_ms(year_start(LAST_YEAR)) // 1000
_LARGEST_OFFSET_MIN = 14 * 60


@dataclass(frozen=True, slots=True)
class Frame:
    """What a collection's cards hang in."""

    note_types: dict[int, NoteType]
    decks: dict[int, tuple[str, ...]]
    """Id -> its name, after those of the decks that it lies in."""
    first_day: date
    """The study day that Anki counts due days from."""


def read_frame(database: sqlite3.Connection, *, has_protobuf: bool, zone_of: datetime) -> Frame:
    """The frame of a collection.

    `zone_of` is a local time, for collections that do not say in which zone they were begun.
    Raises `ValueError`, `KeyError`, `TypeError`, `AttributeError` or `RecursionError` for what
    Anki does not write.
    """
    conf: dict[str, Any]
    if has_protobuf:
        rows = database.execute("SELECT key, val FROM config WHERE key = 'creationOffset'")
        conf = {key: json.loads(value) for key, value in rows}
        (created,) = database.execute("SELECT crt FROM col").fetchone()
        note_types, decks = _note_types_18(database), _decks_18(database)
    else:
        query = "SELECT crt, conf, models, decks FROM col"
        created, conf_text, models, deck_text = database.execute(query).fetchone()
        conf = json.loads(conf_text)
        note_types, decks = _note_types_11(models), _decks_11(deck_text)
    return Frame(note_types, decks, _first_day(created, conf.get("creationOffset"), zone_of))


def _first_day(created_s: int, minutes_west: object, zone_of: datetime) -> date:
    """The local day of the instant at which the collection's first day began."""
    zone = zone_of.tzinfo
    if isinstance(minutes_west, int) and abs(minutes_west) <= _LARGEST_OFFSET_MIN:
        zone = timezone(timedelta(minutes=-minutes_west))
    if not 0 <= created_s < _LATEST_S:
        raise ValueError(f"{created_s} is no time at which a collection was begun")
    return datetime.fromtimestamp(created_s, tz=zone).date()


def _note_types_11(text: str) -> dict[int, NoteType]:
    return {
        int(id_): NoteType(
            name=str(model["name"]),
            fields=tuple(str(field["name"]) for field in _ordered(model["flds"])),
            templates=tuple(
                Template(str(each["name"]), str(each["qfmt"]), str(each["afmt"]))
                for each in _ordered(model["tmpls"])
            ),
            is_cloze=model.get("type", 0) == _CLOZE,
        )
        for id_, model in json.loads(text).items()
    }


def _ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: int(row["ord"]))


def _decks_11(text: str) -> dict[int, tuple[str, ...]]:
    return {
        int(id_): tuple(str(deck["name"]).split("::")) for id_, deck in json.loads(text).items()
    }


def _note_types_18(database: sqlite3.Connection) -> dict[int, NoteType]:
    fields: dict[int, list[str]] = defaultdict(list)
    for id_, name in database.execute("SELECT ntid, name FROM fields ORDER BY ntid, ord"):
        fields[id_].append(str(name))
    templates: dict[int, list[Template]] = defaultdict(list)
    query = "SELECT ntid, name, config FROM templates ORDER BY ntid, ord"
    for id_, name, config in database.execute(query):
        sides = dict(read_fields(config))
        templates[id_].append(Template(str(name), _text(sides.get(1)), _text(sides.get(2))))
    return {
        id_: NoteType(
            str(name),
            tuple(fields[id_]),
            tuple(templates[id_]),
            is_cloze=dict(read_fields(config)).get(1, 0) == _CLOZE,
        )
        for id_, name, config in database.execute("SELECT id, name, config FROM notetypes")
    }


def _decks_18(database: sqlite3.Connection) -> dict[int, tuple[str, ...]]:
    rows = database.execute("SELECT id, name FROM decks")
    return {id_: tuple(str(name).split("\x1f")) for id_, name in rows}


def _text(value: int | bytes | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
