"""What a long command has run so far, kept until it is through: stopped, it can go on later.

One file for one set of conditions, one run a line. A line that was cut off by a crash is no run.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from studykit.files import open_regular
from studykit.lab.results import RunResult, result_from_json, result_to_json

KEPT_FOR_S = 7 * 24 * 3600.0
"""What nobody has gone on with for so long is deleted."""
_MOST_BYTES = 512 * 1024**2


class Unfinished:
    """The runs below `folder` that were made under `conditions`, such as the code of the labs."""

    def __init__(self, folder: Path, conditions: Mapping[str, str]) -> None:
        text = json.dumps(dict(conditions), sort_keys=True)
        self._path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.jsonl"

    def load(self) -> list[RunResult]:
        """The runs in the order in which they ended; none if there are none, or no readable one."""
        runs = []
        with suppress(OSError), open_regular(self._path) as file:
            for line in file.read(_MOST_BYTES).split(b"\n"):
                with suppress(ValueError, RecursionError):
                    runs.append(result_from_json(json.loads(line)))
        return runs

    def add(self, run: RunResult) -> None:
        """Keep a run; raises `OSError` if it cannot be written."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(result_to_json(run), ensure_ascii=False, allow_nan=False)
        # A line of its own even behind one that was cut off.
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")

    def discard(self) -> None:
        """Delete these runs, and all in the folder that nobody has gone on with for a week."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
            for path in self._path.parent.glob("*.jsonl"):
                if time.time() - path.stat().st_mtime > KEPT_FOR_S:
                    path.unlink(missing_ok=True)
