"""A model drawn as text, from the tokens at the top to the logits at the bottom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import nn

from labs.transformer.config import TransformerConfig
from labs.transformer.encoder_decoder import EncoderDecoder
from labs.transformer.loading import blank
from labs.transformer.model import Block, Stack, Transformer

WIDTH = 76
LINE = "  │"
ACTIVATIONS = {"relu": "ReLU", "gelu": "GELU", "gelu_tanh": "GELU (tanh)", "silu": "SiLU"}
NORMS = {"layernorm": "LayerNorm", "rmsnorm": "RMSNorm"}
COMPONENTS = {
    "norm": "norms",
    "attention.bias.table": "positions",
    "cross_attention": "cross-attention",
    "attention": "self-attention",
    "feedforward": "feed-forward",
    "transform": "output",
    "unembed": "output",
    "embed": "embeddings",
    "segments": "embeddings",
    "positions": "positions",
}
"""What a parameter belongs to, by the first of these that its name has."""


def diagram(config: TransformerConfig) -> str:
    """The model's parts from top to bottom with their parameters, then the sums by component."""
    if config.kind != "encoder-decoder":
        model = blank(Transformer, config)
        return "\n".join([*_stack(model), "", *_sums(model)])
    pair = blank(EncoderDecoder, config)
    decoder = _stack(pair.decoder, counted=pair.encoder.embed)
    lines = ["ENCODER", *_stack(pair.encoder), "", "DECODER", *decoder]
    return "\n".join([*lines, "", *_sums(pair)])


def parameters_by_component(model: nn.Module) -> dict[str, int]:
    """How many numbers are trained in each kind of part; a matrix used twice counts once."""
    counts: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        component = next(found for part, found in COMPONENTS.items() if part in name)
        counts[component] += parameter.numel()
    return dict(counts.most_common())


def _sums(model: nn.Module) -> Iterator[str]:
    counts = parameters_by_component(model)
    total = sum(counts.values())
    for component, count in [*counts.items(), ("all parameters", total)]:
        yield _beside(component, f"{count:,} {count / total:7.1%}")


def _stack(stack: Stack, counted: nn.Module | None = None) -> Iterator[str]:
    """The lines of one stack; what is `counted` elsewhere has no number."""
    config = stack.config
    norm = NORMS[config.norm_kind]
    yield from ("tokens", LINE)
    yield _row(
        f"{config.vocab_size:,} embeddings of {config.d_model:,} numbers", stack.embed, counted
    )
    if stack.segments is not None:
        yield _row(f"+ embeddings of segments, {config.n_segments}", stack.segments)
    if config.positions in ("learned", "sinusoidal"):
        yield _row(f"+ {config.positions} positions, {config.seq_len:,}", stack.positions)
    if config.embedding_norm == "on":
        yield _row(norm, stack.embedding_norm)
    yield from (LINE, f"{LINE}   {len(stack.blocks)} layers, each with")
    block = stack.blocks[0]
    assert isinstance(block, Block)
    yield from _block(block, config)
    yield LINE
    if config.norm == "pre":
        yield from (_row(norm, stack.final_norm), LINE)
    if not isinstance(stack, Transformer):
        yield "encoded"
        return
    if config.output_transform == "on":
        yield _row(f"dense, {ACTIVATIONS[config.activation]}, {norm}", stack.transform)
    name = "the embeddings once more" if config.unembedding == "tied" else "unembedding"
    yield _row(name, stack.unembed, stack.embed)
    yield from (LINE, "logits")


def _block(block: Block, config: TransformerConfig) -> Iterator[str]:
    heads = f"{config.n_heads} heads of {config.head_dim}"
    shared = f", {config.kv_heads} of keys" if config.kv_heads < config.n_heads else ""
    causal = "" if config.kind == "encoder" else "causal "
    inside = {"rope": ", RoPE", "alibi": ", ALiBi", "buckets": ", biases by distance"}
    positions = inside.get(config.positions, "")
    if config.positions == "buckets":
        yield _row(f"{LINE}   of which the first has biases for all", block.attention.bias)
    yield from _sublayer(f"{causal}self-attention: {heads}{shared}{positions}", block, "attention")
    if block.cross_attention is not None:
        yield from _sublayer(f"cross-attention to the encoded: {heads}", block, "cross")
    gated = "gated " if config.feedforward == "gated" else ""
    bend = f"{gated}{ACTIVATIONS[config.activation]}"
    yield from _sublayer(f"feed-forward: {config.d_ff:,} wide, {bend}", block, "feedforward")


def _sublayer(text: str, block: Block, name: str) -> Iterator[str]:
    part = block.get_submodule("cross_attention" if name == "cross" else name)
    norms = [block.get_submodule(f"{name}_{place}_norm") for place in ("pre", "post")]
    pre, post = (None if isinstance(norm, nn.Identity) else norm for norm in norms)
    yield "  ├───┐"
    if pre is not None:
        yield _row(f"{LINE}   {type(pre).__name__}", pre)
    yield _row(f"{LINE}   {text}", part, block.attention.bias)
    yield "  +───┘"
    if post is not None:
        yield _row(type(post).__name__, post)


def _row(text: str, part: nn.Module, counted: nn.Module | None = None) -> str:
    """A part with its parameters but those `counted` before, or without a number if it has none."""
    before = set() if counted is None else set(counted.parameters())
    n = sum(parameter.numel() for parameter in part.parameters() if parameter not in before)
    return _beside(text, f"{n:,}") if n else text


def _beside(text: str, number: str) -> str:
    return f"{text:<{WIDTH - len(number)}}{number}"
