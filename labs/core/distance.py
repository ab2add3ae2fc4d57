"""Attention reaches any distance in one step; a rival has to learn to.

A token that attends to another one reads it directly, however many tokens lie between. In a
recurrent network the same information passes through the state once for every token in between;
in a convolution it cannot leave the receptive field. This lab gives one task to one attention
layer, to a GRU and to a stack of two convolutions. A few cells, each a name with a value, stand
among fillers, the last token asks for one name, and the answer is its value. Short distances are
as frequent as long ones, octave by octave, so that each model can learn from what it reaches.

How to read it. The chart of gradients shows the models before training: how much a number read
from the last state changes with the token so many places before. A level line is a path on which
distance does not matter. Exact zeros have no place on a logarithmic axis, so the convolution's
line ends. The other charts show what is learned: the loss while training, and how often the
answer is right by distance, after the steps that attention needs and after four times as many.
All models are of similar size (6,300 to 10,300 parameters), with the same embeddings and the
same batches. The GRU is trained twice, as PyTorch starts it and with its update gate biased
towards keeping its state. "A random cell" is how often one is right who knows the values but not
which belongs to which name. More cells give the recurrent network more to keep: it does not know
what will be asked.

What the literature reports. Vaswani et al. (2017, Table 1) give the longest path between two of
n tokens: 1 step for self-attention, n for a recurrent layer, log n for dilated convolutions; for
plain ones n / kernel width layers are needed (Sec. 4). These are lengths of paths. What a model
learns to send along them is another matter.

Out of scope: order, language, deep stacks, long training, and speed: attention handles all
tokens at once, at a cost that grows with the square of their number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from labs.tasks.recall import Questions, RecallTask
from labs.transformer import TransformerConfig
from labs.transformer.init import initialise
from labs.transformer.model import Block
from labs.transformer.train import Evaluation, lockstep
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Is it only attention that can look far back?"
POINTS = ("1.1.5",)
CLAIMS = {
    "direct": "Before training, attention's gradient at the eight farthest tokens is between a "
    "third and three times that at the eight nearest; the GRU's is less than a thousandth.",
    "blind": "The convolution's gradient at the farthest tokens is exactly 0, and it is right "
    "there at most 0.1 more often than chance, at the nearest at least 0.2 more often.",
    "shared": "In a sequence of four times the length, one token has between a sixth and a third "
    "of the gradient that it had in attention.",
    "catches_up": "The GRU only needs longer: at its worst distance it is more than 0.1 behind "
    "attention after a quarter of the steps, and at most 0.1 behind at the end.",
    "forgets": "The GRU answers for near cells only: at the end it is right at least 0.3 more "
    "often at the nearest distances than at the farthest.",
    "falls_short": "The GRU fails near and far alike: at the end it is at least 0.2 behind at its "
    "worst distance, and less than 0.3 better at the nearest than at the farthest.",
    "not_the_gradient": "A bias of the update gate raises the GRU's gradient at the farthest "
    "tokens, relative to the nearest, at least a hundredfold, and yet it is at least 0.2 behind "
    "attention after a quarter of the steps, at its worst distance.",
}
KNOBS = {"n_cells": (2, 6), "seq_len": (64, 32)}
SEEDS = 3
SECONDS = {"cpu": 10}
LITERATURE = {
    "direct": "The longest path between two tokens is 1 step for self-attention, n for a recurrent "
    "layer and log n for dilated convolutions (Vaswani et al. 2017, Table 1).",
}

N_VALUES = 4
LEARNING_RATE = 0.04
"""Of every model: of 0.01, 0.02 and 0.04 the one at which the GRU learns fastest."""
WARMUP_STEPS = 20
KERNEL_SIZE = 5
N_CONVOLUTIONS = 2
RECEPTIVE_FIELD = N_CONVOLUTIONS * (KERNEL_SIZE - 1)
"""Distance of the farthest token that the convolutions see."""
GATE_BIAS = 3.0
"""Lets the GRU keep 95 % of each number of its state, at a token that says nothing else."""
RANGES = ((1, 4), (5, 8), (9, 16), (17, 32), (33, 64))
"""Distances that are counted together, both ends included."""
WHERE = {"worst": "worst distances", "near": "nearest distances", "far": "farthest distances"}
LABELS = {
    "attention": "attention",
    "gru": "GRU",
    "biased": "GRU, gate biased",
    "convolution": "convolution",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes and length of the training: what a run costs, apart from the knobs."""

    n_steps: int = 120
    """The first quarter is about what attention needs."""
    evaluate_every: int = 5
    batch_size: int = 32
    d_model: int = 32
    n_held_out: int = 2048
    """Questions that decide how often a model is right."""
    preview: int = 256
    """Of these, those that the loss is evaluated on while training."""
    n_probes: int = 64
    """Sequences that the gradients before training are averaged over."""


class Attention(nn.Module):
    """One layer of the transformer that the labs take apart; it is told no positions."""

    def __init__(self, d_model: int, generator: Generator) -> None:
        super().__init__()
        config = TransformerConfig(
            vocab_size=1,  # not used: the layer gets vectors
            seq_len=1,  # not used: without positions and mask any length will do
            d_model=d_model,
            n_heads=2,
            d_ff=2 * d_model,
            kind="encoder",
            positions="none",
        )
        self.block = Block(config)
        initialise(self, config.init, generator)

    def forward(self, x: Tensor) -> Tensor:
        # (batch, seq_len, d_model) -> the last token's (batch, d_model)
        stream: Tensor = self.block(x)
        return stream[:, -1]


class Gru(nn.Module):
    """A gated recurrent network, which reads token by token.

    ::

        state ← gate · state + (1 - gate) · candidate(state, token)

    The gate is a sigmoid for each number of the state: near 1 it keeps what is there.
    """

    def __init__(self, d_model: int, generator: Generator, *, gate_bias: float = 0.0) -> None:
        super().__init__()
        self.gru = nn.GRU(d_model, d_model, batch_first=True)
        initialise_uniform(self, d_model, generator)
        with torch.no_grad():
            # Biases of the reset gate, the update gate and the candidate; a view of each.
            _, update_bias, _ = self.gru.get_parameter("bias_hh_l0").chunk(3)
            update_bias += gate_bias

    def forward(self, x: Tensor) -> Tensor:
        # (batch, seq_len, d_model) -> the last state (batch, d_model)
        states: Tensor = self.gru(x)[0]
        return states[:, -1]


class Convolution(nn.Module):
    """Residual layers in which a token reads itself and the KERNEL_SIZE - 1 before it."""

    def __init__(self, d_model: int, generator: Generator) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(d_model, d_model, KERNEL_SIZE) for _ in range(N_CONVOLUTIONS)
        )
        initialise_uniform(self, d_model * KERNEL_SIZE, generator)

    def forward(self, x: Tensor) -> Tensor:
        # (batch, seq_len, d_model) -> the last token's (batch, d_model)
        x = x.transpose(1, 2)
        for layer in self.layers:
            x = x + layer(F.pad(x, (KERNEL_SIZE - 1, 0))).relu()
        return x[:, :, -1]


def initialise_uniform(model: nn.Module, n_inputs: int, generator: Generator) -> None:
    """PyTorch's own start for recurrent and convolutional layers, from a generator."""
    bound = n_inputs**-0.5
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)


class Reader(nn.Module):
    """Embeddings, the model that is compared, and an output layer; the same around each."""

    def __init__(self, task: RecallTask, d_model: int, arm: str, generator: Generator) -> None:
        super().__init__()
        self.embed = nn.Embedding(task.vocab_size, d_model)
        self.unembed = nn.Linear(d_model, N_VALUES)
        initialise(self, "xavier", generator)
        self.model: nn.Module
        if arm == "attention":
            self.model = Attention(d_model, generator)
        elif arm == "convolution":
            self.model = Convolution(d_model, generator)
        else:
            self.model = Gru(d_model, generator, gate_bias=GATE_BIAS if arm == "biased" else 0.0)

    def forward(self, tokens: Tensor) -> Tensor:
        # tokens: (batch, seq_len, 2) -> logits: (batch, N_VALUES)
        logits: Tensor = self.unembed(self.model(self.vectors(tokens)))
        return logits

    def vectors(self, tokens: Tensor) -> Tensor:
        """A token's two symbols, added up."""
        # (batch, seq_len, 2) -> (batch, seq_len, d_model)
        both: Tensor = self.embed(tokens)
        return both.sum(dim=-2)


def run(*, n_cells: int, seq_len: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides the starting weights and the questions."""
    return measure(Budget(), n_cells=n_cells, seq_len=seq_len, seed=seed, device=device)


def measure(
    budget: Budget, *, n_cells: int, seq_len: int, seed: int, device: str
) -> Iterator[Event]:
    """The experiment: paths before training, then what each model learns to send along them."""
    yield Progress(0, budget.n_steps, "looking at gradients before training")
    # Three streams of random numbers a seed, so that none is used twice.
    task, long_task = (
        RecallTask(n_names=n_cells, n_values=N_VALUES, n_cells=n_cells, n_fillers=n - n_cells - 1)
        for n in (seq_len, 4 * seq_len)
    )
    data = Generator().manual_seed(3 * seed)
    held_out = task.draw(budget.n_held_out, data).to(device)
    readers = {
        # The same seed for every arm: all start from the same embeddings and output layer.
        arm: Reader(task, budget.d_model, arm, Generator().manual_seed(3 * seed + 1)).to(device)
        for arm in LABELS
    }
    yield from yardsticks(n_cells)
    long = long_task.draw(budget.n_probes, data).to(device)
    yield from before_training(readers, held_out.tokens[: budget.n_probes], long.tokens)

    early = budget.n_steps // 4
    trainings = (
        learn(
            reader,
            # The same seed for every arm: all get the same batches.
            task.batches(budget.batch_size, Generator().manual_seed(3 * seed + 2)),
            held_out,
            budget,
        )
        for reader in readers.values()
    )
    for evaluations in lockstep(*trainings):
        step = evaluations[0].step
        for arm, evaluation in zip(LABELS, evaluations, strict=True):
            yield Curve("Loss", LABELS[arm], [step], evaluation.losses, "step", "nats")
        yield Progress(step, budget.n_steps, f"training {len(readers)} models")
        if step == early:
            yield from by_distance("early", step, readers, held_out)
    yield from by_distance("final", budget.n_steps, readers, held_out)


def yardsticks(n_cells: int) -> Iterator[Event]:
    """How well guesses of known strength do."""
    chance = 1 / N_VALUES
    random_cell = 1 / n_cells + (1 - 1 / n_cells) * chance
    for name, value, unit, label in (
        ("uniform_entropy", math.log(N_VALUES), "nats", "uniform guess"),
        ("chance", chance, "", "right by chance"),
        ("random_cell", random_cell, "", "right with the value of a random cell"),
    ):
        yield Measurement(name, value, unit, label, yardstick=True)


def before_training(
    readers: Mapping[str, Reader], tokens: Tensor, long_tokens: Tensor
) -> Iterator[Event]:
    """How much the last state depends on each token, by its distance."""
    for arm, reader in readers.items():
        lengths = gradients(reader, tokens)  # (seq_len - 1,)
        n_seen = int((lengths > 0).sum())  # the convolution sees the nearest only
        yield Curve(
            "Gradient before training",
            LABELS[arm],
            list(range(1, n_seen + 1)),
            lengths[:n_seen].tolist(),
            "distance",
            "norm",
            log_y=True,
        )
        ratio = float(lengths[-8:].mean() / lengths[:8].mean())
        label = f"gradient at the 8 farthest / 8 nearest tokens, {LABELS[arm]}"
        yield Measurement(f"far_gradient_{arm}", ratio, "", label)
    attention = readers["attention"]
    shared = gradients(attention, long_tokens).mean() / gradients(attention, tokens).mean()
    label = "attention's gradient at a token, at 4 times the length / at this length"
    yield Measurement("shared", float(shared), "", label)


def gradients(reader: Reader, tokens: Tensor) -> Tensor:
    """Length of the gradient of the last state, summed up, by distance of the token: 1, 2, …"""
    vectors = reader.vectors(tokens).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(reader.model(vectors).sum(), vectors)
    # (batch, seq_len, d_model) -> (seq_len - 1,); the question itself is left out
    by_place: Tensor = gradient.norm(dim=-1).mean(dim=0)
    return by_place.flip(0)[1:]


def learn(
    reader: Reader, batches: Iterator[Questions], held_out: Questions, budget: Budget
) -> Iterator[Evaluation]:
    """Train a reader; its loss on a few held-out questions, before and on the way."""
    device = str(held_out.tokens.device)
    optimiser = torch.optim.Adam(reader.parameters(), LEARNING_RATE, betas=(0.9, 0.98))
    warm_up = torch.optim.lr_scheduler.LinearLR(optimiser, 1 / WARMUP_STEPS, 1.0, WARMUP_STEPS)
    for step in range(budget.n_steps + 1):
        if step % budget.evaluate_every == 0:
            with torch.no_grad():
                logits = reader(held_out.tokens[: budget.preview])
                loss = F.cross_entropy(logits, held_out.answers[: budget.preview])
            yield Evaluation(step, (float(loss),))
        if step == budget.n_steps:
            return
        questions = next(batches).to(device)
        optimiser.zero_grad()
        torch.autograd.backward(F.cross_entropy(reader(questions.tokens), questions.answers))
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimiser.step()
        warm_up.step()


@torch.no_grad()
def by_distance(
    phase: str, n_steps: int, readers: Mapping[str, Reader], questions: Questions
) -> Iterator[Event]:
    """How often each model is right, by the distance of the cell that it is asked for."""
    farthest = questions.tokens.shape[1] - 1
    ranges = [(lo, min(hi, farthest)) for lo, hi in RANGES if lo <= farthest]
    distances = questions.distances
    title = f"Right answers after {n_steps} steps, by distance"
    rows: list[tuple[str | float, ...]] = []
    for arm, reader in readers.items():
        logits = torch.cat([reader(part) for part in torch.split(questions.tokens, 256)])
        right = (logits.argmax(dim=-1) == questions.answers).float()  # (n,)
        shares = [float(right[(lo <= distances) & (distances <= hi)].mean()) for lo, hi in ranges]
        rows.append((LABELS[arm], *shares))
        yield Curve(title, LABELS[arm], [hi for _, hi in ranges], shares, "distance", "share")
        found = {"worst": min(shares)}
        if phase == "final":
            found |= {"near": shares[0], "far": shares[-1]}
        for name, share in found.items():
            label = f"right after {n_steps} steps, {WHERE[name]}, {LABELS[arm]}"
            yield Measurement(f"{phase}_{name}_{arm}", share, "", label)
    columns = ("model", *(f"{lo} to {hi}" for lo, hi in ranges))
    yield Table(title, columns, rows)


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out; None where they hold a NaN."""

    def judge(holds: bool, *names: str) -> bool | None:
        return None if any(math.isnan(m[name]) for name in names) else holds

    early_gap = m["early_worst_attention"] - m["early_worst_gru"]
    final_gap = m["final_worst_attention"] - m["final_worst_gru"]
    near_to_far = m["final_near_gru"] - m["final_far_gru"]
    final = "final_worst_attention", "final_worst_gru"
    ends = "final_near_gru", "final_far_gru"
    return {
        "direct": judge(
            1 / 3 <= m["far_gradient_attention"] <= 3 and m["far_gradient_gru"] < 1e-3,
            "far_gradient_attention",
            "far_gradient_gru",
        ),
        "blind": judge(
            m["far_gradient_convolution"] == 0
            and m["final_far_convolution"] <= m["chance"] + 0.1
            and m["final_near_convolution"] >= m["chance"] + 0.2,
            "far_gradient_convolution",
            "final_far_convolution",
            "final_near_convolution",
        ),
        "shared": judge(1 / 6 <= m["shared"] <= 1 / 3, "shared"),
        "catches_up": judge(
            early_gap > 0.1 and final_gap <= 0.1,
            "early_worst_attention",
            "early_worst_gru",
            *final,
        ),
        "forgets": judge(near_to_far >= 0.3, *ends),
        "falls_short": judge(final_gap >= 0.2 and near_to_far < 0.3, *final, *ends),
        "not_the_gradient": judge(
            m["far_gradient_biased"] >= 100 * m["far_gradient_gru"]
            and m["early_worst_biased"] <= m["early_worst_attention"] - 0.2,
            "far_gradient_biased",
            "far_gradient_gru",
            "early_worst_biased",
            "early_worst_attention",
        ),
    }
