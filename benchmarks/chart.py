"""The processor time that the lab screen takes while two curves grow ten times a second.

The app itself, headless, at 120x40; what it draws it renders in full. What is compared with: the
same screen with the same run that says nothing.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, copy_of
from benchmarks.make_data import NOW, Data
from studykit.clock import FixedClock
from studykit.course.decks import load_course
from studykit.lab.collect import SeedEvent, SeedSoFar, Started
from studykit.lab.events import Curve, Progress
from studykit.progress.store import Store
from studykit.settings import Settings
from studykit.study.lab_run import LabRun
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from studykit.tui.screens.lab import LOOKS_PER_DRAWING, LOOKS_PER_SECOND, LabScreen

POINTS_BEFORE = 300
"""Of each curve when the clock starts."""
UPDATES_PER_SECOND = 10


def measure(data: Data, seconds: float) -> list[Figure]:
    """Share of a core over `seconds`, with points coming and without."""
    with copy_of(data) as own:
        live = asyncio.run(_share_of_core(own, seconds, updates=True))
        still = asyncio.run(_share_of_core(own, seconds, updates=False))
    return [
        Figure(
            f"a live chart at 120x40, {UPDATES_PER_SECOND} updates a second,"
            f" {LOOKS_PER_SECOND / LOOKS_PER_DRAWING:.2g} drawings",
            100 * live,
            "% of a core",
            "the screen with a silent run",
            100 * still,
            below=10.0,
        )
    ]


async def _share_of_core(data: Data, seconds: float, *, updates: bool) -> float:
    paths = data.paths
    services = Services(
        load_course(data.root),
        Settings(),
        paths,
        FixedClock(NOW),
        lambda: Store.open(paths.database, backups_dir=paths.backups_dir),
    )
    (header,) = services.course.labs.values()
    app = StudykitApp(services)
    async with app.run_test(size=(120, 40)) as pilot:
        while services.store is None:
            await pilot.pause(0.1)
        run, seed = LabRun(header, {}, None, None), SeedSoFar(0)
        services.labs.add(run)
        run.take(Started("cpu", "", {}))
        for step in range(POINTS_BEFORE):
            _grow(run, seed, step)
        await app.push_screen(LabScreen(header, header.defaults, None))
        await pilot.pause(min(2.0, seconds))  # the labs' process was asked for; Home has counted
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        for step in range(int(seconds * UPDATES_PER_SECOND)):
            if updates:
                _grow(run, seed, POINTS_BEFORE + step)
            await asyncio.sleep(began_s + (step + 1) / UPDATES_PER_SECOND - time.perf_counter())
        took_cpu_s, took_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
        run.state = "finished"
    return took_cpu_s / took_s


def _grow(run: LabRun, seed: SeedSoFar, step: int) -> None:
    """One more point of two curves, as a lab that trains two models."""
    for name, rate in (("with", 100.0), ("without", 400.0)):
        loss = 2.0 + 3.0 * math.exp(-step / rate)
        curve = Curve("Loss", name, [step], [loss], "step", "nats")
        seed.add(curve)
        run.take(SeedEvent(seed, curve))
    run.take(SeedEvent(seed, Progress(step, 1000, "training")))


def main(data: Data) -> Iterator[Figure]:
    yield from measure(data, 20.0)
