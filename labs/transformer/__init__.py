"""The model that the labs take apart."""

from labs.transformer.config import TransformerConfig
from labs.transformer.encoder_decoder import EncoderDecoder
from labs.transformer.model import Transformer

__all__ = ["EncoderDecoder", "Transformer", "TransformerConfig"]
