"""Runs on a Ray cluster: its scheduler places them, and repeats one whose machine was lost.

A machine of the cluster needs Python and torch, in the versions of this one, and Ray; studykit and
the labs travel with the sweep. Labs that need models need their packages there, too.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Iterable
from contextlib import ExitStack, redirect_stdout
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import studykit
from studykit.clock import Clock
from studykit.course.cards import Knobs
from studykit.course.labs import load_lab_header
from studykit.errors import LabError
from studykit.lab.collect import Collector, Ending
from studykit.lab.events import Document
from studykit.lab.importing import PACKAGE
from studykit.lab.pool import Job, OnMessage, OnResult
from studykit.lab.process import LabRunner, follow
from studykit.lab.results import RunResult, result_from_json, result_to_json

MAX_RETRIES = 3
"""How often Ray begins a run again whose machine or process was lost."""
CONNECT_WITHIN_S = 10.0
LOOK_S = 0.5
"""How long a look for runs that are over waits for one."""


class RayCrew:
    """A `Crew` of the processors of a cluster; `close` leaves it."""

    def __init__(
        self, root: Path, address: str, clock: Clock, *, n_at_once: int | None, time_limit_s: float
    ) -> None:
        """Join the cluster at `address`, or for "local" start one here, for `n_at_once` runs.

        Raises `LabError` if Ray is not installed or the cluster cannot be joined.
        """
        try:
            import ray
        except ImportError:
            raise LabError(
                "Ray is not installed", hint="pip install 'studykit[ray]', or leave out --ray"
            ) from None
        self._ray = ray
        self._clock = clock
        self._time_limit_s = time_limit_s
        self._is_cancelled = False
        self._diverted = ExitStack()
        """Ray prints on stdout what befalls its processes, though it is told not to."""
        # It would report to its makers, and warn of what a later version will do.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        _require_answer(address)
        is_local = address == "local"
        options = {"num_cpus": n_at_once, "include_dashboard": False} if is_local else {}
        with TemporaryDirectory(prefix="studykit-") as folder:
            _pack(root, Path(folder))
            try:
                ray.init(
                    address=address,
                    runtime_env={"working_dir": folder},
                    log_to_driver=False,
                    logging_level="error",
                    **options,
                )
            except Exception as error:  # of many kinds, as the address and the versions may be
                why = f"{error}".strip().partition("\n")[0] or type(error).__name__
                hint = "host:port, ray://host:port, auto or local"
                raise LabError(f"no Ray cluster at {address}: {why}", hint=hint) from None
        self._diverted.enter_context(redirect_stdout(sys.stderr))

    @property
    def n_at_once(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    async def run(
        self, jobs: Iterable[Job], device: str, on_message: OnMessage, on_result: OnResult
    ) -> None:
        """One task of Ray a run, on one processor, and on one GPU if the device is "cuda"."""
        task: Any = self._ray.remote(_run_there).options(
            max_retries=MAX_RETRIES, num_cpus=1, num_gpus=1 if device == "cuda" else 0
        )
        waiting: dict[Any, tuple[Job, datetime]] = {}
        for job in jobs:
            asked = job.header.id, dict(job.knobs), [*job.seeds], job.budget, device
            waiting[task.remote(*asked, self._time_limit_s)] = job, self._clock.now()
        try:
            while waiting and not self._is_cancelled:
                ready, _ = await asyncio.to_thread(self._ray.wait, [*waiting], timeout=LOOK_S)
                for reference in ready:
                    job, began = waiting.pop(reference)
                    on_result(job, self._result(reference, job, began, device))
        finally:
            for reference in waiting:
                self._ray.cancel(reference, force=True)

    def _result(self, reference: Any, job: Job, began: datetime, device: str) -> RunResult:
        try:
            return result_from_json(self._ray.get(reference))
        except (self._ray.exceptions.RayError, ValueError) as error:
            why = f"Ray: {error}".strip().rpartition("\n")[2][:300]
            knobs = job.header.defaults | dict(job.knobs)
            lost = Collector(job.header, knobs, job.budget, job.seeds, device, began)
            return lost.result(Ending("failed", why), 0.0)

    def cancel(self) -> None:
        self._is_cancelled = True

    async def close(self) -> None:
        self.cancel()
        self._ray.shutdown()
        self._diverted.close()


def _require_answer(address: str) -> None:
    """Raise `LabError` if nobody listens at ``host:port``: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_WITHIN_S).close()
    except (OSError, OverflowError) as error:
        raise LabError(f"no Ray cluster at {address}: {error}", hint="is it up?") from None


def _pack(root: Path, folder: Path) -> None:
    """Put into `folder` what a machine of the cluster needs: studykit, and of the course the labs
    with their data."""
    shutil.copytree(root / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    if (root / "data").is_dir():
        shutil.copytree(
            root / "data", folder / "data", ignore=shutil.ignore_patterns("results", "__pycache__")
        )
    (package,) = studykit.__path__
    ignored = shutil.ignore_patterns("__pycache__", "_course")
    shutil.copytree(package, folder / "studykit", ignore=ignored)


def _run_there(
    lab: str, knobs: Knobs, seeds: list[int], budget: float, device: str, time_limit_s: float
) -> Document:
    """A run on the machine of the cluster that Ray has chosen, in the folder that was packed."""
    root = Path.cwd()
    header = load_lab_header(root / PACKAGE / f"{lab}.py", root)
    loop, runner = _warm(root, time_limit_s)
    options: dict[str, Any] = {"knobs": knobs, "seeds": seeds, "device": device, "budget": budget}
    result = loop.run(follow(runner, header, on_message=lambda _: None, **options))
    return result_to_json(result)


@cache
def _warm(root: Path, time_limit_s: float) -> tuple[asyncio.Runner, LabRunner]:
    """What outlasts a run in a process of Ray: a child that has imported torch, and its loop."""
    return asyncio.Runner(), LabRunner(root, threads=1, time_limit_s=time_limit_s)
