"""What sweeps of a lab have measured: in the learner's folder, in the format of recorded results.

One file for each lab of a course, ``sweeps/<course>/<lab id>.json``, with one run for each setting
that holds all of its seeds. Seeds that were measured on different machines stand in different runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from studykit.course.cards import Knobs, LabHeader
from studykit.errors import LabError
from studykit.files import locked, replace_file
from studykit.lab.recorded import lightened, read_runs, render_runs
from studykit.lab.results import RunResult
from studykit.lab.verdicts import judge

LARGEST_BYTES = 64 * 1024**2
"""Of the file of one lab: some ten thousand seeds."""


class SweepFile:
    """The seeds of all sweeps of one lab, by its code of now."""

    def __init__(self, folder: Path, header: LabHeader) -> None:
        """Raises `CourseError` if the file in `folder` is damaged."""
        self.path = folder / f"{header.id}.json"
        self._header = header
        self._runs = _by_conditions(header, self._load())

    def runs(self, knobs: Knobs, budget: float, device: str) -> list[RunResult]:
        """What is measured at a setting, "auto" being any device; one run for each machine."""
        return [
            run
            for run in self._runs.values()
            if (run.knobs, run.budget) == (knobs, budget) and device in ("auto", run.device)
        ]

    @property
    def names(self) -> set[str]:
        """Every measurement that is there, of any setting."""
        seeds = (seed for run in self._runs.values() for seed in run.seeds)
        return {name for seed in seeds for name in seed.measurements}

    def add(self, run: RunResult) -> None:
        """Take in a complete run, for `save` to write."""
        key = _conditions(run)
        known = self._runs.get(key)
        light = lightened(run)
        self._runs[key] = light if known is None else _joined(self._header, known, light)

    def save(self) -> None:
        """Write everything, also what others have written since; what older code measured goes.

        Raises `OSError` if it cannot be written, `LabError` if it is too large, `CourseError` if
        the file was damaged meanwhile.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.parent):
            runs = _by_conditions(self._header, [*self._load(), *self._runs.values()])
            text = render_runs(self._header.id, runs.values())
            if len(text.encode()) > LARGEST_BYTES:
                what = f"{self.path}: more than {LARGEST_BYTES // 1024**2} MiB of sweeps"
                raise LabError(what, hint="move it elsewhere: a new one is begun")
            replace_file(self.path, text)

    def _load(self) -> tuple[RunResult, ...]:
        hint = "move it elsewhere: a new one is begun"
        return read_runs(self.path, self._header.id, LARGEST_BYTES, hint=hint)


def _by_conditions(header: LabHeader, runs: Iterable[RunResult]) -> dict[str, RunResult]:
    found: dict[str, RunResult] = {}
    for run in runs:
        if run.code_hash == header.code_hash and run.status == "done":
            key = _conditions(run)
            found[key] = _joined(header, found[key], run) if key in found else run
    return found


def _conditions(run: RunResult) -> str:
    """All but the seeds that decides what is measured, and what would be lost if it were joined."""
    conditions = [dict(run.knobs), run.budget, run.device, run.machine, dict(run.versions)]
    return json.dumps(conditions, sort_keys=True)


def _joined(header: LabHeader, one: RunResult, other: RunResult) -> RunResult:
    """The seeds of both, those of `other` where both have one."""
    seeds = {seed.seed: seed for run in (one, other) for seed in run.seeds}
    in_order = tuple(seeds[number] for number in sorted(seeds))
    n_new = len(seeds) - len(one.seeds)
    return replace(
        one,
        started_at=min(one.started_at, other.started_at),
        # What both have is one measurement, however often it was read.
        seconds=round(one.seconds + other.seconds * n_new / len(other.seeds), 2),
        seeds=in_order,
        verdicts=judge(in_order, header.claims, "done", len(in_order)),
    )
