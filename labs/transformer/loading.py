"""A model built to be filled with parameters that exist already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn

Model = TypeVar("Model", bound=nn.Module)
Config = TypeVar("Config")


def blank(kind: Callable[[Config, Generator], Model], config: Config) -> Model:
    """A model whose parameters have shapes and no numbers yet: no memory, and nothing drawn.

    Everything that is computed rather than trained (masks, tables of positions) is there.
    """
    with torch.device("meta"):
        return kind(config, Generator("cpu"))


def fill(model: nn.Module, parameters: Mapping[str, Tensor]) -> None:
    """Make the tensors the model's parameters; they are taken over, not copied.

    A parameter with two names, as a tied unembedding is, is given under either of them.

    Raises ValueError with the names that are missing or unknown, or with the first shape that is
    not the model's.
    """
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    known = {name for aliases in names.values() for name in aliases}
    if unknown := sorted(parameters.keys() - known):
        raise ValueError(f"the model has no parameter {_few(unknown)}")
    missing = [own[0] for own in names.values() if not parameters.keys() & set(own)]
    if missing:
        raise ValueError(f"nothing is given for the parameter {_few(missing)}")
    for parameter, own in names.items():
        given_name = next(name for name in own if name in parameters)
        given = parameters[given_name]
        if given.shape != parameter.shape:
            raise ValueError(
                f"{given_name} has the shape {tuple(given.shape)}, "
                f"and the model's has {tuple(parameter.shape)}"
            )
        new = nn.Parameter(given)
        for name in own:
            module, _, last = name.rpartition(".")
            setattr(model.get_submodule(module), last, new)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
