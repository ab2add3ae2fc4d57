"""The models that pip can install, and where their files lie.

Their packages are located and never imported: one would load libraries that nothing here needs,
and code that came along with weights is not run. Every file is compared with its recorded sha256
before it is used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import TypedDict

from labs.models.errors import ModelError

CATALOGUE = Path(__file__).resolve().parents[2] / "data" / "models.json"


class ShelfFile(TypedDict):
    """A file of a model, as the catalogue has it."""

    path: str
    """Below the package's folder."""
    bytes: int
    sha256: str


class ShelfModel(TypedDict):
    """A model of the catalogue; the fields that matter once it is installed."""

    package: str
    version: str
    module: str
    files: dict[str, ShelfFile]


@cache
def catalogue() -> dict[str, ShelfModel]:
    """The models that the course knows, by name."""
    models: dict[str, ShelfModel] = json.loads(CATALOGUE.read_text(encoding="utf-8"))["models"]
    return models


@cache  # so that a file is read through once in a process
def locate(name: str) -> dict[str, Path]:
    """The files of an installed model by what they are: "weights", "vocabulary" and so on.

    Raises `ModelError` if the course knows no such model, if it is not installed, or if one of
    its files is not the one that the course was measured with.
    """
    if name not in catalogue():
        known = ", ".join(catalogue())
        raise ModelError(f"there is no model {name!r}: give one of {known}, or a path to weights")
    model = catalogue()[name]
    install = f"studykit models install {name}"
    spec = importlib.util.find_spec(model["module"])
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise ModelError(f"model {name!r} is not installed: {install}")
    paths = {}
    for what, file in model["files"].items():
        path = Path(next(iter(folders))) / file["path"]
        if not _is_unchanged(path, file):
            wanted = f"{model['package']} {model['version']}"
            raise ModelError(f"{path}: not the file of {wanted}; install that again: {install}")
        paths[what] = path
    return paths


def _is_unchanged(path: Path, recorded: ShelfFile) -> bool:
    try:
        if path.stat().st_size != recorded["bytes"]:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == recorded["sha256"]
    except OSError:
        return False
