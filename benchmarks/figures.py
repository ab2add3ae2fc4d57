"""What is measured: a figure beside its baseline, and how the two are taken."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.make_data import NOW, Data
from studykit.lab.execute import describe_machine

PACKAGES = ("textual", "sqlmodel", "sqlalchemy", "pyyaml", "fsrs", "torch", "typer")
TABLE_HEAD = "| figure | measured | beside | wanted | met |\n|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    value: float
    unit: str
    against: str = ""
    """What the baseline is; empty: there is nothing sensible to compare with."""
    baseline: float | None = None
    """In the same unit, measured in the same run."""
    below: float | None = None
    """The value must be."""
    ratio_below: float | None = None
    """The value over the baseline must be."""

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline if self.baseline else None

    @property
    def is_met(self) -> bool | None:
        """None where nothing is demanded."""
        demands = [(self.value, self.below), (self.ratio, self.ratio_below)]
        held = [value is not None and value <= limit for value, limit in demands if limit]
        return all(held) if held else None


def ms(seconds: Sequence[float], share: float = 0.5) -> float:
    """The `share` quantile of some durations, in milliseconds."""
    ordered = sorted(seconds)
    if share == 0.5:
        return 1000 * statistics.median(ordered)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def in_turn(n_rounds: int, *measures: Callable[[], float]) -> list[list[float]]:
    """What each of `measures` gave in each round, one after the other: noise hits all alike."""
    rounds = [[measure() for measure in measures] for _ in range(n_rounds)]
    return [list(values) for values in zip(*rounds, strict=True)]


@contextmanager
def copy_of(data: Data) -> Iterator[Data]:
    """The same course with a copy of the progress, which may be changed."""
    with tempfile.TemporaryDirectory(dir=data.home.parent) as folder:
        home = Path(folder, "home")
        shutil.copytree(data.home, home)
        yield Data(data.root, home)


def environment_of(data: Data) -> dict[str, str]:
    """The environment variables of a program that studies `data`."""
    checkout = Path(__file__).resolve().parent.parent
    environment = {
        **os.environ,
        "COLORTERM": "truecolor",
        "PYTHONPATH": str(checkout),
        "STUDYKIT_HOME": str(data.home),
        "STUDYKIT_NOW": NOW.isoformat(),
        "TERM": "xterm-256color",
    }
    for name in ("NO_COLOR", "SSH_CONNECTION", "TEXTUAL", "TEXTUAL_THEME"):
        environment.pop(name, None)
    return environment


def row(figure: Figure) -> str:
    """One line of the table, as Markdown."""
    baseline = ""
    if figure.baseline is not None and figure.ratio is not None:
        baseline = f"{figure.against}: {figure.baseline:.3g} {figure.unit} (× {figure.ratio:.2g})"
    wanted = [f"< {figure.below:g} {figure.unit}"] if figure.below is not None else []
    wanted += [f"× {figure.ratio_below:g} at most"] if figure.ratio_below is not None else []
    met = {True: "✓", False: "✗", None: ""}[figure.is_met]
    value = f"{figure.value:.3g} {figure.unit}"
    return f"| {figure.name} | {value} | {baseline} | {', '.join(wanted)} | {met} |"


def report(
    figures: Iterable[Figure],
    kept_in: Path | None = None,
    *,
    packages: Sequence[str] = (),
    **sizes: int,
) -> int:
    """Print the table, row by row as `figures` are measured; exit code 1 if one is missed.

    The file `kept_in`, if there is one, takes them with their conditions: the versions of
    `packages` beside those of the program, and `sizes`.
    """
    print(TABLE_HEAD)
    measured = []
    for figure in figures:
        measured.append(figure)
        print(row(figure), flush=True)
    if kept_in is not None:
        document = {**conditions(measured, packages), **sizes}
        text = json.dumps(document, indent=1, ensure_ascii=False)
        kept_in.write_text(text + "\n", encoding="utf-8")
    return 1 if any(figure.is_met is False for figure in measured) else 0


def conditions(figures: Iterable[Figure], packages: Sequence[str]) -> dict[str, object]:
    """What is kept of a run: its figures, and under which conditions they were measured."""
    versions = {name: importlib.metadata.version(name) for name in (*PACKAGES, *packages)}
    return {
        "format": 1,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine("cpu"),
        "system": platform.system(),
        "versions": {"python": platform.python_version(), **versions},
        "figures": [{**asdict(figure), "ratio": figure.ratio} for figure in figures],
    }
