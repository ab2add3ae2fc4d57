"""The settings file: one TOML file, its mistakes told by their places."""

from __future__ import annotations

import codecs
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime
from errno import EACCES
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from studykit.errors import Place, SettingsError
from studykit.files import open_regular
from studykit.settings import (
    RETENTIONS,
    WEEKDAYS,
    LabSettings,
    ReviewSettings,
    ScreenSettings,
    Settings,
)
from studykit.text import clean

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

LARGEST_BYTES = 64 * 1024
MOST_DOTS = 100
"""In one line: Python's parser takes half a minute for a key of thirty thousand parts."""
MOST_STEPS = 20
MOST_HOLIDAYS = 100
LONGEST_HOLIDAY_DAYS = 366


def load_settings(path: Path) -> Settings:
    """The settings in the TOML file at `path`, or the defaults if there is none.

    Raises `SettingsError` for a file that cannot be read, an unknown key or a wrong value.
    """
    return _SettingsFile(path, _read(path)).parse()


def keep_settings(path: Path, table: str, values: Mapping[str, Any]) -> Settings:
    """Put `values` into a table of the learner's file, which else stays as it is, comments too.

    An empty list or table takes its key out. Returns the settings as they are then. Raises
    `SettingsError` for a wrong value, and where it cannot be done for certain: the file is then
    as it was.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from studykit.files import replace_file

    file = path.resolve()  # what a link of dotfiles points to
    old = _read(path)
    _SettingsFile(path, old).parse()  # a mistake that is there already is told with its place
    wanted = tomllib.loads(old)
    try:
        document = tomlkit.parse(old)
        for name, value in values.items():
            _put(document, table, name, value)
            if value not in ({}, []):
                wanted.setdefault(table, {})[name] = value
            elif table in wanted:
                wanted[table].pop(name, None)
        new = tomlkit.dumps(document)
        if tomllib.loads(new) != wanted:
            raise ValueError
    except (TOMLKitError, ValueError, TypeError, AttributeError):
        hint = f"write it below [{table}] yourself"
        what = f"{', '.join(values)} could not be put in"
        raise SettingsError(what, place=Place(path), hint=hint) from None
    settings = _SettingsFile(path, new).parse()
    try:
        if file.exists() and not os.access(file, os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, new)
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise SettingsError(what, place=Place(path)) from None
    return settings


def _put(document: TOMLDocument, table: str, name: str, value: Any) -> None:
    """Set one value; a table that is there already keeps the comments of what stays in it."""
    import tomlkit

    section: Any = document.get(table)
    if section is None:
        if value in ({}, []):
            return
        text = document.as_string()
        for end in ("\n", "\n\n"):
            if text and not text.endswith(end):
                document.add(tomlkit.nl())
        section = document[table] = tomlkit.table()
    if value in ({}, []):
        section.pop(name, None)
    elif isinstance(value, dict) and name in section:
        there = section[name]
        for key in [key for key in there if key not in value]:
            del there[key]
        there.update(value)
    elif isinstance(value, dict):
        inline = tomlkit.inline_table()
        inline.update(value)
        section[name] = inline
    else:
        section[name] = value


def _read(path: Path) -> str:
    """The text of the file at `path`, empty if there is none; raises `SettingsError`."""
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            hint = f"at most {LARGEST_BYTES // 1024} KiB"
            raise SettingsError("is too large", place=Place(path), hint=hint)
        content = content.removeprefix(codecs.BOM_UTF8)
        return content.decode()
    except FileNotFoundError:
        if path.is_symlink():  # the learner has settings, and the defaults are not them
            hint = "see that what it leads to is there, or take the link away"
            raise SettingsError(
                "is a link that leads nowhere", place=Place(path), hint=hint
            ) from None
        return ""
    except OSError as error:
        reason = error.strerror or "input error"
        raise SettingsError(f"cannot be read: {reason}", place=Place(path)) from None
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        what = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise SettingsError(what, place=_place(path, before), hint="save it as UTF-8") from None


def _place(path: Path, before: str) -> Place:
    """Where the text `before` ends."""
    return Place(path, before.count("\n") + 1, len(before) - before.rfind("\n"))


_WHERE = re.compile(r" \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$")
"""How tomllib ends its messages."""
_LONG_DIGITS = re.compile("[0-9][0-9_]{300,}")


class _SettingsFile:
    """A settings file that is being read: values by their keys, errors by their places."""

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._source = source.replace("\r\n", "\n")

    def parse(self) -> Settings:
        """The settings; raises `SettingsError` for the first mistake."""
        tables: dict[str, type[Any]] = {
            "review": ReviewSettings,
            "lab": LabSettings,
            "screen": ScreenSettings,
        }
        values: dict[str, Any] = {}
        for name, table in self._document().items():
            if name not in tables and name != "keys":
                raise self._wrong(name, "unknown table", f"one of {', '.join([*tables, 'keys'])}")
            if not isinstance(table, dict):
                raise self._wrong(name, "must be a table", f"write [{name}]")
            values[name] = (
                self._keys(table) if name == "keys" else self._table(tables[name], name, table)
            )
        return Settings(**values)

    def _document(self) -> dict[str, Any]:
        for n, line in enumerate(self._source.split("\n"), start=1):
            if line.count(".") > MOST_DOTS and not line.lstrip().startswith("#"):
                raise SettingsError("too many dots", place=Place(self._path, n), hint="mend it")
        try:
            return tomllib.loads(self._source)
        except tomllib.TOMLDecodeError as error:
            what, where = str(error), _WHERE.search(str(error))
            place = _place(self._path, self._source.rstrip())
            if where:
                what = what[: where.start()]
                if where[1]:
                    place = Place(self._path, int(where[1]), int(where[2]))
            raise SettingsError(f"not valid TOML: {clean(what)}", place=place) from None
        except RecursionError:
            where = re.search(r"[\[{]{9}", self._source)
            place = _place(self._path, self._source[: where.start() if where else 0])
            raise SettingsError("nested too deeply", place=place, hint="mend it") from None
        except ValueError:  # of a whole number that Python does not read
            where = _LONG_DIGITS.search(self._source)
            place = _place(self._path, self._source[: where.start() if where else 0])
            raise SettingsError("a number is too long", place=place, hint="mend it") from None

    def _keys(self, table: dict[str, Any]) -> dict[str, str]:
        for name, keys in table.items():
            if not isinstance(keys, str):
                raise self._wrong(f"keys.{name}", "must be text", 'like rate-good = "g"')
        return table

    def _table(self, cls: type[Any], table_name: str, table: dict[str, Any]) -> Any:
        hints = get_type_hints(cls)
        known = [item.name for item in fields(cls)]
        parsed: dict[str, Any] = {}
        for name, value in table.items():
            where = f"{table_name}.{name}"
            if name not in known:
                raise self._wrong(where, "unknown setting", f"one of {', '.join(known)}")
            parsed[name] = self._value(hints[name], value, where)
            self._check_range(name, parsed[name], where)
        return cls(**parsed)

    def _value(self, hint: Any, value: Any, where: str) -> Any:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if hint is bool and isinstance(value, bool):
            return value
        if hint is int and is_number and isinstance(value, int):
            return value
        if hint is float and is_number:
            return _as_float(value)
        if hint is str and isinstance(value, str):
            return value
        if hint == tuple[float, ...] and isinstance(value, list):
            return tuple(self._value(float, item, where) for item in value)
        if hint is date:
            return self._date(value, where)
        if hint == Mapping[str, float] and isinstance(value, dict):
            return {key: self._value(float, item, f"{where}.{key}") for key, item in value.items()}
        if hint == Mapping[str, date] and isinstance(value, dict):
            return {key: self._value(date, item, f"{where}.{key}") for key, item in value.items()}
        if hint == tuple[tuple[date, date], ...] and isinstance(value, list):
            return tuple(self._period(item, where) for item in value)
        names = {
            bool: "true or false",
            int: "a whole number",
            float: "a number",
            str: "text",
            Mapping[str, float]: "a table of numbers",
            Mapping[str, date]: "a table of days",
            tuple[tuple[date, date], ...]: "a list of days",
        }
        wanted = names.get(hint, "a list of numbers")
        raise self._wrong(where, f"{_shown(value)} is not {wanted}", "mend it")

    def _date(self, value: Any, where: str) -> date:
        """A day, bare as TOML has it or as text."""
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        try:
            return parse_day(value)
        except (AttributeError, ValueError):
            shown = str(value) if isinstance(value, datetime) else _shown(value)
            raise self._wrong(where, f"{shown} is no day", "like 2027-02-01") from None

    def _period(self, value: Any, where: str) -> tuple[date, date]:
        """A day, or the first and the last of several with a slash between."""
        if isinstance(value, str):
            try:
                return parse_period(value)
            except ValueError as error:
                raise self._wrong(where, f"{_shown(value)} {error}", PERIOD_HINT) from None
        day = self._date(value, where)
        return day, day

    def _check_range(self, name: str, value: Any, where: str) -> None:
        if name in _RANGES:
            low, high = _RANGES[name]
            if not low <= value <= high:
                raise self._wrong(where, f"{_shown(value)} is out of range", f"{low} to {high}")
        elif name in ("retention", "easy_days"):
            low, high = RETENTIONS if name == "retention" else (0, 1)
            for key, share in value.items():
                inner = f"{where}.{key}"
                if name == "easy_days" and key not in WEEKDAYS:
                    raise self._wrong(inner, "no weekday", f"one of {', '.join(WEEKDAYS)}")
                if not low <= share <= high:
                    raise self._wrong(inner, f"{_shown(share)} is out of range", f"{low} to {high}")
            if name == "easy_days" and not any(value.get(key, 1) for key in WEEKDAYS):
                raise self._wrong(where, "every day is a day off", "leave one above 0")
        elif name == "holidays":
            if len(value) > MOST_HOLIDAYS:
                raise self._wrong(where, f"{len(value)} of them", f"at most {MOST_HOLIDAYS}")
        elif name.endswith("_steps_minutes"):
            if len(value) > MOST_STEPS:
                raise self._wrong(where, f"{len(value)} steps", f"at most {MOST_STEPS}")
            if any(not 0 < step < 1440 for step in value):
                raise self._wrong(where, "a step must be shorter than a day", "minutes")
        elif name == "device" and value not in _DEVICES:
            hint = f"one of {', '.join(_DEVICES)}"
            raise self._wrong(where, f"unknown device {_shown(value)}", hint)

    def _wrong(self, where: str, what: str, hint: str) -> SettingsError:
        """An error of the setting `where`, as in "review" or "review.new_per_day"."""
        called = clean(where if len(where) <= 80 else where[:79] + "…")
        return SettingsError(f"{called}: {what}", place=self._find(where.split(".")), hint=hint)

    def _find(self, wanted: list[str]) -> Place:
        """The place of a table, or of a setting in it; the file's beginning if it is not found.

        TOML has more ways to write a key than are tried here.
        """
        table: list[str] = []
        place = Place(self._path)
        for n, line in enumerate(self._source.split("\n"), start=1):
            if found := _HEADER.match(line):
                path = table = _bare_parts(found["key"])
            elif found := _ASSIGNMENT.match(line):
                path = [*table, *_bare_parts(found["key"])]
            else:
                continue
            if path != wanted[: len(path)]:
                continue
            column = found.start("key") + 1
            if len(path) < len(wanted) and path != table:
                inline = re.search(rf"\b{re.escape(wanted[-1])}\b", line[found.end() :])
                column = found.end() + inline.start() + 1 if inline else column
                return Place(self._path, n, column)
            if path == wanted:
                return Place(self._path, n, column)
            place = Place(self._path, n, column)
        return place


def parse_day(text: str) -> date:
    """The day in ``2027-02-01``; raises `ValueError`."""
    return date.fromisoformat(text.strip())


PERIOD_HINT = "like 2026-12-24/2027-01-02"


def parse_period(text: str) -> tuple[date, date]:
    """First and last day in ``2026-12-24/2027-01-02``, as ISO 8601 has it, or in a single day.

    Raises `ValueError` with the reason, as it goes on after the text.
    """
    parts = text.split("/")
    try:
        first, last = (date.fromisoformat(part.strip()) for part in (parts[0], parts[-1]))
    except ValueError:
        raise ValueError("is no day and no period") from None
    if len(parts) > 2 or last < first:
        raise ValueError("does not end after it begins" if len(parts) == 2 else "is no period")
    if (last - first).days >= LONGEST_HOLIDAY_DAYS:
        raise ValueError(f"is longer than {LONGEST_HOLIDAY_DAYS} days")
    return first, last


_KEY = r"""(?P<key>(?:[\w-]+|"[^"\\]*"|'[^']*')(?:[ \t]*\.[ \t]*(?:[\w-]+|"[^"\\]*"|'[^']*'))*)"""
_HEADER = re.compile(rf"[ \t]*\[{{1,2}}[ \t]*{_KEY}")
_ASSIGNMENT = re.compile(rf"[ \t]*{_KEY}[ \t]*=")


def _bare_parts(key: str) -> list[str]:
    return [part.strip(" \t\"'") for part in key.split(".")]


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _shown(value: object) -> str:
    """A value inside a message: short, on one line."""
    try:
        text = clean(repr(value))
    except ValueError:  # a whole number of more digits than Python writes
        text = "a number of very many digits"
    return text if len(text) <= 40 else text[:39] + "…"


_RANGES = {
    "new_per_day": (0, 9999),
    "reviews_per_day": (0, 9999),
    "backlog_per_day": (0, 9999),
    "desired_retention": RETENTIONS,
    "maximum_interval_days": (1, 36500),
    "rollover_hour": (0, 23),
    "threads": (0, 1024),
    "time_limit_seconds": (1, 86400),
}
_DEVICES = ("auto", "cpu", "cuda")
