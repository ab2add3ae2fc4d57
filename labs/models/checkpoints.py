"""Checkpoints of Hugging Face's families, as configurations and parameters of the course's model.

A checkpoint is a config.json and tensors by name. Each family has a function that reads its
sizes and switches and another that gives its tensors our names; a variant that our model has no
switch for is refused, because it would load and be a different model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Generator, Tensor

from labs.models.errors import ModelError, quote
from labs.models.filling import LONGEST_TEXT, AnyModel, Stored, fill
from labs.models.folders import LARGEST_CONFIG, read_json
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Activation
from labs.transformer.model import Stack

T = TypeVar("T")
Parameters = Iterator[tuple[str, Tensor]]
LARGEST = 2**31
"""No size of a model is larger; a file may say any number."""
ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """The fields of one config.json."""

    path: Path
    fields: Mapping[str, Any]

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number; without a default the field must be there."""
        value = self.fields.get(name)
        value = default if value is None else value
        if type(value) is not int or abs(value) > LARGEST:
            raise ModelError(f"{self.path}: {name} is {quote(value)}; give a whole number")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A number; without a default the field must be there."""
        value = self.fields.get(name, default)
        if type(value) not in (int, float) or abs(value) > LARGEST:
            raise ModelError(f"{self.path}: {name} is {quote(value)}; give a number")
        return float(value)

    def choice(self, name: str, offered: Mapping[str, T], default: str | None = None) -> T:
        """What is `offered` under a field's value; without a default the field must be there."""
        value = self.fields.get(name, default)
        if not isinstance(value, str) or value not in offered:
            names = ", ".join(offered)
            raise ModelError(f"{self.path}: {name} is {quote(value)}; offered are {names}")
        return offered[value]

    def activation(self, name: str) -> Activation:
        """One of our activations, by its name there."""
        return self.choice(name, ACTIVATIONS)

    def require(self, name: str, *offered: object) -> None:
        """`ModelError` if a field is there and is none of `offered`."""
        value = self.fields.get(name)
        if value is not None and value not in offered:
            wanted = " or ".join(map(str, offered))
            raise ModelError(
                f"{self.path}: {name} is {quote(value)}; only {wanted} is offered: "
                "give another model"
            )


def read_config(path: Path) -> Facts:
    """The fields of a config.json."""
    return Facts(path, read_json(path, LARGEST_CONFIG))


def build(facts: Facts, stored: Stored, *, with_output: bool = True) -> Stack:
    """The model of a checkpoint: a `Transformer`, or a `Stack` if it has no output.

    ``with_output=False`` leaves out the output for masked words of BERT and RoBERTa.

    Raises `ModelError` for a family or a variant that is not offered, and for tensors that are
    missing, left over, or of another shape than the config says.
    """
    if not with_output:
        stored.ignore(r"(cls\.predictions|lm_head)\..*")
    return build_one_of(FAMILIES, facts, stored)


def build_one_of(
    families: Mapping[str, Callable[[Facts, Stored], AnyModel]], facts: Facts, stored: Stored
) -> AnyModel:
    """The model that the checkpoint's family makes of all its tensors; `build` says what it raises.

    `families` are those that are offered, by the `model_type` of their config.json.
    """
    family = facts.choice("model_type", families)
    try:
        model = family(facts, stored)
    except ValueError as error:
        raise ModelError(f"{facts.path}: {error}") from None
    stored.require_empty()
    return model


def _without_output(config: TransformerConfig, generator: Generator) -> Stack:
    return Stack(config)


def _linear(stored: Stored, theirs: str, ours: str, *, bias: bool = True) -> Parameters:
    yield f"{ours}.weight", stored.take(f"{theirs}.weight")
    if bias:
        yield f"{ours}.bias", stored.take(f"{theirs}.bias")


def _norm(stored: Stored, theirs: str, ours: str) -> Parameters:
    # The first BERT checkpoints called them gamma and beta.
    old = f"{theirs}.gamma" in stored
    yield f"{ours}.gain", stored.take(f"{theirs}.gamma" if old else f"{theirs}.weight")
    yield f"{ours}.bias", stored.take(f"{theirs}.beta" if old else f"{theirs}.bias")


def _bert(facts: Facts, stored: Stored) -> Stack:
    return _bert_like(facts, stored, "bert", first_place=0)


def _roberta(facts: Facts, stored: Stored) -> Stack:
    # Places are counted from behind the padding token's id; the rows before are never read.
    return _bert_like(facts, stored, "roberta", first_place=facts.integer("pad_token_id") + 1)


def _bert_like(
    facts: Facts, stored: Stored, family: Literal["bert", "roberta"], *, first_place: int
) -> Stack:
    """BERT (Devlin et al. 2019) and RoBERTa (Liu et al. 2019), which is built alike."""
    facts.require("position_embedding_type", "absolute")
    facts.require("is_decoder", False)
    facts.require("add_cross_attention", False)
    prefix = f"{family}." if f"{family}.embeddings.word_embeddings.weight" in stored else ""
    head = {"bert": "cls.predictions.transform.dense", "roberta": "lm_head.dense"}[family]
    fills_in = f"{head}.weight" in stored
    stored.ignore(r"(.*\.)?(position_ids|token_type_ids|pooler\.dense\.(weight|bias))")
    stored.ignore(r"cls\.seq_relationship\.(weight|bias)")
    config = TransformerConfig(
        vocab_size=facts.integer("vocab_size"),
        seq_len=facts.integer("max_position_embeddings") - first_place,
        d_model=facts.integer("hidden_size"),
        n_layers=facts.integer("num_hidden_layers"),
        n_heads=facts.integer("num_attention_heads"),
        d_ff=facts.integer("intermediate_size"),
        kind="encoder",
        norm="post",
        norm_eps=facts.number("layer_norm_eps", 1e-12),
        activation=facts.activation("hidden_act"),
        n_segments=facts.integer("type_vocab_size"),
        embedding_norm="on",
        unembedding="tied",
        output_transform="on",
    )

    def parameters() -> Parameters:
        embeddings = f"{prefix}embeddings"
        yield "embed.weight", stored.take(f"{embeddings}.word_embeddings.weight")
        table = stored.take(f"{embeddings}.position_embeddings.weight", 2)
        yield "positions.table", table[first_place:]
        yield "segments.weight", stored.take(f"{embeddings}.token_type_embeddings.weight")
        yield from _norm(stored, f"{embeddings}.LayerNorm", "embedding_norm")
        for layer in range(config.n_layers):
            theirs, ours = f"{prefix}encoder.layer.{layer}", f"blocks.{layer}"
            for part in ("query", "key", "value"):
                yield from _linear(
                    stored, f"{theirs}.attention.self.{part}", f"{ours}.attention.{part}"
                )
            yield from _linear(stored, f"{theirs}.attention.output.dense", f"{ours}.attention.out")
            yield from _norm(
                stored, f"{theirs}.attention.output.LayerNorm", f"{ours}.attention_post_norm"
            )
            yield from _linear(stored, f"{theirs}.intermediate.dense", f"{ours}.feedforward.up")
            yield from _linear(stored, f"{theirs}.output.dense", f"{ours}.feedforward.down")
            yield from _norm(stored, f"{theirs}.output.LayerNorm", f"{ours}.feedforward_post_norm")
        if fills_in:
            yield from _linear(stored, head, "transform.dense")
            norm = {"bert": "cls.predictions.transform.LayerNorm", "roberta": "lm_head.layer_norm"}
            yield from _norm(stored, norm[family], "transform.norm")
            output = {"bert": "cls.predictions", "roberta": "lm_head"}[family]
            # The matrix is the embeddings, and is listed again; so is the bias, by two names.
            stored.ignore(re.escape(f"{output}.decoder.") + "(weight|bias)")
            yield "unembed.bias", stored.take(f"{output}.bias")

    return fill(Transformer if fills_in else _without_output, config, parameters(), stored)


def _gpt2(facts: Facts, stored: Stored) -> Stack:
    """GPT-2 (Radford et al. 2019)."""
    facts.require("scale_attn_weights", True)
    facts.require("scale_attn_by_inverse_layer_idx", False)
    facts.require("add_cross_attention", False)
    facts.require("tie_word_embeddings", True)
    prefix = "transformer." if "transformer.wte.weight" in stored else ""
    stored.ignore(r"lm_head\.weight|(.*\.)?attn\.(bias|masked_bias)")
    d_model = facts.integer("n_embd")
    config = TransformerConfig(
        vocab_size=facts.integer("vocab_size"),
        seq_len=facts.integer("n_positions"),
        d_model=d_model,
        n_layers=facts.integer("n_layer"),
        n_heads=facts.integer("n_head"),
        d_ff=facts.integer("n_inner", 4 * d_model),
        norm_eps=facts.number("layer_norm_epsilon", 1e-5),
        activation=facts.activation("activation_function"),
        unembedding="tied",
        unembedding_bias="off",
    )

    def transposed(theirs: str, *ours: str) -> Parameters:
        """Matrices that are stored as (inputs, outputs), one of ours beside the other."""
        weight, bias = stored.take(f"{theirs}.weight", 2), stored.take(f"{theirs}.bias", 1)
        n_rows = -(-len(bias) // len(ours))
        parts = zip(ours, torch.split(weight.t(), n_rows), torch.split(bias, n_rows), strict=True)
        for name, rows, numbers in parts:
            yield f"{name}.weight", rows.contiguous()
            yield f"{name}.bias", numbers.clone()

    def parameters() -> Parameters:
        yield "embed.weight", stored.take(f"{prefix}wte.weight")
        yield "positions.table", stored.take(f"{prefix}wpe.weight")
        for layer in range(config.n_layers):
            theirs, ours = f"{prefix}h.{layer}", f"blocks.{layer}"
            yield from _norm(stored, f"{theirs}.ln_1", f"{ours}.attention_pre_norm")
            three = (f"{ours}.attention.{part}" for part in ("query", "key", "value"))
            yield from transposed(f"{theirs}.attn.c_attn", *three)
            yield from transposed(f"{theirs}.attn.c_proj", f"{ours}.attention.out")
            yield from _norm(stored, f"{theirs}.ln_2", f"{ours}.feedforward_pre_norm")
            yield from transposed(f"{theirs}.mlp.c_fc", f"{ours}.feedforward.up")
            yield from transposed(f"{theirs}.mlp.c_proj", f"{ours}.feedforward.down")
        yield from _norm(stored, f"{prefix}ln_f", "final_norm")

    return fill(Transformer, config, parameters(), stored)


def _llama(facts: Facts, stored: Stored) -> Stack:
    facts.require("attention_bias", False)
    facts.require("mlp_bias", False)
    return _llama_like(facts, stored, biases="off")


def _qwen2(facts: Facts, stored: Stored) -> Stack:
    facts.require("use_sliding_window", False)
    return _llama_like(facts, stored, biases="qkv")


def _llama_like(facts: Facts, stored: Stored, *, biases: Literal["off", "qkv"]) -> Stack:
    """Llama (Touvron et al. 2023), what is built like it, such as SmolLM, and Qwen2.

    Qwen2 (Yang et al. 2024) has biases of queries, keys and values.
    """
    facts.require("rope_scaling", {})
    rotation = facts.fields.get("rope_parameters")
    rotation = Facts(facts.path, rotation if isinstance(rotation, dict) else facts.fields)
    rotation.require("rope_type", "default")
    tied = facts.fields.get("tie_word_embeddings") is True
    stored.ignore(r".*\.rotary_emb\.inv_freq" + (r"|lm_head\.weight" if tied else ""))
    n_heads = facts.integer("num_attention_heads")
    config = TransformerConfig(
        vocab_size=facts.integer("vocab_size"),
        seq_len=min(facts.integer("max_position_embeddings"), LONGEST_TEXT),
        d_model=facts.integer("hidden_size"),
        n_layers=facts.integer("num_hidden_layers"),
        n_heads=n_heads,
        n_kv_heads=facts.integer("num_key_value_heads", n_heads),
        d_head=facts.integer("head_dim", 0),
        d_ff=facts.integer("intermediate_size"),
        norm_kind="rmsnorm",
        norm_eps=facts.number("rms_norm_eps"),
        biases=biases,
        positions="rope",
        rope_base=rotation.number("rope_theta", 10_000.0),
        feedforward="gated",
        activation=facts.activation("hidden_act"),
        unembedding="tied" if tied else "own",
        unembedding_bias="off",
    )

    def parameters() -> Parameters:
        yield "embed.weight", stored.take("model.embed_tokens.weight")
        for layer in range(config.n_layers):
            theirs, ours = f"model.layers.{layer}", f"blocks.{layer}"
            norm = stored.take(f"{theirs}.input_layernorm.weight")
            yield f"{ours}.attention_pre_norm.gain", norm
            for old, new in zip("qkvo", ("query", "key", "value", "out"), strict=True):
                yield from _linear(
                    stored,
                    f"{theirs}.self_attn.{old}_proj",
                    f"{ours}.attention.{new}",
                    bias=biases == "qkv" and old != "o",
                )
            norm = stored.take(f"{theirs}.post_attention_layernorm.weight")
            yield f"{ours}.feedforward_pre_norm.gain", norm
            for part in ("gate", "up", "down"):
                yield from _linear(
                    stored, f"{theirs}.mlp.{part}_proj", f"{ours}.feedforward.{part}", bias=False
                )
        yield "final_norm.gain", stored.take("model.norm.weight")
        if not tied:
            yield "unembed.weight", stored.take("lm_head.weight")

    return fill(Transformer, config, parameters(), stored)


FAMILIES: dict[str, Callable[[Facts, Stored], Stack]] = {
    "bert": _bert,
    "roberta": _roberta,
    "gpt2": _gpt2,
    "llama": _llama,
    "qwen2": _qwen2,
}
"""Those that are offered, by the `model_type` of their config.json."""
