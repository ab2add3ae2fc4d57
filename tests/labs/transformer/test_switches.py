"""What models of several families need: each switch against the same thing written out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from labs.transformer import EncoderDecoder, Transformer, TransformerConfig
from labs.transformer.attention import KEPT_MASK, CausalMask, MultiHeadAttention
from labs.transformer.config import AttentionBackend, Kind, Positions
from labs.transformer.feedforward import FeedForward
from labs.transformer.model import Stack
from labs.transformer.train import ModelStack

Randomise = Callable[[nn.Module], None]
BASE = TransformerConfig(vocab_size=11, seq_len=9, d_model=16, n_layers=2, n_heads=4, d_ff=20)
LLAMA = replace(
    BASE,
    norm_kind="rmsnorm",
    positions="rope",
    n_kv_heads=2,
    feedforward="gated",
    activation="silu",
    biases="off",
    unembedding="tied",
    unembedding_bias="off",
)


def random_tokens(*shape: int) -> Tensor:
    return torch.randint(11, shape, generator=Generator().manual_seed(1))


def built(config: TransformerConfig, randomise: Randomise) -> Transformer:
    model = Transformer(config, Generator().manual_seed(0))
    randomise(model)
    return model


@pytest.mark.parametrize("n_kv_heads", [1, 2, 4])
@pytest.mark.parametrize("backend", ["reference", "sdpa"])
def test_grouped_queries_are_heads_that_share_keys_and_values(
    n_kv_heads: int, backend: AttentionBackend, randomise: Randomise
) -> None:
    """Copy each head of keys and values for every query head that it serves."""
    config = replace(BASE, n_kv_heads=n_kv_heads, positions="rope", attention=backend)
    grouped = MultiHeadAttention(config)
    apart = MultiHeadAttention(replace(config, n_kv_heads=0))
    randomise(grouped)
    copied = {
        name: tensor.unflatten(0, (n_kv_heads, -1))
        .repeat_interleave(4 // n_kv_heads, dim=0)
        .flatten(0, 1)
        if name.startswith(("key", "value"))
        else tensor
        for name, tensor in grouped.state_dict().items()
    }
    apart.load_state_dict(copied)
    x = torch.randn(2, 9, 16, generator=Generator().manual_seed(2))
    torch.testing.assert_close(grouped(x), apart(x))


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
@pytest.mark.parametrize("backend", ["reference", "sdpa"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rope", "alibi"])
def test_padding_changes_nothing_for_the_tokens(
    kind: Kind, backend: AttentionBackend, side: str, positions: Positions, randomise: Randomise
) -> None:
    config = replace(BASE, kind=kind, attention=backend, positions=positions, n_kv_heads=2)
    model = built(config, randomise)
    tokens = random_tokens(1, 6)
    alone = model(tokens)
    for padding in (0, 7):  # whatever stands there
        pad = (3, 0) if side == "left" else (0, 3)
        visible = F.pad(torch.ones_like(tokens), pad).bool()
        padded = model(F.pad(tokens, pad, value=padding), visible=visible)
        assert not padded.isnan().any()
        torch.testing.assert_close(padded[visible], alone[0], atol=1e-4, rtol=1e-5)


def test_gradients_pass_by_a_query_that_sees_nothing(randomise: Randomise) -> None:
    model = built(BASE, randomise)
    visible = torch.tensor([[False, False, True, True]])
    logits = model(random_tokens(1, 4), visible=visible)
    gradients = torch.autograd.grad(logits[visible].sum(), list(model.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_the_padding_of_a_source_is_not_read(randomise: Randomise) -> None:
    model = EncoderDecoder(replace(BASE, kind="encoder-decoder"), Generator().manual_seed(0))
    randomise(model)
    source, target = random_tokens(1, 5), random_tokens(1, 4)
    visible = torch.tensor([[True] * 5 + [False] * 2])
    padded = model(F.pad(source, (0, 2), value=3), target, source_visible=visible)
    torch.testing.assert_close(padded, model(source, target))
    unmasked = model(F.pad(source, (0, 2), value=3), target)
    assert (unmasked - padded).abs().max() > 1e-3


def test_the_kernel_without_padding_says_so(randomise: Randomise) -> None:
    attention = MultiHeadAttention(replace(BASE, attention="flash", n_heads=1))
    with pytest.raises(ValueError, match="give attention 'sdpa'"):
        attention(torch.zeros(1, 3, 16), visible=torch.ones(1, 3, dtype=torch.bool))


def test_segments_are_added_to_the_embeddings(randomise: Randomise) -> None:
    stack = Stack(replace(BASE, n_segments=2, kind="encoder"))
    randomise(stack)
    assert stack.segments is not None
    tokens, segments = random_tokens(2, 5), random_tokens(2, 5) % 2
    plain, split = stack.embedded(tokens), stack.embedded(tokens, segments=segments)
    first, second = stack.segments.weight
    expected = torch.where(segments[..., None] == 0, torch.zeros(()), second - first)
    torch.testing.assert_close(split - plain, expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="build it with n_segments"):
        Stack(BASE).embedded(tokens, segments=segments)


def test_gates_multiply_the_hidden_layer(randomise: Randomise) -> None:
    network = FeedForward(replace(BASE, feedforward="gated", activation="silu"))
    randomise(network)
    x = torch.randn(2, 3, 16, generator=Generator().manual_seed(0))
    assert network.gate is not None
    gate, up = network.gate(x), network.up(x)
    torch.testing.assert_close(network(x), network.down(gate * gate.sigmoid() * up))


def test_the_embedding_is_scaled_and_normed(randomise: Randomise) -> None:
    stack = Stack(replace(BASE, embedding_scale=4.0, embedding_norm="on", positions="none"))
    randomise(stack)
    tokens = random_tokens(1, 5)
    expected = stack.embedding_norm(4 * stack.embed(tokens))
    torch.testing.assert_close(stack.embedded(tokens), expected)


def test_a_transform_stands_before_the_unembedding(randomise: Randomise) -> None:
    config = replace(BASE, norm="post", activation="gelu", output_transform="on")
    model = built(config, randomise)
    resid = torch.randn(1, 3, 16, generator=Generator().manual_seed(0))
    dense, norm = model.transform.get_submodule("dense"), model.transform.get_submodule("norm")
    torch.testing.assert_close(model.read(resid), model.unembed(norm(F.gelu(dense(resid)))))


def test_tied_models_learn_in_a_stack_what_each_learns_alone() -> None:
    """One matrix embeds and unembeds, and gets the gradients of both."""
    tokens = random_tokens(3, 7)
    batch = (tokens[:, :-1], tokens[:, 1:])

    def models() -> list[Transformer]:
        return [Transformer(LLAMA, Generator().manual_seed(seed)) for seed in (0, 1)]

    together = ModelStack(models()).gradients(batch)
    alone = [ModelStack([model]).gradients(batch)[0] for model in models()]
    torch.testing.assert_close(together, torch.stack(alone))
    names = dict(models()[0].named_parameters())
    assert "unembed.weight" not in names and "embed.weight" in names


def test_resuming_gives_what_the_whole_model_gives(randomise: Randomise) -> None:
    model = built(replace(LLAMA, n_layers=3), randomise)
    tokens = random_tokens(2, 6)
    visible = torch.ones_like(tokens, dtype=torch.bool)
    visible[0, 4:] = False
    whole = model(tokens, visible=visible)
    stream = model.residual_stream(tokens, visible=visible)
    assert len(stream) == 4
    for layer, resid in enumerate(stream):
        resumed = model.resume(resid, layer, visible=visible)
        torch.testing.assert_close(resumed, whole, atol=0, rtol=0)


def test_a_decoder_resumes_with_its_encoder(randomise: Randomise) -> None:
    model = EncoderDecoder(replace(BASE, kind="encoder-decoder"), Generator().manual_seed(0))
    randomise(model)
    source, target = random_tokens(2, 5), random_tokens(2, 4)
    visible = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    encoded = model.encoder(source, visible=visible)
    whole = model.decoder(target, encoded, encoded_visible=visible)
    stream = model.decoder.residual_stream(target, encoded, encoded_visible=visible)
    for layer, resid in enumerate(stream):
        resumed = model.decoder.resume(resid, layer, encoded, encoded_visible=visible)
        torch.testing.assert_close(resumed, whole, atol=0, rtol=0)
    assert (model.decoder(target, encoded) - whole).abs().max() > 1e-3


def test_a_long_mask_is_made_anew() -> None:
    mask, n = CausalMask(8192), KEPT_MASK + 44
    assert mask.mask.numel() == KEPT_MASK**2
    scores = mask(torch.zeros(1, 1, 2, n))[0, 0]
    assert (scores[0] == -math.inf).nonzero().tolist() == [[n - 1]]
    assert (scores[1] == 0).all()


def test_heads_may_be_wider_than_their_share(randomise: Randomise) -> None:
    model = built(replace(BASE, d_head=6, n_heads=3), randomise)
    assert model.blocks[0].get_parameter("attention.query.weight").shape == (18, 16)
    assert model(random_tokens(1, 4)).shape == (1, 4, 11)
