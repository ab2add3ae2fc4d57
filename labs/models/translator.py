"""A trained translator between English and Portuguese, an encoder-decoder out of a browser.

Its encoder is the original transformer's. Its decoder has a recurrent unit in the place of
self-attention, which makes it fast (Kim et al. 2019), and reads the encoder by cross-attention.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from labs.models.errors import ModelError, quote
from labs.models.filling import Stored, fill
from labs.models.marian_file import MarianFile
from labs.models.shelf import locate
from labs.models.unigram import UnigramTokenizer, read_unigram
from labs.transformer import EncoderDecoder, TransformerConfig
from labs.transformer.generation import generate
from labs.transformer.positions import SinusoidalPositions
from labs.transformer.probes import attention_maps
from labs.transformer.recurrent import Ssru
from labs.transformer.train import UNCOUNTED

Direction: TypeAlias = Literal["enpt", "pten"]
SHELF_NAME = "translator"
LONGEST = 256
"""Tokens of a sentence that are read, and at most written."""
LENGTH_RATIO, LENGTH_FLOOR = 2.5, 10
"""A translation is broken off at so many times its source's tokens; the model's own bound."""
OFFERED = {
    "type": "transformer",
    "transformer-preprocess": "",
    "transformer-postprocess": "dan",
    "transformer-postprocess-top": "",
    "transformer-ffn-activation": "relu",
    "transformer-ffn-depth": "2",
    "transformer-no-projection": "false",
    "transformer-train-position-embeddings": "false",
    "transformer-decoder-autoreg": "rnn",
    "dec-cell": "ssru",
    "dec-cell-base-depth": "2",
    "dec-cell-high-depth": "1",
    "tied-embeddings-all": "true",
}
"""The description of a model of this kind."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Sentences and their translations, ready to be read by the model."""

    source: Tensor
    """(batch, source_len)"""
    source_visible: Tensor
    """(batch, source_len), False where a shorter sentence is padded."""
    target: Tensor
    """What the decoder reads, (batch, target_len): the id that begins, then the translation."""
    expected: Tensor
    """What it should write, (batch, target_len): the translation, the end, then UNCOUNTED."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the decoder looked in the source while it wrote each token."""

    source: list[str]
    """The source's pieces and the end of the sentence."""
    target: list[str]
    """The translation's, likewise."""
    layers: list[Tensor]
    """(n_heads, len(target), len(source)) for each layer of the decoder."""


@dataclass(frozen=True, slots=True)
class Translator:
    """An encoder-decoder and its tokenizer, for one direction.

    Its parameters ask for no gradients. Whoever trains it, or changes it for longer than a `with`
    block, does so with a copy.
    """

    name: Direction
    model: EncoderDecoder
    """Its parts are `model.encoder`, a `Stack`, and `model.decoder`, a `Transformer`."""
    tokenizer: UnigramTokenizer

    @property
    def begin(self) -> int:
        """The id that the decoder starts from: not a token, an embedding of zeros."""
        return len(self.tokenizer)

    def encode(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids with the end behind each sentence, and where they are not padding.

        Both are (batch, source_len), on the model's device; the second is of bool.
        """
        rows = [self._ids(sentence) for sentence in sentences]
        return self._padded(rows, self.tokenizer.end), self._padded(
            [[1] * len(r) for r in rows]
        ) > 0

    @torch.no_grad()
    def translate(self, sentences: Sequence[str]) -> list[str]:
        """The translation of each sentence, always by the likeliest next token."""
        source, visible = self.encode(sentences)
        begin = torch.full((len(sentences), 1), self.begin, device=source.device)
        written = generate(
            self.model.decoder,
            begin,
            min(LONGEST, max(LENGTH_FLOOR, int(LENGTH_RATIO * source.shape[1]))),
            stop=self.tokenizer.end,
            encoded=self.model.encoder(source, visible=visible),
            encoded_visible=visible,
        )
        return [self.tokenizer.decode(ids) for ids in written.tolist()]

    def pairs(self, sentences: Sequence[str], translations: Sequence[str]) -> Pairs:
        """The tensors for reading translations that exist already."""
        source, visible = self.encode(sentences)
        rows = [self._ids(translation) for translation in translations]
        target = self._padded([[self.begin, *ids[:-1]] for ids in rows], self.tokenizer.end)
        return Pairs(source, visible, target, self._padded(rows, UNCOUNTED))

    @torch.no_grad()
    def losses(self, pairs: Pairs, encoded: Tensor | None = None) -> Tensor:
        """What each token of the translations costs, in nats: (batch, target_len); padding 0.

        `encoded`, (batch, source_len, d_model), takes the place of the encoder's output.
        """
        if encoded is None:
            encoded = self.model.encoder(pairs.source, visible=pairs.source_visible)
        logits = self.model.decoder(pairs.target, encoded, encoded_visible=pairs.source_visible)
        each = F.cross_entropy(
            logits.flatten(0, 1), pairs.expected.flatten(), ignore_index=UNCOUNTED, reduction="none"
        )
        return each.view_as(pairs.expected)

    def alignment(self, sentence: str, translation: str | None = None) -> Alignment:
        """Where the decoder looks while it writes `translation`; without one, its own."""
        if translation is None:
            (translation,) = self.translate([sentence])
        pairs = self.pairs([sentence], [translation])
        encoded = self.model.encoder(pairs.source)
        maps = attention_maps(self.model.decoder, pairs.target, encoded, cross=True)
        return Alignment(
            self.tokenizer.pieces(pairs.source[0].tolist()),
            self.tokenizer.pieces(pairs.expected[0].tolist()),
            [weights[0] for weights in maps],
        )

    def _ids(self, sentence: str) -> list[int]:
        return [*self.tokenizer.encode(sentence)[: LONGEST - 1], self.tokenizer.end]

    def _padded(self, rows: Sequence[Sequence[int]], padding: int = 0) -> Tensor:
        width = max(map(len, rows), default=0)
        padded = [[*row, *[padding] * (width - len(row))] for row in rows]
        return torch.tensor(padded, device=self.model.decoder.embed.weight.device)


@lru_cache(maxsize=2)  # a lab that runs next in the same process finds the weights loaded
def load_translator(direction: Direction = "enpt", device: str = "cpu") -> Translator:
    """The translator from English to Portuguese ("enpt") or back ("pten"), kept for the next call.

    Raises `ModelError` if it is not installed, damaged, or of a kind that is not offered.
    """
    paths = locate(SHELF_NAME)
    if f"{direction}_weights" not in paths:
        raise ModelError(f"there is no direction {quote(direction)}: give 'enpt' or 'pten'")
    tokenizer = read_unigram(paths[f"{direction}_vocabulary"])
    model = build_translator(MarianFile(paths[f"{direction}_weights"]))
    if model.config.vocab_size != len(tokenizer) + 1:
        path = paths[f"{direction}_vocabulary"]
        raise ModelError(f"{path}: has not the tokens that the model embeds; get both files again")
    return Translator(direction, model.to(device), tokenizer)


def build_translator(file: MarianFile) -> EncoderDecoder:
    """The model in a Marian file; its vocabulary has one id more, which begins a translation.

    Raises `ModelError` if it is not of the kind of `OFFERED`.
    """
    for key, value in OFFERED.items():
        if file.settings.get(key) != value:
            raise ModelError(
                f"{file.file.path}: {key} is {quote(file.settings.get(key))}; only {value!r} is "
                "offered: give an encoder-decoder of a recurrent decoder"
            )
    sizes = {name: math.prod(item.shape) for name, item in file.items.items()}
    stored = Stored(file.file.path, sizes, file.tensor)
    stored.ignore(r".*_QuantMultA")  # how an integer processor rounds activations
    config = _config(file)
    model = fill(_build, config, _parameters(config, stored), stored)
    stored.require_empty()
    return model


def _config(file: MarianFile) -> TransformerConfig:
    def integer(key: str) -> int:
        value = file.settings.get(key, "")
        if not value.isascii() or not value.isdecimal() or len(value) > 9:
            raise ModelError(f"{file.file.path}: {key} is {quote(value)}; give a whole number")
        return int(value)

    embeddings = file.items.get("Wemb")
    if embeddings is None:
        raise file.file.damaged("lacks 'Wemb', the embeddings")
    d_model = integer("dim-emb")
    try:
        return TransformerConfig(
            vocab_size=embeddings.shape[0] + 1,
            seq_len=LONGEST,
            d_model=d_model,
            n_layers=integer("dec-depth"),
            n_encoder_layers=integer("enc-depth"),
            n_heads=integer("transformer-heads"),
            d_ff=integer("transformer-dim-ffn"),
            kind="encoder-decoder",
            norm="post",
            norm_eps=1e-9,
            positions="sinusoidal",
            embedding_scale=math.sqrt(d_model),
            source_embedding="tied",
            unembedding="tied",
        )
    except ValueError as error:
        raise ModelError(f"{file.file.path}: {error}; give an unchanged model") from None


def _build(config: TransformerConfig, generator: Generator) -> EncoderDecoder:
    model = EncoderDecoder(config, generator)
    for block in model.decoder.blocks:
        block.add_module("attention", Ssru(config.d_model))
    for stack in (model.encoder, model.decoder):
        assert isinstance(stack.positions, SinusoidalPositions)
        stack.positions.table = sinusoids(config.seq_len, config.d_model)
    return model


def sinusoids(seq_len: int, d_model: int) -> Tensor:
    """Positions as Marian has them, (seq_len, d_model): all sines, then all cosines.

    The slowest of the d_model / 2 frequencies is 1 / 10,000 exactly.
    """
    n = d_model // 2
    frequencies = torch.exp(torch.arange(n, device="cpu") * (-math.log(10_000) / (n - 1)))
    angles = torch.outer(torch.arange(seq_len, device="cpu"), frequencies)
    return torch.cat((angles.sin(), angles.cos()), dim=1)


def _parameters(config: TransformerConfig, stored: Stored) -> Iterator[tuple[str, Tensor]]:
    def linear(weight: str, bias: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        yield f"{ours}.weight", stored.take(weight)
        yield f"{ours}.bias", stored.take(bias).flatten()

    def norm(theirs: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        yield f"{ours}.gain", stored.take(f"{theirs}_ln_scale").flatten()
        yield f"{ours}.bias", stored.take(f"{theirs}_ln_bias").flatten()

    def attention(theirs: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        parts = {"q": "query", "k": "key", "v": "value", "o": "out"}
        for letter, part in parts.items():
            yield from linear(f"{theirs}_W{letter}", f"{theirs}_b{letter}", f"{ours}.{part}")

    def feedforward(theirs: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        for number, part in ((1, "up"), (2, "down")):
            weight, bias = f"{theirs}_ffn_W{number}", f"{theirs}_ffn_b{number}"
            yield from linear(weight, bias, f"{ours}.feedforward.{part}")
        yield from norm(f"{theirs}_ffn_ffn", f"{ours}.feedforward_post_norm")

    # One row and one bias more, for the id that begins: it embeds as nothing and is never written.
    yield "decoder.embed.weight", F.pad(stored.take("Wemb"), (0, 0, 0, 1))
    bias = stored.take("decoder_ff_logit_out_b").flatten()
    yield "decoder.unembed.bias", F.pad(bias, (0, 1), value=-math.inf)
    for layer in range(config.n_encoder_layers):
        theirs, ours = f"encoder_l{layer + 1}", f"encoder.blocks.{layer}"
        yield from attention(f"{theirs}_self", f"{ours}.attention")
        yield from norm(f"{theirs}_self_Wo", f"{ours}.attention_post_norm")
        yield from feedforward(theirs, ours)
    for layer in range(config.n_layers):
        theirs, ours = f"decoder_l{layer + 1}", f"decoder.blocks.{layer}"
        yield from linear(f"{theirs}_rnn_Wf", f"{theirs}_rnn_bf", f"{ours}.attention.forget")
        yield f"{ours}.attention.write.weight", stored.take(f"{theirs}_rnn_W")
        yield from norm(f"{theirs}_rnn_ffn", f"{ours}.attention_post_norm")
        yield from attention(f"{theirs}_context", f"{ours}.cross_attention")
        yield from norm(f"{theirs}_context_Wo", f"{ours}.cross_post_norm")
        yield from feedforward(theirs, ours)
