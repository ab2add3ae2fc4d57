"""Which measurements a claim rests on: read from the lab's `verdict`, which is never run for it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from studykit.course.cards import LabHeader


def measurements_of(header: LabHeader, claim: str) -> frozenset[str]:
    """Names of the measurements that decide `claim`; empty where the source does not tell."""
    return _read(header.path, header.code_hash).get(claim, frozenset())


@lru_cache(maxsize=64)
def _read(path: Path, _code_hash: str) -> Mapping[str, frozenset[str]]:
    try:
        module = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return {}
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == "verdict" and node.args.args:
            return _claims(node)
    return {}


def _claims(verdict: ast.FunctionDef) -> Mapping[str, frozenset[str]]:
    """Claim -> measurements, from the dictionary that `verdict` returns."""
    source = verdict.args.args[0].arg
    known: dict[str, frozenset[str]] = {}
    by_name: set[str] = set()
    """Local functions that are told the names of measurements."""

    def names_in(node: ast.AST) -> frozenset[str]:
        """Measurements in `node`: taken from the argument itself, or by way of a local name."""
        found: set[str] = set()
        for part in ast.walk(node):
            match part:
                case ast.Subscript(ast.Name(id), ast.Constant(str(name))) if id == source:
                    found.add(name)
                case ast.Name(id):
                    found |= known.get(id, frozenset())
                case ast.Call(ast.Name(id), arguments) if id in by_name:
                    found |= {
                        argument.value
                        for argument in arguments
                        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                    }
        return frozenset(found)

    for statement in verdict.body:
        match statement:
            case ast.Assign([ast.Tuple(names)], ast.Tuple(values)) if len(names) == len(values):
                for name, value in zip(names, values, strict=True):
                    if isinstance(name, ast.Name):
                        known[name.id] = names_in(value)
            case ast.Assign([ast.Name(id)], value):
                known[id] = names_in(value)
            case ast.FunctionDef(name):
                known[name] = names_in(statement)
                if any(_takes_by_name(part, source) for part in ast.walk(statement)):
                    by_name.add(name)
            case ast.Return(ast.Dict(keys, values)):
                return {
                    key.value: names_in(value)
                    for key, value in zip(keys, values, strict=True)
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                }
    return {}


def _takes_by_name(node: ast.AST, source: str) -> bool:
    match node:
        case ast.Subscript(ast.Name(id), ast.Name()):
            return id == source
    return False
