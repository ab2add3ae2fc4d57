"""Models are loaded once for many runs, in the process that is forked for each."""

from __future__ import annotations

import asyncio
import textwrap
import time
from collections.abc import AsyncIterator

import pytest

from studykit.course.cards import LabHeader
from studykit.lab.process import LabRunner
from studykit.lab.protocol import CAN_FORK
from tests.course.test_models import write
from tests.lab.fake_labs import FakeCourse, run_to_end
from tests.lab.test_needs import INSTALLED

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="runs are forks on Linux only")

LOADS = """
    from functools import cache
    from pathlib import Path

    @cache
    def load(name):
        with Path(__file__).with_name("log").open("a") as log:
            log.write(f"{name} ")
        return {"n": 3}

    def preload(name):
        load(name)
    """

USES = """
    from labs.models import load
    model = load("tiny")
    yield Measurement("loss", model["n"])
    model["n"] += 1
    """


def course_with_models(course: FakeCourse, source: str = LOADS) -> FakeCourse:
    """It has the models tiny and other, and loads them with `source`."""
    write(course.root, tiny=INSTALLED, other=INSTALLED)
    path = course.root / "labs" / "models" / "__init__.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source))
    return course


def loads(course: FakeCourse) -> str:
    return (course.root / "labs" / "models" / "log").read_text().strip()


async def losses(runner: LabRunner, header: LabHeader, n_runs: int) -> list[float]:
    values: list[float] = []
    for _ in range(n_runs):
        _, result = await run_to_end(runner, header)
        assert result.status == "done", result.message
        values += result.values("loss")
    return values


async def test_a_second_run_finds_the_model_loaded_and_as_it_was(
    runner: LabRunner, course: FakeCourse
) -> None:
    """What a run does to it ends with the run."""
    header = course_with_models(course).write_run(USES, needs=("model:tiny",))

    assert await losses(runner, header, 3) == [3, 3, 3]
    assert loads(course) == "tiny"

    both = course.write_run(USES, needs=("model:tiny", "model:other"))
    assert await losses(runner, both, 2) == [3, 3]
    assert loads(course) == "tiny other"


async def test_changed_code_is_loaded_again(runner: LabRunner, course: FakeCourse) -> None:
    header = course_with_models(course).write_run(USES, needs=("model:tiny",))
    before = await losses(runner, header, 1)
    course_with_models(course, LOADS.replace('{"n": 3}', '{"n": 10}'))

    assert (before, await losses(runner, header, 1)) == ([3], [10])


async def test_a_course_that_loads_nothing_ahead_runs_as_ever(
    runner: LabRunner, course: FakeCourse
) -> None:
    header = course.write_run("yield Measurement('loss', 1)", needs=("model:tiny",))
    write(course.root, tiny=INSTALLED)

    assert await losses(runner, header, 2) == [1, 1]


async def test_what_goes_wrong_while_loading_is_what_the_run_reports(
    runner: LabRunner, course: FakeCourse
) -> None:
    broken = LOADS.replace('return {"n": 3}', "raise RuntimeError('no such weights')")
    header = course_with_models(course, broken).write_run(USES, needs=("model:tiny",))

    _, result = await run_to_end(runner, header)

    assert (result.status, result.message) == ("failed", "RuntimeError: no such weights")
    assert loads(course) == "tiny tiny"


async def test_a_model_that_is_being_loaded_can_be_waited_for_no_longer(
    runner: LabRunner, course: FakeCourse
) -> None:
    """A cancel ends the process that loads; the next run has another."""
    slow = LOADS.replace("load(name)\n", "load(name)\n        import time; time.sleep(60)\n")
    header = course_with_models(course, slow).write_run(USES, needs=("model:tiny",))
    running = asyncio.create_task(run_to_end(runner, header))
    async with asyncio.timeout(10):
        while not (course.root / "labs" / "models" / "log").exists():
            await asyncio.sleep(0.01)
    began = time.monotonic()
    runner.cancel()
    _, result = await running

    assert result.status == "cancelled"
    assert time.monotonic() - began < 2
    course_with_models(course)
    assert await losses(runner, header, 1) == [3]


@pytest.fixture
async def two_threads(course: FakeCourse) -> AsyncIterator[LabRunner]:
    made = LabRunner(course.root, threads=2, time_limit_s=30, preload=("torch",))
    yield made
    await made.close()


async def test_a_run_may_use_threads_after_a_model_was_loaded(
    two_threads: LabRunner, course: FakeCourse
) -> None:
    """OpenMP's do not survive a fork: had the loading used any, the run would wait for ever."""
    source = """
        import torch
        weights = None

        def preload(name):
            global weights
            weights = torch.ones(2000, 2000).half().float()
            weights = weights @ weights
        """
    header = course_with_models(course, source).write_run(
        """
        import torch
        from labs import models
        product = models.weights @ models.weights
        yield Measurement("threads", torch.get_num_threads())
        yield Measurement("loss", float(product[0, 0]))
        """,
        needs=("model:tiny",),
    )

    _, result = await run_to_end(two_threads, header)

    assert (result.status, result.message) == ("done", "")
    assert result.values("threads") == (2,)
