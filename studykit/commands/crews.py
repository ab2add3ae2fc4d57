"""Many runs from the command line: how many side by side, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from studykit.commands import runs
from studykit.commands.runs import StatusLine, build_runner

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.lab.pool import Crew, Job, Pool
    from studykit.lab.process import LabMessage, LabRunner
    from studykit.lab.results import RunResult

JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        max=1000,
        help="Runs side by side; default: as many as there are cores, and memory for them.",
    ),
]


def build_pool(env: Environment, n_at_once: int | None) -> Pool:
    """Processes of this machine; None: as many as it has cores and memory for."""
    from studykit.lab.pool import Pool, n_by_default

    def build(threads: int) -> LabRunner:
        return build_runner(env, runs.PRELOAD, threads)

    return Pool(build, n_at_once or n_by_default())


def run_crew(
    crew: Crew,
    jobs: Sequence[Job],
    device: str,
    on_result: Callable[[Job, RunResult], object],
    *,
    n_before: int = 0,
) -> None:
    """Make the runs; Ctrl-C stops them. A terminal sees on stderr how far they are.

    `n_before`: so many more were made earlier.
    """
    import asyncio

    from studykit.lab.process import interruptible
    from studykit.study.many_runs import ManyRuns

    progress = ManyRuns(jobs, crew.n_at_once, n_before=n_before)

    async def run() -> None:
        with StatusLine() as line:

            def take(job: Job, message: LabMessage) -> None:
                progress.take(job, message)
                line.write(str(progress))

            def end(job: Job, result: RunResult) -> None:
                progress.end(job, result)
                line.clear()
                on_result(job, result)
                line.write(str(progress))

            async with interruptible(crew):
                await crew.run(jobs, device, take, end)

    asyncio.run(run())
