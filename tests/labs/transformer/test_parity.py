"""Every family against `transformers`, on tiny models in which every parameter is random.

The bound is 1e-5 of the largest logit. Batches are padded, two kinds of text are told apart, and
what is read token by token with the cache is compared with their reading of the whole.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from labs.models.checkpoints import build, read_config
from labs.models.encoder_decoders import build_pair
from labs.models.folders import open_weights
from labs.transformer import EncoderDecoder, Transformer, TransformerConfig
from labs.transformer.cache import Cache
from labs.transformer.diagram import parameters_by_component
from labs.transformer.families import FAMILIES
from labs.transformer.generation import generate
from labs.transformer.loading import blank

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity

VOCABULARY = 60
PAD = 1
ENCODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 44,
    "max_position_embeddings": 40,
    "pad_token_id": PAD,
}
LLAMA = {**ENCODER, "num_attention_heads": 6, "rms_norm_eps": 1e-6}
GPT2 = {"vocab_size": VOCABULARY, "n_embd": 24, "n_layer": 3, "n_head": 4, "n_positions": 40}
T5 = {
    "vocab_size": VOCABULARY,
    "d_model": 24,
    "d_kv": 10,  # not d_model / num_heads
    "d_ff": 44,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
    "decoder_start_token_id": 0,
}
BART = {
    "vocab_size": VOCABULARY,
    "d_model": 24,
    "encoder_layers": 3,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 44,
    "decoder_ffn_dim": 44,
    "max_position_embeddings": 40,
}
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertForMaskedLM", ENCODER),
    "roberta": ("RobertaForMaskedLM", {**ENCODER, "type_vocab_size": 2}),
}
DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", GPT2),
    "llama, a head of keys for each": ("LlamaForCausalLM", LLAMA),
    "llama, two of keys": ("LlamaForCausalLM", {**LLAMA, "num_key_value_heads": 2}),
    "llama, one of keys, tied": (
        "LlamaForCausalLM",
        {**LLAMA, "num_key_value_heads": 1, "tie_word_embeddings": True},
    ),
}
PAIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "t5": ("T5ForConditionalGeneration", T5),
    "t5, gated": ("T5ForConditionalGeneration", {**T5, "feed_forward_proj": "gated-gelu"}),
    "bart": ("BartForConditionalGeneration", BART),
    "bart, scaled": ("BartForConditionalGeneration", {**BART, "scale_embedding": True}),
}
SEEDS = (0, 1, 2)


def theirs_in(folder: Path, kind: str, options: dict[str, Any], seed: int) -> Any:
    """A model of theirs in which no parameter is 0 or 1, also written to the folder."""
    family = getattr(transformers, kind)
    model = family(family.config_class(**options)).eval()
    generator = Generator().manual_seed(seed)
    with torch.no_grad():
        numbers = [*model.named_parameters()]
        numbers += [(n, b) for n, b in model.named_buffers() if n == "final_logits_bias"]
        for name, number in numbers:
            gain = 1.0 if "norm" in name.lower() or "ln_" in name else 0.0
            number.copy_(gain + 0.3 * torch.randn(number.shape, generator=generator))
            if ".q." in name:  # T5's scores are not divided by √d_kv: its queries start small
                number.mul_(options["d_kv"] ** -0.5)
    model.save_pretrained(folder)
    return model


def batch(seed: int, *, side: str = "right", n_tokens: int = 21) -> tuple[Tensor, Tensor]:
    """Tokens of three texts, two of them padded, and where they are not."""
    generator = Generator().manual_seed(seed)
    tokens = torch.randint(2, VOCABULARY, (3, n_tokens), generator=generator)
    lengths = torch.tensor([[n_tokens], [n_tokens - 6], [5]])
    visible = torch.arange(n_tokens) < lengths
    visible = visible if side == "right" else visible.flip(1)
    return tokens.masked_fill(~visible, PAD), visible


def assert_alike(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("seed", SEEDS)
@torch.no_grad()
def test_encoders_fill_in_as_theirs_do(name: str, seed: int, tmp_path: Path) -> None:
    reference = theirs_in(tmp_path, *ENCODERS[name], seed)
    ours = build(read_config(tmp_path / "config.json"), open_weights(tmp_path))
    tokens, visible = batch(seed)
    segments = (torch.arange(21) > 7).long().expand(3, 21)
    known = {"attention_mask": visible.long(), "token_type_ids": segments}
    theirs = reference(tokens, **known).logits
    assert_alike(ours(tokens, visible=visible, segments=segments)[visible], theirs[visible])


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_decoders_expect_what_theirs_do(name: str, seed: int, side: str, tmp_path: Path) -> None:
    """At once, then in pieces with the cache."""
    reference = theirs_in(tmp_path, *DECODERS[name], seed)
    ours = build(read_config(tmp_path / "config.json"), open_weights(tmp_path))
    tokens, visible = batch(seed, side=side)
    places = (visible.long().cumsum(-1) - 1).clamp(min=0)
    theirs = reference(tokens, attention_mask=visible.long(), position_ids=places).logits
    assert_alike(ours(tokens, visible=visible)[visible], theirs[visible])
    cache = Cache(ours.config)
    ends = [9, 16, *range(17, 22)]
    parts = [
        ours(tokens[:, start:end], visible=visible[:, :end], cache=cache)
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    assert_alike(torch.cat(parts, dim=1)[visible], theirs[visible])


@pytest.mark.parametrize("name", DECODERS)
@torch.no_grad()
def test_decoders_write_what_theirs_do(name: str, tmp_path: Path) -> None:
    reference = theirs_in(tmp_path, *DECODERS[name], 0)
    ours = build(read_config(tmp_path / "config.json"), open_weights(tmp_path))
    assert isinstance(ours, Transformer)
    tokens, visible = batch(4, side="left", n_tokens=12)
    options = {"max_new_tokens": 10, "do_sample": False, "pad_token_id": PAD, "eos_token_id": None}
    theirs = reference.generate(tokens, attention_mask=visible.long(), **options)
    assert generate(ours, tokens, 10, visible=visible).tolist() == theirs[:, 12:].tolist()


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("seed", SEEDS)
@torch.no_grad()
def test_encoder_decoders_expect_what_theirs_do(name: str, seed: int, tmp_path: Path) -> None:
    """Both sides padded; at once, then in pieces with the cache."""
    reference = theirs_in(tmp_path, *PAIRS[name], seed)
    ours = build_pair(read_config(tmp_path / "config.json"), open_weights(tmp_path))
    source, source_visible = batch(seed)
    target, visible = batch(seed + 10, n_tokens=20)
    theirs = reference(
        input_ids=source,
        attention_mask=source_visible.long(),
        decoder_input_ids=target,
        decoder_attention_mask=visible.long(),
    ).logits
    at_once = ours(source, target, source_visible=source_visible)
    assert_alike(at_once[visible], theirs[visible])
    encoded = ours.encoder(source, visible=source_visible)
    cache = Cache(ours.config)
    parts = [
        ours.decoder(part, encoded, encoded_visible=source_visible, cache=cache)
        for part in torch.split(target, [9, 1, 1, 7, 2], dim=1)
    ]
    assert_alike(torch.cat(parts, dim=1)[visible], theirs[visible])


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("bert", ENCODERS["bert"]),
        ("roberta", ENCODERS["roberta"]),
        ("gpt2", DECODERS["gpt2"]),
        ("llama", DECODERS["llama, a head of keys for each"]),
        ("t5", PAIRS["t5"]),
        ("bart", PAIRS["bart"]),
    ],
)
def test_a_family_has_the_switches_that_its_checkpoints_load_with(
    name: str, member: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    theirs_in(tmp_path, *member, 0)
    facts, stored = read_config(tmp_path / "config.json"), open_weights(tmp_path)
    ours = (build_pair if name in ("t5", "bart") else build)(facts, stored)
    family = FAMILIES[name].config
    for field in fields(TransformerConfig):
        loaded, named = getattr(ours.config, field.name), getattr(family, field.name)
        assert isinstance(named, int | float) or loaded == named, field.name


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "llama", "t5", "bart"])
def test_a_family_has_the_parameters_of_theirs(name: str) -> None:
    """Of the member that it names, in `transformers`; the differences are told one by one."""
    kind, options, extra = {
        "bert": ("BertForMaskedLM", {}, 0),
        # Rows of positions before the first, which are never read.
        "roberta": (
            "RobertaForMaskedLM",
            {"vocab_size": 50_265, "max_position_embeddings": 514, "type_vocab_size": 1},
            -2 * 768,
        ),
        "gpt2": ("GPT2LMHeadModel", {}, 0),
        "llama": ("LlamaForCausalLM", {}, 0),
        "t5": (
            "T5ForConditionalGeneration",
            {"d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12},
            0,
        ),
        # The same rows in both stacks; and its bias of the output is not counted as a parameter.
        "bart": (
            "BartForConditionalGeneration",
            {
                "d_model": 768,
                "encoder_layers": 6,
                "decoder_layers": 6,
                "encoder_ffn_dim": 3072,
                "decoder_ffn_dim": 3072,
                "encoder_attention_heads": 12,
                "decoder_attention_heads": 12,
            },
            50_265 - 2 * 2 * 768,
        ),
    }[name]
    family = getattr(transformers, kind)
    with torch.device("meta"):
        theirs = family(family.config_class(**options))
    config = FAMILIES[name].config
    ours = blank(EncoderDecoder if config.kind == "encoder-decoder" else Transformer, config)
    total = sum(parameters_by_component(ours).values())
    assert total == sum(parameter.numel() for parameter in theirs.parameters()) + extra
