from __future__ import annotations

import pytest
import torch
from torch import Generator
from torch.nn import functional as F

from labs.kit.writing import Sampling, repeated_share, write
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.generation import generate

WAYS = {"greedy": Sampling(0.0), "drawn": Sampling(1.0)}


@pytest.fixture
def model() -> Transformer:
    config = TransformerConfig(vocab_size=11, seq_len=12, positions="rope")
    return Transformer(config, Generator().manual_seed(0))


def test_ways_side_by_side_write_what_each_would_write_alone(model: Transformer) -> None:
    prompts = torch.randint(11, (3, 4), generator=Generator().manual_seed(1))
    written = write(model, prompts, 8, WAYS, Generator().manual_seed(2))
    assert torch.equal(written["greedy"].tokens, generate(model, prompts, 8))
    again = write(model, prompts, 8, WAYS, Generator().manual_seed(2))
    other = write(model, prompts, 8, WAYS, Generator().manual_seed(3))
    assert torch.equal(written["drawn"].tokens, again["drawn"].tokens)
    assert not torch.equal(written["drawn"].tokens, other["drawn"].tokens)


@torch.no_grad()
def test_losses_are_the_models_own_on_what_was_written(model: Transformer) -> None:
    prompts = torch.randint(11, (3, 4), generator=Generator().manual_seed(1))
    for written in write(model, prompts, 8, WAYS, Generator().manual_seed(2)).values():
        whole = torch.cat((prompts, written.tokens), dim=1)
        logits = model(whole)[:, 3:-1].transpose(1, 2)
        expected = F.cross_entropy(logits, written.tokens, reduction="none")
        torch.testing.assert_close(written.losses, expected, rtol=1e-4, atol=1e-5)


def test_padding_on_the_left_changes_nothing(model: Transformer) -> None:
    prompts = torch.randint(11, (1, 3), generator=Generator().manual_seed(1))
    padded = torch.cat((torch.zeros(1, 1, dtype=torch.long), prompts), dim=1)
    visible = torch.tensor([[False, True, True, True]])
    way = {"greedy": Sampling(0.0)}
    alone = write(model, prompts, 8, way, Generator())["greedy"]
    beside = write(model, padded, 8, way, Generator(), visible=visible)["greedy"]
    assert torch.equal(alone.tokens, beside.tokens)


def test_a_run_counts_as_repeated_if_it_stood_in_its_own_row_before() -> None:
    assert repeated_share([[1, 2, 3, 4]], 2) == 0
    assert repeated_share([[1, 2, 1, 2]], 2) == pytest.approx(1 / 3)
    assert repeated_share([[1, 1, 1, 1, 1]], 2) == pytest.approx(3 / 4)
    assert repeated_share([[1, 2, 3], [1, 2, 3]], 2) == 0
