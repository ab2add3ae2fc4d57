"""What a decoder keeps of the tokens it has read, so that the next one costs one step.

A token's keys and values depend on the tokens before it only. They never change once it is read,
and every later token needs them again.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labs.transformer.config import TransformerConfig


class KeysValues:
    """Keys and values of one attention, (batch, n_kv_heads, length, head_dim) each.

    Room for `capacity` tokens is taken once, when the first ones come: appending a token then
    writes that token and copies nothing.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.length = 0
        self._keys = self._values = torch.empty(0)

    def append(self, keys: Tensor, values: Tensor) -> None:
        """Keep the keys and values of the next tokens; raises ValueError if there is no room."""
        end = self.length + keys.shape[-2]
        if end > self.capacity:
            raise ValueError(f"{end} tokens, and the cache was built for {self.capacity}")
        if not self.length:
            *batch_and_heads, _, head_dim = keys.shape
            self._keys = keys.new_empty(*batch_and_heads, self.capacity, head_dim)
            self._values = torch.empty_like(self._keys)
        self._keys[..., self.length : end, :] = keys
        self._values[..., self.length : end, :] = values
        self.length = end

    @property
    def keys(self) -> Tensor:
        """Of all tokens so far."""
        return self._keys[..., : self.length, :]

    @property
    def values(self) -> Tensor:
        """Of all tokens so far."""
        return self._values[..., : self.length, :]


class LayerCache:
    """What one layer keeps."""

    def __init__(self, capacity: int) -> None:
        self.own = KeysValues(capacity)
        """Of self-attention."""
        self.crossing: tuple[Tensor, Tensor] | None = None
        """Keys and values of cross-attention: the encoder's output is read once."""
        self.state: Tensor | None = None
        """Of a recurrent layer that stands in for self-attention: (batch, d_model)."""


class Cache:
    """What all layers of a decoder keep while it writes: ``model(tokens, cache=cache)``.

    The model takes the tokens for those that follow the `length` tokens it has read already. With
    padding, `visible` covers both: (batch, length + seq_len). Room is taken for `capacity` tokens;
    without a number, for as many as the model accepts.
    """

    def __init__(self, config: TransformerConfig, capacity: int | None = None) -> None:
        self.config = config
        self.capacity = config.seq_len if capacity is None else capacity
        self.length = 0
        self.layers = [LayerCache(self.capacity) for _ in range(config.n_layers)]

    def forget(self, length: int) -> None:
        """Go back to the first `length` tokens, to continue them in another way.

        Raises ValueError if a layer is recurrent: its state has no way back.
        """
        if any(layer.state is not None for layer in self.layers):
            raise ValueError("a recurrent layer cannot forget: begin again with a new cache")
        self.length = min(self.length, length)
        for layer in self.layers:
            layer.own.length = self.length

    def repeat(self, n: int) -> Cache:
        """A cache in which each sequence stands `n` times, to continue one beginning in n ways."""
        copy = Cache(self.config, self.capacity)
        copy.length = self.length
        for old, new in zip(self.layers, copy.layers, strict=True):
            if old.own.length:
                new.own.append(*(x.repeat_interleave(n, 0) for x in (old.own.keys, old.own.values)))
            if old.state is not None:
                new.state = old.state.repeat_interleave(n, 0)
            if old.crossing is not None:
                keys, values = (x.repeat_interleave(n, 0) for x in old.crossing)
                new.crossing = keys, values
        return copy
