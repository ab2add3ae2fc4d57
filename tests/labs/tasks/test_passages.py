from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from labs.tasks.passages import PER_FILE, passages, token_rows


def write_module(folder: Path, name: str, *texts: str) -> None:
    functions = "\n".join(f'def f{i}():\n    """{text}"""' for i, text in enumerate(texts))
    (folder / name).write_text(f"raise SystemExit('imported')\n{functions}\n")


def code_points(text: str) -> list[int]:
    return [ord(character) for character in text]


def test_a_seed_always_gives_the_same_passages_and_another_seed_others() -> None:
    first, again, other = (set(islice(passages(seed), 20)) for seed in (0, 0, 1))
    assert first == again
    assert len(first & other) < 5


def test_passages_are_long_enough_and_come_from_many_modules() -> None:
    found = list(islice(passages(3, min_characters=300), 50))
    assert len(set(found)) == 50
    assert min(map(len, found)) >= 300


def test_only_the_modules_that_are_needed_are_parsed(tmp_path: Path) -> None:
    write_module(tmp_path, "alpha.py", *(f"Text {i}." for i in range(9)))
    (tmp_path / "beta.py").write_text("not Python at all")
    seed = next(seed for seed in range(20) if starts_with_alpha(seed, tmp_path))
    assert len(list(islice(passages(seed, folder=tmp_path), PER_FILE))) == PER_FILE
    with pytest.raises(SyntaxError):
        list(passages(seed, folder=tmp_path))


def starts_with_alpha(seed: int, folder: Path) -> bool:
    try:
        return bool(next(passages(seed, folder=folder)))
    except SyntaxError:
        return False


def test_rows_have_one_length_and_begin_as_the_model_wants(tmp_path: Path) -> None:
    write_module(tmp_path, "alpha.py", "Short.", "A longer text.")
    rows = token_rows(code_points, 1, 8, seed=0, begin=[7], folder=tmp_path)
    assert rows.tolist() == [[7, *code_points("A longe")]]


def test_too_few_passages_are_an_error_that_counts_them(tmp_path: Path) -> None:
    write_module(tmp_path, "alpha.py", "Short.", "A longer text.")
    with pytest.raises(ValueError, match="passages of 8 tokens: 1, and 2 are needed"):
        token_rows(code_points, 2, 8, seed=0, folder=tmp_path)


def test_an_installation_without_sources_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="without the source files"):
        next(passages(0, folder=tmp_path))
