"""A trained model that continues texts, with the tokenizer that it was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from labs.models.byte_pair import BytePairTokenizer
from labs.models.errors import ModelError
from labs.models.gguf_file import GgufFile
from labs.models.gguf_llama import build_llama, build_tokenizer
from labs.models.shelf import locate
from labs.transformer import Transformer

END_OF_TEXT = "<|endoftext|>"
"""Stood between the texts of the training data, and so before each of them."""


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A decoder, its tokenizer, and what stands before a text.

    Its parameters ask for no gradients. Whoever trains it, or changes it for longer than a `with`
    block, does so with a copy.
    """

    name: str
    """As it was asked for: a name of the shelf or a path."""
    model: Transformer
    tokenizer: BytePairTokenizer
    begin: int
    """The id to put in front of a text, where the model expects the start of one."""


def load_language_model(name_or_path: str = "smollm2", device: str = "cpu") -> LanguageModel:
    """The language model of this name or in this file; the last one is kept for the next call.

    Raises `ModelError` if it is not installed, damaged, or of a kind that is not offered.
    """
    return _load(name_or_path, device)


@lru_cache(maxsize=1)
def _load(name_or_path: str, device: str) -> LanguageModel:
    path = Path(name_or_path)
    if path.suffix != ".gguf":
        path = locate(name_or_path)["weights"]
    file = GgufFile(path)
    tokenizer = build_tokenizer(file)
    model = build_llama(file)
    if len(tokenizer) != model.config.vocab_size:
        raise ModelError(
            f"{path}: has {len(tokenizer)} tokens and embeds {model.config.vocab_size}; "
            "give an unchanged model"
        )
    begin = tokenizer.special.get(END_OF_TEXT, file.facts.get("tokenizer.ggml.bos_token_id"))
    if type(begin) is not int or not 0 <= begin < len(tokenizer):
        raise ModelError(f"{path}: names no token that starts a text; give an unchanged model")
    return LanguageModel(name_or_path, model.to(device), tokenizer, begin)
