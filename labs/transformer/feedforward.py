"""The feed-forward network of a layer: the same small network, applied to every token alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from labs.transformer.config import Activation, TransformerConfig
from labs.transformer.layers import Linear

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
    "silu": nn.SiLU,
}


class FeedForward(nn.Module):
    """Widen, bend, narrow. No token sees another one here.

    ::

        plain   down(activation(up(x)))
        gated   down(activation(gate(x)) · up(x))

    With "gated" and "silu" this is SwiGLU (Shazeer 2020), with "gated" and "gelu" GEGLU.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        bias = config.biases == "on"
        self.gate: Linear | None = None
        if config.feedforward == "gated":
            self.gate = Linear(config.d_model, config.d_ff, bias=bias)
        self.up = Linear(config.d_model, config.d_ff, bias=bias)
        self.activation = ACTIVATIONS[config.activation]()
        self.down = Linear(config.d_ff, config.d_model, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        # x: (batch, seq_len, d_model)
        # hidden: (batch, seq_len, d_ff)
        if self.gate is None:
            hidden = self.activation(self.up(x))
        else:
            hidden = self.activation(self.gate(x)) * self.up(x)
        out: Tensor = self.down(hidden)  # (batch, seq_len, d_model)
        return out
