"""One run of a lab with a warm child, timed; prints what it took as JSON.

It runs in a process of its own with the ``studykit`` of the checkout that PYTHONPATH names, so that
two builds are measured by the same means. It therefore imports nothing else of this folder.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import resource
import time
from pathlib import Path

from studykit.course.labs import load_lab_header
from studykit.lab.process import Finished, LabRunner, SeedJudged

PR_SET_CHILD_SUBREAPER = 36
QUIET_S = 0.5
"""A child that has used no processor for so long is warm."""


async def run(root: Path, lab: str, budget: float | None, preload: list[str]) -> dict[str, float]:
    """Seconds of a default run, or of a quick look, from the request on."""
    header = load_lab_header(root / "labs" / f"{lab}.py", root)
    runner = LabRunner(root, time_limit_s=600.0, preload=preload)
    seeds = range(header.seeds) if budget is None else [0]
    options = {} if budget is None else {"budget": budget}
    try:
        await runner.warm()
        warm_up_s = await _until_quiet()
        began, first, wall = time.perf_counter(), 0.0, 0.0
        async for message in runner.run(
            header,
            knobs={},
            seeds=seeds,
            device="cpu",
            **options,
        ):
            if isinstance(message, SeedJudged) and not first:
                first = time.perf_counter() - began
            if isinstance(message, Finished):
                wall = time.perf_counter() - began
                if message.result.status != "done":
                    raise RuntimeError(f"{lab}: {message.result.status}: {message.result.message}")
    finally:
        await runner.close()
    return {"warm_up_s": warm_up_s, "wall_s": wall, "first_verdict_s": first}


async def _until_quiet() -> float:
    """Processor seconds of the children once they use no more."""
    used = -1.0
    while used != (used := _children_s()):
        await asyncio.sleep(QUIET_S)
    return used


def _children_s() -> float:
    pids = Path("/proc/thread-self/children").read_text().split()
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # of its own and of children that it has reaped
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("lab")
    parser.add_argument("--budget", type=float)
    parser.add_argument("--preload", nargs="*", default=["torch"])
    wanted = parser.parse_args()
    # Processes that a lab leaves behind are reaped, and so counted, here.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    took = asyncio.run(run(wanted.root, wanted.lab, wanted.budget, wanted.preload))
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    took["processor_s"] = children.ru_utime + children.ru_stime - took.pop("warm_up_s")
    print(json.dumps(took))


if __name__ == "__main__":
    main()
