"""A text on its way through a model: what stands after each step, as steps of a walk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from torch import Tensor, nn

from labs.transformer.diagram import parameters_by_component
from labs.transformer.model import Stack
from studykit.lab.events import Step

STAGES = ("tokens", "embedding", "attention", "FFN", "all layers", "use")
"""Columns of the walk's map."""
COLUMNS = ("what stands there", "shape", "parameters")
"""Of the table of each step."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A model, and the text as it reads it."""

    family: str
    name: str
    """Of the model itself."""
    stack: Stack
    pieces: Sequence[str]
    tokens: Tensor
    """(1, seq_len)"""
    use: str
    """What is read off at the end, in words."""
    end_shape: str


def watched_shapes(reader: Reader) -> tuple[dict[str, str], int]:
    """What shapes stand in the first layer, and how many sublayers changed the width."""
    shapes: dict[str, str] = {}
    wrong = 0
    resid = reader.stack.embedded(reader.tokens)
    first = reader.stack.blocks[0]
    parts = {part: first.get_submodule(f"attention.{part}") for part in ("query", "key", "value")}
    parts["hidden"] = first.get_submodule("feedforward.down")

    def note(name: str, seen: Tensor) -> None:
        shapes[name] = " × ".join(f"{size:,}" for size in seen.shape[1:])

    def check(part: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal wrong
        wrong += out.shape != resid.shape

    with ExitStack() as hooks:
        for name, part in parts.items():

            def keep(
                part: nn.Module, args: tuple[Tensor, ...], out: Tensor, name: str = name
            ) -> None:
                note(name, args[0] if name == "hidden" else out)

            hooks.callback(part.register_forward_hook(keep).remove)
        for block in reader.stack.blocks:
            for name in ("attention", "feedforward"):
                hook = block.get_submodule(name).register_forward_hook(check)
                hooks.callback(hook.remove)
        note("stream", reader.stack.residual_stream(reader.tokens)[-1])
    return shapes, wrong


def walked(row: int, reader: Reader, shapes: Mapping[str, str]) -> Iterator[Step]:
    """The steps of one model, from its tokens to what it is used for."""
    config, stack = reader.stack.config, reader.stack
    block = stack.blocks[0]
    counts = parameters_by_component(stack)
    stream, n_tokens = shapes["stream"], reader.tokens.shape[1]
    position = {"learned": "Learned positions are added.", "sinusoidal": "Sinusoids are added."}
    sees = "the tokens up to itself" if config.kind == "decoder" else "all tokens"
    turned = "; RoPE turns queries and keys" if config.positions == "rope" else ""
    heads = f"{config.n_heads} heads of {config.head_dim}"
    if config.kv_heads < config.n_heads:
        heads += f", {config.kv_heads} of keys and values"
    gated = "a gate and " if config.feedforward == "gated" else ""

    def size(name: str) -> int:
        return sum(parameter.numel() for parameter in block.get_submodule(name).parameters())

    captions = (
        f"{reader.name} cuts the text into tokens: {' '.join(reader.pieces)}",
        f"Each token gets its vector from a table. {position.get(config.positions, '')}".strip(),
        f"Each token collects from {sees}: {heads}{turned}. It is added to the stream.",
        f"Feed-forward network, each token by itself: {gated}{config.d_ff:,} numbers within. "
        "It is added to the stream.",
        f"The same again, in {len(stack.blocks)} layers. The shape never changes.",
        reader.use,
    )
    tables: Sequence[Sequence[Sequence[str | float]]] = (
        [("token ids", f"{n_tokens}", "–")],
        [("stream", stream, f"{counts['embeddings'] + counts.get('positions', 0):,}")],
        [
            *(
                (f"{part} of all heads", shapes[part], f"{size(f'attention.{part}'):,}")
                for part in ("query", "key", "value")
            ),
            ("weights", f"{config.n_heads} × {n_tokens} × {n_tokens}", "–"),
            ("stream", stream, f"{size('attention.out'):,}"),
        ],
        [("hidden", shapes["hidden"], "–"), ("stream", stream, f"{size('feedforward'):,}")],
        [("stream", stream, f"{sum(p.numel() for p in stack.blocks.parameters()):,}")],
        [("what is used", reader.end_shape, f"{counts.get('output', 0):,}")],
    )
    for column, (caption, table) in enumerate(zip(captions, tables, strict=True)):
        yield Step((row, column), caption, table)
