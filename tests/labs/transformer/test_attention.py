from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from labs.transformer import TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.config import Kind

Randomise = Callable[[nn.Module], None]
SEQ_LEN, D_MODEL, N_HEADS = 7, 12, 3


def build_pair(kind: Kind, randomise: Randomise) -> tuple[MultiHeadAttention, nn.Module]:
    """Our attention and PyTorch's, with the same random parameters."""
    config = TransformerConfig(
        vocab_size=5, seq_len=SEQ_LEN, d_model=D_MODEL, n_heads=N_HEADS, kind=kind
    )
    ours = MultiHeadAttention(config)
    randomise(ours)
    theirs = nn.MultiheadAttention(D_MODEL, N_HEADS, batch_first=True)
    projections = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([p.weight for p in projections]))
        theirs.in_proj_bias.copy_(torch.cat([p.bias for p in projections]))
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    return ours, theirs


def test_an_encoder_attends_as_torch_does(randomise: Randomise) -> None:
    ours, theirs = build_pair("encoder", randomise)
    x = torch.randn(2, SEQ_LEN, D_MODEL, generator=torch.Generator().manual_seed(0))
    expected, weights = theirs(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(ours(x), expected, atol=1e-5, rtol=1e-5)
    q, k = ours.split_heads(ours.query(x)), ours.split_heads(ours.key(x))
    torch.testing.assert_close(ours.weights(q, k), weights, atol=1e-5, rtol=1e-5)


def test_a_decoder_attends_as_torch_does_with_a_causal_mask(randomise: Randomise) -> None:
    ours, theirs = build_pair("decoder", randomise)
    x = torch.randn(2, SEQ_LEN, D_MODEL, generator=torch.Generator().manual_seed(0))
    hidden = torch.ones(SEQ_LEN, SEQ_LEN).triu(1).bool()
    expected, _ = theirs(x, x, x, attn_mask=hidden)
    torch.testing.assert_close(ours(x), expected, atol=1e-5, rtol=1e-5)


def test_a_shorter_sequence_uses_the_corner_of_the_mask(randomise: Randomise) -> None:
    """The first tokens of a causal model do not know how long the sequence is."""
    ours, _ = build_pair("decoder", randomise)
    x = torch.randn(2, SEQ_LEN, D_MODEL, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x[:, :4]), ours(x)[:, :4])
