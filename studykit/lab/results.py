"""One run of a lab as a value: how it was measured, what came out, what it says of each claim.

Stored in the database for own runs and in ``data/results/`` for recorded ones, as the same JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar, cast, get_args

from studykit.lab.events import Document, Event, Measurement
from studykit.lab.protocol import (
    LONGEST_TEXT,
    decode,
    encode,
    event_from_document,
    event_to_document,
)
from studykit.text import clean

Verdict: TypeAlias = Literal["confirmed", "refuted", "depends", "undecided", "skipped"]
"""confirmed / refuted: every seed agrees; depends: seeds differ; undecided: some seed cannot say
(diverged, too few seeds); skipped: the machine lacks what the lab needs."""
VERDICT_MARKS: Mapping[Verdict, str] = {
    "confirmed": "✓",
    "refuted": "✗",
    "depends": "◐",
    "undecided": "?",
    "skipped": "–",
}
"""Verdict -> its mark; the word always stands beside it."""

Status: TypeAlias = Literal["done", "cancelled", "failed", "killed", "timed out", "skipped"]

LONGEST_LINE = 2000
"""Characters that are kept of a text of one line."""
FIRST_YEAR, LAST_YEAR = 2, 9998
"""Beyond them a time may be none in another zone."""

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Event)


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What one seed measured and how each claim fared with it."""

    seed: int
    measurements: Mapping[str, Measurement]
    claims: Mapping[str, bool | None]
    events: tuple[Event, ...] = ()
    """What else it yielded, progress left out: of each key one, chunks joined."""

    def all(self, kind: type[_E]) -> tuple[_E, ...]:
        """Its events of one type."""
        return tuple(event for event in self.events if isinstance(event, kind))


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
    patience: Mapping[str, str] = field(default_factory=dict)
    """Claim that patience turns -> how, in words; known of evidence only, and never stored."""
    recorded_verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """Of an own run: claim -> what the recorded run says where it says something else; known of
    evidence only, and never stored."""

    @property
    def is_complete(self) -> bool:
        """It ended as a run should; one that was cancelled, say, counts as none that was made."""
        return self.status == "done"

    @property
    def seed_numbers(self) -> tuple[int, ...]:
        """The seeds that were begun."""
        return tuple(seed.seed for seed in self.seeds)

    def values(self, measurement: str) -> tuple[float, ...]:
        """The measurement of every seed that has it, in seed order."""
        return tuple(
            seed.measurements[measurement].value
            for seed in self.seeds
            if measurement in seed.measurements
        )


def invitations(seeds: Iterable[SeedResult]) -> list[tuple[str, str, str]]:
    """Of events that there is something to do with: type, title and what it is, each once."""
    found = [
        (event.key[0], event.key[1], event.invitation)
        for seed in seeds
        for event in seed.events
        if event.invitation
    ]
    return list(dict.fromkeys(found))


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
            name: {"value": m.value, "unit": m.unit, "label": m.label, "yardstick": m.yardstick}
            for name, m in seed.measurements.items()
        },
        "events": [event_to_document(event) for event in seed.events],
    }


def result_from_json(document: object) -> RunResult:
    """Inverse of `result_to_json`, with control characters made visible.

    Raises `ValueError` naming the first field that is missing or wrong.
    """
    try:
        root = decode(document, clean)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(root, dict):
        raise ValueError("a run must be an object")
    started_at = datetime.fromisoformat(_get(root, "started_at", str))
    if started_at.tzinfo is None:
        raise ValueError("started_at: an offset from UTC is missing")
    if not FIRST_YEAR <= started_at.year <= LAST_YEAR:
        raise ValueError(f"started_at: no year from {FIRST_YEAR} to {LAST_YEAR}")
    knobs = _get(root, "knobs", dict)
    if not all(isinstance(value, str) or _is_number(value) for value in knobs.values()):
        raise ValueError("knobs: a value must be a number, text, true or false")
    versions = _get(root, "versions", dict)
    if not all(isinstance(value, str) for value in versions.values()):
        raise ValueError("versions: a value must be text")
    # Runs that were stored before there were budgets lack the field.
    seconds, budget = _get(root, "seconds", float), _get({"budget": 1.0, **root}, "budget", float)
    if not (0 <= seconds < math.inf and 0 < budget < math.inf):
        raise ValueError("seconds and budget must be finite and not negative")
    versions = {name: value[:LONGEST_LINE] for name, value in versions.items()}
    return RunResult(
        lab=_line(root, "lab"),
        knobs=knobs,
        device=_line(root, "device"),
        machine=_line(root, "machine"),
        versions=versions,
        code_hash=_line(root, "code_hash"),
        started_at=started_at,
        seconds=seconds,
        budget=budget,
        status=_one_of(get_args(Status), "status", root.get("status")),
        message=_line(root, "message"),
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
    measurements = {}
    for name, item in _get(document, "measurements", dict).items():
        fields = {"name": name, **item} if isinstance(item, dict) else item
        measurement = _event(fields, "measurement")
        assert isinstance(measurement, Measurement)
        measurements[name] = measurement
    if "events" in document:
        events = [_event(item) for item in _get(document, "events", list)]
    else:
        # Stored before the events were one list, and some before there were walks.
        named = {name: _get({name: [], **document}, name, list) for name in _LISTS}
        events = [_event(item, _LISTS[name]) for name, items in named.items() for item in items]
    return SeedResult(_get(document, "seed", int), measurements, claims, tuple(events))


_LISTS = {"curves": "curve", "heat_maps": "heat_map", "tables": "table", "walks": "walk"}


def _event(document: object, name: str = "") -> Event:
    """The event in `document`, which is of the type `name` if it does not say so itself."""
    if not isinstance(document, dict):
        raise ValueError(f"{'an' if not name else 'a'} {name or 'event'} must be an object")
    return event_from_document({**document, "event": name} if name else document)


def _get(document: Document, key: str, kind: type[_T]) -> _T:
    """The field `key`, of type `kind`; a whole number counts as a float, a bool as no number."""
    value = document.get(key)
    kinds = (int, float) if kind is float else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        found = type(value).__name__ if key in document else "nothing"
        raise ValueError(f"{key}: {found} where {kind.__name__} must be")
    if isinstance(value, int) and not _is_number(value):
        raise ValueError(f"{key}: a whole number of more than 63 bits")
    return cast("_T", value[:LONGEST_TEXT] if isinstance(value, str) else value)


def _line(document: Document, key: str) -> str:
    """The field `key`, a text of one line, as much of it as anybody reads."""
    return _get(document, key, str)[:LONGEST_LINE]


def _is_number(value: object) -> bool:
    """A number that can be reckoned with, or a bool."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**63)


def _one_of(allowed: tuple[Any, ...], key: str, value: object) -> Any:
    if value not in allowed:
        raise ValueError(f"{key}: {f'{value!r}'[:40]} is not one of {', '.join(allowed)}")
    return value
