"""A trained model that continues texts, with the tokenizer that it was trained with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from labs.models.byte_pair import BytePairTokenizer
from labs.models.checkpoints import build, read_config
from labs.models.errors import ModelError
from labs.models.folders import find_folder, open_weights
from labs.models.gguf_file import GgufFile
from labs.models.gguf_llama import build_llama, build_tokenizer
from labs.models.shelf import catalogue, locate
from labs.models.tokenizer_files import read_byte_pair
from labs.transformer import Transformer

END_OF_TEXT = "<|endoftext|>"
"""Stood between the texts of the training data, and so before each of them."""

CONTINUE = ("gpt2", "llama", "qwen2")
"""The families that continue a text, by the `model_type` of their config.json."""


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


def load_language_model(
    name_or_path: str = "smollm2", device: str = "cpu", *, packed: bool = False
) -> LanguageModel:
    """A language model; the one that was asked for last is kept for the next call.

    Its name on the shelf, a GGUF file of the Llama architecture, a folder with config.json,
    safetensors and tokenizer.json of GPT-2, Llama or Qwen2, or such a model's name in the cache of
    the Hugging Face hub.

    With `packed` the matrices of a GGUF file stay in 4 or 8 bits until they are used: SmolLM2 takes
    less than half the memory, a tenth more time for 512 or 1,024 tokens at once, two thirds more
    for 64 (`python -m benchmarks.models` measures it), and the most where tokens come one by one.

    Raises `ModelError` if it is not installed, damaged, or of a kind that is not offered.
    """
    return _load(name_or_path, device, packed=packed)


@lru_cache(maxsize=1)
def _load(name_or_path: str, device: str, *, packed: bool) -> LanguageModel:
    path = Path(os.path.expanduser(name_or_path))  # noqa: PTH111 # which may fail
    if name_or_path in catalogue():
        path = locate(name_or_path).get("weights", path)
        if path.suffix != ".gguf":
            raise ModelError(f"{name_or_path!r} is no language model: give 'smollm2', or a path")
    if path.suffix == ".gguf":
        file = GgufFile(path)
        model = build_llama(file, packed=packed)
        tokenizer = build_tokenizer(file)
        first = file.facts.get("tokenizer.ggml.bos_token_id")
    else:
        path = find_folder(name_or_path)
        facts = read_config(path / "config.json")
        facts.require("model_type", *CONTINUE)
        built = build(facts, open_weights(path))
        assert isinstance(built, Transformer)  # these families always have an output
        model = built
        tokenizer = read_byte_pair(path, model.config.vocab_size)
        first = facts.fields.get("bos_token_id")
    if len(tokenizer) != model.config.vocab_size:
        raise ModelError(
            f"{path}: has {len(tokenizer)} tokens and embeds {model.config.vocab_size}; "
            "give an unchanged model"
        )
    begin = tokenizer.special.get(END_OF_TEXT, first)
    if type(begin) is not int or not 0 <= begin < len(tokenizer):
        raise ModelError(f"{path}: names no token that starts a text; give an unchanged model")
    return LanguageModel(name_or_path, model.to(device), tokenizer, begin)
