"""Attention reads all tokens at once; a recurrent network waits for each, and so does writing.

When a model is trained, the whole text is there from the start. In a layer of attention no token
waits for the result of another: it takes the same few operations one after the other, whatever the
length, each of them on all tokens. A recurrent network needs the state after one token before it
can read the next. Where thousands of operations run side by side, a step takes as long as the chain
of those that wait for one another, not as long as their sum. This lab counts both, for one causal
layer of attention and for a GRU: the longest chain in the graph that autograd records, and the
arithmetic. Then the same attention writes: each output is its next input.

How to read it. All numbers are exact counts and nothing is timed. A chain counts every operation,
also those that only rearrange numbers; what matters is how it grows with the length. Arithmetic is
that of the matrix products. A backward pass has the chain of its forward pass, the other way round.

What the literature reports. Vaswani et al. (2017, Table 1): O(1) sequential operations and O(n² d)
arithmetic in a layer of self-attention of n tokens, O(n) and O(n d²) in a recurrent one.

Out of scope: time and memory, which depend on the machine, and recurrent layers that are linear in
their state, whose steps can be combined in chains of O(log n).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.utils.flop_counter import FlopCounterMode

from labs.kit.budget import generator, one_thread
from labs.transformer import TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.init import initialise
from labs.transformer.recurrent import Gru
from studykit.lab.events import Curve, Event, Measurement

QUESTION = "Why does a transformer train in parallel, and yet write one token after another?"
POINTS = ("1.1.5",)
CLAIMS = {
    "reads": "From 16 to 256 tokens the longest chain of operations in a layer of attention does "
    "not grow, though its arithmetic grows over 16-fold; that of a GRU grows at least 12-fold.",
    "writes": "One causal pass over 16 tokens gives the same outputs as 16 passes over its "
    "prefixes, but when outputs become inputs, the chain of attention grows at least 12-fold too.",
}
HOLDS_IF = {
    "reads": "chain_attention_256 == chain_attention_16 and flops_attention > 16"
    " and chain_gru_256 >= 12 * chain_gru_16",
    "writes": "prefix_difference < 0.0001 and chain_writing_256 >= 12 * chain_writing_16",
}
DETERMINISTIC = True
KNOBS = {"d_model": (32, 64)}
KNOB_HELP = {"d_model": "width of both layers"}
SEEDS = 1
SECONDS = {"cpu": 2}
LITERATURE = {
    "reads": "O(1) sequential operations in a layer of self-attention, O(n) in a recurrent one "
    "(Vaswani et al. 2017, Table 1).",
}

Layer: TypeAlias = Callable[[Tensor], Tensor]

LENGTHS = (16, 32, 64, 128, 256)


@one_thread
def run(*, d_model: int, seed: int, device: str) -> Iterator[Event]:
    """Count what each layer does by length, for one sequence."""
    config = TransformerConfig(
        vocab_size=1, seq_len=max(LENGTHS), d_model=d_model, n_heads=1, positions="none"
    )
    attention = MultiHeadAttention(config)
    initialise(attention, config.init, generator(seed, "weights"))
    gru = Gru(d_model, generator(seed, "weights"))
    attention, gru = attention.to(device), gru.to(device)
    tokens = torch.randn(1, max(LENGTHS), d_model, generator=generator(seed, "probe")).to(device)
    for name, label, layer in (
        ("attention", "attention", attention),
        ("gru", "GRU", gru),
        ("writing", "attention, writing", lambda x: write(attention, x)),
    ):
        yield from count_chain(name, label, layer, tokens)
    yield from count_arithmetic("attention", "attention", attention, tokens)
    yield from count_arithmetic("gru", "GRU", gru, tokens)

    few = tokens[:, : min(LENGTHS)]
    with torch.no_grad():
        prefixes = [attention(few[:, :n])[:, -1] for n in range(1, few.shape[1] + 1)]
        difference = float((attention(few) - torch.stack(prefixes, dim=1)).abs().max())
    label = "largest difference of an output, one pass / a pass for each prefix"
    yield Measurement("prefix_difference", difference, "", label)


def count_chain(name: str, label: str, layer: Layer, tokens: Tensor) -> Iterator[Event]:
    """The longest chain of dependent operations, by the number of tokens."""
    for n in LENGTHS:
        chain = longest_chain(layer(tokens[:, :n]))
        chart = "Longest chain of operations that wait for one another"
        yield Curve(chart, label, [n], [chain], "tokens", "operations", log_y=True)
        if n in (min(LENGTHS), max(LENGTHS)):
            what = f"longest chain, {label}, {n} tokens"
            yield Measurement(f"chain_{name}_{n}", chain, "operations", what)


def count_arithmetic(name: str, label: str, layer: Layer, tokens: Tensor) -> Iterator[Event]:
    """The arithmetic of matrix products, by the number of tokens."""
    flops: list[float] = []
    for n in LENGTHS:
        with FlopCounterMode(display=False) as counter:
            layer(tokens[:, :n])
        flops.append(counter.get_total_flops())
        yield Curve("Arithmetic", label, [n], [flops[-1]], "tokens", "FLOP", log_y=True)
    what = f"arithmetic at {max(LENGTHS)} / at {min(LENGTHS)} tokens, {label}"
    yield Measurement(f"flops_{name}", flops[-1] / flops[0], "times", what)


def write(layer: Layer, x: Tensor) -> Tensor:
    """Outputs of a layer that gets the first token, and then whatever it has put out so far."""
    # x: (1, n_tokens, d_model), of which the first token and the number are used
    written = x[:, :1]
    for _ in range(x.shape[1]):
        written = torch.cat((written, layer(written)[:, -1:]), dim=1)
    return written[:, 1:]


def longest_chain(out: Tensor) -> int:
    """Operations on the longest path through the graph that autograd recorded for `out`."""
    assert out.grad_fn is not None, "a layer with parameters is recorded"
    lengths: dict[Node, int] = {}
    waiting: list[Node] = [out.grad_fn]
    while waiting:
        operation = waiting[-1]
        sources = [source for source, _ in operation.next_functions if source is not None]
        unknown = [source for source in sources if source not in lengths]
        if unknown:
            waiting += unknown
        else:
            lengths[waiting.pop()] = 1 + max((lengths[source] for source in sources), default=0)
    return lengths[out.grad_fn]
