"""A Python file of a course taken apart without running it: literals, functions, places."""

from __future__ import annotations

import ast
import gc
import io
import tokenize
import warnings
from collections.abc import Iterable
from pathlib import Path

from studykit.course.source import LONGEST_TEXT, read_source
from studykit.errors import CourseError, Place
from studykit.text import clean

LONGEST_NAME = 80
"""Characters of a key in a header."""
MOST_ENTRIES = 20
"""Of a dict in a header."""
LARGEST_LAB_BYTES = 128 * 1024
"""A file of two hundred lines has a tenth of it; parsed, it takes five hundred times the room."""


class LabFile:
    """A parsed lab: what it assigns and defines at module level, and places in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = read_source(path, LARGEST_LAB_BYTES)
        tree = self._parse(self.source)
        self.docstring = clean(ast.get_docstring(tree) or "").strip()
        self.assigned: dict[str, ast.expr] = {}
        self._statements: dict[str, ast.stmt] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self.functions[node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Name):
                        self._assign(target, node.value)
                        self._statements[target.id] = node

    def source_without(self, names: Iterable[str]) -> str:
        """The source, less the lines that assign these names at module level, and empty ones."""
        lines = self.source.split("\n")
        for name in names:
            if statement := self._statements.get(name):
                for i in range(statement.lineno - 1, statement.end_lineno or 0):
                    lines[i] = ""
        return "\n".join(line for line in lines if line)

    def place(self, node: ast.AST | None) -> Place:
        """Where the node begins; without one, the top of the file."""
        line = getattr(node, "lineno", 1)
        before = self.source.split("\n")[line - 1].encode()[: getattr(node, "col_offset", 0)]
        return Place(self.path, line, len(before.decode()) + 1)

    def place_in_text(self, node: ast.expr, index: int) -> Place:
        """Where character `index` of the text of `node` stands.

        The text may be made of several literals; of one with escapes only its beginning is told.
        """
        source = ast.get_source_segment(self.source, node) or ""
        tokens = tokenize.generate_tokens(io.StringIO(f"({source})").readline)
        literals = [token for token in tokens if token.type == tokenize.STRING]
        for token in literals:
            text: str = ast.literal_eval(token.string)
            if index >= len(text) and token is not literals[-1]:
                index -= len(text)
                continue
            before, is_plain, _ = token.string.rpartition(text) if text else ("", "", "")
            read = token.string[: len(before) + index] if is_plain else ""
            row, column = token.start
            if row == 1:
                column += self.place(node).column - 2  # after the bracket put before it
            line = node.lineno + row - 1 + read.count("\n")
            column = len(read) - read.rfind("\n") - 1 + (0 if "\n" in read else column)
            return Place(self.path, line, column + 1)
        return self.place(node)

    def fail(self, node: ast.AST | None, what: str, hint: str = "") -> CourseError:
        """An error at the node, or at the top of the file."""
        return CourseError(what, place=self.place(node), hint=hint)

    def assigned_value(self, name: str) -> ast.expr:
        """What the header name is assigned; raises `CourseError` if it is missing."""
        if name not in self.assigned:
            raise self.fail(None, f"has no {name}", f"a lab assigns {name} at module level")
        return self.assigned[name]

    def literal(self, node: ast.expr) -> object:
        """The value of a literal."""
        try:
            value: object = ast.literal_eval(node)
        except (ValueError, TypeError, RecursionError, MemoryError):
            hint = "the header is read without running the file"
            raise self.fail(node, "must be a literal", hint) from None
        return value

    def plain_text(self, node: ast.expr) -> str:
        """A text as it stands in the file."""
        value = self.literal(node)
        if not isinstance(value, str):
            raise self.fail(node, f"must be text, not {type(value).__name__}", "write it in quotes")
        return value

    def text(self, node: ast.expr, longest: int = LONGEST_TEXT) -> str:
        """A text that is not empty, safe to show."""
        text = clean(self.plain_text(node)).strip()
        if not text:
            raise self.fail(node, "is empty", "write its text")
        if len(text) > longest:
            raise self.fail(node, f"has {len(text)} characters", f"at most {longest}")
        return text

    def sequence(self, node: ast.expr, what: str, most: int) -> list[ast.expr]:
        """The entries of a tuple or list that has at least one and at most so many."""
        if not isinstance(node, ast.Tuple | ast.List):
            raise self.fail(node, f"{what} must be a tuple", "write (a, b), or (a,) for one")
        if not node.elts:
            raise self.fail(node, f"{what} is empty", "name at least one")
        if len(node.elts) > most:
            raise self.fail(node, f"{what} has {len(node.elts)} entries", f"at most {most}")
        return node.elts

    def mapping(self, name: str, most: int = MOST_ENTRIES) -> dict[str, tuple[ast.expr, ast.expr]]:
        """Key -> the nodes of key and value, of a header name that is a dict."""
        node = self.assigned_value(name)
        if not isinstance(node, ast.Dict):
            raise self.fail(node, f"{name} must be a dict", 'write {"name": …}')
        if len(node.keys) > most:
            raise self.fail(node, f"{name} has {len(node.keys)} entries", f"at most {most}")
        entries: dict[str, tuple[ast.expr, ast.expr]] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                raise self.fail(value, f"{name} must be a literal", "write its entries out")
            text = self.text(key, LONGEST_NAME)
            if text in entries:
                raise self.fail(key, f"{name} has {text!r} twice", "keep one")
            entries[text] = (key, value)
        return entries

    def _assign(self, target: ast.Name, value: ast.expr) -> None:
        if target.id in self.assigned and target.id.isupper():
            raise self.fail(target, f"{target.id} is assigned twice", "keep one")
        self.assigned[target.id] = value

    def _parse(self, text: str) -> ast.Module:
        # No node of a tree is garbage: to look for some takes two fifths of the time.
        looks_for_garbage = gc.isenabled()
        gc.disable()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(text)
        except SyntaxError as error:
            place = Place(self.path, max(error.lineno or 1, 1), max(error.offset or 1, 1))
            raise CourseError(f"not valid Python: {error.msg}", place=place) from None
        except (ValueError, RecursionError, MemoryError):
            # Before Python 3.11.4 null bytes are a ValueError, and no SyntaxError.
            hint = "it holds null bytes" if "\0" in text else "it is nested too deeply"
            raise self.fail(None, "not valid Python", hint) from None
        finally:
            if looks_for_garbage:
                gc.enable()
