"""The language of parent and child: one JSON object a line. Standard library and `events` only.

Parent to child, on stdin; end of file means "leave":

- ``{"type": "run", "root", "lab", "file", "needs", "models", "has_other_model", "measures",
  "knobs", "budget", "seeds", "device"}``; "file" is null, or the learner's own version, which
  stands in for the lab's file; "models" has for each model of the shelf that is needed its module
  and what a result says of it, or null if there is no such model; every seed must yield the
  measurements that "measures" names; "budget" is null for a lab that takes none
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
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from studykit.lab.events import (
    MAX_PRINTED,
    Curve,
    Document,
    Event,
    HeatMap,
    Measurement,
    Printed,
    Progress,
    Step,
    Table,
    Walk,
)

CAN_FORK = sys.platform == "linux"
"""The child runs each lab in a fork of itself; elsewhere it runs one lab and leaves."""
MAX_LINE_BYTES = 1_000_000
"""A longer line is refused by both sides."""
LONGEST_TEXT = 20_000
"""Characters of one text; forty lines of a trace have no more."""
BATCH_S = 0.1
"""Events of the same kind and name are joined for as long as this."""
FLOAT = "$float"
"""Flags a float that JSON cannot write; no identifier, so nothing measured is called so."""

_UNWRITABLE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


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
    """The name and the fields of a checked event; what is in them that has fields, too."""
    return {"event": _event_name(type(event)), **_fields(event)}


def _fields(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _fields(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        return [_fields(item) for item in value]
    return value


def event_from_document(document: object) -> Event:
    """Inverse of `event_to_document`. Raises `ValueError` for what is not an event."""
    if not isinstance(document, dict):
        raise ValueError("an event must be an object")
    values = dict(document)
    name = values.pop("event", None)
    cls = next((cls for cls in CHECKS if _event_name(cls) == name), None)
    if cls is None:
        raise ValueError(f"an event cannot be {name!r}")
    try:
        event = cls(**values)
    except TypeError:
        raise ValueError(f"not the fields of {cls.__name__}") from None
    return checked(event)


def _event_name(cls: type) -> str:
    """``heat_map`` of `HeatMap`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


def checked(event: object) -> Event:
    """A copy of `event` made of plain numbers, text and tuples, or `ValueError` saying the fault.

    Tensors and arrays count as the numbers in them.
    """
    if check := CHECKS.get(type(event)):
        return check(event)
    *names, last = (cls.__name__ for cls in CHECKS)
    raise ValueError(f"a lab yields {', '.join(names)} or {last}, not {type(event).__name__}")


def _checked_progress(event: Progress) -> Progress:
    done, total = _number(event.done, event), _number(event.total, event)
    if not (math.isfinite(done) and math.isfinite(total)):
        raise _fault(event, "done and total must be finite")
    return Progress(done, total, _text(event.note, event))


def _checked_measurement(event: Measurement) -> Measurement:
    name, unit, label = (_text(item, event) for item in (event.name, event.unit, event.label))
    yardstick = _switch(event.yardstick, "yardstick", event)
    return Measurement(name, _number(event.value, event), unit, label, yardstick)


def _checked_curve(curve: Curve) -> Curve:
    xs, ys = _numbers(curve.xs, curve), _numbers(curve.ys, curve)
    if len(xs) != len(ys):
        raise _fault(curve, f"{len(xs)} xs but {len(ys)} ys")
    chart, name = _text(curve.chart, curve), _text(curve.name, curve)
    x_label, y_label = _text(curve.x_label, curve), _text(curve.y_label, curve)
    return Curve(chart, name, xs, ys, x_label, y_label, _switch(curve.log_y, "log_y", curve))


def _checked_heat_map(event: HeatMap) -> HeatMap:
    rows, columns = _texts(event.rows, event), _texts(event.columns, event)
    cells = tuple(_cells(row, event) for row in _items(event.values, event))
    if len(cells) != len(rows) or any(len(row) != len(columns) for row in cells):
        raise _fault(event, f"values must be {len(rows)} rows of {len(columns)} numbers")
    return HeatMap(_text(event.title, event), rows, columns, cells, _text(event.unit, event))


def _checked_table(table: Table) -> Table:
    columns = _texts(table.columns, table)
    rows = tuple(_mixed(row, table) for row in _items(table.rows, table))
    if any(len(row) != len(columns) for row in rows):
        raise _fault(table, f"each row must have {len(columns)} cells")
    return Table(_text(table.title, table), columns, rows)


def _checked_walk(walk: Walk) -> Walk:
    rows, map_columns = _texts(walk.rows, walk), _texts(walk.map_columns, walk)
    columns, covered = _texts(walk.columns, walk), _texts(walk.covered, walk)
    if unknown := [name for name in covered if name not in columns]:
        raise _fault(walk, f"covers {unknown[0]!r}, which is no column of its tables")
    steps = []
    for n, step in enumerate(_items(walk.steps, walk), start=1):
        try:
            step = Step(**step) if isinstance(step, Mapping) else step
        except TypeError:
            raise _fault(walk, f"step {n}: not the fields of Step") from None
        if not isinstance(step, Step):
            raise _fault(walk, f"step {n}: {type(step).__name__} where a Step must be")
        at = _numbers(step.at, walk)
        sides = (len(rows), len(map_columns))
        if len(at) != 2 or not all(i in range(side) for i, side in zip(at, sides, strict=True)):
            raise _fault(walk, f"step {n}: at must be in the map of {sides[0]} x {sides[1]} cells")
        table = tuple(_mixed(line, walk) for line in _items(step.table, walk))
        if any(len(line) != len(columns) for line in table):
            raise _fault(walk, f"step {n}: each row must have {len(columns)} cells")
        caption, answer = _text(step.caption, walk), _text(step.answer, walk)
        steps.append(Step((int(at[0]), int(at[1])), caption, table, answer))
    if not steps:
        raise _fault(walk, "no steps to go through")
    return Walk(_text(walk.title, walk), rows, map_columns, columns, tuple(steps), covered)


def _checked_printed(event: Printed) -> Printed:
    return Printed(_text(event.text, event, MAX_PRINTED))


CHECKS: dict[type, Callable[[Any], Event]] = {
    Progress: _checked_progress,
    Measurement: _checked_measurement,
    Curve: _checked_curve,
    HeatMap: _checked_heat_map,
    Table: _checked_table,
    Printed: _checked_printed,
    Walk: _checked_walk,
}
"""What a lab may yield, and how each is checked."""


def _fault(event: object, what: str) -> ValueError:
    name = getattr(event, "title", None) or getattr(event, "name", None)
    called = f" {f'{name!r}'[:60]}" if name else ""
    return ValueError(f"{type(event).__name__}{called}: {what}")


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


def _switch(value: object, name: str, event: object) -> bool:
    if not isinstance(value, bool):
        raise _fault(event, f"{name} must be True or False")
    return value


def _text(value: object, event: object, longest: int = LONGEST_TEXT) -> str:
    if not isinstance(value, str):
        raise _fault(event, f"{type(value).__name__} where text must be")
    if len(value) > longest:
        raise _fault(event, f"a text of {len(value):,} characters (at most {longest:,})")
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
    return tuple(
        _text(value, event) if isinstance(value, str) else _number(value, event) for value in items
    )
