"""Models that outlast a run: loaded in the process that waits for requests, shared by its forks.

A course whose labs need models (``NEEDS = ("model:…",)``) may define ``preload(name)`` in
``labs/models``. It is called before the fork of the first run that needs the model; what it leaves
in that package's caches is there for this run and those that follow, without a copy.
Standard library only.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Iterable
from pathlib import Path

from studykit.lab.events import Document
from studykit.lab.importing import PACKAGE, expose_labs

MODULE = f"{PACKAGE}.models"


class Preloaded:
    """What the waiting process has loaded."""

    def __init__(self) -> None:
        self._is_exposed = False
        self._names: set[str] = set()
        self._sources: dict[str, tuple[int, int]] = {}
        """File of an imported module of the course -> its time and size when it was imported."""
        self._n_threads = 0
        """Of torch, before it was kept to one; 0: it was not."""

    def prepare(self, request: Document) -> None:
        """Load the models that the run needs and that are not there yet; never raises.

        The run meets the same error, and reports it.
        """
        if self._is_outdated():
            self._forget()
        models = request["models"]
        names = [name for name in models if models[name] and name not in self._names]
        if not names:
            return
        with contextlib.suppress(Exception):
            self._load(Path(request["root"]) / PACKAGE, names)
        # As after the imports: no search for garbage shall copy the pages that forks share.
        gc.freeze()

    def in_fork(self) -> None:
        """Let a run that was forked off compute with all of torch's threads."""
        if self._n_threads:
            sys.modules["torch"].set_num_threads(self._n_threads)

    def _load(self, folder: Path, names: Iterable[str]) -> None:
        if not self._is_exposed:
            expose_labs(folder)
            self._is_exposed = True
        module = importlib.import_module(MODULE)
        if (torch := sys.modules.get("torch")) and not self._n_threads:
            # OpenMP's threads do not survive a fork: a run would wait for them for ever.
            self._n_threads = torch.get_num_threads()
            torch.set_num_threads(1)
        try:
            for name in names:
                module.preload(name)
                self._names.add(name)
        finally:
            self._sources = dict(self._imported())

    def _imported(self) -> Iterable[tuple[str, tuple[int, int]]]:
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and (name == PACKAGE or name.startswith(f"{PACKAGE}.")):
                yield file, _state(file)

    def _is_outdated(self) -> bool:
        """Whether a file of the course was changed since it was imported."""
        return any(_state(file) != state for file, state in self._sources.items())

    def _forget(self) -> None:
        for name in [*sys.modules]:
            if name == PACKAGE or name.startswith(f"{PACKAGE}."):
                del sys.modules[name]
        self._names.clear()
        self._sources.clear()


def _state(file: str) -> tuple[int, int]:
    try:
        found = Path(file).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
