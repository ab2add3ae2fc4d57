"""Models of the Llama architecture out of GGUF files, with their tokenizers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TypeVar

from torch import Generator, Tensor

from labs.models.byte_pair import WORDS, BytePairTokenizer
from labs.models.errors import ModelError, quote
from labs.models.filling import LONGEST_TEXT, Stored, fill
from labs.models.gguf_file import GgufFile
from labs.models.packed import PackedEmbedding, pack
from labs.transformer import Transformer, TransformerConfig

Fact = TypeVar("Fact", int, float, str)

SPECIAL = (3, 4)
"""Types of tokens that stand for themselves, such as ``<|im_start|>``: control, user-defined."""
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


def build_llama(file: GgufFile, *, packed: bool = False) -> Transformer:
    """The model in a GGUF file.

    `packed`: its matrices stay as they are stored, in the file's memory, and are unpacked one by
    one whenever they are used.

    Raises `ModelError` if it is of another architecture, or of a variant that is not offered.
    """
    config = _config(file)
    sizes = {name: math.prod(place.shape) for name, place in file.places.items()}
    stored = Stored(file.file.path, sizes, partial(_stored_rows, file) if packed else file.tensor)
    stored.ignore(r"rope_freqs\.weight")
    parameters = dict(_parameters(config, stored))
    stored.require_empty()
    if not packed:
        return fill(Transformer, config, parameters, stored)

    def build(config: TransformerConfig, generator: Generator) -> Transformer:
        model = Transformer(config, generator)
        for theirs, ours in _names(config):
            layer, _, part = ours.rpartition(".")
            if part == "weight":
                pack(model, layer, parameters.pop(ours), file.places[theirs].kind)
        if config.unembedding == "tied":
            assert isinstance(model.embed, PackedEmbedding)
            pack(model, "unembed", model.embed.rows, model.embed.kind)
        return model

    return fill(build, config, parameters, stored)


def build_tokenizer(file: GgufFile) -> BytePairTokenizer:
    """The tokenizer in a GGUF file; `ModelError` if it is of a kind that is not offered."""
    model = _fact(file, "tokenizer.ggml.model", str)
    words = _fact(file, "tokenizer.ggml.pre", str)
    if model != "gpt2" or words not in WORDS:
        raise ModelError(
            f"{file.file.path}: its tokenizer is {quote(model)} with {quote(words)}; "
            f"offered is 'gpt2' with {' or '.join(map(repr, WORDS))}"
        )
    tokens = _strings(file, "tokenizer.ggml.tokens")
    kinds = file.facts.get("tokenizer.ggml.token_type")
    if not isinstance(kinds, Sequence) or len(kinds) != len(tokens):
        raise file.file.damaged("lacks a type for each of its tokens")
    merges = [tuple(merge.split(" ")) for merge in _strings(file, "tokenizer.ggml.merges")]
    special = {
        t: i for i, (t, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind in SPECIAL
    }
    return BytePairTokenizer(
        tokens,
        [(merge[0], merge[1]) for merge in merges if len(merge) == 2],
        special=special,
        words=words,
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


def _names(config: TransformerConfig) -> Iterator[tuple[str, str]]:
    """The tensors by their name and by ours."""
    yield "token_embd.weight", "embed.weight"
    for layer in range(config.n_layers):
        for theirs, ours in PARTS.items():
            yield f"blk.{layer}.{theirs}.weight", f"blocks.{layer}.{ours}"
    yield "output_norm.weight", "final_norm.gain"
    if config.unembedding == "own":
        yield "output.weight", "unembed.weight"


def _parameters(config: TransformerConfig, stored: Stored) -> Iterator[tuple[str, Tensor]]:
    for theirs, ours in _names(config):
        tensor = stored.take(theirs, n_axes=2 if ours.endswith(".weight") else 1)
        if ours.endswith((".query.weight", ".key.weight")):
            tensor = half_split(tensor, config.head_dim)
        yield ours, tensor


def _stored_rows(file: GgufFile, name: str) -> Tensor:
    """A matrix as the bytes of its rows, (n_rows, bytes of a row); a vector as its numbers."""
    place = file.places[name]
    if len(place.shape) < 2:
        return file.tensor(name)
    return file.stored(name).view(*place.shape[:-1], -1)


def half_split(weight: Tensor, head_dim: int) -> Tensor:
    """Rows of a query or key matrix in the order of our rotation; they may still be packed.

    llama.cpp turns the rows 2i and 2i + 1 of a head together, ours i and i + head_dim / 2.
    """
    # (n_heads · head_dim, n_columns)
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
