"""Which models of a course are installed here: their packages are located, never imported."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from studykit.course.cards import Knobs, LabHeader
from studykit.course.models import ShelfModel

State: TypeAlias = Literal["installed", "not installed", "other files"]
"""other files: its package is there, with files that the course was not measured with."""


def folder_of(model: ShelfModel) -> Path | None:
    """Where the model's package lies, or None if it is not installed."""
    importlib.invalidate_caches()  # it may have been installed a moment ago
    try:
        spec = importlib.util.find_spec(model.module)
    except (ImportError, ValueError):
        return None
    folders = spec.submodule_search_locations if spec else None
    return Path(next(iter(folders))) if folders else None


def state_of(model: ShelfModel) -> State:
    """By the sizes of its files; a lab that uses them compares their hashes, too."""
    folder = folder_of(model)
    if folder is None:
        return "not installed"
    sizes = (_size(folder / file.path) == file.n_bytes for file in model.files.values())
    return "installed" if all(sizes) else "other files"


def is_intact(model: ShelfModel) -> bool:
    """Whether every file of an installed model has the hash that the course recorded."""
    folder = folder_of(model)
    return folder is not None and all(
        _sha256(folder / file.path) == file.sha256 for file in model.files.values()
    )


def lacking(models: Mapping[str, ShelfModel], header: LabHeader, knobs: Knobs) -> list[ShelfModel]:
    """The models that the lab needs with `knobs` and that are not installed as they should be."""
    needed = (models[name] for name in header.models_at(knobs) if name in models)
    return [model for model in needed if state_of(model) != "installed"]


def damaged(models: Mapping[str, ShelfModel], header: LabHeader, knobs: Knobs) -> list[ShelfModel]:
    """The installed models that the lab needs with `knobs` and that have other files. Reads all."""
    needed = (models[name] for name in header.models_at(knobs) if name in models)
    return [model for model in needed if folder_of(model) is not None and not is_intact(model)]


def install_command(models: Iterable[ShelfModel]) -> str:
    """What the learner types to have them."""
    return f"studykit models install {' '.join(model.name for model in models)}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
