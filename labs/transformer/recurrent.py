"""Recurrent layers, to compare attention with and to take its place."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from labs.transformer.cache import LayerCache
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


class Ssru(nn.Module):
    """The simpler simple recurrent unit (Kim et al. 2019), which translators decode with.

    ::

        keep  = sigmoid(forget(token))            one number for each of the state's
        state ← keep · state + (1 - keep) · write(token)
        out   = relu(state)

    It stands where a decoder's self-attention would: what a token knows of those before it is in
    one vector, however many they are.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.forget = Linear(d_model, d_model)
        self.write = Linear(d_model, d_model, bias=False)

    def forward(
        self, x: Tensor, *, visible: Tensor | None = None, cache: LayerCache | None = None
    ) -> Tensor:
        # (batch, n_tokens, d_model) -> the same shape. Padding comes last, so nothing reads it.
        keep = self.forget(x).sigmoid()
        written = (1 - keep) * self.write(x)
        state = torch.zeros_like(x[..., 0, :])
        if cache is not None and cache.state is not None:
            state = cache.state
        states = []
        for kept, new in zip(keep.unbind(dim=-2), written.unbind(dim=-2), strict=True):
            state = kept * state + new
            states.append(state)
        if cache is not None:
            cache.state = state
        return torch.stack(states, dim=-2).relu()
