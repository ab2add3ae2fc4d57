"""Which keys there are: every binding of the app, its screens and its widgets.

It imports all of them, so it is asked for by who remaps keys, never at an ordinary start.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

import studykit.tui


def key_bindings() -> set[tuple[str, str]]:
    """Id and default keys of every binding."""
    found = set()
    for module in pkgutil.walk_packages(studykit.tui.__path__, "studykit.tui."):
        for item in vars(importlib.import_module(module.name)).values():
            if isinstance(item, type) and item.__module__.startswith("studykit.tui."):
                found |= {(each.id, each.key) for each in item.__dict__.get("BINDINGS", [])}
    return found


def unknown_ids(ids: Iterable[str]) -> list[str]:
    """Those of `ids` that no binding has, in order."""
    known = {id_ for id_, _ in key_bindings()}
    return [id_ for id_ in ids if id_ not in known]
