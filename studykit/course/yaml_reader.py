"""YAML read strictly: each value keeps its place, and nothing is guessed.

Built on the parser's events, which never recurse: the library's own composer overflows the
C stack on deep nesting, expands aliases and drops duplicate keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from studykit.course.nodes import Node, shown
from studykit.course.source import locate, read_source
from studykit.errors import CourseError, Place
from studykit.text import clean

DEEPEST = 16
"""Levels of nesting; a deck has eight."""
MOST_NODES = 400_000
"""Values in one file, about ten thousand cards."""

_TOO_DEEP = f"at most {DEEPEST} levels"
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NONCHARACTER = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file."""

    path: Path
    source: str
    """As it lies on disk; control characters are visible only in the nodes."""
    root: Node


def read_document(path: Path) -> Document:
    """The file's one document; raises `CourseError` with the place of what is not strict YAML."""
    source = read_source(path)
    if "\t" in source:
        place = locate(path, source, source.index("\t"))
        raise CourseError("a tab", place=place, hint='indent with spaces; in text write "\\t"')
    if not source.strip():
        raise CourseError("is empty", place=Place(path), hint="write format: 1 and what follows")
    if found := _NONCHARACTER.search(source):
        place = locate(path, source, found.start())
        raise CourseError("a character that YAML refuses", place=place, hint="take it out")
    try:
        # One character becomes one character, so places stay; line separators that the
        # parser would count as lines are gone.
        safe = clean(source)
        return Document(path, source, _build(_PARSER(safe), path, safe.split("\n")))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(path, mark.line + 1, mark.column + 1) if mark else Place(path)
        if "nesting depth" in str(error.problem):  # PyYAML's own limit, from 6.0.4 on
            raise CourseError("nested too deeply", place=place, hint=_TOO_DEEP) from None
        what = f"not valid YAML: {error.problem}"
        raise CourseError(what, place=place, hint=_advice(error)) from None


def _build(parser: Any, path: Path, lines: list[str]) -> Node:
    """The tree of the parser's events, by an explicit stack; `lines` are those of the source."""
    # Most files have no comment but on lines of their own.
    with_sign = {n for n, line in enumerate(lines) if "#" in line}
    root: Node | None = None
    open_nodes: list[Node] = []
    siblings: list[Node] = []
    left = MOST_NODES
    while True:
        event = parser.get_event()
        kind = type(event)
        if kind is yaml.ScalarEvent:
            end = event.end_mark
            is_cut = end.line in with_sign and _is_cut(event, lines[end.line][end.column :])
            node = Node(event.value, path, event, is_cut=is_cut)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            node = Node([], path, event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            closed = open_nodes.pop()
            if kind is yaml.MappingEndEvent:
                closed.value = _mapping(siblings)
            siblings = _children(open_nodes)
            continue
        elif kind is yaml.AliasEvent:
            raise _refused(event, path, f"alias *{event.anchor}", "write the value out")
        elif kind is yaml.DocumentStartEvent and root:
            raise _refused(event, path, "a second document", "keep one document in a file")
        elif kind is yaml.StreamEndEvent:
            break
        else:
            continue
        if event.anchor is not None:
            raise _refused(event, path, f"anchor &{event.anchor}", "write the value out each time")
        if event.tag is not None:
            raise _refused(event, path, f"tag {event.tag}", "quotes make text; leave tags out")
        left -= 1
        if not left:
            raise node.fail("too many values", f"a file takes {MOST_NODES}")
        if root is None:
            root = node
        siblings.append(node)
        if isinstance(node.value, list):
            open_nodes.append(node)
            siblings = node.value
            if len(open_nodes) > DEEPEST:
                raise node.fail("nested too deeply", _TOO_DEEP)
    if root is None:
        raise CourseError("is empty", place=Place(path), hint="write format: 1 and what follows")
    return root


def _is_cut(event: Any, rest: str) -> bool:
    """Whether a comment ends an unquoted text; `rest` stands right of it."""
    return event.implicit[0] and rest.lstrip().startswith("#")


def _children(open_nodes: list[Node]) -> list[Node]:
    """The list that the innermost open node collects, a mapping's keys and values in turn."""
    children = open_nodes[-1].value if open_nodes else []
    assert isinstance(children, list)
    return children


def _mapping(flat: list[Node]) -> dict[str, Node]:
    mapping: dict[str, Node] = {}
    for key, node in zip(flat[::2], flat[1::2], strict=True):
        name = key.value
        if not isinstance(name, str):
            raise key.fail("a key must be text, not a list or a mapping", "write key: value")
        if key.plain and name == "<<":
            raise key.fail("merge keys are not read", "write the keys out")
        if name in mapping:
            first = mapping[name].key
            line = first.line if first else node.line
            raise key.fail(f"key {shown(name)} stands twice", f"first in line {line}; keep one")
        node.key = key
        mapping[name] = node
    return mapping


def _refused(event: Any, path: Path, what: str, hint: str) -> CourseError:
    mark = event.start_mark
    return CourseError(clean(what), place=Place(path, mark.line + 1, mark.column + 1), hint=hint)


def _advice(error: yaml.MarkedYAMLError) -> str:
    if error.context_mark and error.context:
        return f"{error.context} that begins in line {error.context_mark.line + 1}"
    return "put text with a colon, # or a leading symbol in quotes"
