"""Trained models: their files, their tokenizers, and how they become the course's own models."""

from labs.models.errors import ModelError
from labs.models.language_model import LanguageModel, load_language_model
from labs.models.sentence_encoder import SentenceEncoder, load_encoder

__all__ = [
    "LanguageModel",
    "ModelError",
    "SentenceEncoder",
    "load_encoder",
    "load_language_model",
]
