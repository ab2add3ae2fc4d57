from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from labs.tasks import docstrings


@pytest.fixture(scope="module")
def text() -> docstrings.Text:
    return docstrings.load()


def test_every_python_learns_from_the_same_text(text: docstrings.Text) -> None:
    """The one with which the results were recorded, bit for bit."""
    assert text.source == "docstrings of Python 3.11"
    assert len(text.train) == 204_180
    digest = hashlib.sha256(bytes(text.train.tolist() + text.held_out.tolist()))
    assert digest.hexdigest().startswith("1d85f204e2162f8e")
    assert 0 <= int(text.train.min()) <= int(text.train.max()) < text.vocab_size == 96


def test_it_reads_as_english(text: docstrings.Text) -> None:
    words = docstrings.decode(text.held_out).split()
    assert words.count("the") > 100


def test_tokens_and_characters_translate_both_ways() -> None:
    assert docstrings.decode(docstrings.encode("Don't panic!\n~")) == "Don't panic!\n~"
    assert docstrings.decode(docstrings.encode("a é\tb")) == "a b"


def write_module(folder: Path, name: str, *texts: str) -> None:
    functions = "\n".join(f'def f{i}():\n    """{text}"""' for i, text in enumerate(texts))
    (folder / name).write_text(f"raise SystemExit('imported')\n{functions}\n")


def test_sources_are_parsed_in_order_and_never_imported(tmp_path: Path) -> None:
    write_module(tmp_path, "beta.py", "Bee.", "Cee.")
    write_module(tmp_path, "alpha.py", "Ay.")
    write_module(tmp_path, "_private.py", "Hidden.")
    text = docstrings.load(10, tmp_path)
    assert docstrings.decode(text.held_out) == "Ay."
    assert docstrings.decode(text.train) == "Bee."


def test_a_repeated_docstring_never_tests_what_was_trained(tmp_path: Path) -> None:
    write_module(tmp_path, "alpha.py", *["Same."] * 20, *(f"Other {i}." for i in range(12)))
    text = docstrings.load(100, tmp_path)
    assert "Same." in docstrings.decode(text.held_out)
    assert "Same." not in docstrings.decode(text.train)


def test_without_sources_a_generated_language_says_so(tmp_path: Path) -> None:
    text = docstrings.load(30_000, tmp_path)
    assert text.source == "a generated language"
    assert len(text.train) + len(text.held_out) == 30_000
    assert len(text.held_out) == 5_000
    docstrings.load.cache_clear()
    assert torch.equal(text.train, docstrings.load(30_000, tmp_path).train)
