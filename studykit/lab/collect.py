"""What the child says, checked and put together: documents -> messages -> one `RunResult`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

from studykit.course.cards import Knobs, LabHeader
from studykit.lab.events import Document, Event, Measurement, Progress
from studykit.lab.protocol import event_from_document
from studykit.lab.results import RunResult, SeedResult, Status
from studykit.lab.verdicts import judge, judge_seed


@dataclass(frozen=True, slots=True)
class Started:
    """The lab is imported and its first seed begins."""

    device: str
    machine: str
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over, whatever happened; always the last message."""

    result: RunResult


class Ending(NamedTuple):
    """How a run ended."""

    status: Status
    message: str = ""
    trace: str = ""


class SeedSoFar:
    """What one seed has yielded so far: of each key one event, which may still grow."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.claims: dict[str, bool | None] | None = None
        """None until the seed is complete and judged."""
        self._chunks: dict[tuple[str, ...], list[Event]] = {}

    def add(self, event: Event) -> None:
        chunks = self._chunks.setdefault(event.key, [])
        if not event.grows:
            chunks.clear()
        chunks.append(event)

    @property
    def result(self) -> SeedResult:
        """All of it, joined."""
        for chunks in self._chunks.values():
            chunks[:] = [type(chunks[0]).joined(chunks)]
        events = [event for [event] in self._chunks.values()]
        return SeedResult(
            self.number,
            {event.name: event for event in events if isinstance(event, Measurement)},
            self.claims or {},
            tuple(each for each in events if not isinstance(each, Measurement | Progress)),
        )


@dataclass(frozen=True, slots=True)
class SeedEvent:
    """A seed yielded something; of a `Curve` only the points since the last message."""

    seed: SeedSoFar
    """Everything that it has yielded; it goes on growing with the run."""
    event: Event


@dataclass(frozen=True, slots=True)
class SeedJudged:
    """A seed is complete, and it is known how each claim fared with it."""

    seed: SeedSoFar


LabMessage: TypeAlias = Started | SeedEvent | SeedJudged | Finished


class Collector:
    """Collects the messages of one run. `take` raises `ValueError` for what breaks the protocol."""

    def __init__(
        self,
        header: LabHeader,
        knobs: Knobs,
        budget: float,
        seeds: Sequence[int],
        device: str,
        started_at: datetime,
    ) -> None:
        self.ending: Ending | None = None
        """What the child said last, once it has said it."""
        self.exit_code: int | None = None
        """Of the process of the run, negative for a signal; None before it has ended."""
        self._header = header
        self._knobs = knobs
        self._budget = budget
        self._asked = seeds
        self._started = Started("" if device == "auto" else device, "", {})
        self._started_at = started_at
        self._seeds: dict[int, SeedSoFar] = {}

    @property
    def is_over(self) -> bool:
        """Whether the run can say no more."""
        return self.ending is not None or self.exit_code is not None

    def take(self, document: Document) -> LabMessage | None:
        """The message in `document`; None if it tells the front end nothing."""
        match document:
            case {"type": "left", "code": int(code)}:
                self.exit_code = code
            case {"type": "started", "device": str(device), "machine": str(machine)}:
                versions = _texts(document.get("versions"))
                self._started = Started(device, machine, versions)
                return self._started
            case {"type": "event", "seed": int(seed), "event": event_document}:
                event = event_from_document(event_document)
                found = self._open(seed)
                found.add(event)
                return SeedEvent(found, event)
            case {"type": "measured", "seed": int(seed)}:
                found = self._open(seed)
                found.claims = judge_seed(self._header, found.result.measurements)
                return SeedJudged(found)
            case {"type": "done"}:
                if [n for n, seed in self._seeds.items() if seed.claims is not None] != [
                    *self._asked
                ]:
                    raise ValueError("done, but not every seed was measured")
                self.ending = Ending("done")
            case {"type": "cancelled"}:
                self.ending = Ending("cancelled")
            case {"type": "failed", "message": str(message), "trace": str(trace)}:
                self.ending = Ending("failed", message, trace)
            case {"type": "skipped", "message": str(message)}:
                self.ending = Ending("skipped", message)
            case _:
                raise ValueError(f"no message has the type {document.get('type')!r} and its fields")
        return None

    def _open(self, seed: int) -> SeedSoFar:
        if seed not in self._asked:
            raise ValueError(f"seed {seed} was not asked for")
        found = self._seeds.setdefault(seed, SeedSoFar(seed))
        if found.claims is not None:
            raise ValueError(f"seed {seed} goes on after it was measured")
        return found

    def result(self, ending: Ending, seconds: float) -> RunResult:
        """Everything collected, as the run that ended so."""
        seeds = tuple(seed.result for seed in self._seeds.values())
        return RunResult(
            lab=self._header.id,
            knobs=self._knobs,
            budget=self._budget,
            device=self._started.device,
            machine=self._started.machine,
            versions=self._started.versions,
            code_hash=self._header.code_hash,
            started_at=self._started_at,
            seconds=seconds,
            status=ending.status,
            seeds=seeds,
            message=" ".join(ending.message.split()),
            trace=ending.trace,
            verdicts=judge(seeds, self._header.claims, ending.status, len(self._asked)),
        )


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError("not an object of texts")
    return value
