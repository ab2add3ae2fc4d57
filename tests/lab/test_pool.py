"""Runs side by side: what they share, what runs alone, what a stop and a failure leave."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from studykit.course.cards import LabHeader
from studykit.lab.pool import Job, Pool, n_by_default, n_cores, threads_each
from studykit.lab.process import LabMessage, LabRunner, SeedJudged
from studykit.lab.results import RunResult
from tests.lab.fake_labs import FakeCourse, wait_until_dead

SLOW = """
yield Measurement("began", time.monotonic())
time.sleep(0.3)
yield Measurement("ended", time.monotonic())
yield Measurement("threads", float(os.environ.get("OMP_NUM_THREADS", "0")))
yield Measurement("loss", 1.0)
"""


class Results:
    """What a pool has told of its runs."""

    def __init__(self) -> None:
        self.results: list[RunResult] = []
        self.jobs: list[Job] = []
        self.n_judged = 0

    def message(self, job: Job, message: LabMessage) -> None:
        self.n_judged += isinstance(message, SeedJudged)

    def end(self, job: Job, result: RunResult) -> None:
        self.results.append(result)
        self.jobs.append(job)

    @property
    def most_at_once(self) -> int:
        spans = [(run.values("began")[0], run.values("ended")[0]) for run in self.results]
        return max(sum(began <= at < ended for began, ended in spans) for at, _ in spans)


def pool_of(course: FakeCourse, n_at_once: int) -> Pool:
    def build(threads: int) -> LabRunner:
        return LabRunner(course.root, threads=threads, time_limit_s=20, preload=())

    return Pool(build, n_at_once)


@pytest.fixture
def slow(course: FakeCourse, monkeypatch: pytest.MonkeyPatch) -> LabHeader:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("studykit.lab.pool.n_cores", lambda: 6)
    return course.write_run(SLOW)


async def test_so_many_run_side_by_side_and_share_the_cores(
    course: FakeCourse, slow: LabHeader
) -> None:
    said = Results()
    jobs = [Job(slow, {}, [seed]) for seed in range(7)]
    await pool_of(course, 3).run(jobs, "cpu", said.message, said.end)
    assert said.most_at_once == 3
    assert sorted(run.seed_numbers for run in said.results) == [(seed,) for seed in range(7)]
    assert {run.values("threads") for run in said.results} == {(2.0,)}
    assert said.n_judged == 7


async def test_what_runs_alone_comes_last_with_every_core(
    course: FakeCourse, slow: LabHeader
) -> None:
    said = Results()
    alone = replace(slow, runs_alone=True)
    jobs = [Job(alone, {}, [0]), Job(slow, {}, [1]), Job(alone, {}, [2]), Job(slow, {}, [3])]
    await pool_of(course, 4).run(jobs, "cpu", said.message, said.end)
    *together, first, second = said.results
    ended = max(run.values("ended")[0] for run in together)
    assert ended < first.values("began")[0]
    assert first.values("ended")[0] < second.values("began")[0]
    assert [run.values("threads") for run in (first, second)] == [(0.0,), (0.0,)]


async def test_a_single_run_has_every_core(course: FakeCourse, slow: LabHeader) -> None:
    said = Results()
    await pool_of(course, 4).run([Job(slow, {}, [0])], "cpu", said.message, said.end)
    assert said.results[0].values("threads") == (0.0,)


async def test_the_longest_begins_first(course: FakeCourse, slow: LabHeader) -> None:
    said = Results()
    jobs = [Job(slow, {}, range(n)) for n in (1, 3, 2)]
    await pool_of(course, 1).run(jobs, "cpu", said.message, said.end)
    assert [len(job.seeds) for job in said.jobs] == [3, 2, 1]


async def test_a_stop_keeps_what_is_over_and_begins_nothing(
    course: FakeCourse, slow: LabHeader
) -> None:
    said = Results()
    pool = pool_of(course, 2)
    jobs = [Job(slow, {}, [seed]) for seed in range(8)]

    def end(job: Job, result: RunResult) -> None:
        said.end(job, result)
        pool.cancel()

    async with asyncio.timeout(5):
        await pool.run(jobs, "cpu", said.message, end)
    assert [run.status for run in said.results].count("done") in (1, 2)
    assert len(said.results) == 2


async def test_a_lab_that_fails_does_not_keep_the_others(course: FakeCourse) -> None:
    said = Results()
    broken = course.write_run("raise RuntimeError(seed)\nyield")
    jobs = [Job(broken, {}, [0]), Job(broken, {}, [1])]
    await pool_of(course, 2).run(jobs, "cpu", said.message, said.end)
    assert sorted(run.message for run in said.results) == ["RuntimeError: 0", "RuntimeError: 1"]


async def test_what_the_listener_raises_is_raised_and_ends_all(
    course: FakeCourse, slow: LabHeader
) -> None:
    pids: set[int] = set()

    def end(_: Job, __: RunResult) -> None:
        pids.update(map(int, Path("/proc/thread-self/children").read_text().split()))
        raise OSError("disk full")

    jobs = [Job(slow, {}, [seed]) for seed in range(4)]
    with pytest.raises(OSError, match="disk full"):
        await pool_of(course, 2).run(jobs, "cpu", lambda *_: None, end)
    assert len(pids) >= 2
    await asyncio.sleep(0)  # the loop reaps what has ended
    for pid in pids:
        assert await asyncio.to_thread(wait_until_dead, pid)


@pytest.mark.parametrize(("n_at_once", "threads"), [(1, 6), (2, 3), (4, 1), (12, 1)])
def test_threads_of_all_runs_are_as_many_as_the_cores(
    n_at_once: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studykit.lab.pool.n_cores", lambda: 6)
    assert threads_each(n_at_once) == threads


def test_by_default_as_many_as_cores_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= n_by_default() <= n_cores()
    monkeypatch.setattr("studykit.lab.pool.MOST_BYTES_EACH", 2**60)
    assert n_by_default() == 1
