from __future__ import annotations

from itertools import islice

import pytest

from labs.tasks.passages import passages, token_rows


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


@pytest.fixture
def two_passages(monkeypatch: pytest.MonkeyPatch) -> None:
    """One module, which says two things."""
    texts = {"alpha": ["Short.", "A longer text."]}
    monkeypatch.setattr("labs.tasks.passages.docstrings_by_module", lambda: texts)


@pytest.mark.usefixtures("two_passages")
def test_rows_have_one_length_and_begin_as_the_model_wants() -> None:
    rows = token_rows(code_points, 1, 8, seed=0, begin=[7])
    assert rows.tolist() == [[7, *code_points("A longe")]]


@pytest.mark.usefixtures("two_passages")
def test_too_few_passages_are_an_error_that_counts_them() -> None:
    with pytest.raises(ValueError, match="passages of 8 tokens: 1, and 2 are needed"):
        token_rows(code_points, 2, 8, seed=0)
