"""Trained models: their files, their tokenizers, and how they become the course's own models."""

from collections.abc import Callable

from labs.models.errors import ModelError
from labs.models.language_model import LanguageModel, load_language_model
from labs.models.sentence_encoder import SentenceEncoder, load_encoder

LOADERS: dict[str, Callable[[str], object]] = {
    "smollm2": load_language_model,
    "minilm": load_encoder,
}

__all__ = [
    "LanguageModel",
    "ModelError",
    "SentenceEncoder",
    "load_encoder",
    "load_language_model",
    "preload",
]


def preload(name: str) -> None:
    """Load a model of the shelf into this process, for the labs that ask for it by its name."""
    LOADERS[name](name)
