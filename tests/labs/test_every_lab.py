"""Rules that every lab of the course keeps; a new lab is found by itself."""

from __future__ import annotations

import ast
import importlib
import inspect
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
REQUIRED = {"QUESTION", "POINTS", "CLAIMS", "KNOBS", "SEEDS", "SECONDS"}
OPTIONAL = {"NEEDS", "LITERATURE"}


def read_header(path: Path) -> dict[str, Any]:
    """The upper-case literals of a lab's header, read without running the file."""
    header = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in REQUIRED | OPTIONAL:
                header[name] = ast.literal_eval(node.value)
    return header


LABS = sorted(path for path in (ROOT / "labs").glob("*/*.py") if "QUESTION" in read_header(path))
every_lab = pytest.mark.parametrize(
    "path", LABS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)


def load(path: Path) -> ModuleType:
    return importlib.import_module(f"labs.{path.parent.name}.{path.stem}")


def test_labs_are_found() -> None:
    assert ROOT / "labs" / "core" / "residuals.py" in LABS


@every_lab
def test_the_header_is_complete_and_made_of_literals(path: Path) -> None:
    header = read_header(path)
    assert header.keys() >= REQUIRED
    assert header["QUESTION"].endswith("?")
    assert header["POINTS"]
    assert all(point.count(".") == 2 for point in header["POINTS"])
    assert header["CLAIMS"]
    assert all(claim.isidentifier() for claim in header["CLAIMS"])
    assert all(text.endswith(".") for text in header["CLAIMS"].values())
    assert header["SEEDS"] >= 3
    assert header["SECONDS"]["cpu"] > 0
    assert header.get("LITERATURE", {}).keys() <= header["CLAIMS"].keys()


@every_lab
def test_the_docstring_says_the_idea_and_how_to_read_it(path: Path) -> None:
    title, _, about = (load(path).__doc__ or "").partition("\n\n")
    assert title.endswith(".")
    assert "\n" not in title
    for part in ("How to read it", "What the literature reports", "Out of scope"):
        assert part in about


@every_lab
def test_run_takes_the_knobs_a_seed_and_a_device(path: Path) -> None:
    lab, header = load(path), read_header(path)
    parameters = inspect.signature(lab.run).parameters
    assert list(parameters) == [*header["KNOBS"], "seed", "device"]
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters.values())
    assert all(len(set(values)) >= 2 for values in header["KNOBS"].values())


@every_lab
def test_the_verdict_judges_every_claim_and_survives_nan(path: Path) -> None:
    """Which measurements a verdict reads is found by asking it."""

    class Recorder(dict[str, float]):
        def __missing__(self, name: str) -> float:
            return math.nan

    judged = load(path).verdict(Recorder())
    assert judged.keys() == read_header(path)["CLAIMS"].keys()
    assert set(judged.values()) <= {True, False, None}
