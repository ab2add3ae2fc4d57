"""Normalisation: each token's vector is brought to one scale, whatever the layers below did."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labs.transformer.config import TransformerConfig
from labs.transformer.layers import broadcast


class LayerNorm(nn.Module):
    """Every token on its own: subtract its mean, divide by its standard deviation.

    ::

        y = gain · (x - mean(x)) / √(var(x) + ε) + bias

    Mean and variance run over the d_model numbers of one token, never over other tokens or
    other sequences, so that a token's result does not depend on the rest of its batch.
    """

    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor) -> Tensor:
        # x, result: (batch, seq_len, d_model)
        if self.gain.dim() == 1:
            return F.layer_norm(x, x.shape[-1:], self.gain, self.bias, eps=self.eps)
        normalised = F.layer_norm(x, x.shape[-1:], eps=self.eps)
        return normalised * broadcast(self.gain, x) + broadcast(self.bias, x)


class RMSNorm(nn.Module):
    """Every token on its own: divide by its root mean square (Zhang and Sennrich 2019).

    ::

        y = gain · x / √(mean(x²) + ε)

    LayerNorm without the subtraction of the mean, and without a bias.
    """

    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        # x, result: (batch, seq_len, d_model)
        if self.gain.dim() == 1:
            return F.rms_norm(x, x.shape[-1:], self.gain, eps=self.eps)
        return F.rms_norm(x, x.shape[-1:], eps=self.eps) * broadcast(self.gain, x)


NORMS: dict[str, type[LayerNorm | RMSNorm]] = {"layernorm": LayerNorm, "rmsnorm": RMSNorm}


def build_norm(config: TransformerConfig, *, wanted: bool) -> nn.Module:
    """The config's normalisation where it is wanted, else a module that changes nothing."""
    if not wanted:
        return nn.Identity()
    return NORMS[config.norm_kind](config.d_model, config.norm_eps)
