"""Tiny labs without torch, and what it takes to run them."""

from __future__ import annotations

import contextlib
import os
import textwrap
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studykit.course.cards import LabHeader
from studykit.lab.process import Finished, LabMessage, LabRunner
from studykit.lab.results import RunResult

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

CLAIMS = {"low": "The loss is low.", "high": "The loss is high."}
HOLDS_IF = {"low": "loss < 2", "high": "loss > 1"}

HEAD = f"""
import os, signal, sys, time
from studykit.lab.events import Curve, HeatMap, Measurement, Progress, Step, Table, Walk

QUESTION = "How high is the loss?"
CLAIMS = {CLAIMS}
HOLDS_IF = {HOLDS_IF}

"""


@dataclass(frozen=True)
class FakeCourse:
    """A course folder that holds labs only."""

    root: Path

    def write(self, body: str, **fields: Any) -> LabHeader:
        """``labs/demo/probe.py``: imports and claims, then `body`; and its header."""
        path = self.root / "labs" / "demo" / "probe.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + textwrap.dedent(body), encoding="utf-8")
        return self.header(path, **fields)

    def header(self, path: Path, **fields: Any) -> LabHeader:
        """That of the lab in the file."""
        return LabHeader(
            id="demo/probe",
            path=path,
            title="A probe.",
            about="",
            question="How high is the loss?",
            points=(),
            claims=CLAIMS,
            holds_if=HOLDS_IF,
            seconds={"cpu": 1.0},
            code_hash="abc",
            **{"seeds": 2, "knobs": {"size": (8, 2), "norm": ("pre", "post")}, **fields},
        )

    def write_run(self, body: str, **fields: Any) -> LabHeader:
        """As `write`, with the body of ``run`` alone."""
        budget = ", budget" if fields.get("takes_budget") else ""
        head = f"def run(*, size, norm, seed, device{budget}):\n"
        return self.write(head + textwrap.indent(textwrap.dedent(body), "    "), **fields)


async def run_to_end(
    runner: LabRunner, header: LabHeader, **options: Any
) -> tuple[list[LabMessage], RunResult]:
    """All messages of a run, and its result."""
    options = {"knobs": {}, "seeds": [0], **options}
    messages = [message async for message in runner.run(header, **options)]
    last = messages[-1]
    assert isinstance(last, Finished)
    assert not any(isinstance(message, Finished) for message in messages[:-1])
    return messages, last.result


def is_alive(pid: int) -> bool:
    """True while the process runs; one that waits to be reaped is dead."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc/self").exists()


def wait_until_dead(pid: int, within_s: float = 3.0) -> bool:
    """True if the process is gone in time."""
    end = time.monotonic() + within_s
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not is_alive(pid)
