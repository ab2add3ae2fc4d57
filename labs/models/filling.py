"""Checkpoints, and the course's models built from their numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from torch import Generator, Tensor, nn

from labs.models.errors import ModelError, quote
from labs.transformer import TransformerConfig, loading
from labs.transformer.loading import blank

LONGEST_TEXT = 32_768
"""Tokens; a model that turns its queries and keys is built for no more, whatever it says."""

AnyModel = TypeVar("AnyModel", bound=nn.Module)


class Stored:
    """The tensors of one checkpoint, each of which is taken once.

    `sizes` says how many numbers each has, and `read` gives it: as float32 in memory of its own, or
    as it is stored where a model is built packed.
    """

    def __init__(self, path: Path, sizes: Mapping[str, int], read: Callable[[str], Tensor]) -> None:
        self.path = path
        self.n_numbers = sum(sizes.values())
        self._left = dict.fromkeys(sizes)
        self._read = read

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, n_axes: int | None = None) -> Tensor:
        """The tensor of this name; `ModelError` if there is none, or not with so many axes."""
        if name not in self._left:
            raise ModelError(f"{self.path}: lacks tensor {quote(name)}; give a whole model")
        del self._left[name]
        tensor = self._read(name)
        if n_axes is not None and tensor.dim() != n_axes:
            raise ModelError(
                f"{self.path}: tensor {quote(name)} has {tensor.dim()} axes and not {n_axes}; "
                "give an unchanged model"
            )
        return tensor

    def ignore(self, pattern: str) -> None:
        """Leave out what carries no weights, all that matches this regular expression."""
        self._left = {name: None for name in self._left if not re.fullmatch(pattern, name)}

    def require_empty(self) -> None:
        """`ModelError` if a tensor is left over: the model would not be the one that was stored."""
        for name in self._left:
            raise ModelError(
                f"{self.path}: has tensor {quote(name)}, for which its architecture has no place; "
                "give an unchanged model of its family"
            )


def fill(
    build: Callable[[TransformerConfig, Generator], AnyModel],
    config: TransformerConfig,
    parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]],
    stored: Stored,
) -> AnyModel:
    """The model of `config` with these parameters, by name; to be used, not to be trained.

    Raises `ModelError` for a parameter that is missing or has another shape, and before anything
    is built for a config of more numbers than `stored` has.
    """
    _require_plausible(config, stored)
    try:
        model = blank(build, config)
        loading.fill(model, dict(parameters))
    except ValueError as error:
        message = f"{stored.path}: {error}; give files that belong together"
        raise ModelError(message) from None
    return model.requires_grad_(requires_grad=False).eval()


def _require_plausible(config: TransformerConfig, stored: Stored) -> None:
    widest = max(config.d_ff, config.n_heads * config.head_dim, config.kv_heads * config.head_dim)
    n_layers = config.n_layers + config.n_encoder_layers
    n_rows = max(config.vocab_size, n_layers * widest)
    if config.positions == "learned":
        n_rows = max(n_rows, config.seq_len)
    if n_rows * config.d_model > stored.n_numbers:
        raise ModelError(
            f"{stored.path}: its configuration is of a larger model than its tensors; "
            "give files that belong together"
        )
