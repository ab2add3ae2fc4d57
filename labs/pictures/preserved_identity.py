"""A residual stream still tells which token it began as, in another form than the embedding's.

What becomes of a token's identity on its way up? The lab reads it off the stream of SmolLM2-135M
(30 layers) in two ways: as the nearest row of the embedding table, and by a linear map that was
fitted on other texts. Then it cuts the residual connections of all layers and reads again. An
untrained stack of 32 layers, with each placement of norms, shows what the wiring keeps by itself.
Last, several layers are left out at once, beside one layer whose residual connections are cut.

How to read it. Found is the share of tokens whose own id is the nearest of all that occur in the
texts; the commonest token is the yardstick. A map fitted on a few hundred vectors underrates what
is there. "Next" is the share of texts' next tokens that the final norm and the output layer read
off, the logit lens. Costs are the loss with the change less the loss without, on the same tokens.

What the texts are. Docstrings of Python's standard library, 20 tokens each: 24 to fit the maps on,
8 to read; other ones for each seed. The first token is left out (core/attention_sink).

What the literature reports. Without skip connections and feed-forward networks attention brings all
tokens together, doubly exponentially with depth (Dong et al. 2021).

Out of scope: single layers skipped (core/skip_or_cut), training without residual connections
(core/residuals), and what is known about a token besides its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from random import Random
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.kit.budget import generator
from labs.kit.reading import mean_loss
from labs.kit.stages import stages
from labs.models import load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Norm, Switch
from labs.transformer.interventions import layers_reordered, residual_cut
from studykit.lab.events import Curve, Event, Measurement

QUESTION = "Does a token's vector still tell, 30 layers up, which token it began as?"
POINTS = ("6.2.1", "6.2.2", "6.2.3", "6.2.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "kept": "In the middle of the model a linear map finds over half of the tokens, though the "
    "nearest row of the embedding table is the right one for less than a tenth.",
    "handed_over": "After the last layer fewer tokens are found than after the fifth.",
    "cut": "With the residual connections cut in all layers, less than a fifth of the tokens are "
    "found after ten layers, where over half are found with them.",
    "untrained": "Untrained, a stack of 32 layers keeps over half of the tokens with pre-norm; "
    "without residual connections any stack has lost nine tenths of them after four layers.",
    "not_enough": "Residual connections alone are not enough: untrained, with post-norm or without "
    "norms, less than a fifth of the tokens are found after 32 layers.",
    "post_keeps": "With post-norm, untrained, over half of the tokens are found after 32 layers.",
    "graceful": "Four middle layers left out together cost less than half of what cutting the "
    "residual connections of a single one costs.",
}
HOLDS_IF = {
    "kept": "mapped_middle > 0.5 and table_middle < 0.1",
    "handed_over": "mapped_last < mapped_fifth",
    "cut": "cut_ten < 0.2 and mapped_ten > 0.5",
    "untrained": "untrained_pre > 0.5 and untrained_cut < 0.1",
    "not_enough": "max(untrained_post, untrained_none) < 0.2",
    "post_keeps": "untrained_post > 0.5",
    "graceful": "cost_left_out < cost_cut / 2",
}
KNOBS = {"n_layers": (32, 8, 16)}
KNOB_HELP = {"n_layers": "layers of the untrained stacks"}
SEEDS = 3
SECONDS = {"cpu": 9}
LITERATURE = {
    "untrained": "Attention without skip connections and feed-forward networks converges to rank "
    "one doubly exponentially with depth (Dong et al. 2021, abstract).",
}

N_FITTED, N_READ, N_TOKENS = 24, 8, 20
READ_AFTER = (0, 1, 2, 5, 10, 22)
N_LEFT_OUT, N_DRAWS = 4, 3
N_SYMBOLS, N_SEQUENCES, SEQ_LEN = 64, 60, 16
"""Of the untrained stacks: random symbols, so that no neighbour tells anything of a token."""
EARLY = 4
"""Layers after which an untrained stack without residual connections is read."""


@torch.no_grad()
def run(*, n_layers: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """Read tokens off the stream, with and without residual connections; leave layers out."""
    language = load_language_model(model, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    rows = token_rows(encode, N_FITTED + N_READ, N_TOKENS, seed=seed, begin=begin).to(device)
    parts = {
        "reading the stream": trained(language.model, rows),
        "untrained stacks": untrained(n_layers, seed, device),
        "leaving layers out": left_out(language.model, rows[:2], Random(seed)),
    }
    yield from stages(parts)


def found(resid: Tensor, ids: Tensor, n_fitted: int, table: Tensor, *, mapped: bool) -> float:
    """Share of the tokens whose own row of the table is the nearest of all that occur, by cosine.

    The first `n_fitted` sequences serve to fit the linear map, the others are read. `resid` is
    (sequences, seq_len, d_model), `ids` (sequences, seq_len).
    """
    scaled = F.rms_norm(resid, resid.shape[-1:])
    vectors, right = scaled[n_fitted:].flatten(0, 1), ids[n_fitted:].flatten()
    if mapped:  # ridge regression from the stream to the rows, solved in the space of the samples
        x = scaled[:n_fitted].flatten(0, 1)
        rows = F.normalize(table[ids[:n_fitted].flatten()], dim=-1)
        gram = x @ x.T + len(x) / 100 * torch.eye(len(x), device=x.device)
        vectors = vectors @ x.T @ torch.cholesky_solve(rows, torch.linalg.cholesky(gram))
    candidates = right.bincount().nonzero()[:, 0]
    cosines = F.normalize(vectors, dim=-1) @ F.normalize(table[candidates], dim=-1).T
    return float((candidates[cosines.argmax(dim=-1)] == right).double().mean())


def trained(model: Transformer, rows: Tensor) -> Iterator[Event]:
    """The share of tokens found after each layer of the real model, whole and cut."""
    ids, table, chart = rows[:, 1:], model.embed.weight, "Tokens found"
    counts = ids[N_FITTED:].flatten().bincount()
    commonest = float(counts.max() / counts.sum())
    yield Measurement("commonest", commonest, "", "share of the commonest token", yardstick=True)
    n_layers = len(model.blocks)
    names = {5: "fifth", 10: "ten", n_layers // 2: "middle", n_layers: "last"}
    after = sorted({layer for layer in READ_AFTER if layer < n_layers} | {n_layers // 2, n_layers})
    stream = model.residual_stream(rows)
    for layer in after:
        for line, mapped, prefix in (
            ("by a linear map", True, "mapped"),
            ("nearest row of the table", False, "table"),
        ):
            share = found(stream[layer][:, 1:], ids, N_FITTED, table, mapped=mapped)
            yield Curve(chart, line, [layer], [share], "layer", "share")
            if layer in names:
                label = f"tokens found after layer {layer}, {line}"
                yield Measurement(f"{prefix}_{names[layer]}", share, "", label)
        likeliest = model.read(stream[layer][N_FITTED:, 1:-1]).argmax(dim=-1)
        share = float((likeliest == ids[N_FITTED:, 1:]).double().mean())
        yield Curve(chart, "next, by the logit lens", [layer], [share], "layer", "share")
    with ExitStack() as cuts:
        for block in model.blocks:
            cuts.enter_context(residual_cut(block))
        resid = stream[0]
        for layer, block in enumerate(model.blocks[:10], start=1):
            resid = block(resid)
            if layer in READ_AFTER:
                share = found(resid[:, 1:], ids, N_FITTED, table, mapped=True)
                line = "by a linear map, residuals cut"
                yield Curve(chart, line, [layer], [share], "layer", "share")
    yield Measurement("cut_ten", share, "", f"tokens found after layer {layer}, residuals cut")


def untrained(n_layers: int, seed: int, device: str) -> Iterator[Event]:
    """The same for random symbols and untrained stacks, with each placement of norms."""
    shape = (N_SEQUENCES, SEQ_LEN)
    ids = torch.randint(N_SYMBOLS, shape, generator=generator(seed, "probe")).to(device)
    early = []
    for norm, residual in product(get_args(Norm), get_args(Switch)):
        sizes = TransformerConfig(vocab_size=N_SYMBOLS, seq_len=SEQ_LEN, d_model=64)
        config = replace(sizes, n_layers=n_layers, norm=norm, residual=residual)
        stack = Transformer(config, generator(seed, "weights")).to(device)
        stream = stack.residual_stream(ids)
        line = f"{norm}, residuals {residual}"
        for layer in (layer for layer in (0, 1, 2, 4, 8, 16, 32) if layer <= n_layers):
            fitted, table = N_SEQUENCES * 4 // 5, stack.embed.weight
            share = found(stream[layer], ids, fitted, table, mapped=True)
            yield Curve("Tokens found, untrained", line, [layer], [share], "layer", "share")
            if layer == EARLY and residual == "off":
                early.append(share)
        if residual == "on":
            label = f"tokens found after {n_layers} untrained layers, norm: {norm}"
            yield Measurement(f"untrained_{norm}", share, "", label)
    label = f"the most found after {EARLY} untrained layers without residuals"
    yield Measurement("untrained_cut", max(early), "", label)


def left_out(model: Transformer, texts: Tensor, draw: Random) -> Iterator[Event]:
    """What it costs to leave out middle layers drawn at random, and to cut one."""
    n_layers = len(model.blocks)
    stream = model.residual_stream(texts)
    intact = mean_loss(model.read(stream[-1]), texts)
    middle = range(n_layers // 10, n_layers - n_layers // 10)
    costs = []
    for _ in range(N_DRAWS):
        out = draw.sample(middle, N_LEFT_OUT)
        with layers_reordered(model, [layer for layer in range(n_layers) if layer not in out]):
            costs.append(mean_loss(model.resume(stream[min(out)], min(out)), texts) - intact)
    label = f"cost, {N_LEFT_OUT} middle layers left out, mean of {N_DRAWS} draws"
    yield Measurement("cost_left_out", sum(costs) / N_DRAWS, "nats", label)
    half = n_layers // 2
    with residual_cut(model.blocks[half]):
        cost = mean_loss(model.resume(stream[half], half), texts) - intact
    label = f"cost, residual connections of layer {half + 1} cut"
    yield Measurement("cost_cut", cost, "nats", label)
