"""What a new type of event costs: its class, its check, and the places that show it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import studykit
from studykit.lab.collect import SeedSoFar
from studykit.lab.events import Event, HeatMap, Measurement, Progress, Table, Walk
from studykit.lab.protocol import (
    CHECKS,
    checked,
    dump_line,
    event_from_document,
    event_to_document,
    load_line,
)
from studykit.lab.recorded import load_recorded, record_run
from tests.lab.test_recorded import RUN


@dataclass(frozen=True, slots=True)
class Note(Event):
    """A type that the engine has never heard of."""

    title: str
    share: float


def test_a_new_type_travels_and_is_recorded_with_a_class_and_a_check_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the lab through the child's lines and the seed's result to the file and back."""
    monkeypatch.setitem(CHECKS, Note, lambda note: note)
    seed = SeedSoFar(0)
    for event in (Note("a", 1 / 3), Note("b", 0.5), Note("a", 2 / 3), Progress(1, 2)):
        line = dump_line(event_to_document(checked(event)))
        seed.add(event_from_document(load_line(line)))
    assert seed.result.events == (Note("a", 2 / 3), Note("b", 0.5))

    record_run(tmp_path, replace(RUN, seeds=(seed.result,)))

    ((run_seed,),) = (run.seeds for run in load_recorded(tmp_path, RUN.lab))
    assert run_seed.all(Note) == (Note("a", 0.666667), Note("b", 0.5))


@pytest.mark.parametrize("cls", [Table, Walk])
def test_a_type_that_is_shown_in_its_own_way_is_known_to_five_files(cls: type[Event]) -> None:
    """As docs/architecture.md lists them; a sixth is a place that should not ask for the type."""
    root = Path(studykit.__file__).parent
    name = re.compile(rf"\bevents import\b[^)]*\b{cls.__name__}\b|^class {cls.__name__}\b", re.M)
    files = [path for path in root.rglob("*.py") if name.search(path.read_text(encoding="utf-8"))]

    assert 3 <= len(files) <= 5, files


def test_events_of_one_key_are_one() -> None:
    """Names tell measurements apart, titles the rest; two types may share a title."""
    seed = SeedSoFar(0)
    for event in (
        Measurement("a", 1.0),
        Measurement("b", 2.0),
        Measurement("a", 3.0),
        Table("a", ("x",), ()),
        HeatMap("a", (), (), ()),
        Table("a", ("y",), ()),
    ):
        seed.add(event)

    assert {name: m.value for name, m in seed.result.measurements.items()} == {"a": 3.0, "b": 2.0}
    assert seed.result.events == (Table("a", ("y",), ()), HeatMap("a", (), (), ()))
