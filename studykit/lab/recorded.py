"""Runs that ship with the course, in ``data/results/<lab id>.json``, and the choice of evidence."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from studykit.course.cards import Knobs, KnobValue, LabHeader
from studykit.course.source import read_json
from studykit.errors import CourseError, LabError
from studykit.files import locked, replace_file
from studykit.lab.events import Curve, Event, Printed
from studykit.lab.protocol import FLOAT
from studykit.lab.results import RunResult, Status, result_from_json, result_to_json
from studykit.lab.verdicts import judge_again

FORMAT = 1
LARGEST_BYTES = 2 * 1024**2
"""Of a file of recorded runs; the largest of the bundled course has a sixteenth of it."""
MAX_POINTS = 60
"""Points of a curve that are recorded; a chart in a terminal shows no more."""
LINE_WIDTH = 100


def results_path(root: Path, lab_id: str) -> Path:
    """The file of a lab's recorded runs."""
    return root / "data" / "results" / f"{lab_id}.json"


def load_recorded(root: Path, lab_id: str) -> tuple[RunResult, ...]:
    """Every recorded run of a lab; none if there is no file.

    Raises `CourseError` for a file that cannot be read or is not what `record_run` writes.
    """
    hint = f"record it again: studykit lab run {lab_id} --record"
    runs = read_runs(results_path(root, lab_id), lab_id, LARGEST_BYTES, hint=hint)
    return tuple(replace(run, recorded=True) for run in runs)


def read_runs(path: Path, lab_id: str, most_bytes: int, *, hint: str) -> tuple[RunResult, ...]:
    """The runs of a lab in a file as `render_runs` makes it; none if there is no file.

    Raises `CourseError`, with `hint`, for one that cannot be read or is something else.
    """
    if not os.path.lexists(path):
        return ()
    parse = partial(_parse, lab_id=lab_id)
    return read_json(path, most_bytes, parse, hint=hint, refusal="damaged: ")


def _parse(document: object, lab_id: str) -> tuple[RunResult, ...]:
    match document:
        case {"format": 1, "lab": str(lab), "runs": list(items)} if lab == lab_id:
            runs = tuple(map(result_from_json, items))
        case _:
            raise ValueError(f"not the recorded runs of {lab_id} in format {FORMAT}")
    if any(run.lab != lab_id for run in runs):
        raise ValueError("holds a run of another lab")
    return runs


def recorded_runs(root: Path, lab_id: str) -> tuple[RunResult, ...]:
    """As `load_recorded`; a damaged file counts as absent, so that a sitting goes on without it."""
    try:
        return load_recorded(root, lab_id)
    except CourseError:
        return ()


class Run(Protocol):
    """What decides whether a run is evidence: a `RunResult` has it, and its entry in a list."""

    @property
    def lab(self) -> str: ...
    @property
    def knobs(self) -> Mapping[str, KnobValue]: ...
    @property
    def status(self) -> Status: ...
    @property
    def budget(self) -> float: ...
    @property
    def seed_numbers(self) -> tuple[int, ...]: ...
    @property
    def code_hash(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...


RunT = TypeVar("RunT", bound=Run)


def own_evidence(lab: LabHeader, knobs: Knobs, own: Iterable[RunT]) -> list[RunT]:
    """The learner's complete runs of `lab` at `knobs` by the code that it has now, newest first.

    Knobs that are not named have their defaults.
    """
    wanted = lab.defaults | dict(knobs)
    mine = [run for run in own if _is_evidence(run, lab, wanted) and run.code_hash == lab.code_hash]
    return sorted(mine, key=lambda run: run.started_at, reverse=True)


def find_evidence(
    lab: LabHeader, knobs: Knobs, own: RunResult | None, recorded: Sequence[RunResult]
) -> RunResult | None:
    """What is known of `lab` at `knobs` (the others at their defaults), or None.

    `own`, the first of `own_evidence`, or else the recorded run; judged by the tests that the
    lab has now. An own run tells where the recorded one says something else.
    """
    wanted = lab.defaults | dict(knobs)
    shipped = next((run for run in recorded if _is_evidence(run, lab, wanted)), None)
    if shipped is not None:
        shipped = judge_again(shipped, lab)
    if own is None:
        return shipped
    found = judge_again(own, lab)
    other = {} if shipped is None else shipped.verdicts.items() - found.verdicts.items()
    return replace(found, recorded_verdicts=dict(other))


def _is_evidence(run: Run, lab: LabHeader, knobs: Knobs) -> bool:
    return run.lab == lab.id and run.knobs == knobs and is_regular(run, lab)


def is_regular(run: Run, lab: LabHeader) -> bool:
    """Whether the run judges: complete, at the ordinary budget, with the lab's own seeds."""
    is_whole = run.seed_numbers == tuple(range(lab.seeds))
    return run.status == "done" and run.budget == 1 and is_whole


def record_run(root: Path, result: RunResult) -> None:
    """Write `result` into its lab's file, in the place of one with its knobs and device.

    Runs from before a knob was added or dropped go: they can be evidence no longer.

    Raises `LabError` if the run is not complete or too large, `CourseError` if the file is damaged.
    """
    if result.status != "done":
        raise LabError(f"a run that was {result.status} cannot be recorded", hint="run it again")
    path = results_path(root, result.lab)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):
        kept = [
            run
            for run in load_recorded(root, result.lab)
            if run.knobs.keys() == result.knobs.keys()
            and (run.knobs, run.device) != (result.knobs, result.device)
        ]
        text = render_runs(result.lab, [*kept, replace(lightened(result), recorded=True)])
        if len(text.encode()) > LARGEST_BYTES:
            what = f"{result.lab}: recorded runs of more than {LARGEST_BYTES // 1024**2} MiB"
            raise LabError(what, hint="yield smaller tables and heat maps")
        replace_file(path, text)


def render_runs(lab_id: str, runs: Iterable[RunResult]) -> str:
    """The file of these runs of a lab, in an order that does not depend on when they were made."""
    documents = [result_to_json(run) for run in sorted(runs, key=_order)]
    return render_json({"format": FORMAT, "lab": lab_id, "runs": documents}) + "\n"


def _order(run: RunResult) -> tuple[str, str]:
    return json.dumps(dict(run.knobs), sort_keys=True), run.device


def lightened(run: RunResult) -> RunResult:
    """`run` as it is recorded: few points, few digits; an event that is shown once, once."""
    known: set[tuple[str, ...]] = set()
    seeds = []
    for seed in run.seeds:
        told = [event for event in seed.events if not isinstance(event, Printed)]
        kept = [event for event in told if event.key not in known]
        known |= {event.key for event in kept if event.is_shown_once}
        seeds.append(replace(seed, events=tuple(map(_lighter, kept))))
    return replace(run, seeds=tuple(seeds), seconds=round(run.seconds, 2), trace="")


def _lighter(event: Event) -> Event:
    light: Event = _rounded(thinned(event, MAX_POINTS) if isinstance(event, Curve) else event)
    return light


def thinned(curve: Curve, n_points: int) -> Curve:
    """At most so many of its points, evenly chosen, its ends among them."""
    if (n := len(curve.xs)) <= n_points:
        return curve
    kept = [round(i * (n - 1) / (n_points - 1)) for i in range(n_points)]
    xs, ys = (tuple(values[i] for i in kept) for values in (curve.xs, curve.ys))
    return replace(curve, xs=xs, ys=ys)


def _rounded(value: Any) -> Any:
    """`value` with every number in it rounded to six digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, tuple):
        return tuple(_rounded(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: _rounded(getattr(value, field.name)) for field in fields(value)}
        return replace(value, **parts)
    return value


def render_json(value: Any, indent: int = 0) -> str:
    """JSON for people and for diffs: one line for what fits, and always for a row of numbers."""
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    items = value.values() if isinstance(value, dict) else value
    if _is_scalar(value) or not value or _is_row(value):
        return flat
    if all(map(_is_scalar, items)) and indent + len(flat) <= LINE_WIDTH:
        return flat
    inner = " " * (indent + 1)
    if isinstance(value, dict):
        lines = [
            f"{json.dumps(key)}: {render_json(item, indent + 1)}" for key, item in value.items()
        ]
        opening, closing = "{}"
    else:
        lines = [render_json(item, indent + 1) for item in value]
        opening, closing = "[]"
    body = ",\n".join(inner + line for line in lines)
    return f"{opening}\n{body}\n{' ' * indent}{closing}"


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, dict | list) or (isinstance(value, dict) and FLOAT in value)


def _is_row(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_scalar, value))
