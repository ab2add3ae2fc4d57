from __future__ import annotations

import pytest
import torch
from torch import Generator

from labs.tasks.recall import RecallTask

TASK = RecallTask(n_names=5, n_values=4, n_cells=3, n_fillers=20)


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_the_answer_is_the_value_of_the_one_cell_with_the_asked_name() -> None:
    tokens, answers, distances = TASK.draw(200, generator())
    assert tokens.shape == (200, TASK.seq_len, 2)
    for sequence, answer, distance in zip(tokens, answers, distances, strict=True):
        asked = sequence[-1, 0] - TASK.asked
        (place,) = (sequence[:-1, 0] == asked).nonzero()[:, 0].tolist()
        assert sequence[place, 1] - TASK.first_value == answer
        assert TASK.seq_len - 1 - place == distance


def test_all_other_tokens_hold_nothing() -> None:
    tokens, _, _ = TASK.draw(50, generator())
    holds = tokens[..., 1] != TASK.nothing
    assert (holds.sum(dim=1) == TASK.n_cells).all()
    assert not holds[:, -1].any()
    assert int(tokens.max()) == TASK.vocab_size - 1
    is_name = tokens[..., 0] < TASK.n_names
    assert torch.equal(is_name, holds)


def test_without_fillers_every_token_but_the_question_is_a_cell() -> None:
    task = RecallTask(n_names=8, n_values=4, n_cells=8)
    tokens, _, _ = task.draw(20, generator())
    assert (tokens[:, :-1, 0].sort(dim=1).values == torch.arange(8)).all()


def test_each_octave_of_distances_is_about_as_frequent() -> None:
    task = RecallTask(n_names=2, n_values=2, n_cells=1, n_fillers=62)
    distances = task.draw(4000, generator()).distances
    octaves = torch.bincount(distances.log2().floor().long()) / 4000  # 1, 2-3, 4-7, …, 32-63
    # The sums of 1/d over the octaves, divided by their total; the first is a little larger.
    assert octaves.tolist() == pytest.approx([0.21, 0.18, 0.16, 0.15, 0.15, 0.15], abs=0.03)


def test_no_cell_is_nearer_than_asked_for() -> None:
    task = RecallTask(n_names=3, n_values=2, n_cells=3, n_fillers=12, nearest=10)
    tokens = task.draw(200, generator()).tokens
    places = (tokens[..., 1] != task.nothing).nonzero()[:, 1]
    assert set(places.tolist()) == set(range(6))  # distances 10 to 15 of a question at 15


def test_the_generator_decides_everything() -> None:
    one, same, other = (TASK.draw(10, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(one.tokens, same.tokens)
    assert not torch.equal(one.tokens, other.tokens)
    supply = TASK.batches(10, generator())
    assert torch.equal(next(supply).tokens, one.tokens)
    assert not torch.equal(next(supply).tokens, one.tokens)


def test_more_cells_than_names_are_refused() -> None:
    with pytest.raises(ValueError, match="n_cells is 3 and n_names is 2"):
        RecallTask(n_names=2, n_values=4, n_cells=3)


def test_more_places_left_empty_than_there_are_fillers_are_refused() -> None:
    with pytest.raises(ValueError, match="nearest is 4 and n_fillers is 2"):
        RecallTask(n_names=2, n_values=4, n_cells=1, n_fillers=2, nearest=4)
