"""Imports the code of a course: what lies below its labs/, from its sources, and nothing else.

The learner agrees to run files that were hashed (see `trust`). So what lies beside labs/ cannot be
imported, and no cached bytecode, which may say something else, stands in for a source.
Standard library only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

PACKAGE = "labs"
SUFFIXES = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)
"""Of the files that can be imported."""
FOLDER_VARIABLE = "STUDYKIT_LABS"
"""Environment variable: the labs/ of a process that a lab spawns with `multiprocessing`."""

OWN_VARIABLE = "STUDYKIT_OWN_LAB"
"""Environment variable: the `Own` of such a process, module and file."""


class Own(NamedTuple):
    """The learner's own version of a lab."""

    module: str
    """Whose place it takes: ``labs.core.residuals``."""
    file: str


def expose_labs(folder: Path, own: Own | None = None) -> None:
    """Let ``labs`` mean the files below `folder`, here and in processes that are spawned.

    The file of `own`, which may lie anywhere, stands in for one module below it.
    """
    os.environ[FOLDER_VARIABLE] = str(folder)
    os.environ[OWN_VARIABLE] = os.pathsep.join(own) if own else ""
    # Before the path: no installed package called labs comes first.
    sys.meta_path.insert(0, _LabFinder(folder, own))


def expose_labs_again() -> None:
    """`expose_labs` in a process that was spawned by one which had called it."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        name, _, file = os.environ.get(OWN_VARIABLE, "").partition(os.pathsep)
        expose_labs(Path(folder), Own(name, file) if name else None)


class _SourceLoader(SourceFileLoader):
    """Compiles the source each time, which takes next to nothing beside importing torch."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


class _LabFinder(MetaPathFinder):
    """Finds the package ``labs`` and what lies in it."""

    def __init__(self, folder: Path, own: Own | None) -> None:
        self._folder = folder
        self._own = own

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == PACKAGE:
            return self._package()
        if path is None or not fullname.startswith(f"{PACKAGE}."):
            return None
        if self._own is not None and fullname == self._own.module:
            loader = _SourceLoader(fullname, self._own.file)
            return spec_from_file_location(fullname, self._own.file, loader=loader)
        portions: list[str] = []
        for entry in path:
            finder = FileFinder(
                entry, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_SourceLoader, SOURCE_SUFFIXES)
            )
            if found := finder.find_spec(fullname, target):
                if found.loader is not None:
                    return found
                portions += found.submodule_search_locations or []
        if not portions:
            # Not None: another finder would look in the same places, for bytecode, too.
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return _namespace(fullname, portions)

    def _package(self) -> ModuleSpec:
        init, places = self._folder / "__init__.py", [str(self._folder)]
        if not init.is_file():
            return _namespace(PACKAGE, places)
        loader = _SourceLoader(PACKAGE, str(init))
        spec = spec_from_file_location(
            PACKAGE, init, loader=loader, submodule_search_locations=places
        )
        assert spec is not None
        return spec


def _namespace(fullname: str, places: list[str]) -> ModuleSpec:
    """A package without ``__init__.py``."""
    spec = ModuleSpec(fullname, None, is_package=True)
    spec.submodule_search_locations = places
    return spec
