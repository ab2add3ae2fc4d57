"""One run of a lab as a value: how it was measured, what came out, what it says of each claim.

Stored in the database for own runs and in ``data/results/`` for recorded ones, as the same JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from studykit.lab.events import Curve, HeatMap, Measurement, Table

Verdict: TypeAlias = Literal["confirmed", "refuted", "depends", "undecided", "skipped"]
"""confirmed / refuted: every seed agrees; depends: seeds differ; undecided: some seed cannot say
(diverged, too few seeds); skipped: the machine lacks what the lab needs."""

Status: TypeAlias = Literal["done", "cancelled", "failed", "killed", "timed out", "skipped"]


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What one seed measured and how each claim fared with it."""

    seed: int
    measurements: Mapping[str, Measurement]
    claims: Mapping[str, bool | None]
    curves: tuple[Curve, ...] = ()
    """Whole lines: the chunks of one chart and name joined."""
    heat_maps: tuple[HeatMap, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished or broken-off run; only complete ones with default knobs mark a claim."""

    lab: str
    knobs: Mapping[str, int | float | str | bool]
    """Every knob, defaults included."""
    device: str
    """"cpu" or "cuda"."""
    machine: str
    """For people: "Intel Xeon, 2 cores" or "NVIDIA H200"."""
    versions: Mapping[str, str]
    """"python", "torch", and "triton" or "cuda" where they matter."""
    code_hash: str
    started_at: datetime
    seconds: float
    status: Status
    seeds: tuple[SeedResult, ...]
    message: str = ""
    """Why it did not finish: one line, safe to show."""
    trace: str = ""
    """Traceback or the end of stderr, for the log view."""
    recorded: bool = False
    """True: shipped with the course, measured on `machine`; False: the learner's own."""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """Claim -> verdict, from `verdicts.judge`."""

    def values(self, measurement: str) -> tuple[float, ...]:
        """The measurement of every seed that has it, in seed order."""
        return tuple(
            seed.measurements[measurement].value
            for seed in self.seeds
            if measurement in seed.measurements
        )
