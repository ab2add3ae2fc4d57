"""What stands between the last layer and the unembedding of a model that fills in masked words."""

from __future__ import annotations

from torch import Tensor, nn

from labs.transformer.config import TransformerConfig
from labs.transformer.feedforward import ACTIVATIONS
from labs.transformer.layers import Linear
from labs.transformer.norms import build_norm


class OutputTransform(nn.Module):
    """``norm(activation(dense(x)))``, as BERT's masked language model has it."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.dense = Linear(config.d_model, config.d_model)
        self.activation = ACTIVATIONS[config.activation]()
        self.norm = build_norm(config, wanted=True)

    def forward(self, resid: Tensor) -> Tensor:
        # (batch, seq_len, d_model) -> the same shape
        out: Tensor = self.norm(self.activation(self.dense(resid)))
        return out


def build_output_transform(config: TransformerConfig) -> nn.Module:
    """The config's transform of the last stream, or a module that changes nothing."""
    return OutputTransform(config) if config.output_transform == "on" else nn.Identity()
