"""Every part of every family can be changed, changes what it says, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from labs.kit.arms import train_arms
from labs.kit.assembly import HalvesEmbedding, Sizes, Unread, assemble, two_models
from labs.transformer import EncoderDecoder, Transformer
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.probes import attention_maps
from labs.transformer.train import Recipe
from labs.whatif.trained import FAMILIES, KINDS, PARTS
from tests.labs.kit.changes import every_change

TOKENS = torch.tensor([[3, 1, 4, 1, 5, 2], [2, 6, 5, 3, 0, 4]])
OTHERS = torch.tensor([[3, 1, 4, 1, 5, 6], [2, 6, 5, 3, 0, 1]])
"""The same but for the last token of each row."""


def built(family: str, change: str = "", *, seed: int = 0) -> nn.Module:
    _, parts = two_models(FAMILIES, family, "", change)
    kind = KINDS.get(family, "decoder")
    return assemble(parts, Sizes(kind=kind, vocab_size=8, seq_len=6, n_layers=2, d_model=16), seed)


def logits_of(model: nn.Module, tokens: Tensor = TOKENS, source: Tensor = TOKENS) -> Tensor:
    inputs = (tokens,) if isinstance(model, Transformer) else (source, tokens)
    with torch.no_grad():
        logits: Tensor = model(*inputs)
    return logits


def is_idle(family: str, part: str) -> bool:
    """The part cannot change anything before training, or stands where there is no sublayer."""
    if family == "nothing":
        unused = ("scale", "heads", "kv_heads", "mask", "activation", "positions", "rope_theta")
        return part in (*unused, "norm", "norm_kind", "residual", "biases")
    # Biases start at 0.
    return part == "biases"


@pytest.mark.parametrize(("family", "part", "value"), every_change(FAMILIES, PARTS))
def test_every_part_of_every_family_can_be_changed(family: str, part: str, value: str) -> None:
    base, changed = built(family), built(family, f"{part}={value}")
    before, after = logits_of(base), logits_of(changed)

    assert after.shape == before.shape and bool(after.isfinite().all())
    if not is_idle(family, part):
        assert not torch.allclose(before, after, atol=1e-6)
    if part == "biases" and family != "nothing":
        assert n_parameters(changed) != n_parameters(base)
    own = dict(base.named_parameters())
    drawn_otherwise = ("embed",) if part == "unembedding" else ("",) if part == "init" else ()
    for name, parameter in changed.named_parameters():
        has_same_layer = name in own and own[name].shape == parameter.shape
        if has_same_layer and not any(word in name for word in drawn_otherwise):
            assert torch.equal(own[name], parameter), name


@pytest.mark.parametrize(("family", "part", "value"), every_change(FAMILIES, PARTS))
def test_both_models_can_be_trained_side_by_side(family: str, part: str, value: str) -> None:
    arms = {"base": [built(family)], "changed": [built(family, f"{part}={value}")]}
    inputs = (TOKENS, TOKENS) if family == "transformer" else (TOKENS,)
    batch = (*inputs, OTHERS)
    recipe = Recipe(n_steps=1, warmup_steps=0, clip_norm=1.0)
    before, after = train_arms(arms, (0.003,), lambda: [batch], batch, recipe)
    assert all(after.of[arm] < before.of[arm] for arm in arms)


def n_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_a_seed_decides_all_weights() -> None:
    assert torch.equal(logits_of(built("gpt2")), logits_of(built("gpt2")))
    assert not torch.allclose(logits_of(built("gpt2")), logits_of(built("gpt2", seed=1)))


@pytest.mark.parametrize("positions", ["rope", "alibi", "buckets"])
def test_uniform_attention_collects_the_mean_of_what_it_may_see(positions: str) -> None:
    model = built("llama", f"attention=uniform, positions={positions}")
    assert isinstance(model, Transformer)
    for weights in attention_maps(model, TOKENS):
        rows = torch.ones(6, 6).tril() / torch.arange(1, 7)[:, None]
        torch.testing.assert_close(weights, rows.expand_as(weights))


def test_without_the_scale_scores_are_larger_by_the_root_of_the_width_of_a_head() -> None:
    scaled, unscaled = (
        attention_maps(model, TOKENS)[0][0, 0, -1].log()  # the last token's weights in a head
        for model in (built("gpt2"), built("gpt2", "scale=off"))
        if isinstance(model, Transformer)
    )
    torch.testing.assert_close(unscaled - unscaled[0], 2 * (scaled - scaled[0]))  # √(16 / 4)


def test_a_sublayer_that_is_out_is_passed_by_whatever_surrounds_it() -> None:
    model = built("bert", "attention=off, feedforward=off, residual=off")
    assert isinstance(model, Transformer)
    first, *later = model.residual_stream(TOKENS)
    assert all(torch.equal(first, resid) for resid in later)


@pytest.mark.parametrize(
    ("family", "change", "sees_later"),
    [
        ("gpt2", "", False),
        ("gpt2", "mask=none", True),
        ("bert", "", True),
        ("bert", "mask=causal", False),
        ("transformer", "", False),
        ("transformer", "mask=none", True),
    ],
)
def test_a_mask_hides_later_tokens(family: str, change: str, sees_later: bool) -> None:
    model = built(family, change)
    before, after = (logits_of(model, tokens)[:, :-1] for tokens in (TOKENS, OTHERS))
    assert torch.allclose(before, after) != sees_later


def test_without_cross_attention_a_decoder_knows_nothing_of_the_source() -> None:
    read, unread = built("transformer"), built("transformer", "cross_attention=off")
    assert isinstance(read, EncoderDecoder) and isinstance(unread, Unread)
    assert not torch.allclose(logits_of(read), logits_of(read, source=OTHERS))
    assert torch.equal(logits_of(unread), logits_of(unread, source=OTHERS))


def test_segments_tell_the_halves_apart() -> None:
    table = HalvesEmbedding(2, 3)
    rows = table(torch.zeros(1, 6, dtype=torch.long))[0]
    assert torch.equal(rows, table.weight[[0, 0, 0, 1, 1, 1]])


def test_grouped_heads_have_fewer_keys() -> None:
    for value, n_kv_heads in (("all", 4), ("half", 2), ("one", 1)):
        (first, *_) = (
            part
            for part in built("llama", f"kv_heads={value}").modules()
            if isinstance(part, MultiHeadAttention)
        )
        assert first.key.out_features == 4 * n_kv_heads


def test_gated_networks_have_about_as_many_weights() -> None:
    gated, plain = (n_parameters(built("llama", change)) for change in ("", "feedforward=plain"))
    assert gated == pytest.approx(plain, rel=0.02)


def test_a_change_comes_on_top_of_the_base() -> None:
    base, changed = two_models(FAMILIES, "llama", "norm=post, residual=off", "residual=on")
    assert (base["norm"], base["residual"]) == ("post", "off")
    assert changed == base | {"residual": "on"}
    with pytest.raises(ValueError, match=r"^gpt2 has no cross_attention: change one of attention"):
        two_models(FAMILIES, "gpt2", "", "cross_attention=off")
