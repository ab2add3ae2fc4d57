"""An encoder reads, a decoder writes, and cross-attention is the bridge between them.

The original transformer has two stacks. The encoder turns every token of a source into a vector
in which its context has been worked in. The decoder writes token by token, and in each layer its
tokens question those vectors: queries from the decoder, keys and values from the encoder. Here
the source is a row of random letters, to be written backwards, in capitals where a letter
occurs more than once: `cabbage` becomes `egABBAc`. Which letter comes next is a matter of place;
its case depends on the rest of the source. One encoder and one decoder layer learn it, post-norm
and with sinusoidal positions as in the original, beside three models that lack a part: a decoder
without a source, one that is handed the mean of the encoder's vectors instead of the vectors,
and one that is handed bare embeddings with their positions, no encoder layer in between.

How to read it. "Right" is the share of symbols written correctly, given the right ones before;
"letters" does not count the case. The letters are random, so that a decoder cut off from its
source has next to nothing to go by. In the first heat map each row is a symbol being written and
each column a source letter: the band that runs backwards is the alignment. In the second one the
letters of the source look at each other.

What the literature reports. Vaswani et al. (2017, Sec. 3.2.3) define this attention. Bahdanau et
al. (2015, Fig. 3) draw the alignments of a recurrent decoder with attention, French words against
English ones; most run forwards, and it takes a task like this one to reverse them.

Out of scope: real translation, where the decoder's own language tells it much; writing without
the right symbols before; several layers; training until a weaker model has caught up.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor, nn

from labs.tasks.mirror_writing import MirrorWriting
from labs.transformer import EncoderDecoder, Transformer, TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.model import Block, Stack
from labs.transformer.probes import attention_weights
from labs.transformer.train import Batch, Evaluation, ModelStack, Recipe, lockstep, train
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress, Table

QUESTION = "What passes from the encoder to the decoder?"
POINTS = ("1.3.1", "1.3.2", "1.3.3", "1.3.4")
CLAIMS = {
    "anywhere": "With encoder and cross-attention at least 95 % of the symbols are right at every "
    "output position, wherever in the source their letter stands.",
    "severed": "Without the bridge fewer than 30 % are right, whether cross-attention is silenced "
    "after training or the decoder never had a source.",
    "obeys": "If the encoder reads another source, the decoder writes that one: at least 60 % of "
    "its symbols, although it is told to have written the own source so far.",
    "insists": "If the encoder reads another source, the decoder goes on with its own: at least "
    "half of the symbols are the own ones.",
    "breaks": "If the encoder reads another source, the decoder writes neither: fewer than half of "
    "the symbols are the own ones and fewer than 60 % the other's.",
    "aligned": "While it writes a symbol, the decoder attends most to the letter that the symbol "
    "stands for, in at least 80 % of the cases.",
    "summary_enough": "The mean of the encoder's vectors is enough: with it the model ends at most "
    "15 points below the one with all vectors.",
    "summary_partly": "The mean of the encoder's vectors is a makeshift: at least half of the "
    "symbols are right, but more than 15 points fewer than with all vectors.",
    "summary_fails": "The mean of the encoder's vectors is too little: with it fewer than half of "
    "the symbols are right, and more than 15 points fewer than with all vectors.",
    "meets": "In the encoder a letter gives an equal letter elsewhere at least twice the attention "
    "that it gives a different one.",
    "raw_enough": "Without encoder layers the decoder does as well: it ends at most 10 points "
    "below the full model.",
    "raw_no_context": "Without encoder layers at least 95 % of the letters are right, but not "
    "their case: the model ends more than 10 points below the full one.",
    "raw_lost": "Without encoder layers the decoder does not even find the letters: fewer than "
    "95 % are right, and it ends more than 10 points below the full model.",
}
KNOBS = {"n_letters": (12, 6, 3), "n_symbols": (20, 8)}
SEEDS = 3
SECONDS = {"cpu": 25}
LITERATURE = {
    "severed": "In a translation model most layers can do with one head, but the last layer of "
    "encoder-decoder attention then loses at least 13.5 BLEU (Michel et al. 2019; no retraining).",
    "aligned": "A recurrent translator with attention aligns French with English words, mostly in "
    "the same order (Bahdanau et al. 2015, Fig. 3).",
}

LEARNING_RATE = 0.01
LABELS = {
    "base": "encoder-decoder",
    "summary": "mean of the vectors only",
    "raw": "no encoder layers",
    "alone": "decoder alone",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes and length of the training: what a run costs, apart from the knobs."""

    n_steps: int = 600
    evaluate_every: int = 25
    batch_size: int = 32
    d_model: int = 32
    d_ff: int = 64
    n_held_out: int = 512
    """Sources that decide the final figures."""


class Pair(nn.Module):
    """An encoder-decoder whose decoder is handed ``mixture @ encoded``.

    Row i of `mixture` makes the vector that stands at source position i: the identity hands over
    the encoder's vectors, equal numbers everywhere hand over their mean in every position.
    """

    mixture: Tensor

    def __init__(self, model: EncoderDecoder, mixture: Tensor) -> None:
        super().__init__()
        self.encoder, self.decoder = model.encoder, model.decoder
        self.register_buffer("mixture", mixture[None])  # the same for every source

    def forward(self, source: Tensor, written: Tensor) -> Tensor:
        # source, written: (batch, n_letters) -> (batch, n_letters, vocab_size)
        logits: Tensor = self.decoder(written, self.mixture @ self.encoder(source))
        return logits


def build(arm: str, task: MirrorWriting, budget: Budget, generator: Generator) -> nn.Module:
    """The model of one arm with its starting weights."""
    config = TransformerConfig(
        vocab_size=task.vocab_size,
        seq_len=task.n_letters,
        d_model=budget.d_model,
        d_ff=budget.d_ff,
        n_layers=1,
        kind="encoder-decoder",
        norm="post",
        positions="sinusoidal",
    )
    if arm == "alone":
        return Transformer(replace(config, kind="decoder"), generator)
    model = EncoderDecoder(config, generator)
    if arm == "raw":
        model.encoder.blocks = nn.ModuleList()  # embeddings and places are all that is left
    own = torch.eye(task.n_letters)
    return Pair(model, torch.full_like(own, 1 / task.n_letters) if arm == "summary" else own)


def run(*, n_letters: int, n_symbols: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides the starting weights and the letters."""
    return measure(Budget(), MirrorWriting(n_letters, n_symbols), seed=seed, device=device)


def measure(budget: Budget, task: MirrorWriting, *, seed: int, device: str) -> Iterator[Event]:
    """The experiment: four models while they train, then the first one taken apart."""
    yield Progress(0, budget.n_steps, "drawing letters")
    # Three streams of random numbers a seed, so that none is used twice.
    held_out = on(device, task.draw(budget.n_held_out, Generator().manual_seed(3 * seed)))
    yield from yardsticks(task, held_out)
    models = {
        arm: build(arm, task, budget, Generator().manual_seed(3 * seed + 1)).to(device)
        for arm in LABELS
    }
    for evaluations in train_all(budget, task, models, held_out, seed=3 * seed + 2, device=device):
        losses = [loss for evaluation in evaluations for loss in evaluation.losses]
        step = evaluations[0].step
        for label, loss in zip(LABELS.values(), losses, strict=True):
            yield Curve("Held-out loss", label, [step], [loss], "step", "nats")
        yield Progress(step, budget.n_steps, f"training {len(models)} models")
    yield from results(task, models, losses, held_out)
    base = models["base"]
    assert isinstance(base, Pair)
    yield from take_apart(task, base, held_out)


def train_all(
    budget: Budget,
    task: MirrorWriting,
    models: Mapping[str, nn.Module],
    held_out: Batch,
    *,
    seed: int,
    device: str,
) -> Iterator[tuple[Evaluation, ...]]:
    """Train all models on the same sources; their losses come in the order of LABELS."""
    recipe = Recipe(
        n_steps=budget.n_steps,
        warmup_steps=budget.n_steps // 10,
        final_share=0.1,
        clip_norm=1.0,
        evaluate_every=budget.evaluate_every,
    )

    def train_stack(*arms: str) -> Iterator[Evaluation]:
        """Arms with the same parameters, side by side."""
        generator = Generator().manual_seed(seed)
        first = 1 if "alone" in arms else 0  # a decoder alone is not given the source
        batches = (
            on(device, task.draw(budget.batch_size, generator)[first:])
            for _ in range(budget.n_steps)
        )
        stack = ModelStack([models[arm] for arm in arms])
        return train(stack, [LEARNING_RATE] * len(arms), batches, held_out[first:], recipe)

    return lockstep(train_stack("base", "summary"), train_stack("raw"), train_stack("alone"))


def on(device: str, batch: Batch) -> Batch:
    """The batch on the device."""
    return tuple(tokens.to(device) for tokens in batch)


def yardsticks(task: MirrorWriting, held_out: Batch) -> Iterator[Event]:
    """What guessers of known strength get right."""
    capitals = share(held_out[2] >= task.n_symbols)
    for name, value, label in (
        ("uniform_guess", 1 / (2 * task.n_symbols), "uniform guess"),
        ("case_guess", max(capitals, 1 - capitals), "right letter, commoner case"),
    ):
        yield Measurement(name, value, "", label, yardstick=True)


def share(hits: Tensor) -> float:
    """Share of what is true."""
    return float(hits.float().mean())


@torch.no_grad()
def write(model: nn.Module, *inputs: Tensor) -> Tensor:
    """The likeliest symbol at every position, given the right ones before it."""
    symbols: Tensor = model(*inputs).argmax(dim=-1)  # (batch, n_letters)
    return symbols


def results(
    task: MirrorWriting, models: Mapping[str, nn.Module], losses: Sequence[float], held_out: Batch
) -> Iterator[Event]:
    """What each model gets right, in all and by output position."""
    answers = held_out[2]
    rows = []
    for (arm, label), loss in zip(LABELS.items(), losses, strict=True):
        written = write(models[arm], *held_out[1:2] if arm == "alone" else held_out[:2])
        right = written == answers  # (n_held_out, n_letters)
        letters = share(written % task.n_symbols == answers % task.n_symbols)
        by_position = right.float().mean(dim=0).tolist()
        places = list(range(1, task.n_letters + 1))
        yield Curve("Right by position", label, places, by_position, "output position", "share")
        yield Measurement(f"right_{arm}", share(right), "", f"right, {label}")
        yield Measurement(f"letters_{arm}", letters, "", f"right but for the case, {label}")
        if arm == "base":
            worst = min(by_position)
            yield Measurement("right_worst", worst, "", f"right at the worst position, {label}")
        rows.append((label, loss, share(right), letters))
    yield Table("At the end", ("model", "loss in nats", "symbols right", "letters right"), rows)


def take_apart(task: MirrorWriting, model: Pair, held_out: Batch) -> Iterator[Event]:
    """The trained model with a silent bridge, with another source, and where it looks."""
    source, written, answers = held_out
    severed = copy.deepcopy(model)
    # Cross-attention writes zeros: the decoder runs as ever, and learns nothing of the source.
    for parameter in bridge(severed).out.parameters():
        nn.init.zeros_(parameter)
    misled = write(model, source.roll(1, 0), written)
    cross = attention_weights(model, bridge(model), source, written).mean(dim=1)
    # (n_held_out, n_letters, n_letters): mean of the heads, a row for each symbol
    mirror = torch.arange(task.n_letters - 1, -1, -1, device=source.device)
    for name, hits, label in (
        ("right_severed", write(severed, source, written) == answers, "right, severed"),
        ("right_misled", misled == answers, "own source written, encoder reads another"),
        ("obeyed_misled", misled == answers.roll(1, 0), "source written that the encoder reads"),
        ("aligned", cross.argmax(dim=-1) == mirror, "attends most to the symbol's letter"),
    ):
        yield Measurement(name, share(hits), "", label)

    inside = attention_weights(model, layer(model.encoder).attention, source, written).mean(dim=1)
    others = ~torch.eye(task.n_letters, dtype=torch.bool, device=source.device)
    same = source[:, :, None] == source[:, None, :]
    yield Measurement(
        "meeting",
        float(inside[same & others].mean() / inside[~same].mean()),
        "",
        "weight of an equal letter / of a different one",
    )
    letters, symbols = task.spell(source[0]), task.spell(answers[0])
    title = f"Cross-attention while {''.join(letters)} becomes {''.join(symbols)}"
    yield HeatMap(title, symbols, letters, cross[0].tolist(), "weight")
    yield HeatMap("Attention in the encoder", letters, letters, inside[0].tolist(), "weight")


def layer(stack: Stack) -> Block:
    """The only layer of a stack."""
    (block,) = stack.blocks
    assert isinstance(block, Block)
    return block


def bridge(model: Pair) -> MultiHeadAttention:
    """The cross-attention of the decoder's layer."""
    attention = layer(model.decoder).cross_attention
    assert attention is not None
    return attention


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out.

    If the full model has not learned the task, because it diverged or had too few steps, there
    is nothing to take apart and nothing to compare with.
    """
    base, summary, raw = m["right_base"], m["right_summary"], m["right_raw"]
    own, other = m["right_misled"], m["obeyed_misled"]
    summary_enough = summary >= base - 0.15
    raw_enough = raw >= base - 0.1
    of_a_model_that_learned = {
        "severed": m["right_severed"] < 0.3 and m["right_alone"] < 0.3,
        "obeys": other >= 0.6,
        "insists": own >= 0.5,
        "breaks": own < 0.5 and other < 0.6,
        "aligned": m["aligned"] >= 0.8,
        "summary_enough": summary_enough,
        "summary_partly": not summary_enough and summary >= 0.5,
        "summary_fails": not summary_enough and summary < 0.5,
        "meets": m["meeting"] >= 2,
        "raw_enough": raw_enough,
        "raw_no_context": not raw_enough and m["letters_raw"] >= 0.95,
        "raw_lost": not raw_enough and m["letters_raw"] < 0.95,
    }
    return {
        "anywhere": m["right_worst"] >= 0.95,
        **{
            claim: holds if base >= 0.9 else None
            for claim, holds in of_a_model_that_learned.items()
        },
    }
