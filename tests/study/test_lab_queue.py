"""The line of labs: one runs at a time, in order; what is cancelled never begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from studykit.errors import StoreError
from studykit.lab.collect import SeedSoFar
from studykit.lab.events import Progress
from studykit.lab.process import Finished, LabMessage, LabRunner, SeedEvent, Started
from studykit.lab.results import Prediction, RunResult, SeedResult, Status
from studykit.study.lab_queue import LabQueue
from studykit.study.lab_run import LabRun
from studykit.study.prediction import FAILS, HOLDS
from studykit.study.run_words import render_end, render_state
from tests.tui.coin_course import build_services
from tests.tui.conftest import NOW

MakeRun = Callable[..., LabRun]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """A run of a lab of the coin course."""
    header = build_services(tmp_path).course.labs["coins/toss"]

    def make(bias: float = 0.5, said: Prediction | None = None, **options: Any) -> LabRun:
        return LabRun(header, {"bias": bias}, None, said, **options)

    return make


def result_of(run: LabRun, status: Status = "done", message: str = "") -> RunResult:
    return RunResult(
        lab=run.header.id,
        knobs=run.knobs,
        device="cpu",
        machine="",
        versions={},
        code_hash="",
        started_at=NOW,
        seconds=1.0,
        status=status,
        seeds=(SeedResult(0, {}, {}),),
        message=message,
        verdicts={"half": "confirmed", "none": "refuted"},
    )


class SteppedRunner:
    """Stands for the labs' process: each run ends when it is told to."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.may_end = asyncio.Semaphore(0)
        self.is_cancelled = False
        self.run_now: LabRun | None = None

    async def run(self, header: Any, *, knobs: Any, **_: Any) -> AsyncIterator[LabMessage]:
        self.begun.append(knobs["bias"])
        self.is_cancelled = False
        yield Started("cpu", "", {})
        await self.may_end.acquire()
        result = result_of(LabRun(header, knobs, None, None))
        yield Finished(result)

    def cancel(self) -> None:
        self.is_cancelled = True
        self.may_end.release()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_runs_come_one_after_the_other_in_the_order_of_the_keys(make_run: MakeRun) -> None:
    """Also one that is put in line while another goes on, and all by one worker."""
    labs, stepped = LabQueue(), SteppedRunner()
    runner = cast("LabRunner", stepped)
    kept: list[RunResult] = []
    ended: list[LabRun] = []
    first, second, third = make_run(0.1), make_run(0.2), make_run(0.3)

    def keep(result: RunResult, *_: object) -> None:
        kept.append(result)

    labs.add(first)
    labs.add(second)
    workers = [asyncio.create_task(labs.work(runner, "cpu", keep, ended.append)) for _ in range(2)]
    await settle()
    assert (stepped.begun, labs.current) == ([0.1], first)
    assert (render_state(first), render_state(second)) == ("runs, 0 %", "waits, 1 ahead")
    labs.add(third)
    assert (second.n_ahead, third.n_ahead) == (1, 2)
    assert second.elapsed_s == 0.0

    for n, run in enumerate((first, second, third)):
        stepped.may_end.release()
        await settle()
        assert ended == [first, second, third][: n + 1]
        assert run.is_over
    await asyncio.gather(*workers)
    assert stepped.begun == [0.1, 0.2, 0.3]
    assert [result.knobs["bias"] for result in kept] == [0.1, 0.2, 0.3]
    assert labs.unfinished == ()


async def test_what_leaves_the_line_never_begins(make_run: MakeRun) -> None:
    """The run that goes on is stopped; what waited behind moves up."""
    labs, stepped = LabQueue(), SteppedRunner()
    runner = cast("LabRunner", stepped)
    runs = [make_run(bias) for bias in (0.1, 0.2, 0.3)]
    for run in runs:
        labs.add(run)
    worker = asyncio.create_task(labs.work(runner, "cpu", lambda *_: None, lambda _: None))
    await settle()
    labs.cancel(runs[1], runner)
    assert runs[2].n_ahead == 1
    assert not stepped.is_cancelled
    assert labs.in_hand == (runs[0], runs[2])
    labs.cancel(runs[0], runner)
    assert stepped.is_cancelled
    await settle()
    stepped.may_end.release()
    await worker
    assert stepped.begun == [0.1, 0.3]
    labs.cancel(runs[0], runner)  # it is over: nothing to cancel
    assert not stepped.is_cancelled


async def test_a_result_that_cannot_be_kept_does_not_stop_the_line(make_run: MakeRun) -> None:
    """It says so, and the next one runs."""
    labs, stepped = LabQueue(), SteppedRunner()
    first, second = make_run(0.1), make_run(0.2)
    labs.add(first)
    labs.add(second)

    def keep(result: RunResult, *_: object) -> None:
        if result.knobs["bias"] == 0.1:
            raise StoreError("the disk is full")

    stepped.may_end.release()
    stepped.may_end.release()
    await labs.work(cast("LabRunner", stepped), "cpu", keep, lambda _: None)
    assert "the disk is full" in render_end(first)
    assert second.stored is not None


def test_in_hand_is_what_is_not_over_or_not_seen(make_run: MakeRun) -> None:
    labs = LabQueue()
    first, second = make_run(0.1), make_run(0.2)
    labs.add(first)
    assert labs.has_same(make_run(0.1))
    assert not labs.has_same(make_run(0.1, budget=0.25))
    assert not labs.has_same(make_run(0.1, n_seeds=1))
    edited = make_run(0.1)
    edited.header = replace(edited.header, code_hash="edited")
    assert not labs.has_same(edited)
    first.state = "finished"
    assert labs.of_lab("coins/toss") is first
    assert not labs.has_same(make_run(0.1))
    first.is_seen = True
    labs.add(second)
    assert labs.in_hand == (second,)
    assert labs.latest is second


def test_who_leaves_is_told_what_did_not_come_to_its_end(make_run: MakeRun) -> None:
    """Not what failed by itself, nor what was taken out of the line."""
    labs = LabQueue()
    failed, cancelled, left_line, waiting = (make_run(n / 10) for n in range(4))
    for run in (failed, cancelled, left_line, waiting):
        labs.add(run)
    for run, status in ((failed, "failed"), (cancelled, "cancelled")):
        run.take(Finished(result_of(run, cast("Status", status))))
        run.state = "finished"
    labs.cancel(left_line, cast("LabRunner", SteppedRunner()))
    assert labs.cut_off == (cancelled, waiting)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, "done: 1 confirmed, 1 refuted"),
        (Prediction(HOLDS, "none", correct=False), "done: refuted, you said it holds"),
        (Prediction(FAILS, "none", correct=True), "done: refuted, you said it does not hold"),
        (Prediction("Nearly none", "none", correct=False), "done: you said “Nearly none”, wrong"),
        (Prediction("0.5", "", value=0.5), "done: you said “0.5”, not decided"),
    ],
)
def test_the_end_of_a_run_stands_beside_what_was_said(
    make_run: MakeRun, said: Prediction | None, told: str
) -> None:
    run = make_run(said=said)
    run.take(Finished(result_of(run)))
    run.state = "finished"
    assert render_end(run) == told
    assert render_end(run, tells_outcome=False) == "done; its outcome stands with the answer"


def test_a_run_that_broke_off_says_why(make_run: MakeRun) -> None:
    """Whether or not the outcome may be told: there is none."""
    run = make_run()
    run.take(Finished(result_of(run, "failed", "no more\x1b tosses")))
    run.state = "finished"
    assert render_end(run, tells_outcome=False) == "failed: no more␛ tosses"


def test_a_run_tells_its_share_while_it_goes_on(make_run: MakeRun) -> None:
    seconds = iter((10.0, 12.0))
    run = make_run(timer=lambda: next(seconds))
    assert render_state(run, "≈ 8 s here") == "begins, ≈ 8 s here"
    run.begin()
    seed = SeedSoFar(0)
    run.take(SeedEvent(seed, Progress(1, 10)))
    assert render_state(run) == "runs, 5 %"
    run.take(SeedEvent(seed, Progress(1, 2)))
    assert render_state(run, "≈ 8 s here") == "runs, 25 %, 6 s left"
