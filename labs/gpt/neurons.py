"""A few neurons can cost a model a fact, but they are no entry that could be looked up.

SmolLM2-135M has 46,080 feed-forward neurons: 1,536 in each of 30 layers. Each adds its activation
times a vector of its own to the stream, so how much it adds for "Paris", against the other capitals
asked for, can be read off at the end of "The capital of France is". The lab ranks all neurons by
that, one country after the other, silences the first thirty, and asks for all the capitals again.

How to read it. If a fact were stored in neurons of its own, as in the cells of a table, silencing
them would cost this one fact and spare the others. A share is what neurons add of
everything that is added for the answer. A neuron is silenced at the last token only, where its
contribution was read.

What the texts are. For each seed ten countries of a list of 42 whose capital the model knows; six
of them lose their neurons, one after the other. An answer counts as right by its first token.

What the literature reports. Models store at least 2 bits of such facts a parameter when each was
met a thousand times in training (Allen-Zhu & Li 2024, abstract; synthetic biographies).

Out of scope: neurons that act through later layers, other positions, other relations than capitals,
and weights instead of activations. Ranked by their effect on all tokens of the vocabulary, or by
gradients, other neurons would come first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from labs.kit.budget import generator
from labs.models import load_language_model
from labs.tasks.capitals import LAST, Capitals, ask_capitals
from labs.transformer import Transformer
from labs.transformer.layers import Linear
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Is a fact stored in a few neurons of its own?"
POINTS = ("3.3.1", "3.3.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "spread": "The first thirty neurons add less than a fifth of all that is added for an answer, "
    "the first thousand less than two thirds.",
    "costly": "Without its first thirty neurons at least five of the six answers are wrong; "
    "without thirty random ones all are right.",
    "no_entry": "Without the first thirty neurons of one fact at least a quarter of the other "
    "capitals are answered wrongly too, but not nine tenths, in the mean.",
    "own_entry": "Without the first thirty neurons of one fact at least nine tenths of the other "
    "capitals are still right, in the mean.",
    "wrecked": "Without the first thirty neurons of one fact at most a tenth of the other capitals "
    "are still right, in the mean.",
}
HOLDS_IF = {
    "spread": "first_30 < 0.2 and first_1000 < 0.667",
    "costly": "own_lost >= 5 and random_lost == 0",
    "no_entry": "0.1 < others_right <= 0.75",
    "own_entry": "others_right >= 0.9",
    "wrecked": "others_right <= 0.1",
}
KNOBS = {"n_silenced": (30, 10, 100)}
KNOB_HELP = {"n_silenced": "neurons that are silenced, those that add most for the answer"}
SEEDS = 3
SECONDS = {"cpu": 8}

N_COUNTRIES = 10
N_FACTS = 6


@torch.no_grad()
def run(*, n_silenced: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """Rank the neurons of six facts, silence the first ones of each, and ask for all facts."""
    language = load_language_model(model, device)
    decoder = language.model
    asked = ask_capitals(language, 2 * N_COUNTRIES, seed=seed)
    right = decoder(asked.prompts)[:, LAST].argmax(dim=-1) == asked.answers
    known = asked.chosen(right.nonzero()[:N_COUNTRIES, 0])
    activations = read_activations(decoder, known.prompts)  # (n_countries, n_layers, d_ff)
    stream = decoder.residual_stream(known.prompts)
    ranking = [
        added_for(decoder, stream[-1][fact, LAST], activations[fact], known.answers, fact)
        for fact in range(N_FACTS)
    ]
    yield from shares(torch.stack(ranking))
    rows, others = [], []
    own_lost = random_lost = 0
    draws = generator(seed, "probe")
    for fact, added in enumerate(ranking):
        yield Progress(fact, N_FACTS, f"silencing neurons for {known.countries[fact]}")
        first = added.argsort(descending=True)[:n_silenced]
        still = still_right(decoder, stream, known, first)
        others.append((int(still.sum()) - int(still[fact])) / (len(still) - 1))
        own_lost += not still[fact]
        random = torch.randperm(len(added), generator=draws)[:n_silenced].to(device)
        random_lost += not still_right(decoder, stream, known, random)[fact]
        answer = "right" if still[fact] else "wrong"
        layers = sorted(set((first // activations.shape[-1]).tolist()))
        rows.append((known.countries[fact], answer, others[-1], " ".join(map(str, layers))))
    columns = ("silenced for", "its capital", "others right", "in layers")
    yield Table(f"Without the first {n_silenced} neurons of a fact", columns, rows)
    yield Measurement("own_lost", own_lost, "", f"of {N_FACTS} facts, lost without its neurons")
    label = f"of {N_FACTS} facts, lost without {n_silenced} random neurons"
    yield Measurement("random_lost", random_lost, "", label)
    label = "other capitals still right, mean over the facts"
    yield Measurement("others_right", sum(others) / len(others), "", label)


def read_activations(model: Transformer, prompts: Tensor) -> Tensor:
    """What every neuron puts out at the last token: (n_prompts, n_layers, d_ff)."""
    caught: list[Tensor] = []

    def catch(down: nn.Module, args: tuple[Tensor]) -> None:
        caught.append(args[0][:, LAST])

    with ExitStack() as hooks:
        for down in output_matrices(model):
            hooks.callback(down.register_forward_pre_hook(catch).remove)
        model(prompts)
    return torch.stack(caught, dim=1)


def added_for(
    model: Transformer, resid: Tensor, activations: Tensor, answers: Tensor, fact: int
) -> Tensor:
    """What each neuron adds to the logit of one answer over the mean of the others, directly.

    `resid` is the last token's stream after the last layer, (d_model,), which fixes the scale of
    the final norm; `activations` are that token's, (n_layers, d_ff). (n_layers · d_ff,)
    """
    rows = model.unembed.weight[answers]  # (n_countries, d_model)
    others = (rows.sum(dim=0) - rows[fact]) / (len(rows) - 1)
    scale = model.final_norm.get_parameter("gain") / resid.square().mean().sqrt()
    direction = (rows[fact] - others) * scale  # (d_model,)
    per_layer = [
        layer * (direction @ down.weight)
        for layer, down in zip(activations, output_matrices(model), strict=True)
    ]
    return torch.cat(per_layer)


def shares(added: Tensor) -> Iterator[Event]:
    """Which share of all that is added for an answer comes from its first neurons."""
    total = added.clamp(min=0).sum(dim=1, keepdim=True)
    ordered = added.clamp(min=0).sort(dim=1, descending=True).values / total
    cumulative = ordered.cumsum(dim=1).mean(dim=0)  # (n_layers · d_ff,)
    counts = [count for count in (1, 3, 10, 30, 100, 300, 1000, 3000) if count <= len(cumulative)]
    values = [float(cumulative[count - 1]) for count in counts]
    chart = "Share of what is added for the answer"
    exponents = [math.log10(count) for count in counts]
    yield Curve(chart, "mean of six facts", exponents, values, "neurons (log10)", "share")
    for count, value in zip(counts, values, strict=True):
        label = f"share that the first {count} neurons add, mean of {N_FACTS} facts"
        yield Measurement(f"first_{count}", value, "", label)


def still_right(
    model: Transformer, stream: list[Tensor], known: Capitals, silenced: Tensor
) -> Tensor:
    """Which capitals are answered rightly without some neurons: (n_countries,)."""
    matrices = output_matrices(model)
    layers, neurons = silenced // model.config.d_ff, silenced % model.config.d_ff
    first = int(layers.min())
    with ExitStack() as hooks:
        for layer in sorted(set(layers.tolist())):
            hook = silencer(neurons[layers == layer])
            hooks.callback(matrices[layer].register_forward_pre_hook(hook).remove)
        logits = model.resume(stream[first], first)  # nothing below has changed
    return logits[:, LAST].argmax(dim=-1) == known.answers


def silencer(neurons: Tensor) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
    """A hook that sets the activations of some neurons to 0 at the last token."""

    def silence(down: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        activations = args[0].clone()  # (n_prompts, prompt_len, d_ff)
        activations[:, LAST, neurons] = 0
        return (activations,)

    return silence


def output_matrices(model: Transformer) -> list[Linear]:
    """The matrix of each layer by which its neurons write to the stream."""
    named = model.named_modules()
    return [
        module
        for name, module in named
        if name.endswith("feedforward.down") and isinstance(module, Linear)
    ]
