from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor, nn

from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Positions
from labs.transformer.interventions import (
    layers_reordered,
    made_causal,
    module_swapped,
    modules_swapped,
    patched,
    positions_replaced,
    residual_cut,
    self_attentions,
    silenced_heads,
    skipped,
    unmasked,
    weights_changed,
)
from labs.transformer.model import Block
from labs.transformer.probes import attention_maps

Randomise = Callable[[nn.Module], None]
BASE = TransformerConfig(
    vocab_size=11, seq_len=9, d_model=16, n_layers=3, n_heads=4, d_ff=20, n_kv_heads=2
)
TOKENS = torch.randint(11, (2, 6), generator=Generator().manual_seed(1))


def built(config: TransformerConfig, randomise: Randomise) -> Transformer:
    model = Transformer(config, Generator().manual_seed(0))
    randomise(model)
    return model


def block_of(model: Transformer, layer: int) -> Block:
    block = model.blocks[layer]
    assert isinstance(block, Block)
    return block


INTERVENTIONS: dict[str, Callable[[Transformer], AbstractContextManager[None]]] = {
    "skipped attention": lambda model: skipped(block_of(model, 1), "attention"),
    "skipped feed-forward": lambda model: skipped(block_of(model, 1), "feedforward"),
    "residual cut": lambda model: residual_cut(block_of(model, 1)),
    "silenced": lambda model: silenced_heads(model, [(0, 1), (2, 3)]),
    "silenced by mean": lambda model: silenced_heads(model, [(0, 1), (2, 3)], by="mean"),
    "swapped": lambda model: module_swapped(model.blocks[1], "feedforward", nn.Identity()),
    "several swapped": lambda model: modules_swapped(
        [(block, "attention_pre_norm", nn.Identity()) for block in model.blocks]
    ),
    "patched": lambda model: patched(model, 1, lambda resid: 2 * resid),
    "patched at the end": lambda model: patched(model, 3, lambda resid: resid.flip(1)),
    "unmasked": lambda model: unmasked(model),
    "positions": lambda model: positions_replaced(model, "none"),
    "order": lambda model: layers_reordered(model, (1, 0, 2)),
    "weights": lambda model: weights_changed(
        self_attentions(model)[1:], lambda number, weights: weights.flip(1)
    ),
}


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_an_intervention_changes_the_model_and_leaves_it_as_it_was(
    name: str, randomise: Randomise
) -> None:
    model = built(BASE, randomise)
    before = model(TOKENS)
    with pytest.raises(KeyError), INTERVENTIONS[name](model):
        changed = model(TOKENS)
        raise KeyError
    assert (changed - before).abs().max() > 1e-3
    torch.testing.assert_close(model(TOKENS), before, atol=0, rtol=0)
    assert set(vars(model)) == set(vars(built(BASE, randomise)))


def test_a_skipped_layer_is_not_there(randomise: Randomise) -> None:
    model = built(BASE, randomise)
    stream = model.residual_stream(TOKENS)
    block = block_of(model, 1)
    with skipped(block, "attention"), skipped(block, "feedforward"):
        torch.testing.assert_close(model.residual_stream(TOKENS)[2], stream[1])


def test_cross_attention_is_skipped_cut_and_silenced_too(randomise: Randomise) -> None:
    config = replace(BASE, kind="encoder-decoder", n_layers=1)
    decoder = built(config, randomise)
    block = block_of(decoder, 0)
    assert block.cross_attention is not None
    encoded = torch.randn(2, 5, 16, generator=Generator().manual_seed(2))
    resid = decoder.embedded(TOKENS)
    attended = resid + block.attention(block.attention_pre_norm(resid))
    crossing = block.cross_attention(block.cross_pre_norm(attended), encoded)

    def after(mid: Tensor) -> Tensor:
        stream: Tensor = mid + block.feedforward(block.feedforward_pre_norm(mid))
        return stream

    torch.testing.assert_close(block(resid, encoded), after(attended + crossing))
    with skipped(block, "cross"):
        torch.testing.assert_close(block(resid, encoded), after(attended))
    with residual_cut(block, "cross"):
        torch.testing.assert_close(block(resid, encoded), after(crossing))
    with silenced_heads(decoder, [(0, head) for head in range(4)], cross=True):
        bias = block.cross_attention.out.bias
        torch.testing.assert_close(block(resid, encoded), after(attended + bias))


def test_layers_run_in_the_order_that_is_given(randomise: Randomise) -> None:
    model = built(BASE, randomise)
    resid = model.embedded(TOKENS)
    for layer in (2, 0, 0):
        resid = block_of(model, layer)(resid)
    with layers_reordered(model, (2, 0, 0)):
        torch.testing.assert_close(model(TOKENS), model.read(resid))


def test_a_cut_residual_leaves_what_the_sublayer_adds(randomise: Randomise) -> None:
    model = built(BASE, randomise)
    resid = model.residual_stream(TOKENS)[1]
    block = block_of(model, 1)
    mid = resid + block.attention(block.attention_pre_norm(resid))
    with residual_cut(block, "feedforward"):
        expected = block.feedforward(block.feedforward_pre_norm(mid))
        torch.testing.assert_close(block(resid), expected)
    with residual_cut(block, "attention"):
        only = block.attention(block.attention_pre_norm(resid))
        expected = only + block.feedforward(block.feedforward_pre_norm(only))
        torch.testing.assert_close(block(resid), expected)


def test_silenced_heads_add_nothing_to_the_output_projection(randomise: Randomise) -> None:
    """Columns of the projection that read a head, set to 0, do the same; all heads: its bias."""
    model = built(BASE, randomise)
    with silenced_heads(model, [(1, 0), (1, 2)]):
        silenced = model(TOKENS)
    weight = block_of(model, 1).attention.out.weight
    with torch.no_grad():
        weight[:, [0, 1, 2, 3, 8, 9, 10, 11]] = 0
    torch.testing.assert_close(model(TOKENS), silenced)


def test_weights_of_no_size_silence_a_head_and_may_be_watched(randomise: Randomise) -> None:
    """Each attention gets the change for its own place, also within another change of weights."""
    model = built(BASE, randomise)
    with silenced_heads(model, [(1, 2)]):
        silenced = model(TOKENS)

    def without(number: int, weights: Tensor) -> Tensor:
        changed = weights.clone()
        changed[:, 2] *= number != 1
        return changed

    with weights_changed(self_attentions(model), without):
        maps = attention_maps(model, TOKENS)
        torch.testing.assert_close(model(TOKENS), silenced)
    assert [float(weights[:, 2].sum()) for weights in maps] == pytest.approx([12, 0, 12])


def test_the_mean_of_a_head_is_the_same_for_all_tokens(randomise: Randomise) -> None:
    model = built(replace(BASE, n_layers=1), randomise)
    attention = block_of(model, 0).attention
    entered: list[Tensor] = []
    with silenced_heads(model, [(0, head) for head in range(4)], by="mean"):
        hook = attention.out.register_forward_hook(lambda part, args, out: entered.append(args[0]))
        model(TOKENS)
        hook.remove()
    model_input = model.blocks[0].get_submodule("attention_pre_norm")(model.embedded(TOKENS))
    maps = attention_maps(model, TOKENS)[0]
    values = attention.split_heads(attention.value(model_input)).repeat_interleave(2, dim=1)
    collected = (maps @ values).transpose(1, 2).flatten(2)
    mean = collected.mean(dim=(0, 1), keepdim=True)
    torch.testing.assert_close(entered[0], mean.expand_as(collected))


def test_without_its_mask_a_decoder_is_an_encoder(randomise: Randomise) -> None:
    decoder = built(BASE, randomise)
    encoder = Transformer(replace(BASE, kind="encoder"), Generator().manual_seed(0))
    encoder.load_state_dict(decoder.state_dict())
    with unmasked(decoder):
        torch.testing.assert_close(decoder(TOKENS), encoder(TOKENS))
    with made_causal(encoder):
        torch.testing.assert_close(decoder(TOKENS), encoder(TOKENS))


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rope"])
def test_a_token_alone_stands_where_it_is_told(positions: Positions, randomise: Randomise) -> None:
    """Tokens in the order of their places give what the shuffled ones give at their places."""
    model = built(replace(BASE, kind="encoder", positions=positions), randomise)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    with positions_replaced(model, order):
        shuffled = model(TOKENS[:, order])
    torch.testing.assert_close(shuffled, model(TOKENS)[:, order], atol=1e-4, rtol=1e-4)
    assert (model(TOKENS[:, order]) - shuffled).abs().max() > 1e-2


def test_rotary_positions_may_be_far_and_between() -> None:
    """Only distances count: all tokens moved by any number give the same."""
    model = Transformer(replace(BASE, positions="rope"), Generator().manual_seed(0))
    before = model(TOKENS)
    with positions_replaced(model, torch.arange(6) + 1234.5):
        torch.testing.assert_close(model(TOKENS), before, atol=1e-3, rtol=1e-3)
    with positions_replaced(model, torch.arange(6) / 2):
        assert (model(TOKENS) - before).abs().max() > 1e-3


def test_mean_positions_hide_the_order(randomise: Randomise) -> None:
    model = built(replace(BASE, kind="encoder"), randomise)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    with positions_replaced(model, "mean"):
        same = model(TOKENS)[:, order]
        torch.testing.assert_close(model(TOKENS[:, order]), same, atol=1e-4, rtol=1e-4)
        with positions_replaced(model, "none"):
            assert (model(TOKENS)[:, order] - same).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("positions", "places", "message"),
    [("none", "none", "there are none to replace"), ("rope", "mean", "no mean")],
)
def test_positions_that_cannot_be_replaced_say_so(
    positions: Positions, places: str, message: str
) -> None:
    model = Transformer(replace(BASE, positions=positions), Generator().manual_seed(0))
    with pytest.raises(ValueError, match=message), positions_replaced(model, places):  # type: ignore[arg-type]
        pass


def test_a_table_of_positions_takes_its_own_places_only() -> None:
    model = Transformer(BASE, Generator().manual_seed(0))
    for places in (torch.arange(6) / 2, torch.arange(6) + BASE.seq_len):
        with (
            pytest.raises(ValueError, match=f"table of {BASE.seq_len} positions, .* with RoPE"),
            positions_replaced(model, places),
        ):
            pass


def test_changing_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no part of the kind"), modules_swapped([]):
        pass
