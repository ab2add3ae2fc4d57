"""Trained models of three kinds to be operated on: what each reads, loses and writes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.kit.assembly import settings
from labs.kit.reading import mean_loss, written
from labs.kit.surgery import operated
from labs.models import load_encoder, load_language_model, load_translator
from labs.models.sentence_encoder import pool
from labs.tasks.passages import passages, token_rows
from labs.transformer.model import Stack
from labs.transformer.train import UNCOUNTED

DEFAULT = "smollm2"
"""What the knob `model` says unless it is turned: the shelf's model of whichever kind is meant."""
N_ROWS, N_TOKENS, N_WRITTEN = 2, 24, 10
N_PAIRS = 16
COSINE_SCALE = 20.0
"""Cosines are multiplied by it before the softmax, when such encoders are trained."""
N_SENTENCES = 4
LONGEST_SENTENCE = 80
"""Characters of a sentence to be translated."""
CANDIDATES = (
    "A dog lies in the sun.",
    "Paris is a city in Europe.",
    "The train leaves at noon.",
    "He sorts a list of numbers.",
    "An animal has no strength left.",
    "She bought bread and cheese.",
)
"""Sentences of which an encoder finds those nearest to a text."""


class Patient(ABC):
    """A trained model with the texts that it reads before and after an operation."""

    uniform: float
    """The loss of a uniform guess, in nats."""
    stacks: Sequence[Stack]
    """What is operated on."""

    def __init__(self, whole: Mapping[str, str], layers: str) -> None:
        self._whole, self._layers = whole, layers

    @contextmanager
    def operated(self, parts: Mapping[str, str]) -> Iterator[None]:
        """The model made of these parts, until the end of the ``with`` block."""
        with ExitStack() as stacks:
            for stack in self.stacks:
                chosen = choose_layers(len(stack.blocks), self._layers)
                stacks.enter_context(operated(stack, parts, self._whole, chosen))
            yield

    @abstractmethod
    def loss(self) -> float:
        """What the model loses on its texts as it is now, in nats."""

    def score(self, loss: float) -> tuple[float, str]:
        """How well it does in other terms, with what that is; `loss` is what it has just lost."""
        most = 700.0  # nats; a float holds the exponential of no more than 709
        return math.exp(min(loss, most)), "perplexity"

    @abstractmethod
    def stream(self) -> list[Tensor]:
        """The stream of its first stack, before the first layer and after each.

        (n_texts, seq_len, d_model) each.
        """

    @abstractmethod
    def write(self, text: str) -> list[str]:
        """What it makes of a text: as many lines whatever it is made of."""

    @abstractmethod
    def title(self, text: str) -> str:
        """What `write` does, for a table."""


def choose_layers(n_layers: int, which: str) -> range:
    """The layers of a choice in words, counted from 0."""
    third = n_layers / 3
    return {
        "all": range(n_layers),
        "first": range(1),
        "middle": range(n_layers // 2, n_layers // 2 + 1),
        "last": range(n_layers - 1, n_layers),
        "middle third": range(round(third), round(2 * third)),
    }[which]


class Writer(Patient):
    """A language model, which predicts the next token of docstrings."""

    def __init__(
        self, whole: Mapping[str, str], layers: str, model: str, device: str, seed: int
    ) -> None:
        super().__init__(whole, layers)
        self._language = load_language_model(model, device)
        encode, begin = self._language.tokenizer.encode, [self._language.begin]
        rows = token_rows(encode, N_ROWS, N_TOKENS, seed=seed, begin=begin)
        self._texts = rows.to(device)
        self.stacks = (self._language.model,)
        self.uniform = math.log(self._language.model.config.vocab_size)

    def loss(self) -> float:
        return mean_loss(self._language.model(self._texts), self._texts)

    def stream(self) -> list[Tensor]:
        return self._language.model.residual_stream(self._texts)

    def write(self, text: str) -> list[str]:
        return [written(self._language, text, N_WRITTEN)]

    def title(self, text: str) -> str:
        return f"What follows “{text}”"


class Finder(Patient):
    """A sentence encoder, which finds the second halves of docstrings by their vectors."""

    uniform = math.log(N_PAIRS)

    def __init__(
        self, whole: Mapping[str, str], layers: str, model: str, device: str, seed: int
    ) -> None:
        super().__init__(whole, layers)
        self._encoder = load_encoder("minilm" if model == DEFAULT else model, device)
        self.stacks = (self._encoder.model,)
        pairs = list(islice(halves(seed), N_PAIRS))
        first, second = zip(*pairs, strict=True)
        tokens, visible = self._encoder.batch([*first, *second])
        self._tokens, self._visible = tokens[:, :N_TOKENS], visible[:, :N_TOKENS]

    def loss(self) -> float:
        similar = self._similar()
        own = torch.arange(len(similar), device=similar.device)
        return float(F.cross_entropy(COSINE_SCALE * similar, own))

    def score(self, loss: float) -> tuple[float, str]:
        similar = self._similar()
        first = similar.argmax(dim=1) == torch.arange(len(similar), device=similar.device)
        return float(first.float().mean()), "share found at once"

    def _similar(self) -> Tensor:
        """Cosine of each first half with each second half: (N_PAIRS, N_PAIRS)."""
        vectors = pool(self._encoder.model(self._tokens, visible=self._visible), self._visible)
        first, second = vectors.chunk(2)
        return first @ second.T

    def stream(self) -> list[Tensor]:
        return self._encoder.model.residual_stream(self._tokens, visible=self._visible)

    def write(self, text: str) -> list[str]:
        text_vector, *others = self._encoder.embed([text, *CANDIDATES])
        cosines = [float(text_vector @ other) for other in others]
        nearest = sorted(range(len(cosines)), key=lambda n: -cosines[n])[:3]
        return [f"{CANDIDATES[n]} ({cosines[n]:.2f})" for n in nearest]

    def title(self, text: str) -> str:
        return f"Nearest to “{text}”, with their cosines"


class Interpreter(Patient):
    """A translator, whose loss is that of the translations that it writes when it is whole."""

    def __init__(
        self, whole: Mapping[str, str], layers: str, model: str, device: str, seed: int
    ) -> None:
        super().__init__(whole, layers)
        self._translator = load_translator("translator" if model == DEFAULT else model, device)
        pair = self._translator.model
        self.stacks = (pair.encoder, pair.decoder)
        self.uniform = math.log(pair.config.vocab_size)
        sentences = list(islice(first_sentences(seed), N_SENTENCES))
        self._pairs = self._translator.pairs(sentences, self._translator.translate(sentences))

    def loss(self) -> float:
        losses = self._translator.losses(self._pairs)  # padding costs 0
        return float(losses.sum() / (self._pairs.expected != UNCOUNTED).sum())

    def stream(self) -> list[Tensor]:
        encoder, source = self._translator.model.encoder, self._pairs.source
        return encoder.residual_stream(source, visible=self._pairs.source_visible)

    def write(self, text: str) -> list[str]:
        return self._translator.translate([text])

    def title(self, text: str) -> str:
        return f"“{text}” in translation"


PATIENTS: dict[str, type[Writer | Finder | Interpreter]] = {
    "llama": Writer,
    "bert": Finder,
    "transformer": Interpreter,
}


def admit(
    families: Mapping[str, str], family: str, *, layers: str, model: str, device: str, seed: int
) -> Patient:
    """The model of a family with the texts of a seed; `families` holds its parts as settings.

    Raises `ModelError` if the weights are not installed, damaged, or of another kind.
    """
    whole = settings(families[family])
    return PATIENTS[family](whole, layers, model, device, seed)


def halves(seed: int) -> Iterator[tuple[str, str]]:
    """First paragraphs of docstrings, and the beginning of what follows."""
    for text in passages(seed, min_characters=200):
        paragraph, _, rest = text.partition("\n\n")
        if len(paragraph.split()) >= 4 and len(rest.split()) >= 8:
            first, second = (" ".join(part.split()[:N_TOKENS]) for part in (paragraph, rest))
            yield first, second


def first_sentences(seed: int) -> Iterator[str]:
    """First lines of docstrings that are short sentences."""
    for text in passages(seed, min_characters=30):
        line = text.partition("\n")[0].strip()
        if line.endswith(".") and 20 <= len(line) <= LONGEST_SENTENCE:
            yield line
