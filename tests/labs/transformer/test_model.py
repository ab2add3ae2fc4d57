from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.autograd.functional import jacobian

from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Activation, Kind, Norm, Positions
from labs.transformer.model import Block
from labs.transformer.norms import LayerNorm

Randomise = Callable[[nn.Module], None]
BASE = TransformerConfig(vocab_size=11, seq_len=6, d_model=12, n_heads=3, d_ff=20)


def build_model(config: TransformerConfig, seed: int = 0) -> Transformer:
    return Transformer(config, Generator().manual_seed(seed))


def random_stream(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(1))


def torch_layer(block: Block, config: TransformerConfig) -> nn.TransformerEncoderLayer:
    """PyTorch's layer with the block's parameters."""
    layer = nn.TransformerEncoderLayer(
        config.d_model,
        config.n_heads,
        config.d_ff,
        dropout=0.0,
        activation=config.activation,
        batch_first=True,
        norm_first=config.norm == "pre",
    )
    attention, feedforward = block.attention, block.feedforward
    projections = (attention.query, attention.key, attention.value)
    if config.norm == "pre":
        norms = (block.attention_pre_norm, block.feedforward_pre_norm)
    else:
        norms = (block.attention_post_norm, block.feedforward_post_norm)
    with torch.no_grad():
        layer.self_attn.in_proj_weight.copy_(torch.cat([p.weight for p in projections]))
        layer.self_attn.in_proj_bias.copy_(torch.cat([p.bias for p in projections]))
        for ours, theirs in zip(norms, (layer.norm1, layer.norm2), strict=True):
            assert isinstance(ours, LayerNorm)
            theirs.weight.copy_(ours.gain)
            theirs.bias.copy_(ours.bias)
    layer.self_attn.out_proj.load_state_dict(attention.out.state_dict())
    layer.linear1.load_state_dict(feedforward.up.state_dict())
    layer.linear2.load_state_dict(feedforward.down.state_dict())
    return layer


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_equals_torchs_layer(
    norm: Norm, activation: Activation, kind: Kind, randomise: Randomise
) -> None:
    config = replace(BASE, norm=norm, activation=activation, kind=kind)
    block = Block(config)
    randomise(block)
    layer = torch_layer(block, config)
    x = random_stream(2, BASE.seq_len, BASE.d_model)
    hidden = torch.ones(BASE.seq_len, BASE.seq_len).triu(1).bool()
    expected = layer(x, src_mask=hidden if kind == "decoder" else None)
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


def test_without_norm_and_residuals_a_block_is_its_two_sublayers(randomise: Randomise) -> None:
    block = Block(replace(BASE, norm="none", residual="off"))
    randomise(block)
    x = random_stream(2, BASE.seq_len, BASE.d_model)
    torch.testing.assert_close(block(x), block.feedforward(block.attention(x)))


def test_without_residuals_what_went_in_is_gone(randomise: Randomise) -> None:
    """With silent sublayers nothing is left; with residuals everything is."""
    x = random_stream(2, BASE.seq_len, BASE.d_model)
    for config, expected in ((BASE, x), (replace(BASE, residual="off"), torch.zeros_like(x))):
        block = Block(config)
        randomise(block)
        for last in (block.attention.out, block.feedforward.down):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        torch.testing.assert_close(block(x), expected, atol=0, rtol=0)


def influence(config: TransformerConfig, randomise: Randomise) -> Tensor:
    """How far each output position moves with each input position: (seq_len, seq_len)."""
    model = build_model(config)
    randomise(model)

    def run_blocks(x: Tensor) -> Tensor:
        for block in model.blocks:
            x = block(x)
        return model.read(x)[0]

    x = random_stream(1, config.seq_len, config.d_model)
    # (seq_len, vocab_size, 1, seq_len, d_model)
    derivative: Tensor = jacobian(run_blocks, x)  # type: ignore[no-untyped-call]
    return derivative.abs().amax(dim=(1, 2, 4))


def test_no_later_token_moves_an_earlier_output_of_a_decoder(randomise: Randomise) -> None:
    """Exactly zero, not merely small: a masked weight is exactly 0."""
    moved = influence(BASE, randomise)
    assert (moved.triu(1) == 0).all()
    assert (moved[torch.ones_like(moved).tril().bool()] > 0).all()


def test_every_token_moves_every_output_of_an_encoder(randomise: Randomise) -> None:
    assert (influence(replace(BASE, kind="encoder"), randomise) > 0).all()


def test_an_encoder_without_positions_does_not_see_the_order(randomise: Randomise) -> None:
    model = build_model(replace(BASE, kind="encoder", positions="none"))
    randomise(model)
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9]])
    order = torch.tensor([5, 2, 0, 1, 4, 3])
    torch.testing.assert_close(model(tokens[:, order]), model(tokens)[:, order])


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rope"])
def test_with_positions_the_order_matters(positions: Positions, randomise: Randomise) -> None:
    model = build_model(replace(BASE, kind="encoder", positions=positions))
    randomise(model)
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9]])
    order = torch.tensor([5, 2, 0, 1, 4, 3])
    assert (model(tokens[:, order]) - model(tokens)[:, order]).abs().max() > 0.01


def test_the_residual_stream_has_a_stop_after_every_layer() -> None:
    model = build_model(replace(BASE, n_layers=3))
    tokens = torch.tensor([[0, 1, 2, 3]])
    stream = model.residual_stream(tokens)
    assert [tuple(resid.shape) for resid in stream] == [(1, 4, BASE.d_model)] * 4
    torch.testing.assert_close(model.read(stream[-1]), model(tokens), atol=0, rtol=0)
    torch.testing.assert_close(model.blocks[1](stream[1]), stream[2], atol=0, rtol=0)


def test_the_same_seed_gives_all_arms_the_same_weights() -> None:
    base = build_model(BASE).state_dict()
    for arm in (replace(BASE, residual="off"), replace(BASE, norm="none")):
        ablated = build_model(arm).state_dict()
        assert all(torch.equal(base[name], ablated[name]) for name in ablated)
    other = build_model(BASE, seed=1).state_dict()
    assert not torch.equal(base["embed.weight"], other["embed.weight"])


def test_too_long_a_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="7 tokens, and the model was built for 6"):
        build_model(BASE)(torch.zeros(1, 7, dtype=torch.long))
