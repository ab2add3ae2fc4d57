"""How claims fare on fresh seeds, at the ordinary budget and at a patient one.

What was measured lies beside the recorded runs, in ``data/results/<lab id>.stability.json``, seed
by seed; whether a claim holds is decided anew at each reading, by the test that it has now.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from studykit.course.cards import Knobs, KnobValue, LabHeader
from studykit.course.holds import holds, parse_test
from studykit.course.source import read_source
from studykit.errors import CourseError, Place
from studykit.files import locked, replace_file
from studykit.lab.protocol import decode, encode
from studykit.lab.recorded import LARGEST_BYTES, render_json
from studykit.lab.results import RunResult
from studykit.text import clean

FORMAT = 1
PATIENT = 4.0
"""The budget that ordinary verdicts are held against."""

Answer: TypeAlias = Literal["holds", "fails", "unknown"]
_ANSWERS: Mapping[bool | None, Answer] = {True: "holds", False: "fails", None: "unknown"}


@dataclass(frozen=True, slots=True)
class Sample:
    """What one fresh seed measured, and under which conditions."""

    knobs: Mapping[str, KnobValue]
    budget: float
    device: str
    machine: str
    versions: Mapping[str, str]
    code_hash: str
    seed: int
    values: Mapping[str, float]
    """Measurement -> its value, NaN where it diverged."""


@dataclass(frozen=True, slots=True)
class Tally:
    """On how many seeds a claim holds."""

    holds: int
    fails: int
    unknown: int

    @property
    def n(self) -> int:
        return self.holds + self.fails + self.unknown

    @property
    def majority(self) -> Answer | None:
        """What more than half of the seeds say; None if there is no such answer."""
        answers: tuple[Answer, ...] = ("holds", "fails", "unknown")
        return next((each for each in answers if 2 * getattr(self, each) > self.n), None)


def stability_path(root: Path, lab_id: str) -> Path:
    """The file of a lab's fresh seeds."""
    return root / "data" / "results" / f"{lab_id}.stability.json"


def load_samples(root: Path, lab_id: str) -> tuple[Sample, ...]:
    """Every fresh seed of a lab; none if there is no file.

    Raises `CourseError` for a file that cannot be read or is not what `add_sample` writes.
    """
    path = stability_path(root, lab_id)
    if not os.path.lexists(path):
        return ()
    try:
        return _parse(decode(json.loads(read_source(path, LARGEST_BYTES)), clean), lab_id)
    except _DAMAGES as error:
        hint = f"delete it and measure again: studykit lab stability {lab_id}"
        what = f"damaged: {type(error).__name__}: {error}"
        raise CourseError(what, place=Place(path), hint=hint) from None


_DAMAGES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What values that are not of the kind that `add_sample` writes can raise as they are read."""


def _parse(document: Any, lab_id: str) -> tuple[Sample, ...]:
    if document["format"] != FORMAT or document["lab"] != lab_id:
        raise ValueError(f"not the fresh seeds of {lab_id} in format {FORMAT}")
    return tuple(
        Sample(
            knobs=dict(group["knobs"]),
            budget=float(group["budget"]),
            device=str(group["device"]),
            machine=str(group["machine"]),
            versions=dict(group["versions"]),
            code_hash=str(group["code_hash"]),
            seed=int(seed),
            values={name: float(value) for name, value in values.items()},
        )
        for group in document["groups"]
        for seed, values in group["seeds"].items()
    )


def add_sample(root: Path, result: RunResult) -> None:
    """Write a complete run of one seed into its lab's file.

    It takes the place of the same seed measured before, and of all that other code has measured.
    Raises `CourseError` if the file is damaged, `OSError` if it cannot be written.
    """
    (seed,) = result.seeds
    new = Sample(
        knobs=result.knobs,
        budget=result.budget,
        device=result.device,
        machine=result.machine,
        versions=result.versions,
        code_hash=result.code_hash,
        seed=seed.seed,
        values={name: measured.value for name, measured in seed.measurements.items()},
    )
    path = stability_path(root, result.lab)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):
        kept = [
            old
            for old in load_samples(root, result.lab)
            if old.code_hash == new.code_hash
            and (old.knobs, old.budget, old.seed) != (new.knobs, new.budget, new.seed)
        ]
        document = {"format": FORMAT, "lab": result.lab, "groups": _groups([*kept, new])}
        replace_file(path, render_json(encode(document)) + "\n")


def _groups(samples: Iterable[Sample]) -> list[dict[str, Any]]:
    """Samples that share all their conditions, together; in an order that does not depend on when
    they were measured."""
    groups: dict[str, dict[str, Any]] = {}
    for sample in sorted(samples, key=lambda sample: sample.seed):
        conditions = {
            "knobs": dict(sample.knobs),
            "budget": sample.budget,
            "device": sample.device,
            "machine": sample.machine,
            "versions": dict(sample.versions),
            "code_hash": sample.code_hash,
        }
        key = json.dumps(conditions, sort_keys=True)
        group = groups.setdefault(key, {**conditions, "seeds": {}})
        group["seeds"][str(sample.seed)] = dict(sample.values)
    return [groups[key] for key in sorted(groups)]


def at(
    samples: Iterable[Sample], header: LabHeader, knobs: Knobs, budget: float
) -> tuple[Sample, ...]:
    """Those that the lab's present code measured with `knobs` (the others default) and `budget`."""
    wanted = header.defaults | dict(knobs)
    return tuple(
        sample
        for sample in samples
        if (sample.knobs, sample.budget, sample.code_hash) == (wanted, budget, header.code_hash)
    )


def tally(header: LabHeader, samples: Sequence[Sample]) -> dict[str, Tally]:
    """Claim -> on how many of `samples` it holds, by the test that it has now."""
    tallies = {}
    for claim, text in header.holds_if.items():
        test = parse_test(text)
        counts = Counter(_ANSWERS[holds(test, sample.values)] for sample in samples)
        tallies[claim] = Tally(counts["holds"], counts["fails"], counts["unknown"])
    return tallies


def patience_notes(header: LabHeader, samples: Sequence[Sample], knobs: Knobs) -> dict[str, str]:
    """Claim that depends on patience -> how it fares at both budgets, in words."""
    ordinary, patient = (
        tally(header, at(samples, header, knobs, budget)) for budget in (1.0, PATIENT)
    )
    return {
        claim: f"depends on patience: holds on {ordinary[claim].holds} of {ordinary[claim].n} "
        f"fresh seeds, with {PATIENT:g} times the steps on {patient[claim].holds} of "
        f"{patient[claim].n}"
        for claim in header.claims
        if flips(ordinary[claim], patient[claim])
    }


def with_patience(
    evidence: RunResult | None, header: LabHeader, samples: Sequence[Sample]
) -> RunResult | None:
    """`evidence`, which says of its claims whether patience turns them."""
    if evidence is None or not samples:
        return evidence
    return replace(evidence, patience=patience_notes(header, samples, evidence.knobs))


def flips(*tallies: Tally) -> bool:
    """Whether most seeds say one thing at one budget and another thing at another."""
    majorities = {tally.majority for tally in tallies} - {None}
    return len(majorities) > 1


def samples_or_none(root: Path, lab_id: str) -> tuple[Sample, ...]:
    """As `load_samples`; a damaged file counts as absent, so that a sitting goes on without it."""
    try:
        return load_samples(root, lab_id)
    except CourseError:
        return ()
