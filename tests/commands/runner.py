"""How tests call the program, and what it leaves behind."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
"""When the commands are called."""
REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "studykit"]


@dataclass
class Outcome:
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON on stdout, which holds nothing else."""
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("studykit: ")
        return lines[0].removeprefix("studykit: ")


Run: TypeAlias = Callable[..., Outcome]
"""Calls the command line with these words, on a copy of the course."""


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds, fail after 30 s."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("did not happen within 30 s")
