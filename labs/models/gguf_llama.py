"""Models of the Llama architecture out of GGUF files, with their tokenizers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

from torch import Tensor

from labs.models.byte_pair import BytePairTokenizer
from labs.models.errors import ModelError, quote
from labs.models.filling import LONGEST_TEXT, Stored, fill
from labs.models.gguf_file import GgufFile
from labs.transformer import Transformer, TransformerConfig

Fact = TypeVar("Fact", int, float, str)

CONTROL = 3
"""The type of a token that stands for itself, such as ``<|im_start|>``."""
SINGLE_DIGITS = {"smollm": True, "gpt-2": False}
"""The ways to cut a text into words that are offered, and whether each digit is a word."""
PARTS = {
    "attn_norm": "attention_pre_norm.gain",
    "attn_q": "attention.query.weight",
    "attn_k": "attention.key.weight",
    "attn_v": "attention.value.weight",
    "attn_output": "attention.out.weight",
    "ffn_norm": "feedforward_pre_norm.gain",
    "ffn_gate": "feedforward.gate.weight",
    "ffn_up": "feedforward.up.weight",
    "ffn_down": "feedforward.down.weight",
}
"""The tensors of a layer, by llama.cpp's names and by ours."""


def build_llama(file: GgufFile) -> Transformer:
    """The model in a GGUF file.

    Raises `ModelError` if it is of another architecture, or of a variant that is not offered.
    """
    config = _config(file)
    sizes = {name: math.prod(place.shape) for name, place in file.places.items()}
    stored = Stored(file.file.path, sizes, file.tensor)
    stored.ignore(r"rope_freqs\.weight")
    model = fill(Transformer, config, _parameters(config, stored), stored)
    stored.require_empty()
    return model


def build_tokenizer(file: GgufFile) -> BytePairTokenizer:
    """The tokenizer in a GGUF file; `ModelError` if it is of a kind that is not offered."""
    model = _fact(file, "tokenizer.ggml.model", str)
    words = _fact(file, "tokenizer.ggml.pre", str)
    if model != "gpt2" or words not in SINGLE_DIGITS:
        raise ModelError(
            f"{file.file.path}: its tokenizer is {quote(model)} with {quote(words)}; "
            f"offered is 'gpt2' with {' or '.join(map(repr, SINGLE_DIGITS))}"
        )
    tokens = _strings(file, "tokenizer.ggml.tokens")
    kinds = file.facts.get("tokenizer.ggml.token_type")
    if not isinstance(kinds, Sequence) or len(kinds) != len(tokens):
        raise file.file.damaged("lacks a type for each of its tokens")
    merges = [tuple(merge.split(" ")) for merge in _strings(file, "tokenizer.ggml.merges")]
    special = {
        t: i for i, (t, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind == CONTROL
    }
    return BytePairTokenizer(
        tokens,
        [(merge[0], merge[1]) for merge in merges if len(merge) == 2],
        special=special,
        single_digits=SINGLE_DIGITS[words],
    )


def _config(file: GgufFile) -> TransformerConfig:
    path = file.file.path
    family = _fact(file, "general.architecture", str)
    if family != "llama":
        raise ModelError(f"{path}: its architecture is {quote(family)}; only 'llama' is offered")
    n_heads = _fact(file, "llama.attention.head_count", int)
    d_model = _fact(file, "llama.embedding_length", int)
    if "token_embd.weight" not in file.places:
        raise ModelError(f"{path}: lacks tensor 'token_embd.weight'; give a whole model")
    try:
        config = TransformerConfig(
            vocab_size=file.places["token_embd.weight"].shape[0],
            seq_len=min(_fact(file, "llama.context_length", int), LONGEST_TEXT),
            d_model=d_model,
            n_layers=_fact(file, "llama.block_count", int),
            n_heads=n_heads,
            n_kv_heads=_fact(file, "llama.attention.head_count_kv", int, n_heads),
            d_ff=_fact(file, "llama.feed_forward_length", int),
            norm_kind="rmsnorm",
            norm_eps=_fact(file, "llama.attention.layer_norm_rms_epsilon", float),
            biases="off",
            positions="rope",
            rope_base=_fact(file, "llama.rope.freq_base", float, 10_000.0),
            feedforward="gated",
            activation="silu",
            unembedding="own" if "output.weight" in file.places else "tied",
            unembedding_bias="off",
        )
    except ValueError as error:
        raise ModelError(f"{path}: {error}") from None
    usual = {
        "llama.rope.dimension_count": config.head_dim,
        "llama.attention.key_length": config.head_dim,
        "llama.attention.value_length": config.head_dim,
        "llama.expert_count": 0,
        "llama.rope.scaling.type": "none",
    }
    for key, value in usual.items():
        if file.facts.get(key, value) != value:
            raise ModelError(
                f"{path}: {key} is {quote(file.facts[key])}; only {value!r} is offered"
            )
    return config


def _parameters(config: TransformerConfig, stored: Stored) -> Iterator[tuple[str, Tensor]]:
    yield "embed.weight", stored.take("token_embd.weight")
    for layer in range(config.n_layers):
        for theirs, ours in PARTS.items():
            tensor = stored.take(f"blk.{layer}.{theirs}.weight")
            if theirs in ("attn_q", "attn_k"):
                tensor = half_split(tensor, config.head_dim)
            yield f"blocks.{layer}.{ours}", tensor
    yield "final_norm.gain", stored.take("output_norm.weight")
    if config.unembedding == "own":
        yield "unembed.weight", stored.take("output.weight")


def half_split(weight: Tensor, head_dim: int) -> Tensor:
    """Rows of a query or key matrix in the order of our rotation.

    llama.cpp turns the rows 2i and 2i + 1 of a head together, ours i and i + head_dim / 2.
    """
    # (n_heads · head_dim, d_model)
    if len(weight) % head_dim:
        return weight  # of a wrong shape, which is told where it is given its place
    return weight.view(-1, head_dim // 2, 2, weight.shape[-1]).transpose(1, 2).reshape(weight.shape)


def _fact(file: GgufFile, key: str, kind: type[Fact], default: Fact | None = None) -> Fact:
    value = file.facts.get(key, default)
    if type(value) is not kind:
        raise file.file.damaged(f"says {key} is {quote(value)}, and not {kind.__name__}")
    return value


def _strings(file: GgufFile, key: str) -> Sequence[str]:
    values = file.facts.get(key)
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise file.file.damaged(f"lacks {key}")
    return [str(value) for value in values]
