"""The model that the labs take apart."""

from labs.transformer.config import TransformerConfig
from labs.transformer.model import Transformer

__all__ = ["Transformer", "TransformerConfig"]
