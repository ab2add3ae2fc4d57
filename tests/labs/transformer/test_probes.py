from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Generator
from torch.nn import functional as F

from labs.transformer import EncoderDecoder, Transformer, TransformerConfig
from labs.transformer.interventions import self_attentions, silenced_heads
from labs.transformer.model import Block
from labs.transformer.probes import (
    attention_maps,
    attention_weights,
    change_by_layer,
    delivered,
    diversity,
    head_effects,
    layer_gradients,
    queries_keys,
    rms,
)
from tests.labs.conftest import Randomise

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


def test_a_change_of_the_embeddings_is_followed_from_layer_to_layer() -> None:
    """Layers that add one vector to all tokens keep the change, and outgrow it as it grows."""
    model = Transformer(replace(BASE, norm="none"), Generator().manual_seed(0))
    tokens = torch.randint(8, (4, 6), generator=Generator().manual_seed(1))
    for block in model.blocks:
        for parameter in block.parameters():
            torch.nn.init.zeros_(parameter)
    kept = change_by_layer(model, tokens, 0.01, Generator().manual_seed(2))
    assert kept == pytest.approx([0.01] * 4, rel=1e-4)
    block = model.blocks[1]
    assert isinstance(block, Block)
    torch.nn.init.constant_(block.feedforward.down.bias, 3.0)
    sizes = [rms(resid) for resid in model.residual_stream(tokens)]
    outgrown = change_by_layer(model, tokens, 0.01, Generator().manual_seed(2))
    assert outgrown == pytest.approx([0.01 * sizes[0] / size for size in sizes], rel=1e-4)
    assert outgrown[-1] < 0.005


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


def test_attention_weights_are_those_that_the_model_uses() -> None:
    """Put in by hand they give what the sublayer gives; the model runs on as before."""
    config = replace(BASE, kind="encoder-decoder", positions="rope", d_model=16)
    model = EncoderDecoder(config, Generator().manual_seed(0))
    source = torch.randint(8, (2, 5), generator=Generator().manual_seed(1))
    target = torch.randint(8, (2, 6), generator=Generator().manual_seed(2))
    block = model.decoder.blocks[0]
    assert isinstance(block, Block)
    assert block.cross_attention is not None
    seen: dict[str, torch.Tensor] = {}
    for name, attention in (("self", block.attention), ("cross", block.cross_attention)):
        hook = attention.register_forward_hook(
            lambda module, args, out, name=name: seen.update({name: args[-1], f"{name}_out": out})
        )
        before = model(source, target)
        hook.remove()
        weights = attention_weights(model, attention, source, target)
        collected = weights @ attention.split_heads(attention.value(seen[name]))
        out = attention.out(collected.transpose(1, 2).flatten(2))
        torch.testing.assert_close(out, seen[f"{name}_out"])
        torch.testing.assert_close(model(source, target), before, atol=0, rtol=0)
    assert weights.shape == (2, config.n_heads, 6, 5)


def test_maps_of_all_layers_are_caught_in_one_pass() -> None:
    config = replace(BASE, kind="encoder-decoder", n_kv_heads=1)
    model = EncoderDecoder(config, Generator().manual_seed(0))
    source = torch.randint(8, (2, 5), generator=Generator().manual_seed(1))
    target = torch.randint(8, (2, 6), generator=Generator().manual_seed(2))
    visible = torch.tensor([[True] * 5, [False] * 3 + [True] * 2])
    maps = attention_maps(model.encoder, source, visible=visible)
    assert [weights.shape for weights in maps] == [(2, 2, 5, 5)] * 3
    assert maps[2][1, :, :, :3].count_nonzero() == 0
    torch.testing.assert_close(maps[1].sum(dim=-1), torch.ones(2, 2, 5))
    encoded = model.encoder(source)
    crossing = attention_maps(model.decoder, target, encoded, cross=True)
    assert [weights.shape for weights in crossing] == [(2, 2, 6, 5)] * 3
    for layer, block in enumerate(model.decoder.blocks):
        assert isinstance(block, Block)
        one = attention_weights(model.decoder, block.attention, target, encoded)
        torch.testing.assert_close(attention_maps(model.decoder, target, encoded)[layer], one)
        assert "weights" not in vars(block.attention)


def test_a_query_that_sees_nothing_has_a_row_of_zeros() -> None:
    model = Transformer(BASE, Generator().manual_seed(0))
    visible = torch.tensor([[False, True, True]])
    for weights in attention_maps(model, torch.tensor([[1, 2, 3]]), visible=visible):
        assert weights[0, 0, 0].tolist() == [0, 0, 0]
        assert weights[0, :, 1].tolist() == [[0, 1, 0], [0, 1, 0]]


@torch.no_grad()
def test_what_heads_deliver_is_the_length_of_what_they_add(randomise: Randomise) -> None:
    """A head that looks at one token only adds just what that token delivers."""
    model = Transformer(replace(BASE, n_kv_heads=1), Generator().manual_seed(0))
    randomise(model)
    tokens = torch.randint(8, (2, 5), generator=Generator().manual_seed(1))
    stream, maps = model.residual_stream(tokens), attention_maps(model, tokens)
    brought = delivered(model, stream, maps)[1]
    assert brought.shape == (2, 2, 5, 5)
    block = model.blocks[1]
    attention = block.get_submodule("attention")
    with silenced_heads(model, [(1, 0)]):
        without = attention(block.get_submodule("attention_pre_norm")(stream[1]))
    added = attention(block.get_submodule("attention_pre_norm")(stream[1])) - without
    # The first token sees itself only.
    torch.testing.assert_close(brought[:, 0, 0, 0], added[:, 0].norm(dim=-1))
    # What a token would deliver for a weight of 1 does not depend on who asks.
    at_full_weight = brought / maps[1]
    torch.testing.assert_close(at_full_weight[:, :, 3, :4], at_full_weight[:, :, 4, :4])


def test_effects_of_heads_add_up_to_what_a_linear_score_loses(randomise: Randomise) -> None:
    """In the last layer, without a final norm, the first order is exact."""
    model = Transformer(replace(BASE, norm="none", d_ff=4), Generator().manual_seed(0))
    randomise(model)
    for parameter in model.blocks[-1].get_submodule("feedforward").parameters():
        parameter.data.zero_()
    model.requires_grad_(False)
    tokens = torch.randint(8, (2, 5), generator=Generator().manual_seed(1))

    def score() -> torch.Tensor:
        mean: torch.Tensor = model(tokens)[:, -1, 3].mean()
        return mean

    effects = head_effects(model, score)
    assert effects.shape == (3, 2)
    for head in range(2):
        with silenced_heads(model, [(2, head)]):
            lost = float(score())
        assert float(effects[2, head]) == pytest.approx(float(score()) - lost, rel=1e-3, abs=1e-4)
    assert not effects.requires_grad


def test_queries_and_keys_are_caught_before_they_are_turned() -> None:
    config = replace(BASE, d_model=16, n_heads=4, n_kv_heads=2, positions="rope")
    model = Transformer(config, Generator().manual_seed(0))
    tokens = torch.randint(8, (2, 5), generator=Generator().manual_seed(1))

    queries, keys = queries_keys(model, tokens)

    assert queries.shape == keys.shape == (3, 2, 5, 4, 4)
    assert keys[..., 0, :].equal(keys[..., 1, :]) and keys[..., 2, :].equal(keys[..., 3, :])
    assert not keys[..., 1, :].equal(keys[..., 2, :])
    # Turned and multiplied, they are the scores whose softmax the layers compute.
    attention = self_attentions(model)[1]
    q, k = (attention.rotation(x[1].transpose(1, 2)) for x in (queries, keys))
    scores = (q @ k.mT / 2).masked_fill(torch.ones(5, 5).triu(1) > 0, -torch.inf)
    torch.testing.assert_close(scores.softmax(dim=-1), attention_maps(model, tokens)[1])
