from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from studykit.course.cards import Knobs, LabHeader
from studykit.course.source import LARGEST_FILE_BYTES
from studykit.errors import CourseError
from studykit.lab.events import Measurement
from studykit.lab.results import RunResult, SeedResult
from studykit.lab.stability import (
    PATIENT,
    Sample,
    Tally,
    add_sample,
    at,
    flips,
    load_samples,
    patience_notes,
    samples_or_none,
    stability_path,
    tally,
)
from tests.lab.fake_labs import NOON, FakeCourse

KNOBS: Knobs = {"size": 8, "norm": "pre"}


GROUP = (
    '{"format": 1, "lab": "demo/probe", "groups": [{"knobs": {}, "budget": %s, "device": "cpu", '
    '"machine": "", "versions": {}, "code_hash": "abc", "seeds": %s}]}'
)


def run(seed: int, loss: float, **fields: object) -> RunResult:
    """A complete run of one seed."""
    measured = {"loss": Measurement("loss", loss, "nats")}
    result = RunResult(
        lab="demo/probe",
        knobs=KNOBS,
        device="cpu",
        machine="a machine, 2 cores",
        versions={"python": "3.11"},
        code_hash="abc",
        started_at=NOON,
        seconds=1.0,
        status="done",
        seeds=(SeedResult(seed, measured, {}),),
    )
    return replace(result, **fields)  # type: ignore[arg-type]


def samples(*losses: float, budget: float = 1.0, code_hash: str = "abc") -> list[Sample]:
    return [
        Sample(KNOBS, budget, "cpu", "", {}, code_hash, seed, {"loss": loss})
        for seed, loss in enumerate(losses)
    ]


@pytest.fixture
def header(course: FakeCourse) -> LabHeader:
    """Its claims: low, if the loss is below 2, and high, if it is above 1."""
    return course.write_run("yield")


def test_what_is_measured_is_read_back(tmp_path: Path) -> None:
    """Exactly, infinity and NaN too, and whatever the order in which it was measured."""
    runs = [run(101, math.inf), run(100, 1 / 3), run(100, 0.25, budget=PATIENT)]
    for result in runs:
        add_sample(tmp_path, result)
    text = stability_path(tmp_path, "demo/probe").read_text()
    again = tmp_path / "again"
    for result in reversed(runs):
        add_sample(again, result)

    found = {(each.budget, each.seed): each for each in load_samples(tmp_path, "demo/probe")}
    assert found[1.0, 100] == Sample(
        KNOBS, 1.0, "cpu", "a machine, 2 cores", {"python": "3.11"}, "abc", 100, {"loss": 1 / 3}
    )
    assert found[1.0, 101].values == {"loss": math.inf}
    assert found[4.0, 100].values == {"loss": 0.25}
    assert stability_path(again, "demo/probe").read_text() == text
    assert load_samples(tmp_path, "demo/other") == ()


def test_a_seed_takes_the_place_of_its_own_and_of_other_codes(tmp_path: Path) -> None:
    for result in (run(100, 1.0), run(101, 1.0), run(100, 2.0)):
        add_sample(tmp_path, result)
    assert [(s.seed, s.values["loss"]) for s in load_samples(tmp_path, "demo/probe")] == [
        (100, 2.0),
        (101, 1.0),
    ]
    add_sample(tmp_path, run(102, 3.0, code_hash="new"))
    assert [s.seed for s in load_samples(tmp_path, "demo/probe")] == [102]


def test_only_the_present_code_and_the_knobs_asked_for_count(header: LabHeader) -> None:
    known = samples(1.0, 2.0) + samples(3.0, code_hash="old") + samples(4.0, budget=4.0)
    known.append(replace(known[0], knobs={"size": 2, "norm": "pre"}))

    assert [each.values["loss"] for each in at(known, header, {}, 1.0)] == [1.0, 2.0]
    assert [each.values["loss"] for each in at(known, header, {"size": 8}, 4.0)] == [4.0]
    assert len(at(known, header, {"size": 2}, 1.0)) == 1


def test_claims_are_judged_by_the_tests_of_today(header: LabHeader) -> None:
    known = samples(0.5, 1.5, 3.0, math.nan)
    assert tally(header, known) == {"low": Tally(2, 1, 1), "high": Tally(2, 1, 1)}
    mended = replace(header, holds_if={"low": "loss < 4", "high": "diverged(loss)"})
    assert tally(mended, known) == {"low": Tally(3, 0, 1), "high": Tally(1, 3, 0)}


@pytest.mark.parametrize(
    ("one", "other", "is_flip"),
    [
        (Tally(20, 0, 0), Tally(5, 0, 0), False),
        (Tally(20, 0, 0), Tally(0, 5, 0), True),
        (Tally(11, 9, 0), Tally(2, 3, 0), True),
        (Tally(10, 10, 0), Tally(0, 5, 0), False),  # nothing that patience could turn
        (Tally(1, 1, 18), Tally(5, 0, 0), True),
        (Tally(20, 0, 0), Tally(0, 0, 0), False),  # not measured yet
    ],
)
def test_patience_flips_what_most_seeds_say(one: Tally, other: Tally, is_flip: bool) -> None:
    assert flips(one, other) is is_flip
    assert not flips(one)


def test_which_claims_depend_on_patience(header: LabHeader) -> None:
    """The loss falls from 3 to 1.5: low turns, high stays."""
    known = samples(3.0, 3.1, 2.9) + samples(1.5, 1.4, budget=PATIENT)
    assert patience_notes(header, known, {}) == {
        "low": "depends on patience: holds on 0 of 3 fresh seeds, with 4 times the steps on 2 of 2"
    }
    assert patience_notes(header, known, {"size": 2}) == {}
    assert patience_notes(replace(header, code_hash="new"), known, {}) == {}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"format": 2, "lab": "demo/probe", "groups": []}',
        '{"format": 1, "lab": "demo/other", "groups": []}',
        '{"format": 1, "lab": "demo/probe", "groups": [{"knobs": 3}]}',
        GROUP % ("1", "[]"),
        GROUP % ("1", '{"100": [2.5]}'),
        GROUP % ("1", '{"100": {"loss": null}}'),
        GROUP % ("9" * 400, '{"100": {}}'),
        GROUP % ("1", '{"100": {"loss": %s}}' % ("9" * 400)),
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_said_and_kept(tmp_path: Path, text: str) -> None:
    """A sitting goes on without it."""
    path = stability_path(tmp_path, "demo/probe")
    path.parent.mkdir(parents=True)
    path.write_text(text)

    with pytest.raises(CourseError, match="damaged: "):
        add_sample(tmp_path, run(100, 1.0))
    assert path.read_text() == text
    assert samples_or_none(tmp_path, "demo/probe") == ()


def test_a_file_too_large_for_a_course_is_not_read(tmp_path: Path) -> None:
    path = stability_path(tmp_path, "demo/probe")
    path.parent.mkdir(parents=True)
    path.write_bytes(b" " * (LARGEST_FILE_BYTES + 1))
    with pytest.raises(CourseError, match="is too large"):
        load_samples(tmp_path, "demo/probe")
    assert samples_or_none(tmp_path, "demo/probe") == ()


def test_those_who_measure_at_once_lose_no_seed(tmp_path: Path) -> None:
    """Each reads the file and writes it back with its own seed."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: add_sample(tmp_path, run(seed, 1.0)), range(100, 130)))
    known = load_samples(tmp_path, "demo/probe")
    assert [each.seed for each in known] == [*range(100, 130)]


def test_the_file_is_strict_json(tmp_path: Path) -> None:
    add_sample(tmp_path, run(100, math.nan))
    text = stability_path(tmp_path, "demo/probe").read_text()
    (group,) = json.loads(text, parse_constant=pytest.fail)["groups"]
    assert group["seeds"] == {"100": {"loss": {"$float": "nan"}}}
