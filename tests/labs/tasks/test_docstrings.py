from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from pathlib import Path

import pytest

from labs.tasks import docstrings


@pytest.fixture(scope="module")
def text() -> docstrings.Text:
    return docstrings.load()


def test_every_python_learns_from_the_same_text(text: docstrings.Text) -> None:
    """The one with which the results were recorded, bit for bit."""
    assert len(text.train) == 204_180
    digest = hashlib.sha256(bytes(text.train.tolist() + text.held_out.tolist()))
    assert digest.hexdigest().startswith("1d85f204e2162f8e")
    assert 0 <= int(text.train.min()) <= int(text.train.max()) < text.vocab_size == 96


@pytest.mark.skipif(sys.version_info[:3] != (3, 11, 7), reason="of Python 3.11.7")
def test_the_text_is_what_the_standard_library_says_of_itself() -> None:
    paths = sorted(Path(sysconfig.get_path("stdlib")).glob("[a-z]*.py"))
    found = {path.stem: different_docstrings(path) for path in paths}
    assert list(found.items()) == list(docstrings.docstrings_by_module().items())


def different_docstrings(path: Path) -> list[str]:
    """Docstrings of the module, its classes and functions."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, kinds))
    return list(dict.fromkeys(filter(None, map(ast.get_docstring, nodes))))


def test_it_reads_as_english(text: docstrings.Text) -> None:
    words = docstrings.decode(text.held_out).split()
    assert words.count("the") > 100


def test_tokens_and_characters_translate_both_ways() -> None:
    assert docstrings.decode(docstrings.encode("Don't panic!\n~")) == "Don't panic!\n~"
    assert docstrings.decode(docstrings.encode("a é\tb")) == "a b"
