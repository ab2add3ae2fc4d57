"""Text to learn from: docstrings of Python's standard library, 240,000 characters of plain English.

They change with every version of Python, and a claim near its limit turns with them. So those of
one version travel with the course (``data/docstrings.txt``): all learn from the same text, with
which the results were recorded. Another folder's modules are parsed, never imported; where they
hold too little, a generated language of the same size takes their place, and says so.
"""

from __future__ import annotations

import ast
import sysconfig
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from labs.tasks.toy_languages import build_markov_language

VOCABULARY = "\n" + "".join(chr(code) for code in range(32, 127))
"""Printable ASCII and the line break; the token of a character is its place here."""
_TOKENS = {character: token for token, character in enumerate(VOCABULARY)}
SHIPPED = Path(__file__).resolve().parents[2] / "data" / "docstrings.txt"
"""The docstrings of 3.11.7 in the order of `different_docstrings`, a form feed between two."""
SOURCE = "docstrings of Python 3.11"
HELD_OUT_EVERY = 6
"""One docstring in so many is held out."""


@dataclass(frozen=True, slots=True)
class Text:
    """Tokens to train on and tokens to be judged on; no docstring gives to both."""

    train: Tensor
    """(n_tokens,)"""
    held_out: Tensor
    """(n_tokens,)"""
    source: str
    """For people: "docstrings of Python 3.11" or "a generated language"."""

    @property
    def vocab_size(self) -> int:
        """Number of different tokens that may occur."""
        return len(VOCABULARY)


@lru_cache(maxsize=2)
def load(n_characters: int = 240_000, folder: Path | None = None) -> Text:
    """The first `n_characters` of docstrings, in the alphabetical order of the modules.

    Those that travel with the course, or of the modules in `folder`.
    """
    docstrings = different_docstrings(source_files(folder)) if folder else shipped_docstrings()
    parts: tuple[list[str], list[str]] = ([], [])
    n_found = 0
    for number, docstring in enumerate(docstrings):
        parts[number % HELD_OUT_EVERY == 0].append(docstring)
        n_found += len(docstring) + 2
        if n_found >= n_characters:
            train, held_out = (encode("\n\n".join(part)) for part in parts)
            return Text(train, held_out, SOURCE)
    return _generated_text(n_characters)


def shipped_docstrings() -> Iterator[str]:
    """The docstrings that travel with the course."""
    yield from SHIPPED.read_text(encoding="utf-8").removesuffix("\n").split("\n\f\n")


def encode(text: str) -> Tensor:
    """The tokens of a text; characters outside the vocabulary are left out."""
    return torch.tensor([_TOKENS[character] for character in text if character in _TOKENS])


def decode(tokens: Tensor) -> str:
    """The text of some tokens."""
    return "".join(VOCABULARY[token] for token in tokens.tolist())


def source_files(folder: Path | None = None) -> list[Path]:
    """The public modules in `folder`, in alphabetical order; without it, the standard library's."""
    return sorted((folder or Path(sysconfig.get_path("stdlib"))).glob("[a-z]*.py"))


def different_docstrings(paths: Iterable[Path]) -> Iterator[str]:
    """Docstrings of the modules, their classes and functions; a repeated one counts once."""
    seen = set()
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for path in paths:
        for node in _walk_statements(ast.parse(path.read_bytes())):
            docstring = ast.get_docstring(node) if isinstance(node, kinds) else None
            if docstring and docstring not in seen:
                seen.add(docstring)
                yield docstring


def _walk_statements(module: ast.Module) -> Iterator[ast.AST]:
    """What `ast.walk` yields, in its order, less expressions: no docstring hides in those."""
    waiting: deque[ast.AST] = deque([module])
    while waiting:
        node = waiting.popleft()
        for field in ("body", "handlers", "orelse", "finalbody", "cases"):
            inner = getattr(node, field, None)
            if isinstance(inner, list):  # the body of a lambda is an expression
                waiting.extend(inner)
        yield node


def _generated_text(n_characters: int) -> Text:
    """A Markov language over the same vocabulary."""
    generator = torch.Generator().manual_seed(0)
    language = build_markov_language(len(VOCABULARY), spread=0.5, generator=generator)
    # Cut into short texts, because a text of this length would be drawn token by token.
    n_texts = n_characters // 100
    texts = language.sample(n_texts, 100, generator)
    n_held_out = n_texts // HELD_OUT_EVERY
    return Text(texts[n_held_out:].flatten(), texts[:n_held_out].flatten(), "a generated language")
