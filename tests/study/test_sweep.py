"""A sweep: its settings, what is missing of it, what its seeds say, and how that is drawn."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.course.cards import LabHeader
from studykit.errors import CourseError, LabError
from studykit.lab.events import Curve, Measurement
from studykit.lab.pool import Job, OnMessage, OnResult
from studykit.lab.recorded import load_recorded
from studykit.lab.results import RunResult, SeedResult, Status
from studykit.lab.sweeps import SweepFile
from studykit.study.numbers import Summary
from studykit.study.sweep import Estimate, Strand, Sweep, estimate, plan_sweep, strands
from studykit.study.sweep_chart import charted, claim_rows, draw

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
LAB = LabHeader(
    id="core/one",
    path=Path("one.py"),
    title="One.",
    about="",
    question="How?",
    points=(),
    claims={"low": "It is low."},
    holds_if={"low": "loss < 2.05"},
    knobs={"depth": (2, 4), "rate": (0.1, 0.2), "name": ("a", "b")},
    seeds=3,
    seconds={"cpu": 3.0},
    code_hash="now",
)


def run_of(
    depth: int, seeds: Iterable[int], losses: Iterable[float], status: Status = "done"
) -> RunResult:
    return RunResult(
        lab=LAB.id,
        knobs=LAB.defaults | {"depth": depth},
        device="cpu",
        machine="a machine",
        versions={},
        code_hash="now",
        started_at=AT,
        seconds=2.0,
        status=status,
        seeds=tuple(
            SeedResult(
                seed,
                {"loss": Measurement("loss", loss, "nats")},
                {"low": loss < 2.05},
                (Curve("loss", "train", [1.0], [loss]),),
            )
            for seed, loss in zip(seeds, losses, strict=True)
        ),
        message="no",
    )


class FakeCrew:
    """Makes each run at once; the loss is depth + seed / 10."""

    n_at_once = 2

    def __init__(self, status: Status = "done", after: int = 1000) -> None:
        self.made: list[tuple[object, int]] = []
        self.is_cancelled = False
        self._status = status
        self._after = after
        """So many runs are made before the crew is stopped."""

    async def run(
        self, jobs: Iterable[Job], device: str, on_message: OnMessage, on_result: OnResult
    ) -> None:
        for job in jobs:
            if self.is_cancelled or len(self.made) == self._after:
                return
            (seed,) = job.seeds
            depth = job.knobs["depth"]
            assert isinstance(depth, int)
            self.made.append((depth, seed))
            on_result(job, run_of(depth, [seed], [depth + seed / 10], self._status))
            await asyncio.sleep(0)

    def cancel(self) -> None:
        self.is_cancelled = True

    async def close(self) -> None:
        self.cancel()


def sweep_of(folder: Path, n_seeds: int = 3, crew: FakeCrew | None = None) -> Sweep:
    plan = plan_sweep(LAB, {"depth": [2, 4]}, range(n_seeds))
    return Sweep(plan, SweepFile(folder, LAB), crew or FakeCrew(), "auto")


async def work(sweep: Sweep) -> None:
    await sweep.work(lambda *_: None, lambda: None)


def test_every_combination_is_a_setting() -> None:
    plan = plan_sweep(LAB, {"rate": [0.2, 0.1, 0.2], "depth": [4], "name": ["b", "a"]}, range(2))
    assert [(k["rate"], k["depth"], k["name"]) for k in plan.settings] == [
        *((0.2, 4, "b"), (0.2, 4, "a"), (0.1, 4, "b"), (0.1, 4, "a")),
    ]
    assert plan.varied == ("rate", "name")
    assert plan.label(plan.settings[1]) == "rate 0.2, name a"
    assert plan_sweep(LAB, {}, range(2)).label(LAB.defaults) == "core/one"
    texts = plan_sweep(replace(LAB, text_knobs=("name",)), {"name": ["", "b"]}, range(2))
    assert texts.label(texts.settings[0]) == "name –"


def test_a_sweep_that_would_never_end_is_refused() -> None:
    with pytest.raises(LabError, match="12,000 runs"):
        plan_sweep(LAB, {"depth": [*range(120)]}, range(100))


async def test_a_sweep_measures_what_is_missing_and_nothing_twice(tmp_path: Path) -> None:
    first = sweep_of(tmp_path, 2)
    await work(first)
    assert first.is_complete
    crew = FakeCrew()
    more = sweep_of(tmp_path, 3, crew)
    assert (more.n_before, more.n_measured, more.is_complete) == (4, 4, False)
    await work(more)
    assert crew.made == [(2, 2), (4, 2)]
    assert [seed.seed for seed in more.seeds(more.plan.settings[1])] == [0, 1, 2]
    again = FakeCrew()
    await work(sweep_of(tmp_path, 3, again))
    assert again.made == []


async def test_a_sweep_that_is_stopped_keeps_what_it_has(tmp_path: Path) -> None:
    stopped = sweep_of(tmp_path, 3, FakeCrew(after=4))
    await work(stopped)
    assert (stopped.is_over, stopped.is_complete, stopped.problems) == (True, False, [])
    crew = FakeCrew()
    await work(sweep_of(tmp_path, 3, crew))
    assert crew.made == [(2, 2), (4, 2)]


async def test_what_fails_is_told_and_not_kept(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, 3, FakeCrew("failed"))
    await work(sweep)
    assert sweep.problems == [f"depth {n}: failed: no (on 3 of 3 seeds)" for n in (2, 4)]
    assert sweep.n_measured == 0


async def test_a_file_that_cannot_be_written_ends_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise OSError(28, "disk full")

    monkeypatch.setattr(SweepFile, "save", refuse)
    crew = FakeCrew()
    with pytest.raises(OSError, match="disk full"):
        async with asyncio.timeout(10):
            await work(sweep_of(tmp_path, 500, crew))
    assert len(crew.made) < 1000


async def test_the_file_has_the_format_of_recorded_results(tmp_path: Path) -> None:
    await work(sweep_of(tmp_path / "data" / "results"))
    two, four = load_recorded(tmp_path, LAB.id)
    assert (two.seed_numbers, four.seed_numbers) == ((0, 1, 2), (0, 1, 2))
    assert four.values("loss") == (4.0, 4.1, 4.2)
    assert (two.verdicts, four.verdicts) == ({"low": "depends"}, {"low": "refuted"})
    assert two.seconds == 6.0


def test_two_sweeps_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    one, other = SweepFile(tmp_path, LAB), SweepFile(tmp_path, LAB)
    one.add(run_of(2, [0], [1.0]))
    other.add(run_of(2, [1], [1.5]))
    other.add(run_of(4, [0], [1.5]))
    one.save()
    other.save()
    one.save()
    (run,) = SweepFile(tmp_path, LAB).runs(LAB.defaults, 1.0, "cpu")
    assert run.seed_numbers == (0, 1)
    assert run.seconds == 4.0


def test_other_code_other_device_and_other_budget_are_other_measurements(tmp_path: Path) -> None:
    file = SweepFile(tmp_path, LAB)
    file.add(run_of(2, [0], [1.0]))
    file.add(replace(run_of(2, [1], [1.0]), device="cuda"))
    file.add(replace(run_of(2, [2], [1.0]), budget=4.0))
    file.save()

    def seeds(header: LabHeader, budget: float, device: str) -> set[int]:
        found = SweepFile(tmp_path, header).runs(LAB.defaults, budget, device)
        return {number for run in found for number in run.seed_numbers}

    assert seeds(LAB, 1.0, "cpu") == {0}
    assert seeds(LAB, 1.0, "auto") == {0, 1}
    assert seeds(LAB, 4.0, "auto") == {2}
    changed = replace(LAB, code_hash="later")
    assert seeds(changed, 1.0, "auto") == set()
    newer = SweepFile(tmp_path, changed)
    newer.add(replace(run_of(2, [5], [1.0]), code_hash="later"))
    newer.save()
    assert len(json.loads(newer.path.read_text())["runs"]) == 1


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = SweepFile(tmp_path, LAB).path
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(CourseError, match=r"one\.json.*move it elsewhere"):
        SweepFile(tmp_path, LAB)


# --- numbers ---


def test_the_interval_is_students(tmp_path: Path) -> None:
    """2, 4, 6: mean 4, deviation 2; t of two degrees at 95 % is 4.303."""
    found = estimate(Summary("loss", "loss", "", False, (2.0, math.nan, 4.0, 6.0)))
    assert (found.mean, found.n, found.n_lost) == (4, 3, 1)
    assert found.high - found.mean == pytest.approx(4.3027 * 2 / math.sqrt(3), rel=1e-4)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)
    assert math.isnan(estimate(Summary("loss", "", "", False, (math.nan,))).mean)


async def test_strands_follow_the_settings(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, 2)
    assert strands(sweep) == ()
    await work(sweep)
    (loss,) = strands(sweep)
    assert [point and point.mean for point in loss.points] == pytest.approx([2.05, 4.05])
    assert claim_rows(sweep) == [["low", "depth 2: 1 of 2; depth 4: 0 of 2"]]


async def test_a_claim_that_fares_alike_everywhere_is_told_once(tmp_path: Path) -> None:
    sweep = Sweep(
        plan_sweep(LAB, {"depth": [4, 5]}, range(2)), SweepFile(tmp_path, LAB), FakeCrew(), "auto"
    )
    await work(sweep)
    assert claim_rows(sweep) == [["low", "0 of 2 at every setting"]]


# --- the drawing ---


def strand_of(*points: Estimate | None, yardstick: bool = False, name: str = "loss") -> Strand:
    return Strand(name, name, "nats", yardstick, points)


def exactly(value: float) -> Estimate:
    return Estimate(value, value, value, 3, 0)


def test_a_chart_shows_means_intervals_and_levels() -> None:
    loss = strand_of(Estimate(1.0, 0.0, 2.0, 3, 0), Estimate(3.0, 2.0, 4.0, 3, 1), None)
    level = strand_of(exactly(4.0), exactly(4.0), None, yardstick=True, name="entropy")
    lines = [*draw(loss, ["depth 2", "depth 10", "depth 20"], [level], 63)]
    assert lines == [
        "loss, nats",
        "depth 2   1 ± 1                   ├──────●──────┤             ┆",
        "depth 10  3 ± 1, 1 of 4 diverged                ├──────●──────┤",
        "depth 20  not measured                                        ┆",
        "                                  0                           4",
        "┆ entropy 4",
    ]


finite = st.floats(-1e9, 1e9)


@given(
    st.lists(st.tuples(finite, st.floats(0, 1e6), st.integers(0, 3)), min_size=1, max_size=6),
    finite,
    st.integers(24, 200),
)
def test_a_chart_is_never_wider_than_the_terminal(
    values: list[tuple[float, float, int]], level: float, width: int
) -> None:
    points = [
        Estimate(mean, mean - half, mean + half, n, 1)
        if n
        else Estimate(math.nan, math.nan, math.nan, 0, 3)
        for mean, half, n in values
    ]
    yardstick = strand_of(*[exactly(level)] * len(points), yardstick=True)
    labels = [f"depth {n}" for n in range(len(points))]
    drawn = [*draw(strand_of(*points), labels, [yardstick], width)]
    plain = max(map(len, draw(strand_of(*points), labels, [], 0)))
    assert all(len(line) <= max(width, plain) for line in drawn)
    with_dot = [line for line in drawn if "●" in line]
    assert len(with_dot) in (0, sum(n > 0 for _, _, n in values))


def test_what_varies_is_drawn_and_yardsticks_are_not() -> None:
    same = strand_of(exactly(1), exactly(1), name="same")
    moving = strand_of(exactly(1), exactly(2), name="moving")
    level = strand_of(exactly(1), exactly(2), yardstick=True, name="level")
    assert charted([same, level, moving]) == [moving]
    assert charted([same, level]) == [same]
    assert charted([same, level, moving], ["level", "same"]) == [level, same]
