"""A gated recurrent layer, to compare attention with."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from labs.transformer.layers import Linear


class Gru(nn.Module):
    """A gated recurrent network, which reads token by token.

    ::

        keep, reset = sigmoid(token W + state U)          two gates for each number of the state
        candidate   = tanh(token W + reset · (state U))
        state       ← keep · state + (1 - keep) · candidate

    As `torch.nn.GRU` computes it, with the same starting weights, but written out, so that models
    can be stacked and the operations of each token be counted.
    """

    def __init__(self, d_model: int, generator: Generator) -> None:
        super().__init__()
        self.read = Linear(d_model, 3 * d_model)
        self.recur = Linear(d_model, 3 * d_model)
        bound = d_model**-0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        # (batch, n_tokens, d_model) -> the state after each token, the same shape
        state = torch.zeros_like(x[..., 0, :])
        states = []
        for from_token in self.read(x).unbind(dim=-2):  # (batch, 3 d_model) for each token
            state = self.step(state, from_token)
            states.append(state)
        return torch.stack(states, dim=-2)

    def step(self, state: Tensor, from_token: Tensor) -> Tensor:
        """The next state; it needs the one before, so no two steps can be done at once."""
        from_state = self.recur(state)
        d = state.shape[-1]
        gates = (from_token[..., : 2 * d] + from_state[..., : 2 * d]).sigmoid()
        keep, reset = gates.chunk(2, dim=-1)
        candidate = (from_token[..., 2 * d :] + reset * from_state[..., 2 * d :]).tanh()
        new: Tensor = candidate.lerp(state, keep)
        return new
