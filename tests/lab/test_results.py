from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studykit.lab.events import Curve, HeatMap, Measurement, Step, Table, Walk
from studykit.lab.results import RunResult, SeedResult, result_from_json, result_to_json
from studykit.text import first_suspect
from tests.lab.fake_labs import NOON

text = st.text(max_size=6).filter(lambda word: first_suspect(word) is None)
number = st.floats() | st.integers(-(2**53), 2**53)
amount = st.floats(0, allow_infinity=False) | st.integers(0, 2**53)
points = st.lists(st.tuples(number, number), max_size=3)

curves = st.builds(
    lambda chart, name, xy, log_y: Curve(
        chart, name, tuple(x for x, _ in xy), tuple(y for _, y in xy), log_y=log_y
    ),
    text,
    text,
    points,
    st.booleans(),
)
heat_maps = st.builds(
    lambda title, cells: HeatMap(title, ("r",), ("a", "b"), (cells,)),
    text,
    st.tuples(st.none() | number, st.none() | number),
)
tables = st.builds(
    lambda title, row: Table(title, ("a", "b"), (row,)), text, st.tuples(text, number)
)
walks = st.builds(
    lambda title, row: Walk(title, ("r",), ("c",), ("a", "b"), (Step((0, 0), title, (row,)),)),
    text,
    st.tuples(text, number),
)


@st.composite
def seed_results(draw: st.DrawFn) -> SeedResult:
    named = {
        name: Measurement(name, draw(number), draw(text), draw(text), draw(st.booleans()))
        for name in draw(st.lists(text, max_size=3, unique=True))
    }
    return SeedResult(
        draw(st.integers(0, 99)),
        named,
        draw(st.dictionaries(text, st.none() | st.booleans(), max_size=3)),
        tuple(draw(st.lists(curves | heat_maps | tables | walks, max_size=3))),
    )


results = st.builds(
    RunResult,
    lab=text,
    knobs=st.dictionaries(text, number | text | st.booleans(), max_size=3),
    device=st.sampled_from(["cpu", "cuda", ""]),
    machine=text,
    versions=st.dictionaries(text, text, max_size=2),
    code_hash=text,
    started_at=st.datetimes(
        datetime(2, 1, 1),
        datetime(9998, 12, 31),
        timezones=st.integers(-720, 720).map(lambda m: timezone(timedelta(minutes=m))),
    ).map(lambda at: at.replace(fold=0)),  # a fixed offset has no hour twice
    seconds=amount,
    budget=amount.filter(bool),
    status=st.sampled_from(["done", "cancelled", "failed", "killed", "timed out", "skipped"]),
    seeds=st.lists(seed_results(), max_size=2).map(tuple),
    message=text,
    trace=text,
    recorded=st.booleans(),
    verdicts=st.dictionaries(
        text,
        st.sampled_from(["confirmed", "refuted", "depends", "undecided", "skipped"]),
        max_size=3,
    ),
)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(results)
def test_a_result_survives_strict_json(result: RunResult) -> None:
    """NaN and infinity included; compared as text, since NaN equals nothing."""
    stored = json.dumps(result_to_json(result), allow_nan=False)

    assert repr(result_from_json(json.loads(stored))) == repr(result)


RESULT = RunResult(
    lab="demo/probe",
    knobs={"size": 8},
    device="cpu",
    machine="a machine",
    versions={"python": "3.11"},
    code_hash="abc",
    started_at=NOON,
    seconds=1.5,
    status="done",
    seeds=(
        SeedResult(
            0,
            {"loss": Measurement("loss", 1.5, "nats")},
            {"low": True},
            (Curve("loss", "base", (0, 1), (2.0, 1.5)),),
        ),
    ),
    verdicts={"low": "confirmed"},
)


def test_the_form_on_disk_is_stable() -> None:
    """Recorded runs and databases hold this; a change needs a new format number."""
    assert result_to_json(RESULT) == {
        "lab": "demo/probe",
        "knobs": {"size": 8},
        "device": "cpu",
        "machine": "a machine",
        "versions": {"python": "3.11"},
        "code_hash": "abc",
        "started_at": "2026-11-23T12:00:00+00:00",
        "seconds": 1.5,
        "budget": 1.0,
        "status": "done",
        "message": "",
        "trace": "",
        "recorded": False,
        "verdicts": {"low": "confirmed"},
        "seeds": [
            {
                "seed": 0,
                "claims": {"low": True},
                "measurements": {
                    "loss": {"value": 1.5, "unit": "nats", "label": "", "yardstick": False}
                },
                "events": [
                    {
                        "event": "curve",
                        "chart": "loss",
                        "name": "base",
                        "xs": [0, 1],
                        "ys": [2.0, 1.5],
                        "x_label": "step",
                        "y_label": "",
                        "log_y": False,
                    }
                ],
            }
        ],
    }


def deep(n: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(n):
        document = {"in": document}
    return document


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (["lab"], 3, "lab: int where str must be"),
        (["knobs"], [], "knobs: list where dict must be"),
        (["knobs", "size"], None, "knobs: a value must be"),
        (["versions", "python"], 3, "versions: a value must be text"),
        (["started_at"], "yesterday", "yesterday"),
        (["started_at"], "2026-11-23T12:00:00", "an offset from UTC is missing"),
        (["started_at"], "0001-01-01T00:00:00+00:00", "started_at: no year from 2 to 9998"),
        (["seconds"], True, "seconds: bool where float must be"),
        (["seconds"], float("inf"), "seconds and budget must be finite"),
        (["seconds"], 10**400, "seconds: a whole number of more than 63 bits"),
        (["budget"], float("nan"), "seconds and budget must be finite"),
        (["knobs", "size"], 10**400, "knobs: a value must be a number"),
        (["seeds", 0, "seed"], 10**400, "seed: a whole number of more than 63 bits"),
        (["seeds", 0, "measurements", "loss", "value"], 10**400, "a whole number of more than 63"),
        (["seeds", 0, "measurements", "loss", "label"], "x" * 30_000, "a text of 30,000 charac"),
        (["versions"], deep(2000), "nested too deeply"),
        (["status"], "fine", "status: 'fine' is not one of done, "),
        (["status"], [], "status: [] is not one of"),
        (["verdicts", "low"], "true", "verdicts.low: 'true' is not one of confirmed"),
        (["seeds"], {}, "seeds: dict where list must be"),
        (["seeds", 0], 3, "a seed must be an object"),
        (["seeds", 0, "seed"], "0", "seed: str where int must be"),
        (["seeds", 0, "claims", "low"], 1, "claims: a value must be true, false or null"),
        (["seeds", 0, "measurements", "loss"], 1.5, "a measurement must be an object"),
        (["seeds", 0, "measurements", "loss", "value"], "1", "str where a number must be"),
        (["seeds", 0, "events", 0, "xs"], [1], "1 xs but 2 ys"),
        (["seeds", 0, "events", 0], None, "an event must be an object"),
        (["seeds", 0, "events"], {}, "events: dict where list must be"),
        (["seeds", 0, "events"], [{"event": "walk", "title": "w"}], "not the fields of Walk"),
        (["seeds", 0, "events", 0, "event"], "surprise", "an event cannot be 'surprise'"),
    ],
)
def test_a_damaged_result_is_refused_with_the_reason(
    path: list[Any], value: object, fault: str
) -> None:
    document: Any = copy.deepcopy(result_to_json(RESULT))
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value

    with pytest.raises(ValueError, match=r".") as caught:
        result_from_json(document)

    assert fault in str(caught.value)


def test_a_text_is_kept_as_far_as_anybody_reads_it() -> None:
    """Lines shorter than a trace: neither may fill a screen for ever."""
    long = replace(RESULT, message="x" * 30_000, trace="y\n" * 30_000, machine="z" * 30_000)

    read = result_from_json(result_to_json(long))

    assert (len(read.message), len(read.machine), len(read.trace)) == (2000, 2000, 20_000)


def test_a_run_of_an_earlier_version_is_read() -> None:
    """Databases hold runs with a list for each type of event, from before walks and budgets."""
    document = result_to_json(RESULT)
    del document["budget"]
    seed = document["seeds"][0]
    (curve,) = seed.pop("events")
    del curve["event"]
    table = {"title": "t", "columns": ["a"], "rows": [[1.5]]}
    seed |= {"curves": [curve], "heat_maps": [], "tables": [table]}

    (read,) = result_from_json(document).seeds
    assert read.events == (*RESULT.seeds[0].events, Table("t", ("a",), ((1.5,),)))

    seed["walks"] = [{"title": "w"}]
    with pytest.raises(ValueError, match="not the fields of Walk"):
        result_from_json(document)


@pytest.mark.parametrize("key", result_to_json(RESULT).keys() - {"budget"})
def test_a_missing_field_is_named(key: str) -> None:
    document = result_to_json(RESULT)
    del document[key]

    with pytest.raises(ValueError, match=key):
        result_from_json(document)


def test_stored_text_cannot_drive_a_terminal() -> None:
    document = result_to_json(RESULT) | {"message": "\x1b[2Jgone", "machine": "a\u202eb"}

    result = result_from_json(document)

    assert (result.message, result.machine) == ("␛[2Jgone", "a\ufffdb")


def test_values_of_a_measurement_come_in_seed_order() -> None:
    assert RESULT.values("loss") == (1.5,)
    assert RESULT.values("gain") == ()
    assert isinstance(RESULT.started_at, datetime)
