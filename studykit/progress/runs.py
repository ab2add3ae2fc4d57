"""The learner's runs of labs as they are stored: a short entry each, and what they measured.

A run may hold megabytes of curves and maps, so these are read for the runs that are looked at
only, and are kept within bounds: `MAX_EVENT_BYTES` a run, `KEPT_EVENT_BYTES` of all runs
together. Entries and measurements stay for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, cast, get_args

from sqlalchemy import delete
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from studykit.clock import from_ms, offset_minutes, to_ms
from studykit.course.cards import KnobValue
from studykit.errors import StoreError
from studykit.lab.events import Curve, Document
from studykit.lab.protocol import decode, encode
from studykit.lab.recorded import thinned
from studykit.lab.results import (
    Prediction,
    RunResult,
    SeedResult,
    Status,
    result_from_json,
    result_to_json,
)
from studykit.progress.soundness import UNREADABLE, RowError
from studykit.progress.tables import OutcomeRow, RunRow
from studykit.text import clean

MAX_NUMBER_BYTES = 1_000_000
"""A run whose measurements take more is not kept."""
MAX_EVENT_BYTES = 2_000_000
"""Of a run with larger charts and maps fewer points are kept, and then only the smaller ones."""
KEPT_EVENT_BYTES = 64_000_000
"""All runs together: what exceeds it gives way, the oldest first."""
FEWER_POINTS = (2_000, 500, 120)
"""Points that a curve of a large run is thinned to, until the run is small enough."""


LONGEST_REASON = 200
"""Characters that are shown of why a run cannot be read."""


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A stored run without what it measured: for lists, counts and the choice of evidence."""

    id: int
    lab: str
    card_id: str | None
    """The card that it was started from."""
    started_at: datetime
    seconds: float
    status: Status
    device: str
    code_hash: str
    knobs: Mapping[str, KnobValue]
    seed_numbers: tuple[int, ...]
    """Of the seeds that were begun."""
    budget: float
    prediction: Prediction | None

    @property
    def is_complete(self) -> bool:
        """As that of `RunResult`."""
        return self.status == "done"

    @classmethod
    def of(
        cls, id_: int, result: RunResult, card_id: str | None, prediction: Prediction | None
    ) -> RunEntry:
        """The entry of a run that is in hand."""
        return cls(
            id=id_,
            lab=result.lab,
            card_id=card_id,
            started_at=result.started_at,
            seconds=result.seconds,
            status=result.status,
            device=result.device,
            code_hash=result.code_hash,
            knobs=result.knobs,
            seed_numbers=result.seed_numbers,
            budget=result.budget,
            prediction=prediction,
        )


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run of a lab as it was stored, with the card it was started from and the prediction."""

    id: int
    result: RunResult
    card_id: str | None
    prediction: Prediction | None
    is_thinned: bool = False
    """Its charts, maps and tables have given way to those of newer runs."""


# --- writing ---


def add_run(
    session: Session,
    result: RunResult,
    card_id: str | None,
    prediction: Prediction | None,
    sitting_id: int | None,
) -> int:
    """Store a run within the bounds; returns its id.

    Raises `StoreError` for one that measured more than can be kept.
    """
    numbers, events = _split(result)
    if len(numbers) > MAX_NUMBER_BYTES:
        raise StoreError(
            f"the run of {clean(result.lab)} is not kept: its measurements take "
            f"{len(numbers):,} bytes, and {MAX_NUMBER_BYTES:,} are kept at most",
            hint="let the lab yield a curve in place of many measurements",
        )
    row = RunRow(
        sitting_id=sitting_id,
        lab=result.lab,
        card_id=card_id,
        started_at_ms=to_ms(result.started_at),
        offset_min=offset_minutes(result.started_at),
        seconds=result.seconds,
        status=result.status,
        device=result.device,
        machine=result.machine,
        code_hash=result.code_hash,
        knobs=json.dumps(encode(result.knobs), allow_nan=False),
        seeds=json.dumps(result.seed_numbers),
        budget=result.budget,
        prediction=None if prediction is None else json.dumps(asdict(prediction)),
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    session.add(OutcomeRow(run_id=row.id, n_bytes=len(events), numbers=numbers, events=events))
    session.flush()
    session.connection().exec_driver_sql(LET_GO, (KEPT_EVENT_BYTES,))
    return row.id


# The latest complete run of a lab at some knobs may be what its cards show: it goes last.
LET_GO = """\
UPDATE outcomes SET events = NULL, n_bytes = 0 WHERE n_bytes > 0 AND run_id IN (
    SELECT id FROM (
        SELECT id, sum(n_bytes) OVER (ORDER BY is_latest DESC, id DESC) AS n_bytes_kept
        FROM (
            SELECT id, n_bytes, status = 'done' AND 1 = row_number() OVER (
                PARTITION BY lab, knobs, status ORDER BY id DESC
            ) AS is_latest
            FROM runs JOIN outcomes ON run_id = id
        )
    ) WHERE n_bytes_kept > ?
)
"""


def _split(result: RunResult) -> tuple[str, str]:
    """The result without its events as JSON, and these within their bound."""
    document = result_to_json(result)
    events = json.dumps(_taken_out(document))
    numbers = json.dumps(document)
    for n_points in FEWER_POINTS:
        if len(events) <= MAX_EVENT_BYTES:
            break
        result = _with_events(result, n_points)
        events = json.dumps(_taken_out(result_to_json(result)))
    if len(events) > MAX_EVENT_BYTES:
        events = json.dumps(_smallest(json.loads(events)))
    return numbers, events


def _taken_out(document: Document) -> list[Any]:
    return [seed.pop("events") for seed in document["seeds"]]


def _with_events(result: RunResult, n_points: int) -> RunResult:
    seeds = [_thinned_seed(seed, n_points) for seed in result.seeds]
    return replace(result, seeds=tuple(seeds))


def _thinned_seed(seed: SeedResult, n_points: int) -> SeedResult:
    events = (thinned(each, n_points) if isinstance(each, Curve) else each for each in seed.events)
    return replace(seed, events=tuple(events))


def _smallest(seeds: list[list[Any]]) -> list[list[Any]]:
    """Of the events of all seeds the smaller ones, as many as fit."""
    sizes = sorted(
        (len(json.dumps(event)), seed, n)
        for seed, events in enumerate(seeds)
        for n, event in enumerate(events)
    )
    kept, total = set(), 2 * len(seeds) + 2
    for size, seed, n in sizes:
        total += size + 2
        if total > MAX_EVENT_BYTES:
            break
        kept.add((seed, n))
    return [
        [event for n, event in enumerate(events) if (seed, n) in kept]
        for seed, events in enumerate(seeds)
    ]


# --- reading ---

_ENTRY = tuple(
    RunRow.__table__.c[name]  # type: ignore[attr-defined]
    for name in (
        *("id", "lab", "card_id", "started_at_ms", "offset_min", "seconds", "status", "device"),
        *("code_hash", "knobs", "seeds", "budget", "prediction"),
    )
)


def stored_entries(session: Session) -> Iterator[RunEntry]:
    """Every run, oldest first; those that cannot be read are left out."""
    for row in session.connection().execute(select_columns(*_ENTRY).order_by(col(RunRow.id))):
        try:
            yield _entry_of(row)
        except UNREADABLE:
            continue


def _entry_of(row: Any) -> RunEntry:
    id_, lab, card_id, started_ms, offset, seconds, status, device, code_hash, *texts = row
    knobs, seeds, budget, prediction = texts
    numbers = tuple(json.loads(seeds))
    if not (
        all(isinstance(text, str) for text in (lab, card_id or "", device, code_hash))
        and all(isinstance(number, int | float) for number in (seconds, budget))
        and all(isinstance(number, int) for number in numbers)
        and status in get_args(Status)
    ):
        raise RowError("a value of another type")
    return RunEntry(
        id=id_,
        lab=lab,
        card_id=card_id,
        started_at=from_ms(started_ms, offset),
        seconds=seconds,
        status=cast("Status", status),
        device=device,
        code_hash=code_hash,
        knobs=_knobs(knobs),
        seed_numbers=numbers,
        budget=budget,
        prediction=_prediction(prediction),
    )


def _knobs(text: str) -> Mapping[str, KnobValue]:
    knobs = decode(json.loads(text), clean)
    if not isinstance(knobs, dict):
        raise ValueError("knobs: not an object")
    return knobs


def _prediction(text: str | None) -> Prediction | None:
    if text is None:
        return None
    bet = Prediction(**decode(json.loads(text), clean))
    if not (
        isinstance(bet.text, str)
        and isinstance(bet.claim, str)
        and isinstance(bet.value, int | float | None)
        and isinstance(bet.confidence, int | None)
        and isinstance(bet.correct, bool | None)
    ):
        raise RowError("a prediction of values of another type")
    return bet


_STORED = (
    *(col(RunRow.id), col(RunRow.lab), col(RunRow.card_id), col(RunRow.prediction)),
    col(OutcomeRow.numbers),
)


def stored_runs(
    session: Session,
    *,
    lab_id: str | None = None,
    run_id: int | None = None,
    n_newest: int | None = None,
    with_events: bool,
) -> Iterator[StoredRun | tuple[int, str]]:
    """Runs as they were stored, or for one that cannot be read its id and a line that says why.

    Oldest first, but the newest first if only `n_newest` are wanted. Without events they are
    small: one at a time is in memory.
    """
    events = [col(OutcomeRow.events)] if with_events else []
    query = select_columns(*_STORED, *events).join(
        OutcomeRow, col(OutcomeRow.run_id) == col(RunRow.id), isouter=True
    )
    query = query.order_by(col(RunRow.id) if n_newest is None else col(RunRow.id).desc())
    if lab_id is not None:
        query = query.where(col(RunRow.lab) == lab_id)
    if run_id is not None:
        query = query.where(col(RunRow.id) == run_id)
    rows: Iterable[Any] = session.connection().execute(query.limit(n_newest))
    for row in rows:
        id_, lab, card_id, prediction, numbers, *stored_events = row
        try:
            (text,) = stored_events or [None]
            result = _result(numbers, text)
            run = StoredRun(id_, result, card_id, _prediction(prediction), with_events and not text)
        except UNREADABLE as error:
            yield id_, _fault(id_, lab, error)
        else:
            yield run


def run_faults(session: Session) -> dict[int, str]:
    """The id of each run that is left out of lists or cannot be looked at, and a line on why."""
    faults = {}
    entries = session.connection().execute(select_columns(*_ENTRY).order_by(col(RunRow.id)))
    for row in entries:
        try:
            _entry_of(row)
        except UNREADABLE as error:
            faults[row.id] = _fault(row.id, row.lab, error)
    for run in stored_runs(session, with_events=True):
        if not isinstance(run, StoredRun):
            faults.setdefault(*run)
    return faults


def remove_run(session: Session, run_id: int) -> None:
    """Remove a run with all that it measured."""
    session.exec(delete(OutcomeRow).where(col(OutcomeRow.run_id) == run_id))
    session.exec(delete(RunRow).where(col(RunRow.id) == run_id))


def _fault(id_: object, lab: object, error: Exception) -> str:
    why = clean(" ".join(str(error).split()))[:LONGEST_REASON] or type(error).__name__
    return (
        f"run {id_} of {clean(str(lab))} cannot be read: {why}"
        " (`studykit doctor --restore newest` leaves it out)"
    )


def _result(numbers: str | None, events: str | None) -> RunResult:
    if numbers is None:
        raise ValueError("what it measured is missing")
    document = json.loads(numbers)
    if events is not None:
        for seed, each in zip(document["seeds"], json.loads(events), strict=True):
            seed["events"] = each
    return result_from_json(document)
