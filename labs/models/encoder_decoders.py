"""Checkpoints of encoder-decoders, T5 and BART, as configurations of the course's model."""

from __future__ import annotations

import math
from collections.abc import Callable

from labs.models.checkpoints import Facts, Parameters, build_one_of
from labs.models.filling import LONGEST_TEXT, Stored, fill
from labs.transformer import EncoderDecoder, TransformerConfig
from labs.transformer.config import Activation, FeedForwardKind

FIRST_PLACE = 2
"""BART's positions are counted from here; the rows before are never read."""
FORMS: dict[str, tuple[FeedForwardKind, Activation]] = {
    "relu": ("plain", "relu"),
    "gelu": ("plain", "gelu"),
    "gated-gelu": ("gated", "gelu_tanh"),
    "gated-silu": ("gated", "silu"),
    "gated-relu": ("gated", "relu"),
}
"""T5's feed-forward networks by their names there."""


def build_pair(facts: Facts, stored: Stored) -> EncoderDecoder:
    """The encoder-decoder of a checkpoint.

    Raises `ModelError` for a family or a variant that is not offered, and for tensors that are
    missing, left over, or of another shape than the config says.
    """
    return build_one_of(PAIRS, facts, stored)


def _t5(facts: Facts, stored: Stored) -> EncoderDecoder:
    """T5 (Raffel et al. 2020), in its first form and in version 1.1, which has gates."""
    feedforward, activation = facts.choice("feed_forward_proj", FORMS, "relu")
    # Version 1.1 has an unembedding of its own. The first form's is the embeddings, and what it
    # reads is scaled; later versions of transformers say so in a field.
    ties = facts.fields.get("tie_word_embeddings") is not False
    scaled = facts.fields.get("scale_decoder_outputs", ties) is not False
    own = not (ties and scaled) and "lm_head.weight" in stored
    stored.ignore(r"(en|de)coder\.embed_tokens\.weight" + ("" if own else r"|lm_head\.weight"))
    # Some checkpoints carry biases by distance for cross-attention, which no model reads.
    stored.ignore(
        r"decoder\.block\.\d+\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight"
    )
    n_layers = facts.integer("num_layers")
    config = TransformerConfig(
        vocab_size=facts.integer("vocab_size"),
        seq_len=LONGEST_TEXT,  # distances are all it knows
        d_model=facts.integer("d_model"),
        n_layers=facts.integer("num_decoder_layers", n_layers),
        n_encoder_layers=n_layers,
        n_heads=facts.integer("num_heads"),
        d_head=facts.integer("d_kv"),
        d_ff=facts.integer("d_ff"),
        kind="encoder-decoder",
        norm_kind="rmsnorm",
        norm_eps=facts.number("layer_norm_epsilon", 1e-6),
        biases="off",
        positions="buckets",
        n_buckets=facts.integer("relative_attention_num_buckets", 32),
        farthest_bucket=facts.integer("relative_attention_max_distance", 128),
        feedforward=feedforward,
        activation=activation,
        source_embedding="tied",
        unembedding="own" if own else "tied",
        unembedding_bias="off",
    )

    def attention(theirs: str, ours: str) -> Parameters:
        for letter, part in zip("qkvo", ("query", "key", "value", "out"), strict=True):
            weight = stored.take(f"{theirs}.{letter}.weight")
            # T5 divides no score by √head_dim; its queries grow by that instead.
            scale = math.sqrt(config.head_dim) if letter == "q" else 1.0
            yield f"{ours}.{part}.weight", weight * scale

    def sublayers(stack: str, n: int) -> Parameters:
        for layer in range(n):
            theirs, ours = f"{stack}.block.{layer}.layer", f"{stack}.blocks.{layer}"
            yield from attention(f"{theirs}.0.SelfAttention", f"{ours}.attention")
            yield f"{ours}.attention_pre_norm.gain", stored.take(f"{theirs}.0.layer_norm.weight")
            last = 1
            if stack == "decoder":
                last = 2
                yield from attention(f"{theirs}.1.EncDecAttention", f"{ours}.cross_attention")
                yield f"{ours}.cross_pre_norm.gain", stored.take(f"{theirs}.1.layer_norm.weight")
            names = {"up": "wi", "down": "wo"}
            if feedforward == "gated":
                names = {"gate": "wi_0", "up": "wi_1", "down": "wo"}
            for part, name in names.items():
                weight = stored.take(f"{theirs}.{last}.DenseReluDense.{name}.weight")
                yield f"{ours}.feedforward.{part}.weight", weight
            norm = stored.take(f"{theirs}.{last}.layer_norm.weight")
            yield f"{ours}.feedforward_pre_norm.gain", norm
        table = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        yield f"{stack}.blocks.0.attention.bias.table", stored.take(table)
        gain = stored.take(f"{stack}.final_layer_norm.weight")
        scale = config.d_model**-0.5 if scaled and stack == "decoder" else 1.0
        yield f"{stack}.final_norm.gain", gain * scale

    def parameters() -> Parameters:
        yield "encoder.embed.weight", stored.take("shared.weight")
        yield from sublayers("encoder", config.n_encoder_layers)
        yield from sublayers("decoder", config.n_layers)
        if own:
            yield "decoder.unembed.weight", stored.take("lm_head.weight")

    return fill(EncoderDecoder, config, parameters(), stored)


def _bart(facts: Facts, stored: Stored) -> EncoderDecoder:
    """BART (Lewis et al. 2020)."""
    for name in ("attention_heads", "ffn_dim"):
        facts.require(f"decoder_{name}", facts.integer(f"encoder_{name}"))
    for name in ("normalize_before", "add_final_layer_norm"):  # of its relatives
        facts.require(name, False)
    facts.require("normalize_embedding", True)
    facts.require("tie_word_embeddings", True)
    facts.require("scale_embedding", True, False)
    stored.ignore(r"lm_head\.weight|model\.(en|de)coder\.embed_tokens\.weight")
    d_model = facts.integer("d_model")
    scaled = facts.fields.get("scale_embedding") is True
    config = TransformerConfig(
        vocab_size=facts.integer("vocab_size"),
        seq_len=facts.integer("max_position_embeddings"),
        d_model=d_model,
        n_layers=facts.integer("decoder_layers"),
        n_encoder_layers=facts.integer("encoder_layers"),
        n_heads=facts.integer("encoder_attention_heads"),
        d_ff=facts.integer("encoder_ffn_dim"),
        kind="encoder-decoder",
        norm="post",
        activation=facts.activation("activation_function"),
        embedding_scale=math.sqrt(d_model) if scaled and d_model > 0 else 1.0,
        embedding_norm="on",
        source_embedding="tied",
        unembedding="tied",
    )

    def both(theirs: str, ours: str, weight: str = "weight") -> Parameters:
        yield f"{ours}.{weight}", stored.take(f"model.{theirs}.weight")
        yield f"{ours}.bias", stored.take(f"model.{theirs}.bias")

    def attention(theirs: str, ours: str) -> Parameters:
        for letter, part in {"q": "query", "k": "key", "v": "value", "out": "out"}.items():
            yield from both(f"{theirs}.{letter}_proj", f"{ours}.{part}")

    def sublayers(stack: str, n: int) -> Parameters:
        table = stored.take(f"model.{stack}.embed_positions.weight")
        yield f"{stack}.positions.table", table[FIRST_PLACE:]
        yield from both(f"{stack}.layernorm_embedding", f"{stack}.embedding_norm", "gain")
        for layer in range(n):
            theirs, ours = f"{stack}.layers.{layer}", f"{stack}.blocks.{layer}"
            yield from attention(f"{theirs}.self_attn", f"{ours}.attention")
            norms = {"self_attn_layer_norm": "attention", "final_layer_norm": "feedforward"}
            if stack == "decoder":
                yield from attention(f"{theirs}.encoder_attn", f"{ours}.cross_attention")
                norms["encoder_attn_layer_norm"] = "cross"
            for norm, sublayer in norms.items():
                yield from both(f"{theirs}.{norm}", f"{ours}.{sublayer}_post_norm", "gain")
            yield from both(f"{theirs}.fc1", f"{ours}.feedforward.up")
            yield from both(f"{theirs}.fc2", f"{ours}.feedforward.down")

    def parameters() -> Parameters:
        yield "encoder.embed.weight", stored.take("model.shared.weight")
        yield from sublayers("encoder", config.n_encoder_layers)
        yield from sublayers("decoder", config.n_layers)
        yield "decoder.unembed.bias", stored.take("final_logits_bias").flatten()

    return fill(EncoderDecoder, config, parameters(), stored)


PAIRS: dict[str, Callable[[Facts, Stored], EncoderDecoder]] = {"t5": _t5, "bart": _bart}
"""Those that are offered, by the `model_type` of their config.json."""
