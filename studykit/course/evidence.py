"""Whether the recorded runs settle what the cards ask: ``data/results/<folder>/<name>.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studykit.course.cards import Card, Course, Knobs, LabHeader, Predict
from studykit.course.source import card_error, read_source
from studykit.errors import CourseError, Place

FORMAT = 1


@dataclass(frozen=True, slots=True)
class _Run:
    """What the check needs of a recorded run."""

    knobs: dict[str, Any]
    verdicts: dict[str, Any]
    measurements: tuple[frozenset[str], ...]
    """Names that each seed measured."""


def results_path(root: Path, lab_id: str) -> Path:
    """Where the recorded runs of a lab lie."""
    return root / "data" / "results" / f"{lab_id}.json"


def evidence_errors(course: Course) -> Iterator[CourseError]:
    """Labs without a recorded default run, and predictions that no recorded run settles."""
    for lab in course.labs.values():
        path = results_path(course.root, lab.id)
        try:
            runs = _load_runs(path, lab.id)
        except CourseError as error:
            yield error
            continue
        yield from _default_run_errors(lab, runs, path)
        for card in course.cards.values():
            if card.lab == lab.id and isinstance(card.body, Predict):
                knobs = lab.defaults | dict(card.knobs)
                yield from _prediction_errors(card, card.body, _with_knobs(runs, knobs), knobs)


def _load_runs(path: Path, lab_id: str) -> list[_Run]:
    """The runs that were carried through; raises `CourseError` for a file of another form."""
    if not path.exists():
        what = f"lab {lab_id} has no recorded run"
        raise CourseError(what, place=Place(path), hint=f"studykit lab run {lab_id} --record")
    try:
        document = json.loads(read_source(path))
    except json.JSONDecodeError as error:
        place = Place(path, error.lineno, error.colno)
        what = f"not valid JSON: {error.msg}"
        raise CourseError(what, place=place, hint="record it again") from None
    except (RecursionError, ValueError):
        raise _no_record(path, "is nested too deeply") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _no_record(path, f"is not of format {FORMAT}")
    if document.get("lab") != lab_id:
        raise _no_record(path, f"is not of lab {lab_id}")
    try:
        return [
            _Run(
                knobs=dict(run["knobs"]),
                verdicts=dict(run["verdicts"]),
                measurements=tuple(frozenset(seed["measurements"]) for seed in run["seeds"]),
            )
            for run in document["runs"]
            if run["status"] == "done"
        ]
    except (KeyError, TypeError, ValueError):
        raise _no_record(path, "holds something that is no run") from None


def _default_run_errors(lab: LabHeader, runs: Sequence[_Run], path: Path) -> Iterator[CourseError]:
    default_runs = _with_knobs(runs, lab.defaults)
    if not default_runs:
        what = f"no run of lab {lab.id} has its default knobs"
        yield CourseError(what, place=Place(path), hint=f"studykit lab run {lab.id} --record")
    for claim in lab.claims:
        if any(claim not in run.verdicts for run in default_runs):
            what = f"a default run has no verdict on claim {claim}"
            yield CourseError(what, place=Place(path), hint="record it again")


def _prediction_errors(
    card: Card, body: Predict, runs: Sequence[_Run], knobs: Knobs
) -> Iterator[CourseError]:
    if not runs:
        settings = ", ".join(f"{name}={value}" for name, value in knobs.items())
        yield card_error(card, f"no recorded run with {settings}", "record one")
        return
    if body.measurement:
        if any(body.measurement not in names for run in runs for names in run.measurements):
            known = ", ".join(sorted(runs[0].measurements[0])) if runs[0].measurements else "none"
            yield card_error(
                card, f"no measurement is called {body.measurement}", f"there are {known}"
            )
        return
    claims = [option.claim for option in body.options]
    for run in runs:
        confirmed = [claim for claim in claims if run.verdicts.get(claim) == "confirmed"]
        if len(confirmed) != 1:
            found = ", ".join(f"{claim}: {run.verdicts.get(claim)}" for claim in claims)
            what = f"the recorded run confirms {len(confirmed)} options, not one"
            yield card_error(card, what, found)
            return
        for option in body.options:
            if option.claim != confirmed[0] and not option.misconception:
                what = f"option {option.claim}, which the recorded run does not confirm,"
                yield card_error(card, f"{what} has no misconception", "say why it is wrong")


def _with_knobs(runs: Sequence[_Run], knobs: Knobs) -> list[_Run]:
    return [run for run in runs if run.knobs == knobs]


def _no_record(path: Path, what: str) -> CourseError:
    return CourseError(what, place=Place(path), hint="record it again")
