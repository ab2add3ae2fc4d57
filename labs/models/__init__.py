"""Trained models: their files, their tokenizers, and how they become the course's own models."""

from collections.abc import Callable

from labs.models.errors import ModelError
from labs.models.language_model import LanguageModel, load_language_model
from labs.models.sentence_encoder import SentenceEncoder, load_encoder
from labs.models.translator import Translator, load_translator

LOADERS: dict[str, Callable[[str], object]] = {
    "smollm2": load_language_model,
    "minilm": load_encoder,
    "translator": load_translator,
}

__all__ = [
    "LanguageModel",
    "ModelError",
    "SentenceEncoder",
    "Translator",
    "load_encoder",
    "load_language_model",
    "load_translator",
    "preload",
]


def preload(name: str) -> None:
    """Load a model of the shelf into this process, for the labs that ask for it by its name."""
    LOADERS[name](name)
