"""The learner's own keys: they take the place of the default ones, and what is wrong with them.

Textual has a keymap, too. But there a key that one binding gives up is taken from every binding
that shares it: another key for "show the answer" takes Enter from all that follows the answer.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

from textual.app import App
from textual.binding import Binding, BindingsMap
from textual.dom import DOMNode
from textual.keys import KEY_NAME_REPLACEMENTS, Keys, key_to_character

import studykit.tui
from studykit.text import clean

KNOWN_KEYS = {key.value for key in Keys} | set(KEY_NAME_REPLACEMENTS.values())
MODIFIERS = {"ctrl", "shift", "alt", "meta", "super", "hyper"}


def rebound(bindings: BindingsMap, keymap: Mapping[str, str]) -> BindingsMap:
    """`bindings` with the keys that `keymap` gives to their ids, several with commas between.

    Where a key of the learner's is another binding's as well, the learner's is tried first.
    """
    by_key: dict[str, tuple[list[Binding], list[Binding]]] = {}
    for key, shared in bindings.key_to_bindings.items():
        for binding in shared:
            own = own_bindings(binding, keymap)
            for each in own:
                first, _ = by_key.setdefault(each.key, ([], []))
                if each not in first:
                    first.append(each)
            if not own:
                by_key.setdefault(key, ([], []))[1].append(binding)
    return BindingsMap.from_keys({key: own + rest for key, (own, rest) in by_key.items()})


def own_bindings(binding: Binding, keymap: Mapping[str, str]) -> list[Binding]:
    """`binding` for each of the keys that `keymap` gives it; none if it gives it no key."""
    names = (name.strip() for name in keymap.get(binding.id or "", "").split(","))
    keys = ",".join(name for name in names if name)
    return list(Binding.make_bindings([binding.with_key(keys)])) if keys else []


class Owner(NamedTuple):
    """What has bindings: a screen, a widget, the app."""

    name: str
    bindings: list[Binding]
    """One a key."""
    live_in: Mapping[str, tuple[str, ...]]
    """Action -> the phases in which its key does something; the others always do."""


def binding_classes() -> list[type[DOMNode]]:
    """The app's class, then that of every screen and widget.

    It imports all of them, so it is asked for by who remaps keys, never at an ordinary start.
    """
    found: dict[type[DOMNode], None] = {}
    for module in pkgutil.walk_packages(studykit.tui.__path__, "studykit.tui."):
        for item in vars(importlib.import_module(module.name)).values():
            if isinstance(item, type) and issubclass(item, DOMNode) and _is_ours(item):
                found[item] = None
    return sorted(found, key=lambda cls: not issubclass(cls, App))


def _is_ours(cls: type[Any]) -> bool:
    return cls.__module__.startswith("studykit.tui.")


def key_bindings() -> set[tuple[str | None, str]]:
    """Id and default keys of every binding of the app, its screens and its widgets."""
    return {
        (each.id, each.key)
        for cls in binding_classes()
        for each in cls.__dict__.get("BINDINGS", [])
    }


def _owner(cls: type[DOMNode]) -> Owner:
    bindings = [
        each
        for base in cls.__mro__
        if _is_ours(base)
        for each in Binding.make_bindings(base.__dict__.get("BINDINGS", []))
    ]
    return Owner(cls.BINDING_GROUP_TITLE or cls.__name__, bindings, getattr(cls, "LIVE_IN", {}))


def key_problems(keymap: Mapping[str, str]) -> list[str]:
    """What is wrong with the learner's keys, one line each: ids, keys, keys given twice."""
    if not keymap:
        return []
    everything = [_owner(cls) for cls in binding_classes()]
    known = {binding.id for owner in everything for binding in owner.bindings}
    problems = [f"no key is called {clean(id_)}" for id_ in keymap if id_ not in known]
    for id_, keys in keymap.items():
        names = [name.strip() for name in keys.split(",")]
        wrong = [clean(name) or "nothing" for name in names if not _is_key(name)]
        problems += [f"{clean(id_)}: {name} is no key" for name in wrong if id_ in known]
    clashes = (each for owner in everything for each in _clashes(owner, everything[0], keymap))
    return problems + list(dict.fromkeys(clashes))


def _is_key(name: str) -> bool:
    *modifiers, key = name.split("+") if len(name) > 1 else [name]
    is_named = len(key) == 1 or key in KNOWN_KEYS or key_to_character(key) is not None
    return is_named and MODIFIERS.issuperset(modifiers)


def _clashes(owner: Owner, app: Owner, keymap: Mapping[str, str]) -> Iterator[str]:
    """The keys of the learner's that another binding has at the same moment.

    Bindings that share a default key share it on purpose: never are both alive.
    """
    around = [] if owner is app else app.bindings
    by_id: dict[str, list[Binding]] = {}
    for binding in [*owner.bindings, *around]:
        by_id.setdefault(binding.id or "", []).append(binding)
    for one, other in combinations(by_id, 2):
        if not keymap.keys() & {one, other} or _meet(by_id[one], by_id[other]):
            continue
        own = [own_bindings(by_id[id_][0], keymap) or by_id[id_] for id_ in (one, other)]
        if (shared := _meet(*own)) and _are_together(own[0][0], own[1][0], owner.live_in):
            keys = " and ".join(sorted(shared))
            yield f"{keys} is both {one} and {other} ({owner.name})"


def _meet(some: Iterable[Binding], others: Iterable[Binding]) -> set[str]:
    """The keys that both have."""
    return {each.key for each in some} & {each.key for each in others}


def _are_together(one: Binding, other: Binding, live_in: Mapping[str, tuple[str, ...]]) -> bool:
    """True if there is a phase in which both do something."""
    phases = [live_in.get(each.action.partition("(")[0]) for each in (one, other)]
    return None in phases or bool(set(phases[0] or ()) & set(phases[1] or ()))
