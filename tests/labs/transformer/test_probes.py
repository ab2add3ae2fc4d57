from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Generator
from torch.nn import functional as F

from labs.transformer import Transformer, TransformerConfig
from labs.transformer.model import Block
from labs.transformer.probes import diversity, layer_gradients, rms

BASE = TransformerConfig(vocab_size=8, seq_len=6, d_model=8, n_heads=2, d_ff=16, n_layers=3)


def test_layer_gradients_are_those_of_a_backward_pass() -> None:
    model = Transformer(BASE, Generator().manual_seed(0))
    tokens = torch.randint(8, (4, 7), generator=Generator().manual_seed(1))
    batch = (tokens[:, :-1], tokens[:, 1:])
    measured = layer_gradients(model, batch)
    loss = F.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten())
    loss.backward()  # type: ignore[no-untyped-call]
    expected = [
        torch.cat([p.grad.flatten() for p in block.parameters() if p.grad is not None]).norm()
        for block in model.blocks
    ]
    assert measured == pytest.approx([float(length) for length in expected], rel=1e-4)
    assert len(measured) == 3


def test_rms_is_the_typical_size() -> None:
    assert rms(torch.tensor([[[3.0, -4.0], [4.0, 3.0]]])) == pytest.approx(12.5**0.5)


def test_equal_tokens_have_no_diversity_and_opposite_ones_have_all() -> None:
    token = torch.randn(1, 1, 8, generator=Generator().manual_seed(0))
    assert diversity(token.expand(1, 5, 8)) == pytest.approx(0, abs=1e-6)
    assert diversity(torch.cat((token, -token), dim=1)) == pytest.approx(1)
    half = torch.cat((token.expand(1, 2, 8), torch.cat((token, -token), dim=1)))
    assert diversity(half) == pytest.approx(0.5, abs=1e-6)


def test_attention_alone_makes_tokens_alike_from_layer_to_layer() -> None:
    """Rank collapse: without residuals and feed-forward networks diversity falls fast."""
    config = replace(BASE, n_layers=4, residual="off", kind="encoder", seq_len=32)
    model = Transformer(config, Generator().manual_seed(0))
    resid = torch.randn(4, 32, 8, generator=Generator().manual_seed(1))
    diversities = [diversity(resid)]
    for block in model.blocks:
        assert isinstance(block, Block)
        resid = block.attention(resid)
        diversities.append(diversity(resid))
    assert diversities == sorted(diversities, reverse=True)
    assert diversities[0] > 0.9
    assert diversities[-1] < 0.1
