from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from studykit.errors import CourseError, LabError
from studykit.lab.events import Curve, HeatMap, Measurement, Step, Walk
from studykit.lab.recorded import (
    find_evidence,
    load_recorded,
    own_evidence,
    record_run,
    recorded_runs,
    results_path,
)
from studykit.lab.results import RunResult, SeedResult
from tests.lab.fake_labs import NOON, FakeCourse

RUN = RunResult(
    lab="demo/probe",
    knobs={"size": 8, "norm": "pre"},
    device="cpu",
    machine="a machine, 2 cores",
    versions={"python": "3.11"},
    code_hash="abc",
    started_at=NOON,
    seconds=1.23456,
    status="done",
    seeds=(
        SeedResult(0, {"loss": Measurement("loss", 1 / 3, "nats")}, {"low": True, "high": False}),
    ),
    verdicts={"low": "confirmed", "high": "refuted"},
)


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    record_run(tmp_path, RUN)

    assert load_recorded(tmp_path, "demo/probe") == (replace(RUN, seconds=1.23, recorded=True),)
    assert recorded_runs(tmp_path, "demo/other") == ()
    assert [path.name for path in results_path(tmp_path, RUN.lab).parent.iterdir()] == [
        "probe.json"
    ]


def test_a_run_takes_the_place_of_the_one_with_its_knobs_and_device(tmp_path: Path) -> None:
    """Others stay, in an order that does not depend on when they were recorded."""
    small = replace(RUN, knobs={"size": 2, "norm": "pre"})
    on_gpu = replace(RUN, device="cuda", machine="a GPU")
    for run in (RUN, on_gpu, small):
        record_run(tmp_path, run)
    path = results_path(tmp_path, RUN.lab)
    before = path.read_text()
    record_run(tmp_path, replace(RUN, seconds=9.0))

    runs = load_recorded(tmp_path, RUN.lab)
    assert sorted((run.knobs["size"], run.device, run.seconds) for run in runs) == [
        (2, "cpu", 1.23),
        (8, "cpu", 9.0),
        (8, "cuda", 1.23),
    ]
    record_run(tmp_path, RUN)
    record_run(tmp_path, small)
    assert path.read_text() == before


def test_a_run_from_before_the_lab_had_a_knob_goes(tmp_path: Path) -> None:
    record_run(tmp_path, RUN)
    record_run(tmp_path, replace(RUN, knobs={**RUN.knobs, "model": "tiny"}))

    (run,) = load_recorded(tmp_path, RUN.lab)
    assert run.knobs["model"] == "tiny"


def test_heavy_parts_are_thinned(tmp_path: Path) -> None:
    """At most 60 points a curve, both ends kept; measurements stay exact; NaN survives."""
    xs = tuple(range(1000))
    curve = Curve("loss", "base", xs, tuple(math.nan if x == 999 else x / 7 for x in xs))
    heat_map = HeatMap("weights", ("a",), ("b", "c"), ((None, 1 / 7),))
    seed = replace(RUN.seeds[0], events=(curve, heat_map))
    record_run(tmp_path, replace(RUN, seeds=(seed,), trace="noise"))

    run = load_recorded(tmp_path, RUN.lab)[0]
    thinned = run.seeds[0].all(Curve)[0]
    assert len(thinned.xs) == len(thinned.ys) == 60
    assert (thinned.xs[0], thinned.xs[-1]) == (0, 999)
    assert list(thinned.xs) == sorted(set(thinned.xs))
    assert math.isnan(thinned.ys[-1])
    assert thinned.ys[1] == float(f"{thinned.xs[1] / 7:.6g}")
    assert run.seeds[0].all(HeatMap)[0].values == ((None, 0.142857),)
    assert run.values("loss") == (1 / 3,)
    assert run.trace == ""


def test_a_walk_is_recorded_once(tmp_path: Path) -> None:
    """Rounded, of the first seed that has it: the one that is shown; other titles stay."""

    def walk(title: str, value: float) -> Walk:
        step = Step((0, 0), "the first tile", (("a", value),))
        return Walk(title, ("q",), ("k",), ("row", "max"), (step,))

    first = replace(RUN.seeds[0], events=(walk("tiles", 1 / 3),))
    second = replace(RUN.seeds[0], seed=1, events=(walk("tiles", 2.0), walk("blocks", -math.inf)))
    record_run(tmp_path, replace(RUN, seeds=(first, second)))

    kept = [seed.events for seed in load_recorded(tmp_path, RUN.lab)[0].seeds]
    assert kept == [(walk("tiles", 0.333333),), (walk("blocks", -math.inf),)]


def test_the_file_reads_well_in_a_diff(tmp_path: Path) -> None:
    """Strict JSON, a row of numbers on one line, what fits on one line too."""
    curve = Curve("loss", "base", tuple(range(60)), (0.125,) * 59 + (math.inf,))
    record_run(tmp_path, replace(RUN, seeds=(replace(RUN.seeds[0], events=(curve,)),)))

    lines = results_path(tmp_path, RUN.lab).read_text().splitlines()

    def refuse(token: str) -> None:
        raise AssertionError(token)

    json.loads("\n".join(lines), parse_constant=refuse)
    assert sum('"xs": [0, 1, 2, ' in line for line in lines) == 1
    assert any('{"$float": "inf"}]' in line for line in lines)
    assert any(line.strip() == '"knobs": {"size": 8, "norm": "pre"},' for line in lines)
    assert len(lines) < 46


@pytest.mark.parametrize("status", ["cancelled", "failed", "killed", "timed out", "skipped"])
def test_an_incomplete_run_is_not_recorded(tmp_path: Path, status: str) -> None:
    with pytest.raises(LabError, match=status):
        record_run(tmp_path, replace(RUN, status=status))  # type: ignore[arg-type]

    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", ":1:1: not valid JSON"),
        (b'{"format": 1,\n "lab": }', ":2:9: not valid JSON"),
        (b"[" * 100_000, ":1:1: is nested too deeply"),
        (b"[]", "damaged: not the recorded runs of demo/probe in format 1"),
        (b'{"format": 2, "lab": "demo/probe", "runs": []}', "format 1"),
        (b'{"format": 1, "lab": "demo/other", "runs": []}', "demo/probe"),
        (b'{"format": 1, "lab": "demo/probe", "runs": [{}]}', "damaged: started_at: nothing"),
    ],
)
def test_a_damaged_file_is_named_and_ends_no_sitting(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    """`load_recorded` says where and what, `recorded_runs` goes on, nothing is overwritten."""
    path = results_path(tmp_path, "demo/probe")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    with pytest.raises(CourseError, match=r"record it again") as caught:
        load_recorded(tmp_path, "demo/probe")

    assert str(path) in str(caught.value)
    assert fault in str(caught.value)
    assert recorded_runs(tmp_path, "demo/probe") == ()
    with pytest.raises(CourseError):
        record_run(tmp_path, RUN)
    assert path.read_bytes() == content


def test_a_run_of_another_lab_is_no_result(tmp_path: Path) -> None:
    record_run(tmp_path, RUN)
    path = results_path(tmp_path, RUN.lab)
    path.write_text(path.read_text().replace("demo/probe", "demo/other", 2))
    path.write_text(path.read_text().replace("demo/other", "demo/probe", 1))

    with pytest.raises(CourseError, match="another lab"):
        load_recorded(tmp_path, RUN.lab)


def test_the_latest_complete_own_run_is_the_evidence(course: FakeCourse) -> None:
    """With these knobs, defaults filled in, the lab's own seeds and its code as it is."""
    header = course.write_run("yield", seeds=1)
    old = replace(RUN, started_at=NOON - timedelta(days=1))
    newer_knobs = replace(RUN, started_at=NOON + timedelta(days=1), knobs={"size": 2})
    broken = replace(RUN, started_at=NOON + timedelta(days=2), status="cancelled")
    other_code = replace(RUN, started_at=NOON + timedelta(days=3), code_hash="xyz")
    other_lab = replace(RUN, started_at=NOON + timedelta(days=4), lab="demo/other")
    longer = replace(RUN, started_at=NOON + timedelta(days=5), budget=4.0)
    seeds = (replace(RUN.seeds[0], seed=100),)
    other_seeds = replace(RUN, started_at=NOON + timedelta(days=6), seeds=seeds)
    own = [RUN, old, newer_knobs, broken, other_code, other_lab, longer, other_seeds]
    recorded = [replace(RUN, recorded=True, machine="theirs")]

    assert own_evidence(header, {}, own) == [RUN, old]
    assert own_evidence(header, {"size": 8}, own) == [RUN, old]
    assert own_evidence(header, {"norm": "post"}, own) == []
    assert find_evidence(header, {}, RUN, recorded) == RUN
    assert find_evidence(header, {"norm": "post"}, None, recorded) is None


def test_a_stored_run_is_judged_by_the_tests_of_today(course: FakeCourse) -> None:
    """None of the lab's code runs; a claim is undecided if its test names what was not measured."""
    tests = {"low": "loss < 0.1", "high": "loss > 0.1 and gain > 0"}
    header = replace(course.write_run("raise SystemExit", seeds=1), holds_if=tests)

    for own, recorded in ((RUN, []), (None, [replace(RUN, recorded=True)])):
        found = find_evidence(header, {}, own, recorded)
        assert found is not None
        assert found.verdicts == {"low": "refuted", "high": "undecided"}
        assert [seed.claims for seed in found.seeds] == [{"low": False, "high": None}]


def test_an_own_run_tells_where_the_recorded_one_says_something_else(course: FakeCourse) -> None:
    """Both by the tests of today; where they agree, and without a recorded run, nothing is said."""
    header = course.write_run("yield", seeds=1)
    own, recorded = measured(1.5), [replace(measured(2.5), recorded=True)]

    found = find_evidence(header, {}, own, recorded)
    assert found is not None
    assert found.verdicts == {"low": "confirmed", "high": "confirmed"}
    assert found.recorded_verdicts == {"low": "refuted"}
    for known in ([], [replace(own, recorded=True)]):
        alone = find_evidence(header, {}, own, known)
        assert alone is not None
        assert alone.recorded_verdicts == {}


def measured(loss: float) -> RunResult:
    seed = SeedResult(0, {"loss": Measurement("loss", loss)}, {"low": True})
    return replace(RUN, seeds=(seed,))


def test_without_an_own_run_the_recorded_one_is_the_evidence(course: FakeCourse) -> None:
    """Whatever code measured it: `check` says when it is out of date."""
    header = course.write_run("yield", seeds=1)
    recorded = [
        replace(RUN, recorded=True, knobs={"size": 2, "norm": "pre"}),
        replace(RUN, recorded=True, code_hash="xyz"),
    ]

    assert find_evidence(header, {}, None, recorded) == recorded[1]
    assert find_evidence(header, {"size": 2}, None, recorded) == recorded[0]
    assert find_evidence(header, {}, None, []) is None
