"""Layers that multiply by parameters, for one model or for a stack of models.

In a stack every parameter has an axis in front, n_models, and so has everything computed from it.
What multiplies by a parameter has to know: the two layers here, the norms and
`LearnedPositions`. All else counts its axes from the end and serves both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Linear(nn.Linear):
    """``x Wᵀ + b``; in a stack each model has its own W and b."""

    def forward(self, x: Tensor) -> Tensor:
        # (…, n_in) -> (…, n_out), in a stack (n_models, …, n_in) -> (n_models, …, n_out)
        if self.weight.dim() == 2:
            return F.linear(x, self.weight, self.bias)
        rows = x.flatten(1, -2)  # (n_models, n_rows, n_in), for one batched product
        if self.bias is None:
            out = rows @ self.weight.mT
        else:  # adds the bias inside the product: one pass over the output less
            out = torch.baddbmm(self.bias[:, None], rows, self.weight.mT)
        return out.view(*x.shape[:-1], -1)


class Embedding(nn.Embedding):
    """A row of a table for each token; the models of a stack read the same tokens."""

    def reset_parameters(self) -> None:
        """Draw the table, unless the model is blank: PyTorch takes a second to draw nothing."""
        if not self.weight.is_meta:
            super().reset_parameters()

    def forward(self, tokens: Tensor) -> Tensor:
        # (…) -> (…, d_model), in a stack (…) -> (n_models, …, d_model)
        if self.weight.dim() == 2:
            return F.embedding(tokens, self.weight)
        # Faster than weight[:, tokens], forward and backward.
        rows = self.weight.index_select(1, tokens.flatten())
        return rows.view(len(rows), *tokens.shape, -1)


def broadcast(parameter: Tensor, x: Tensor) -> Tensor:
    """A stack's parameter, (n_models, …), shaped to meet the last axes of x, (n_models, …, …)."""
    n_missing = x.dim() - parameter.dim()
    return parameter.view(len(parameter), *[1] * n_missing, *parameter.shape[1:])
