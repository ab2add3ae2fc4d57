"""The feed-forward network of a layer: the same small network, applied to every token alone."""

from __future__ import annotations

from torch import Tensor, nn

from labs.transformer.config import TransformerConfig
from labs.transformer.layers import Linear

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


class FeedForward(nn.Module):
    """Widen, bend, narrow: ``down(activation(up(x)))``. No token sees another one here."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.up = Linear(config.d_model, config.d_ff)
        self.activation = ACTIVATIONS[config.activation]()
        self.down = Linear(config.d_ff, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        # x: (batch, seq_len, d_model)
        hidden = self.activation(self.up(x))  # (batch, seq_len, d_ff)
        out: Tensor = self.down(hidden)  # (batch, seq_len, d_model)
        return out
