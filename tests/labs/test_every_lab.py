"""Rules that every lab of the course keeps, beyond those that `studykit check` knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from studykit.course.labs import find_labs, load_lab_header

ROOT = Path(__file__).parents[2]
MAX_LINES = 220
"""A lab that says more is two labs."""

every_lab = pytest.mark.parametrize(
    "path", find_labs(ROOT), ids=lambda path: f"{path.parent.name}/{path.stem}"
)


def test_labs_are_found() -> None:
    assert ROOT / "labs" / "core" / "residuals.py" in find_labs(ROOT)


@every_lab
def test_the_header_asks_and_claims_in_sentences(path: Path) -> None:
    header = load_lab_header(path, ROOT)
    assert header.question.endswith("?")
    assert all(text.endswith(".") for text in header.claims.values())
    trained_weights = any(need.startswith("model:") for need in header.needs)
    assert header.seeds >= (2 if trained_weights else 3) or header.deterministic
    assert header.seconds["cpu"] > 0
    named = header.knobs.keys() - header.text_knobs
    assert all(len(header.knobs[name]) >= 2 for name in named)


@every_lab
def test_a_lab_that_times_something_runs_alone(path: Path) -> None:
    """What runs beside it would be in its figures."""
    imported = [
        f"{node.module}.{name.name}" if isinstance(node, ast.ImportFrom) else name.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    ]
    clocks = {"labs.machine.stopwatch.fastest", "time", "timeit"}
    has_clock = any(name in clocks or name.startswith("time.") for name in imported)
    assert load_lab_header(path, ROOT).runs_alone == has_clock


@every_lab
def test_a_lab_has_one_idea_that_can_be_read_at_once(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@every_lab
def test_the_docstring_says_the_idea_and_how_to_read_it(path: Path) -> None:
    header = load_lab_header(path, ROOT)
    assert header.title.endswith(".")
    for part in ("How to read it", "What the literature reports", "Out of scope"):
        assert part in header.about
