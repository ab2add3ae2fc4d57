from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor, nn

from labs.transformer import EncoderDecoder, Transformer, TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.config import Norm, Positions
from labs.transformer.model import Block
from labs.transformer.norms import LayerNorm
from labs.transformer.train import ModelStack

Randomise = Callable[[nn.Module], None]
BASE = TransformerConfig(
    vocab_size=11, seq_len=6, d_model=12, n_heads=4, d_ff=20, kind="encoder-decoder"
)
SOURCE_LEN = 5


def random_stream(seq_len: int) -> Tensor:
    generator = Generator().manual_seed(seq_len)
    return torch.randn(2, seq_len, BASE.d_model, generator=generator)


def random_tokens(seq_len: int) -> Tensor:
    return torch.randint(BASE.vocab_size, (2, seq_len), generator=Generator().manual_seed(seq_len))


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    projections = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([p.weight for p in projections]))
        theirs.in_proj_bias.copy_(torch.cat([p.bias for p in projections]))
    theirs.out_proj.load_state_dict(ours.out.state_dict())


def torch_layer(block: Block, config: TransformerConfig) -> nn.TransformerDecoderLayer:
    """PyTorch's decoder layer with the block's parameters."""
    layer = nn.TransformerDecoderLayer(
        config.d_model,
        config.n_heads,
        config.d_ff,
        dropout=0.0,
        batch_first=True,
        norm_first=config.norm == "pre",
    )
    copy_attention(block.attention, layer.self_attn)
    assert block.cross_attention is not None
    copy_attention(block.cross_attention, layer.multihead_attn)
    layer.linear1.load_state_dict(block.feedforward.up.state_dict())
    layer.linear2.load_state_dict(block.feedforward.down.state_dict())
    names = [f"{sublayer}_{config.norm}_norm" for sublayer in ("attention", "cross", "feedforward")]
    for name, theirs in zip(names, (layer.norm1, layer.norm2, layer.norm3), strict=True):
        ours = getattr(block, name)
        assert isinstance(ours, LayerNorm)
        theirs.load_state_dict({"weight": ours.gain, "bias": ours.bias})
    return layer


@pytest.mark.parametrize("source_len", [SOURCE_LEN, BASE.seq_len + 3])
@pytest.mark.parametrize("positions", ["learned", "rope", "alibi"])
def test_keys_and_values_come_from_the_source(
    positions: Positions, source_len: int, randomise: Randomise
) -> None:
    """As in torch, all of the source is seen, and no distance between the two counts."""
    config = replace(BASE, positions=positions, d_model=16)
    ours = MultiHeadAttention(config, cross=True)
    randomise(ours)
    theirs = nn.MultiheadAttention(config.d_model, config.n_heads, batch_first=True)
    copy_attention(ours, theirs)
    x = torch.randn(2, 6, 16, generator=Generator().manual_seed(0))
    source = torch.randn(2, source_len, 16, generator=Generator().manual_seed(1))
    expected, _ = theirs(x, source, source)
    torch.testing.assert_close(ours(x, source), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_equals_torchs_decoder_layer(norm: Norm, randomise: Randomise) -> None:
    config = replace(BASE, norm=norm)
    block = Block(config)
    randomise(block)
    x, encoded = random_stream(BASE.seq_len), random_stream(SOURCE_LEN)
    hidden = torch.ones(BASE.seq_len, BASE.seq_len).triu(1).bool()
    expected = torch_layer(block, config)(x, encoded, tgt_mask=hidden)
    torch.testing.assert_close(block(x, encoded), expected, atol=1e-5, rtol=1e-5)


def test_without_norm_and_residuals_a_block_is_its_three_sublayers(randomise: Randomise) -> None:
    block = Block(replace(BASE, norm="none", residual="off"))
    randomise(block)
    assert block.cross_attention is not None
    x, encoded = random_stream(BASE.seq_len), random_stream(SOURCE_LEN)
    expected = block.feedforward(block.cross_attention(block.attention(x), encoded))
    torch.testing.assert_close(block(x, encoded), expected)


def test_without_residuals_nothing_passes_a_silent_cross_attention(randomise: Randomise) -> None:
    x, encoded = random_stream(BASE.seq_len), random_stream(SOURCE_LEN)
    config = replace(BASE, norm="none")
    for arm, reaches in ((config, True), (replace(config, residual="off"), False)):
        block = Block(arm)
        randomise(block)
        assert block.cross_attention is not None
        nn.init.zeros_(block.cross_attention.out.weight)
        assert (not torch.allclose(block(x, encoded), block(2 * x, encoded))) is reaches


def test_every_source_token_and_no_later_target_token_moves_an_output(
    randomise: Randomise,
) -> None:
    model = EncoderDecoder(BASE, Generator().manual_seed(0))
    randomise(model)
    source, target = random_tokens(SOURCE_LEN), random_tokens(BASE.seq_len)
    before = model(source, target)
    for place in range(SOURCE_LEN):
        changed = source.clone()
        changed[:, place] = (changed[:, place] + 1) % BASE.vocab_size
        assert ((model(changed, target) - before).abs().amax(dim=-1) > 0).all()
    for place in range(BASE.seq_len):
        changed = target.clone()
        changed[:, place] = (changed[:, place] + 1) % BASE.vocab_size
        moved = (model(source, changed) - before).abs().amax(dim=-1)  # (batch, seq_len)
        assert (moved[:, :place] == 0).all()
        assert (moved[:, place:] > 0).all()


def test_the_encoder_is_an_encoder_with_the_same_config(randomise: Randomise) -> None:
    model = EncoderDecoder(BASE, Generator().manual_seed(0))
    randomise(model)
    alone = Transformer(replace(BASE, kind="encoder"), Generator().manual_seed(0))
    alone.load_state_dict(model.encoder.state_dict(), strict=False)
    source = random_tokens(SOURCE_LEN)
    expected = alone.final_norm(alone.residual_stream(source)[-1])
    torch.testing.assert_close(model.encoder(source), expected, atol=0, rtol=0)


@pytest.mark.parametrize("norm", ["pre", "post", "none"])
@pytest.mark.parametrize("positions", ["sinusoidal", "alibi"])
def test_a_stack_of_models_gives_each_its_own_loss(norm: Norm, positions: Positions) -> None:
    """Residual connections and starting weights differ; every sublayer runs under vmap."""
    config = replace(BASE, norm=norm, positions=positions)
    models = [
        EncoderDecoder(arm, Generator().manual_seed(seed))
        for arm in (config, replace(config, residual="off"))
        for seed in (0, 1)
    ]
    source, target = random_tokens(SOURCE_LEN), random_tokens(BASE.seq_len)
    answers = target.flip(1)
    expected = [
        nn.functional.cross_entropy(model(source, target).flatten(0, 1), answers.flatten())
        for model in models
    ]
    losses = ModelStack(models).losses((source, target, answers))
    torch.testing.assert_close(losses, torch.stack(expected), atol=1e-5, rtol=1e-5)
    assert len({round(float(loss), 4) for loss in losses.detach()}) == 4


def test_a_model_that_cannot_be_built_or_run_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match="kind is 'decoder': an EncoderDecoder needs"):
        EncoderDecoder(replace(BASE, kind="decoder"), Generator())
    with pytest.raises(ValueError, match="reads the output of an encoder, and none was given"):
        Transformer(BASE, Generator())(random_tokens(3))
