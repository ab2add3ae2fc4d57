"""Tokenizers out of the files that lie beside a checkpoint.

tokenizer.json describes a chain of steps of the `tokenizers` package. Those chains that our
tokenizers carry out are recognised; any other is refused, because it would give other ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labs.models.byte_pair import BytePairTokenizer, Words
from labs.models.errors import ModelError, quote
from labs.models.folders import LARGEST_CONFIG, read_json
from labs.models.word_piece import SPECIAL, WordPieceTokenizer

LARGEST_TOKENIZER = 1 << 25
"""Bytes; those of the families that are offered have a few million."""
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The pattern by which Qwen2 cuts a text into words."""


def read_byte_pair(folder: Path, vocab_size: int) -> BytePairTokenizer:
    """The tokenizer of GPT-2, RoBERTa, SmolLM or Qwen2 in tokenizer.json.

    Raises `ModelError` if there is none or it is of another kind. No id may reach `vocab_size`.
    """
    path = folder / "tokenizer.json"
    fields = read_json(path, LARGEST_TOKENIZER)
    try:
        words, composed = _steps(fields)
        vocabulary, merges = _byte_pairs(fields["model"])
        added = {_text(token["content"]): token for token in fields.get("added_tokens") or []}
        if any(token.get("single_word") or token.get("rstrip") for token in added.values()):
            raise ValueError("it has tokens that stand for whole words, or take spaces behind them")
        special = {content: token["id"] for content, token in added.items()}
        eats_space = frozenset(t for t, token in added.items() if token.get("lstrip"))
        tokens = _in_order({**vocabulary, **special}, vocab_size)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_offered(path, error) from None
    return BytePairTokenizer(
        tokens,
        merges,
        special=special,
        eats_space=eats_space,
        words=words,
        composed=composed,
    )


def read_word_piece(folder: Path, vocab_size: int) -> WordPieceTokenizer:
    """The tokenizer of a BERT, in vocab.txt or tokenizer.json; `ModelError` if it is another.

    No id may reach `vocab_size`.
    """
    path = folder / "tokenizer.json"
    options = folder / "tokenizer_config.json"
    fields = read_json(path, LARGEST_TOKENIZER) if path.exists() else {}
    settings = read_json(options, LARGEST_CONFIG) if options.exists() else {}
    try:
        if fields:
            model = fields["model"]
            if model.get("type", "WordPiece") != "WordPiece":
                raise ValueError(f"its model is {quote(model['type'])}")
            tokens = _in_order(model["vocab"], vocab_size)
            settings = {**settings, **(fields.get("normalizer") or {})}
        else:
            path = folder / "vocab.txt"
            tokens = read_tokens(path)
        lowercase = settings.get("lowercase", settings.get("do_lower_case", True))
        if settings.get("strip_accents") not in (None, lowercase):
            raise ValueError("it keeps accents and drops capitals, or the other way round")
        missing = [token for token in SPECIAL if token not in tokens]
        if missing or len(tokens) > vocab_size:
            raise ValueError(f"lacks {missing[0]}" if missing else "more tokens than embeddings")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _not_offered(path, error) from None
    return WordPieceTokenizer(tokens, lowercase=bool(lowercase))


def read_tokens(path: Path) -> list[str]:
    """The lines of a vocab.txt, a token each."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ModelError(f"{path}: cannot be read as text; give a whole model") from None


def _not_offered(path: Path, error: Exception) -> ModelError:
    reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
    return ModelError(
        f"{path}: not a tokenizer that is offered ({reason[:80]}); "
        "give a BERT, RoBERTa, GPT-2, SmolLM or Qwen2"
    )


def _steps(fields: Mapping[str, Any]) -> tuple[Words, bool]:
    """How a text is cut into words, and whether accents are composed before.

    Raises ValueError if it is cut or changed in another way than those that are offered.
    """
    normalizer = fields.get("normalizer") or {}
    step = fields["pre_tokenizer"]
    steps = step["pretokenizers"] if step["type"] == "Sequence" else [step]
    kinds = [step["type"] for step in steps]
    last = steps[-1]
    if kinds not in (["ByteLevel"], ["Digits", "ByteLevel"], ["Split", "ByteLevel"]):
        raise ValueError(f"its pre-tokenizers are {quote(kinds)}")
    if last.get("add_prefix_space") or last.get("use_regex", True) == ("Split" in kinds):
        raise ValueError("it puts a space before a text, or cuts it in another way")
    if normalizer and (normalizer["type"], kinds[0]) != ("NFC", "Split"):
        raise ValueError(f"its normalizer is {quote(normalizer['type'])}")
    if kinds[0] == "Split":
        if steps[0]["pattern"] != {"Regex": QWEN2} or steps[0]["behavior"] != "Isolated":
            raise ValueError("it cuts a text by another pattern than Qwen2")
        return "qwen2", bool(normalizer)
    if kinds[0] == "Digits" and not steps[0]["individual_digits"]:
        raise ValueError("it keeps the digits of a number together")
    return ("smollm" if kinds[0] == "Digits" else "gpt-2"), False


def _byte_pairs(model: Mapping[str, Any]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    if model.get("type", "BPE") != "BPE":
        raise ValueError(f"its model is {quote(model['type'])}")
    for option in (
        "byte_fallback",
        "ignore_merges",
        "continuing_subword_prefix",
        "end_of_word_suffix",
    ):
        if model.get(option):
            raise ValueError(f"its model has {option}")
    # Written as "a b" by older versions, as ["a", "b"] by newer ones.
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    return model["vocab"], [(_text(first), _text(second)) for first, second in pairs]


def _in_order(ids: Mapping[str, Any], vocab_size: int) -> list[str]:
    """Tokens by id; an id that has none stands for nothing."""
    tokens = [""] * vocab_size
    for token, number in ids.items():
        if type(number) is not int or not 0 <= number < vocab_size:
            raise ValueError(f"the id of {quote(token)} is {quote(number)}")
        tokens[number] = _text(token)
    return tokens


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{quote(value)} is no token")
    return value
