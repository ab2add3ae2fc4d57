"""The language of parent and child: one JSON object a line. Standard library and `events` only.

Parent to child, on stdin; end of file means "leave":

- ``{"type": "run", "root", "lab", "needs", "measures", "knobs", "seeds", "device"}``; every seed
  must yield the measurements that "measures" names
- ``{"type": "cancel"}``

Child to parent, on a private duplicate of stdout:

- ``{"type": "ready"}``: it waits for a request; each run begins with it
- ``{"type": "started", "device", "machine", "versions"}``
- ``{"type": "event", "seed", "event"}``: one of `events`, its name and fields
- ``{"type": "measured", "seed"}``: the seed is complete
- last, one of ``{"type": "done" | "cancelled"}`` and
  ``{"type": "failed" | "skipped", "message", "trace"}``
- ``{"type": "left", "code"}``: the process of the run has ended, negative code for a signal

JSON has no NaN and no infinity. They are written as an object whose only key is `FLOAT`:
``{"$float": "nan"}``, ``{"$float": "inf"}``, ``{"$float": "-inf"}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from studykit.lab.events import (
    Curve,
    Document,
    Event,
    HeatMap,
    Measurement,
    Progress,
    Step,
    Table,
    Walk,
)

MAX_LINE_BYTES = 1_000_000
"""A longer line is refused by both sides."""
BATCH_S = 0.1
"""Events of the same kind and name are joined for as long as this."""
FLOAT = "$float"
"""Flags a float that JSON cannot write; no identifier, so nothing measured is called so."""

_UNWRITABLE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_EVENTS: dict[str, type[Event]] = {
    "progress": Progress,
    "measurement": Measurement,
    "curve": Curve,
    "heat_map": HeatMap,
    "table": Table,
    "walk": Walk,
}
_NAMES = {cls: name for name, cls in _EVENTS.items()}


def encode(value: Any) -> Any:
    """`value` as strict JSON knows it: mappings, lists, and flagged floats."""
    if isinstance(value, float):
        return value if math.isfinite(value) else {FLOAT: repr(value)}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def decode(value: Any, text: Callable[[str], str] = str) -> Any:
    """Inverse of `encode`; every string in it, keys included, passes through `text`."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [decode(item, text) for item in value]
    if isinstance(value, dict):
        name = value.get(FLOAT) if len(value) == 1 else None
        if isinstance(name, str) and name in _UNWRITABLE:
            return _UNWRITABLE[name]
        return {text(key): decode(item, text) for key, item in value.items()}
    return value


def dump_line(document: Mapping[str, Any]) -> bytes:
    """`document` as one line of ASCII. Raises `ValueError` if it is longer than a line may be."""
    line = json.dumps(encode(document), allow_nan=False, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(
            f"{len(line):,} bytes are too many for one message (at most {MAX_LINE_BYTES:,})"
        )
    return line


def load_line(line: bytes, text: Callable[[str], str] = str) -> Document:
    """Inverse of `dump_line`. Raises `ValueError` for what is not one JSON object."""
    try:
        document = decode(json.loads(line), text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def event_to_document(event: Event) -> Document:
    """The name and the fields of a checked event."""
    values = _values(event)
    if isinstance(event, Walk):
        values["steps"] = [_values(step) for step in event.steps]
    return {"event": _NAMES[type(event)], **values}


def _values(item: Event | Step) -> Document:
    return {field.name: getattr(item, field.name) for field in fields(item)}


def event_from_document(document: object) -> Event:
    """Inverse of `event_to_document`. Raises `ValueError` for what is not an event."""
    if not isinstance(document, dict):
        raise ValueError("an event must be an object")
    values = dict(document)
    name = values.pop("event", None)
    cls = _EVENTS.get(name) if isinstance(name, str) else None
    if cls is None:
        raise ValueError(f"an event cannot be {name!r}")
    try:
        if cls is Walk:
            values["steps"] = [Step(**step) for step in values["steps"]]
        event = cls(**values)
    except (TypeError, KeyError):
        raise ValueError(f"not the fields of {cls.__name__}") from None
    return checked(event)


def checked(event: object) -> Event:
    """A copy of `event` made of plain numbers, text and tuples, or `ValueError` saying the fault.

    Tensors and arrays count as the numbers in them.
    """
    match event:
        case Progress(done, total, note):
            progress = Progress(_number(done, event), _number(total, event), _text(note, event))
            if not (math.isfinite(progress.done) and math.isfinite(progress.total)):
                raise _fault(event, "done and total must be finite")
            return progress
        case Measurement(name, value, unit, label, yardstick):
            if not isinstance(yardstick, bool):
                raise _fault(event, "yardstick must be True or False")
            words = [_text(item, event) for item in (name, unit, label)]
            return Measurement(words[0], _number(value, event), words[1], words[2], yardstick)
        case Curve(chart, name, xs, ys, x_label, y_label, log_y):
            points = (_numbers(xs, event), _numbers(ys, event))
            if len(points[0]) != len(points[1]):
                raise _fault(event, f"{len(points[0])} xs but {len(points[1])} ys")
            if not isinstance(log_y, bool):
                raise _fault(event, "log_y must be True or False")
            labels = (_text(x_label, event), _text(y_label, event))
            return Curve(_text(chart, event), _text(name, event), *points, *labels, log_y)
        case HeatMap(title, rows, columns, values, unit):
            rows, columns = _texts(rows, event), _texts(columns, event)
            cells = tuple(_cells(row, event) for row in _items(values, event))
            if len(cells) != len(rows) or any(len(row) != len(columns) for row in cells):
                raise _fault(event, f"values must be {len(rows)} rows of {len(columns)} numbers")
            return HeatMap(_text(title, event), rows, columns, cells, _text(unit, event))
        case Table(title, columns, rows):
            columns = _texts(columns, event)
            lines = tuple(_mixed(row, event) for row in _items(rows, event))
            if any(len(line) != len(columns) for line in lines):
                raise _fault(event, f"each row must have {len(columns)} cells")
            return Table(_text(title, event), columns, lines)
        case Walk():
            return _checked_walk(event)
    *names, last = (cls.__name__ for cls in _EVENTS.values())
    raise ValueError(f"a lab yields {', '.join(names)} or {last}, not {type(event).__name__}")


def _checked_walk(walk: Walk) -> Walk:
    rows, map_columns = _texts(walk.rows, walk), _texts(walk.map_columns, walk)
    columns, covered = _texts(walk.columns, walk), _texts(walk.covered, walk)
    if unknown := [name for name in covered if name not in columns]:
        raise _fault(walk, f"covers {unknown[0]!r}, which is no column of its tables")
    steps = []
    for n, step in enumerate(_items(walk.steps, walk), start=1):
        if not isinstance(step, Step):
            raise _fault(walk, f"step {n}: {type(step).__name__} where a Step must be")
        at = _numbers(step.at, walk)
        sides = (len(rows), len(map_columns))
        if len(at) != 2 or not all(i in range(side) for i, side in zip(at, sides, strict=True)):
            raise _fault(walk, f"step {n}: at must be in the map of {sides[0]} x {sides[1]} cells")
        table = tuple(_mixed(line, walk) for line in _items(step.table, walk))
        if any(len(line) != len(columns) for line in table):
            raise _fault(walk, f"step {n}: each row must have {len(columns)} cells")
        steps.append(Step((int(at[0]), int(at[1])), _text(step.caption, walk), table))
    if not steps:
        raise _fault(walk, "no steps to go through")
    return Walk(_text(walk.title, walk), rows, map_columns, columns, tuple(steps), covered)


def _fault(event: object, what: str) -> ValueError:
    name = getattr(event, "title", None) or getattr(event, "name", None)
    return ValueError(f"{type(event).__name__}{f' {name!r}' if name else ''}: {what}")


def _plain(value: Any) -> Any:
    # Tensors and NumPy's arrays and scalars say what they hold by this method.
    tolist = getattr(value, "tolist", None)
    return tolist() if callable(tolist) else value


def _number(value: object, event: object) -> float:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _fault(event, f"{type(value).__name__} where a number must be")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise _fault(event, "a whole number of more than 63 bits")
    return value


def _text(value: object, event: object) -> str:
    if not isinstance(value, str):
        raise _fault(event, f"{type(value).__name__} where text must be")
    return str(value)


def _items(value: object, event: object) -> Sequence[Any]:
    value = _plain(value)
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise _fault(event, f"{type(value).__name__} where a sequence must be")
    return tuple(value)


def _numbers(values: object, event: object) -> tuple[float, ...]:
    return tuple(_number(value, event) for value in _items(values, event))


def _texts(values: object, event: object) -> tuple[str, ...]:
    return tuple(_text(value, event) for value in _items(values, event))


def _cells(values: object, event: object) -> tuple[float | None, ...]:
    items = _items(values, event)
    return tuple(None if value is None else _number(value, event) for value in items)


def _mixed(values: object, event: object) -> tuple[str | float, ...]:
    items = _items(values, event)
    return tuple(str(value) if isinstance(value, str) else _number(value, event) for value in items)
