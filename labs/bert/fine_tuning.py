"""One body serves three tasks with a linear layer each, if it is tuned along with them.

A trained encoder, MiniLM, gets three heads of one linear layer each. One reads [CLS] and says
whether a deed was kind; one reads every token and tags who acted and who was acted upon; one puts
two pointers, at the first and at the last token of the one who acted. The sentences are active and
passive, plain and cleft, so that roles depend on the whole sentence; no noun and no verb that is
judged was seen in training. All three tasks are learned at once, from 64 sentences.

Four arms share everything else. "Tuned" trains the layers along with the heads. "Frozen" trains the
heads only. "Embeddings" reads the embedding layer, before any attention: what words and places say
by themselves. "Random" is tuned as well, but its matrices begin as noise of the trained size.

How to read it. Shares are of test sentences, for tags of the two nouns in each. Guessing gives 50 %
of the first two; whoever always points at the first noun gets about half of the spans.

What the literature reports. Named entities with BERT-base, development F1: fine-tuned 96.4; frozen,
the last four layers read by a two-layer BiLSTM, 96.1; frozen embeddings 91.0 (Devlin et al. 2019,
Table 7).

Out of scope: large training sets, and frozen cores with larger heads. This encoder was trained for
sentence vectors, which need not say who did what.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from labs.kit.budget import generator
from labs.kit.three_heads import TAGS, Examples, Heads, examples, right
from labs.models import SentenceEncoder, load_encoder
from labs.tasks.who_did_what import split
from labs.transformer.model import Stack
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "What must be trained to give a trained encoder a new task?"
POINTS = ("2.3.1", "2.3.2", "2.3.3", "2.3.4", "2.3.5")
NEEDS = ("model:minilm",)
CLAIMS = {
    "one_body": "Tuned for three tasks at once, one body with three linear layers has at least "
    "90 % of the tags and of the spans right, and 65 % of the classes.",
    "frozen_short": "With a frozen body the same layers get at most 80 % of the spans.",
    "frozen_enough": "With a frozen body, too, they get more than 80 % of the spans.",
    "pretrained": "The same tuning from random matrices learns next to nothing: at most 65 % of "
    "the classes and of the tags.",
    "collected": "A frozen [CLS] has collected what is asked for: at least 65 % of the classes are "
    "right, at most 55 % before the first attention.",
    "small_heads": "The three heads have less than a thousandth of the parameters.",
}
HOLDS_IF = {
    "one_body": "min(tag_tuned, span_tuned) >= 0.9 and class_tuned >= 0.65",
    "frozen_short": "span_frozen <= 0.8",
    "frozen_enough": "span_frozen > 0.8",
    "pretrained": "max(class_random, tag_random) <= 0.65",
    "collected": "class_frozen >= 0.65 and class_embeddings <= 0.55",
    "small_heads": "head_parameters < 0.001 * parameters",
}
KNOBS = {
    "sentence": (
        "the nurse who was ignored by the pilot left",
        "the king was rewarded by the baker",
        "it was the judge who the hunter cheated",
    )
}
TEXT_KNOBS = ("sentence",)
KNOB_HELP = {"sentence": "read by the three heads once they are trained; not measured"}
SEEDS = 2
SECONDS = {"cpu": 12}
LITERATURE = {
    "frozen_short": "Named entities with BERT-base, F1: fine-tuned 96.4, frozen with a two-layer "
    "BiLSTM on the last four layers 96.1, on the embeddings 91.0 (Devlin et al. 2019, Table 7).",
}

Arm: TypeAlias = Literal["tuned", "frozen", "embeddings", "random"]
N_TRAIN, N_TEST = 64, 80
BATCH_SIZE, N_EPOCHS, N_FROZEN_STEPS = 16, 3, 100
BODY_RATE, HEAD_RATE, FROZEN_RATE = 4e-4, 3e-3, 1e-2


def run(*, sentence: str, model: str, seed: int, device: str) -> Iterator[Event]:
    """Train the heads of four arms, with or without the body, and judge all tasks."""
    encoder = load_encoder(model, device)
    dice = Random(seed)
    seen, unseen = split(dice)
    train = examples(encoder, seen.draw(N_TRAIN, dice))
    test = examples(encoder, unseen.draw(N_TEST, dice))
    yield Measurement("chance", 0.5, "", "guessing", yardstick=True)
    rows: list[tuple[str | float, ...]] = []
    for number, arm in enumerate(get_args(Arm)):
        yield Progress(number, len(get_args(Arm)), f"training {arm}")
        weights = generator(seed, "weights")
        body, heads = deepcopy(encoder.model), Heads(encoder.model.config.d_model, weights)
        heads.to(device)
        for step, loss in enumerate(trained(arm, body, heads, train, weights)):
            yield Curve("Training loss, three tasks together", arm, [step], [loss], "step", "nats")
        with torch.no_grad():
            shares = right(read(arm, body, test), heads, test)
        rows.append((arm, *shares.values()))
        for task, share in shares.items():
            yield Measurement(f"{task}_{arm}", share, "", f"right, {task}, {arm}")
        if arm == "tuned":
            yield from your_sentence(encoder, body, heads, sentence)
            for name, part in (("head_parameters", heads), ("parameters", body)):
                count = sum(parameter.numel() for parameter in part.parameters())
                yield Measurement(name, count, "", name.replace("_", " "))
    yield Table("Share right on unseen words", ("arm", "class", "tag", "span"), rows)


def read(arm: Arm, body: Stack, given: Examples) -> Tensor:
    """What the heads read: (n, seq_len, d_model)."""
    if arm == "embeddings":
        return body.embedded(given.tokens, visible=given.visible)
    vectors: Tensor = body(given.tokens, visible=given.visible)
    return vectors


def trained(
    arm: Arm, body: Stack, heads: Heads, train: Examples, dice: torch.Generator
) -> Iterator[float]:
    """Train the heads, and the layers of the body where the arm says so; the loss of each step."""
    if arm == "random":
        for matrix in (p for p in body.parameters() if p.dim() == 2):
            matrix.copy_(torch.randn(matrix.shape, generator=dice).to(matrix) * matrix.std())
    if arm in ("frozen", "embeddings"):
        vectors = read(arm, body, train)
        optimiser = torch.optim.Adam(heads.parameters(), FROZEN_RATE)
        for _ in range(N_FROZEN_STEPS):
            yield step(optimiser, heads.loss(vectors, train))
        return
    layers = list(body.blocks.requires_grad_().parameters())
    groups = [{"params": layers, "lr": BODY_RATE}, {"params": heads.parameters(), "lr": HEAD_RATE}]
    optimiser = torch.optim.Adam(groups)
    for _ in range(N_EPOCHS):
        for rows in torch.split(torch.randperm(N_TRAIN, generator=dice), BATCH_SIZE):
            part = train.of(rows.to(train.tokens.device))
            yield step(optimiser, heads.loss(read(arm, body, part), part))


def step(optimiser: torch.optim.Optimizer, loss: Tensor) -> float:
    """Move once along the gradient; the loss before."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(loss.detach())


@torch.no_grad()
def your_sentence(
    encoder: SentenceEncoder, body: Stack, heads: Heads, sentence: str
) -> Iterator[Table]:
    """What the three tuned heads say of a sentence."""
    tokens, visible = encoder.batch([sentence])
    kinds, tags, pointers = heads(body(tokens, visible=visible), visible)
    roles, ends = tags.softmax(dim=-1)[0, :, 1:], pointers.softmax(dim=1)[0]
    columns = ("token", *TAGS[1:], "span begins", "span ends")
    rows: list[tuple[str | float, ...]] = [
        (piece, *roles[place].tolist(), *ends[place].tolist())
        for place, piece in enumerate(encoder.tokenizer.pieces(tokens[0].tolist()))
    ]
    yield Table("Your sentence, token by token", columns, rows)
    yield Table("Your sentence, read at [CLS]", ("unkind", "kind"), [kinds.softmax(-1)[0].tolist()])
