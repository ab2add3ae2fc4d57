"""Every part of a model can be changed, and is as before when the operation is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from labs.kit.assembly import settings
from labs.kit.patients import choose_layers
from labs.kit.surgery import Merged, OtherMean, Times, Undivided, dropped, operated
from labs.transformer import EncoderDecoder, Transformer, TransformerConfig
from labs.transformer.layers import Linear
from labs.transformer.model import Stack
from labs.transformer.norms import LayerNorm, RMSNorm
from labs.transformer.probes import attention_maps
from labs.whatif.real import FAMILIES, PARTS
from tests.labs.conftest import Randomise
from tests.labs.kit.changes import every_change

SIZES = {"vocab_size": 11, "seq_len": 12, "d_model": 16, "n_layers": 3, "n_heads": 4, "d_ff": 20}
TOKENS = torch.randint(0, 11, (2, 9), generator=Generator().manual_seed(1))
KNOWN = {"llama": (), "bert": (), "transformer": (torch.ones(2, 3, 16),)}
"""What the last stack of a family reads besides its tokens: of an encoder, if there is one."""
SOURCE = torch.randint(0, 11, (2, 7), generator=Generator().manual_seed(2))


def config(family: str) -> TransformerConfig:
    if family == "llama":
        return TransformerConfig(
            **SIZES,  # type: ignore[arg-type]
            n_kv_heads=2,
            norm_kind="rmsnorm",
            positions="rope",
            feedforward="gated",
            activation="silu",
            biases="off",
        )
    if family == "bert":
        return TransformerConfig(**SIZES, kind="encoder", norm="post", activation="gelu")  # type: ignore[arg-type]
    return TransformerConfig(
        **SIZES,  # type: ignore[arg-type]
        kind="encoder-decoder",
        norm="post",
        positions="sinusoidal",
    )


class Model:
    """A small model of a family in which nothing is 0 or 1."""

    def __init__(self, family: str, randomise: Randomise) -> None:
        draw, self.whole = Generator().manual_seed(0), settings(FAMILIES[family])
        self.model: Transformer | EncoderDecoder
        if family == "transformer":
            self.model = EncoderDecoder(config(family), draw)
        else:
            self.model = Transformer(config(family), draw)
        randomise(self.model)
        self.model.requires_grad_(False)

    @property
    def stacks(self) -> list[Stack]:
        if isinstance(self.model, EncoderDecoder):
            return [self.model.encoder, self.model.decoder]
        return [self.model]

    def logits(self) -> Tensor:
        inputs = (SOURCE, TOKENS) if isinstance(self.model, EncoderDecoder) else (TOKENS,)
        logits: Tensor = self.model(*inputs)
        return logits


@pytest.mark.parametrize(("family", "part", "value"), every_change(FAMILIES, PARTS))
def test_every_part_can_be_changed_and_is_put_back(
    family: str, part: str, value: str, randomise: Randomise
) -> None:
    patient = Model(family, randomise)
    before = patient.logits()
    n_hooks = [len(module._forward_hooks) for module in patient.model.modules()]
    for stack in patient.stacks:
        with operated(stack, patient.whole | {part: value}, patient.whole, range(3)):
            # One stack of two: the encoder has no cross-attention.
            if (part, stack) != ("cross_attention", patient.stacks[0]):
                assert not torch.allclose(before, patient.logits(), equal_nan=True)
    assert torch.equal(before, patient.logits())
    assert n_hooks == [len(module._forward_hooks) for module in patient.model.modules()]


def test_nothing_changes_where_nothing_differs(randomise: Randomise) -> None:
    patient = Model("llama", randomise)
    before = patient.logits()
    with operated(patient.stacks[0], patient.whole, patient.whole, range(3)):
        assert torch.equal(before, patient.logits())


def test_layers_that_are_not_meant_stay_as_they_are(randomise: Randomise) -> None:
    patient = Model("llama", randomise)
    (stack,) = patient.stacks
    before = stack.residual_stream(TOKENS)
    with operated(stack, patient.whole | {"norm": "off"}, patient.whole, range(1, 2)):
        after = stack.residual_stream(TOKENS)
    same = [torch.equal(one, other) for one, other in zip(before, after, strict=True)]
    assert same == [True, True, False, False]


def streams(
    family: str, part: str, value: str, layers: range, randomise: Randomise
) -> tuple[Stack, list[Tensor], list[Tensor]]:
    """The last stack of a model, and its stream with a part changed in some layers, and whole."""
    patient = Model(family, randomise)
    stack = patient.stacks[-1]
    whole = stack.residual_stream(TOKENS, *KNOWN[family])
    with operated(stack, patient.whole | {part: value}, patient.whole, layers):
        return stack, stack.residual_stream(TOKENS, *KNOWN[family]), whole


def test_layers_run_in_the_reversed_order(randomise: Randomise) -> None:
    stack, changed, whole = streams("llama", "order", "reversed", range(3), randomise)
    resid = whole[0]
    for block in reversed(stack.blocks):
        resid = block(resid)
    assert torch.equal(resid, changed[-1])
    _, some, whole = streams("llama", "order", "reversed", range(1, 3), randomise)
    assert torch.equal(some[1], whole[1]) and not torch.equal(some[3], whole[3])


def test_the_last_norm_is_changed_with_all_layers(randomise: Randomise) -> None:
    patient = Model("llama", randomise)
    (stack,) = patient.stacks
    resid = 3 * torch.ones(1, 1, 16)
    for layers, is_changed in ((range(3), True), (range(2), False)):
        with operated(stack, patient.whole | {"norm": "off"}, patient.whole, layers):
            grows = not torch.allclose(stack.read(resid), stack.read(2 * resid), rtol=1e-3)
        assert grows == is_changed


BUILT = [
    ("llama", "activation=relu", {"activation": "relu"}),
    ("llama", "activation=gelu", {"activation": "gelu"}),
    ("bert", "activation=silu", {"activation": "silu"}),
    ("llama", "rope_theta=tenth", {"rope_base": 1_000.0}),
    ("llama", "rope_theta=tenfold", {"rope_base": 100_000.0}),
    ("llama", "positions=off", {"positions": "none"}),
    ("bert", "positions=off", {"positions": "none"}),
    ("llama", "residual=off", {"residual": "off"}),
    ("bert", "residual=off", {"residual": "off"}),
    ("transformer", "residual=off", {"residual": "off"}),
    ("llama", "mask=none", {"kind": "encoder"}),
    ("bert", "mask=causal", {"kind": "decoder"}),
]
"""Family, change and the fields of a config that say the same."""


@pytest.mark.parametrize(("family", "change", "fields"), BUILT)
def test_a_changed_model_is_as_one_that_was_built_so(
    family: str, change: str, fields: dict[str, Any], randomise: Randomise
) -> None:
    part, _, value = change.partition("=")
    stack, changed, _ = streams(family, part, value, range(3), randomise)
    built = Transformer(replace(stack.config, **fields), Generator())
    built.load_state_dict(stack.state_dict(), strict=False)
    torch.testing.assert_close(built.residual_stream(TOKENS, *KNOWN[family]), changed)


def test_merged_heads_are_those_of_a_model_with_their_mean(randomise: Randomise) -> None:
    stack, changed, _ = streams("llama", "kv_heads", "one", range(3), randomise)
    weights = stack.state_dict()
    for name, weight in weights.items():
        if name.endswith(("attention.key.weight", "attention.value.weight")):
            weights[name] = weight.unflatten(0, (2, 4)).mean(dim=0)  # two heads of four dimensions
    built = Transformer(replace(stack.config, n_kv_heads=1), Generator())
    built.load_state_dict(weights)
    torch.testing.assert_close(built.residual_stream(TOKENS), changed)


def test_gates_of_one_let_all_units_through(randomise: Randomise) -> None:
    patient = Model("llama", randomise)
    (stack,) = patient.stacks
    network = stack.blocks[1].get_submodule("feedforward")
    up, down = network.get_submodule("up"), network.get_submodule("down")
    x = torch.randn(2, 5, 16, generator=Generator().manual_seed(4))
    with operated(stack, patient.whole | {"gates": "off"}, patient.whole, range(1, 2)):
        torch.testing.assert_close(network(x), down(up(x)))


def test_attention_without_queries_or_scale(randomise: Randomise) -> None:
    patient = Model("llama", randomise)
    (stack,) = patient.stacks
    whole = attention_maps(stack, TOKENS)[0]
    with operated(stack, patient.whole | {"attention": "uniform"}, patient.whole, range(3)):
        uniform = attention_maps(stack, TOKENS)[0]
    with operated(stack, patient.whole | {"scale": "off"}, patient.whole, range(3)):
        sharp = attention_maps(stack, TOKENS)[0]
    mean = torch.ones(9, 9).tril() / torch.arange(1, 10)[:, None]
    torch.testing.assert_close(uniform, mean.expand_as(uniform))
    power = whole.double() ** 2  # √head_dim = 2
    expected = (power / power.sum(dim=-1, keepdim=True)).float()
    torch.testing.assert_close(sharp, expected, rtol=1e-3, atol=1e-5)


def test_what_is_put_in_the_place_of_norms_and_heads() -> None:
    x = 3 + torch.randn(2, 5, 8, generator=Generator().manual_seed(0))
    layer_norm, rms_norm = LayerNorm(8, eps=0), RMSNorm(8, eps=0)
    with torch.no_grad():
        for parameter in (*layer_norm.parameters(), *rms_norm.parameters()):
            parameter.normal_(generator=Generator().manual_seed(3))
    centred = x - x.mean(dim=-1, keepdim=True)
    rms = x.square().mean(dim=-1, keepdim=True).sqrt()
    torch.testing.assert_close(Undivided(rms_norm)(x), x * rms_norm.gain)
    torch.testing.assert_close(Undivided(layer_norm)(x), x * layer_norm.gain + layer_norm.bias)
    torch.testing.assert_close(
        OtherMean(layer_norm)(x), x / rms * layer_norm.gain + layer_norm.bias
    )
    torch.testing.assert_close(
        OtherMean(rms_norm)(x), centred / centred.square().mean(-1, True).sqrt() * rms_norm.gain
    )
    key = Linear(8, 8, bias=False)
    halves = Merged(key, 4)(x).unflatten(-1, (2, 4))
    assert torch.equal(halves[..., 0, :], halves[..., 1, :])
    torch.testing.assert_close(halves[..., 0, :], key(x).unflatten(-1, (2, 4)).mean(dim=-2))
    torch.testing.assert_close(Times(key, 3)(x), 3 * key(x))


@pytest.mark.parametrize(("left", "n_left"), [("half", 2), ("one", 1)])
def test_so_many_heads_are_left_in_every_layer(
    left: str, n_left: int, randomise: Randomise
) -> None:
    (stack,) = Model("llama", randomise).stacks
    silenced = dropped(stack, range(3), left)
    assert silenced == dropped(stack, range(3), left)
    for layer in range(3):
        heads = {head for of, head in silenced if of == layer}
        assert len(heads) == 4 - n_left and heads <= {0, 1, 2, 3}


def test_layers_are_chosen_in_words() -> None:
    assert choose_layers(30, "all") == range(30)
    assert choose_layers(30, "first") == range(1)
    assert choose_layers(30, "middle") == range(15, 16)
    assert choose_layers(30, "last") == range(29, 30)
    assert choose_layers(30, "middle third") == range(10, 20)
    assert choose_layers(6, "middle third") == range(2, 4)
