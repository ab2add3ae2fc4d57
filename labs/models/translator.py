"""A trained encoder-decoder with its tokenizer: a sentence in, a sentence out.

The one on the shelf translates between English and Portuguese; browsers use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.models.byte_pair import BytePairTokenizer
from labs.models.checkpoints import read_config
from labs.models.encoder_decoders import build_pair
from labs.models.errors import ModelError
from labs.models.folders import find_folder, open_weights
from labs.models.marian_file import MarianFile
from labs.models.marian_pair import build_marian
from labs.models.padding import padded
from labs.models.shelf import locate
from labs.models.tokenizer_files import read_byte_pair
from labs.models.unigram import UnigramTokenizer, read_unigram
from labs.transformer import EncoderDecoder
from labs.transformer.generation import generate
from labs.transformer.probes import attention_maps
from labs.transformer.train import UNCOUNTED

SHELF_NAME = "translator"
DIRECTIONS = {SHELF_NAME: "enpt", "enpt": "enpt", "pten": "pten"}
"""What the model on the shelf is asked for by; its own name means from English."""
LONGEST = 256
"""Tokens of a sentence that are read, and at most written."""
LENGTH_RATIO, LENGTH_FLOOR = 2.5, 10
"""A translation is broken off at so many times its source's tokens, as the shelf's model says."""


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
    """An encoder-decoder and its tokenizer.

    Its parameters ask for no gradients. Whoever trains it, or changes it for longer than a `with`
    block, does so with a copy.
    """

    name: str
    """As it was asked for: a name of the shelf, a direction or a path."""
    model: EncoderDecoder
    """Its parts are `model.encoder`, a `Stack`, and `model.decoder`, a `Transformer`."""
    tokenizer: UnigramTokenizer | BytePairTokenizer
    begin: int
    """The id that the decoder starts from; on the shelf not a token, but an embedding of zeros."""
    end: int
    """The id behind a sentence."""
    opening: tuple[int, ...] = ()
    """Ids in front of a sentence, where the model was trained with them."""

    def encode(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids with the end behind each sentence, and where they are not padding.

        Both are (batch, source_len), on the model's device; the second is of bool.
        """
        rows = [self._ids(sentence) for sentence in sentences]
        return padded(rows, self.end, self._device)

    @torch.no_grad()
    def translate(self, sentences: Sequence[str]) -> list[str]:
        """The translation of each sentence, always by the likeliest next token."""
        source, visible = self.encode(sentences)
        begin = torch.full((len(sentences), 1), self.begin, device=source.device)
        written = generate(
            self.model.decoder,
            begin,
            min(LONGEST, max(LENGTH_FLOOR, int(LENGTH_RATIO * source.shape[1]))),
            stop=self.end,
            encoded=self.model.encoder(source, visible=visible),
            encoded_visible=visible,
        )
        around = {self.end, *self.opening}
        return [
            self.tokenizer.decode(i for i in ids if i not in around).strip()
            for ids in written.tolist()
        ]

    def pairs(self, sentences: Sequence[str], translations: Sequence[str]) -> Pairs:
        """The tensors for reading translations that exist already."""
        source, visible = self.encode(sentences)
        rows = [self._ids(translation) for translation in translations]
        target, _ = padded([[self.begin, *ids[:-1]] for ids in rows], self.end, self._device)
        expected, _ = padded(rows, UNCOUNTED, self._device)
        return Pairs(source, visible, target, expected)

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
        cut = LONGEST - len(self.opening) - 1
        return [*self.opening, *self.tokenizer.encode(sentence)[:cut], self.end]

    @property
    def _device(self) -> torch.device:
        return self.model.decoder.embed.weight.device


@lru_cache(maxsize=2)  # a lab that runs next in the same process finds the weights loaded
def load_translator(name_or_path: str = SHELF_NAME, device: str = "cpu") -> Translator:
    """An encoder-decoder; the last two that were asked for are kept for the next call.

    From English to Portuguese ("enpt", or the shelf's "translator") or back ("pten"); a folder of
    T5 or BART with config.json and safetensors, beside which lie T5's spiece.model or BART's
    tokenizer.json; or such a model's name in the cache of the Hugging Face hub.

    Raises `ModelError` if it is not installed, damaged, or of a kind that is not offered.
    """
    if name_or_path in DIRECTIONS:
        return _from_shelf(name_or_path, device)
    return _from_folder(name_or_path, device)


def _from_shelf(name: str, device: str) -> Translator:
    paths, direction = locate(SHELF_NAME), DIRECTIONS[name]
    vocabulary = paths[f"{direction}_vocabulary"]
    tokenizer = read_unigram(vocabulary)
    model = build_marian(MarianFile(paths[f"{direction}_weights"]))
    begin = model.config.vocab_size - 1
    if begin != len(tokenizer):
        raise ModelError(
            f"{vocabulary}: has {len(tokenizer)} pieces and the model embeds {begin}; "
            "get both files again"
        )
    return Translator(name, model.to(device), tokenizer, begin, tokenizer.end)


def _from_folder(name: str, device: str) -> Translator:
    folder = find_folder(name)
    facts = read_config(folder / "config.json")
    model = build_pair(facts, open_weights(folder)).to(device)
    n_ids = model.config.vocab_size
    if facts.fields["model_type"] == "t5":
        pieces = read_unigram(folder / "spiece.model", n_ids)
        begin = facts.integer("decoder_start_token_id", facts.integer("pad_token_id", 0))
        translator = Translator(name, model, pieces, begin, pieces.end)
    else:
        tokenizer = read_byte_pair(folder, n_ids)
        opening = facts.integer("bos_token_id", 0)
        end = facts.integer("eos_token_id", 2)
        begin = facts.integer("decoder_start_token_id", end)
        translator = Translator(name, model, tokenizer, begin, end, (opening,))
    for number in (translator.begin, translator.end, *translator.opening):
        if not 0 <= number < n_ids:
            raise ModelError(
                f"{facts.path}: names the id {number}, of {n_ids}; give an unchanged model"
            )
    return translator
