from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studykit.lab.events import (
    Curve,
    Event,
    HeatMap,
    Measurement,
    Progress,
    Step,
    Table,
    Walk,
)
from studykit.lab.protocol import (
    checked,
    decode,
    dump_line,
    encode,
    event_from_document,
    event_to_document,
    load_line,
)
from studykit.text import clean, first_suspect

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(values)
def test_anything_survives_strict_json(value: Any) -> None:
    """Infinities and NaN too, and one line stays one line."""
    line = dump_line({"value": value})

    assert line.count(b"\n") == 1
    assert repr(load_line(line)) == repr({"value": value})


@settings(deadline=None, derandomize=True)
@given(values)
def test_nothing_that_drives_a_terminal_passes(value: Any) -> None:
    shown = json.dumps(load_line(dump_line({"value": value}), clean), ensure_ascii=False)

    assert first_suspect(shown) is None


def test_floats_that_json_lacks_are_flagged() -> None:
    flagged = [{"$float": "nan"}, {"$float": "inf"}, {"$float": "-inf"}, 1.5]

    assert encode([math.nan, math.inf, -math.inf, 1.5]) == flagged
    assert repr(decode(flagged)) == "[nan, inf, -inf, 1.5]"
    assert decode({"$float": "large"}) == {"$float": "large"}


@pytest.mark.parametrize("line", [b"", b"[]", b"3", b"{", b"\xff", b"[" * 100_000, b'{"a": 1} x'])
def test_what_is_not_one_object_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_line(line)


def walk(
    *, at: Any = (0, 1), caption: Any = "…", table: Any = (("a", 1),), covered: Any = ()
) -> Walk:
    """Two steps on a map of two cells, the second as it is asked for."""
    steps = [Step((0, 0), "…", [["a", 1]]), Step(at, caption, table)]
    return Walk("w", ["q"], ["k", "l"], ["row", "max"], steps, covered)


class Array:
    """Holds numbers as a tensor does."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def tolist(self) -> Any:
        return self._values


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Measurement("a", Array(1.5)), Measurement("a", 1.5)),  # type: ignore[arg-type]
        (Curve("c", "l", Array([1, 2]), [0.5, math.inf]), Curve("c", "l", (1, 2), (0.5, math.inf))),  # type: ignore[arg-type]
        (
            HeatMap("h", ["r"], ["a", "b"], Array([[None, 1]])),  # type: ignore[arg-type]
            HeatMap("h", ("r",), ("a", "b"), ((None, 1),)),
        ),
        (Table("t", ["a", "b"], [["x", 2]]), Table("t", ("a", "b"), (("x", 2),))),
        (
            Walk("w", ["q"], ["k", "l"], ["row", "max"], [Step(Array([0, 1]), "…", [["a", 1.5]])]),  # type: ignore[arg-type]
            Walk("w", ("q",), ("k", "l"), ("row", "max"), (Step((0, 1), "…", (("a", 1.5),)),)),
        ),
        (
            Walk("w", ["q"], ["k"], ["m"], [Step((0, 0), "…", [[-math.inf]])], ["m"]),
            Walk("w", ("q",), ("k",), ("m",), (Step((0, 0), "…", ((-math.inf,),)),), ("m",)),
        ),
        (Progress(1, 2), Progress(1, 2)),
    ],
)
def test_an_event_becomes_plain_and_travels(event: Event, expected: Event) -> None:
    assert checked(event) == expected
    assert event_from_document(decode(encode(event_to_document(checked(event))))) == expected


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        (Progress(math.nan, 1), "Progress: done and total must be finite"),
        (Measurement("a", True), "Measurement 'a': bool where a number must be"),
        (Measurement("a", None), "NoneType where a number must be"),  # type: ignore[arg-type]
        (Measurement("a", 2**70), "more than 63 bits"),
        (Measurement(3, 1.0), "int where text must be"),  # type: ignore[arg-type]
        (Measurement("a", 1.0, yardstick=1), "yardstick must be"),  # type: ignore[arg-type]
        (Curve("c", "l", "12", [1, 2]), "str where a sequence must be"),  # type: ignore[arg-type]
        (Curve("c", "l", [1, 2], [1]), "Curve 'l': 2 xs but 1 ys"),
        (Curve("c", "l", [1], [1], log_y="no"), "log_y must be"),  # type: ignore[arg-type]
        (HeatMap("h", ["a"], ["b"], [[1, 2]]), "HeatMap 'h': values must be 1 rows of 1 numbers"),
        (HeatMap("h", ["a"], ["b"], []), "values must be 1 rows"),
        (Table("t", ["a"], [[1, 2]]), "Table 't': each row must have 1 cells"),
        (Table("t", ["a"], [[None]]), "NoneType where a number must be"),  # type: ignore[list-item]
        (walk(at=(0, 2)), "Walk 'w': step 2: at must be in the map of 1 x 2 cells"),
        (walk(at=(-1, 0)), "step 2: at must be in the map"),
        (walk(at=(0.5, 0)), "step 2: at must be in the map"),
        (walk(at=(0,)), "step 2: at must be in the map"),
        (walk(at="00"), "str where a sequence must be"),
        (walk(table=[["a"]]), "Walk 'w': step 2: each row must have 2 cells"),
        (walk(caption=3), "int where text must be"),
        (walk(covered=["min"]), "Walk 'w': covers 'min', which is no column of its tables"),
        (Walk("w", ["q"], ["k"], ["m"], []), "Walk 'w': no steps to go through"),
        (Walk("w", ["q"], ["k"], ["m"], [(0, 0)]), "step 1: tuple where a Step must be"),  # type: ignore[list-item]
        (
            {"loss": 1},
            "a lab yields Progress, Measurement, Curve, HeatMap, Table, Printed or Walk, not dict",
        ),
    ],
)
def test_a_wrong_event_is_named(event: object, fault: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        checked(event)

    assert fault in str(caught.value)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"event": "explosion"},
        {"event": []},
        {"event": "progress", "done": 1},
        {"event": "progress", "done": 1, "total": 2, "extra": 3},
        {"event": "curve", "chart": "c", "name": "l", "xs": 3, "ys": 3},
        {"event": "walk", "title": "w"},
        *(
            {"event": "walk", "title": "w", "rows": [], "map_columns": [], "columns": []}
            | {"steps": steps}
            for steps in (3, [3], [{"at": [0, 0]}], "ab", {"at": [0, 0]})
        ),
    ],
)
def test_a_wrong_document_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        event_from_document(document)
