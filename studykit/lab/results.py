"""One run of a lab as a value: how it was measured, what came out, what it says of each claim.

Stored in the database for own runs and in ``data/results/`` for recorded ones, as the same JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args

from studykit.lab.events import Curve, Document, Event, HeatMap, Measurement, Table, Walk
from studykit.lab.protocol import decode, encode, event_from_document, event_to_document
from studykit.text import clean

Verdict: TypeAlias = Literal["confirmed", "refuted", "depends", "undecided", "skipped"]
"""confirmed / refuted: every seed agrees; depends: seeds differ; undecided: some seed cannot say
(diverged, too few seeds); skipped: the machine lacks what the lab needs."""

Status: TypeAlias = Literal["done", "cancelled", "failed", "killed", "timed out", "skipped"]

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Event)


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
    walks: tuple[Walk, ...] = ()


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
    budget: float = 1.0
    """Multiplier of the lab's training steps; only 1 marks a claim."""
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


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the learner expected of a run before it began."""

    text: str
    """The option chosen, or the number as typed."""
    claim: str
    """The claim that the option bets on; empty for a number."""
    value: float | None = None
    """The number; None for an option."""
    confidence: int | None = None
    """Percent, or None if it was not asked."""
    correct: bool | None = None
    """None: the run could not tell."""


def result_to_json(result: RunResult) -> Document:
    """`result` as strict JSON: NaN and infinity are flagged as `protocol` says."""
    document = {
        "lab": result.lab,
        "knobs": result.knobs,
        "device": result.device,
        "machine": result.machine,
        "versions": result.versions,
        "code_hash": result.code_hash,
        "started_at": result.started_at.isoformat(),
        "seconds": result.seconds,
        "budget": result.budget,
        "status": result.status,
        "message": result.message,
        "trace": result.trace,
        "recorded": result.recorded,
        "verdicts": result.verdicts,
        "seeds": [_seed_to_json(seed) for seed in result.seeds],
    }
    encoded: Document = encode(document)
    return encoded


def _seed_to_json(seed: SeedResult) -> Document:
    return {
        "seed": seed.seed,
        "claims": seed.claims,
        "measurements": {
            name: {key: value for key, value in _fields(item).items() if key != "name"}
            for name, item in seed.measurements.items()
        },
        "curves": [_fields(curve) for curve in seed.curves],
        "heat_maps": [_fields(heat_map) for heat_map in seed.heat_maps],
        "tables": [_fields(table) for table in seed.tables],
        "walks": [_fields(walk) for walk in seed.walks],
    }


def _fields(event: Event) -> Document:
    document = event_to_document(event)
    del document["event"]
    return document


def result_from_json(document: object) -> RunResult:
    """Inverse of `result_to_json`, with control characters made visible.

    Raises `ValueError` naming the first field that is missing or wrong.
    """
    root = decode(document, clean)
    if not isinstance(root, dict):
        raise ValueError("a run must be an object")
    started_at = datetime.fromisoformat(_get(root, "started_at", str))
    if started_at.tzinfo is None:
        raise ValueError("started_at: an offset from UTC is missing")
    knobs = _get(root, "knobs", dict)
    if not all(isinstance(value, int | float | str) for value in knobs.values()):
        raise ValueError("knobs: a value must be a number, text, true or false")
    versions = _get(root, "versions", dict)
    if not all(isinstance(value, str) for value in versions.values()):
        raise ValueError("versions: a value must be text")
    return RunResult(
        lab=_get(root, "lab", str),
        knobs=knobs,
        device=_get(root, "device", str),
        machine=_get(root, "machine", str),
        versions=versions,
        code_hash=_get(root, "code_hash", str),
        started_at=started_at,
        seconds=_get(root, "seconds", float),
        # Runs that were stored before there were budgets lack the field.
        budget=_get({"budget": 1.0, **root}, "budget", float),
        status=_one_of(get_args(Status), "status", root.get("status")),
        message=_get(root, "message", str),
        trace=_get(root, "trace", str),
        recorded=_get(root, "recorded", bool),
        verdicts={
            claim: _one_of(get_args(Verdict), f"verdicts.{claim}", verdict)
            for claim, verdict in _get(root, "verdicts", dict).items()
        },
        seeds=tuple(_seed_from_json(seed) for seed in _get(root, "seeds", list)),
    )


def _seed_from_json(document: object) -> SeedResult:
    if not isinstance(document, dict):
        raise ValueError("seeds: a seed must be an object")
    claims = _get(document, "claims", dict)
    if not all(value is None or isinstance(value, bool) for value in claims.values()):
        raise ValueError("claims: a value must be true, false or null")
    named = [
        {"name": name, **item} if isinstance(item, dict) else item
        for name, item in _get(document, "measurements", dict).items()
    ]
    return SeedResult(
        seed=_get(document, "seed", int),
        measurements={item.name: item for item in _events("measurement", Measurement, named)},
        claims=claims,
        curves=_events("curve", Curve, _get(document, "curves", list)),
        heat_maps=_events("heat_map", HeatMap, _get(document, "heat_maps", list)),
        tables=_events("table", Table, _get(document, "tables", list)),
        # Runs that were stored before there were walks lack the field.
        walks=_events("walk", Walk, _get({"walks": [], **document}, "walks", list)),
    )


def _events(name: str, cls: type[_E], documents: list[Any]) -> tuple[_E, ...]:
    events = []
    for document in documents:
        if not isinstance(document, dict):
            raise ValueError(f"a {name} must be an object")
        event = event_from_document({**document, "event": name})
        assert isinstance(event, cls)
        events.append(event)
    return tuple(events)


def _get(document: Document, key: str, kind: type[_T]) -> _T:
    """The field `key`, of type `kind`; a whole number counts as a float, a bool as no number."""
    value = document.get(key)
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        found = type(value).__name__ if key in document else "nothing"
        raise ValueError(f"{key}: {found} where {kind.__name__} must be")
    return cast("_T", value)


def _one_of(allowed: tuple[Any, ...], key: str, value: object) -> Any:
    if value not in allowed:
        raise ValueError(f"{key}: {value!r} is not one of {', '.join(allowed)}")
    return value
