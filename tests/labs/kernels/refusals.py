"""What the kernel cannot do: it says so in one line, and does not compute something else."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labs.kernels.flash_attention import flash_attention
from tests.labs.kernels.registry import REGISTERED


def call(**changed: Any) -> dict[str, Any]:
    """Arguments that are right but for those given; a tuple stands for zeros of that shape."""
    shapes = {"q": (2, 4, 5, 16), "k": (2, 2, 7, 16), "v": (2, 2, 7, 16)} | changed
    return {
        name: torch.zeros(value) if isinstance(value, tuple) else value
        for name, value in shapes.items()
    }


def all_of(dtype: torch.dtype) -> dict[str, Any]:
    return {name: x.to(dtype) for name, x in call().items()}


def with_lengths(lengths: Tensor) -> dict[str, Any]:
    return call(key_lengths=lengths)


# Name -> the arguments and a word that the message has to contain.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "three axes": (call(q=(4, 5, 16)), "q"),
    "five axes": (call(q=(1, 2, 4, 5, 16)), "q"),
    "another batch": (call(q=(3, 4, 5, 16)), "batch"),
    "another head_dim": (call(k=(2, 2, 7, 8), v=(2, 2, 7, 8)), "head_dim"),
    "values of another width": (call(v=(2, 2, 7, 8)), "v"),
    "fewer values than keys": (call(v=(2, 2, 6, 16)), "v"),
    "fewer heads of values than of keys": (call(v=(2, 1, 7, 16)), "v"),
    "heads that do not divide": (call(q=(2, 3, 5, 16)), "head"),
    "more key heads than query heads": (call(q=(2, 1, 5, 16)), "head"),
    "a wide head": (call(q=(1, 1, 5, 257), k=(1, 1, 7, 257), v=(1, 1, 7, 257)), "head_dim"),
    "a narrow head": (call(q=(1, 1, 5, 8), k=(1, 1, 7, 8), v=(1, 1, 7, 8)), "head_dim"),
    "float64": (all_of(torch.float64), "float64"),
    "integers": (all_of(torch.int32), "int32"),
    "two dtypes": (call(k=torch.zeros(2, 2, 7, 16, dtype=torch.float16)), "float16"),
    "an unknown causal": (call(causal="lower"), "causal"),
    "causal as a boolean": (call(causal=True), "causal"),
    "a window of nothing": (call(window=0), "window"),
    "a negative window": (call(window=-3), "window"),
    "a scale of nothing": (call(scale=0.0), "scale"),
    "a negative scale": (call(scale=-1.0), "scale"),
    "a scale that is no number": (call(scale=float("nan")), "scale"),
    "an endless scale": (call(scale=float("inf")), "scale"),
    "lengths of fewer sequences": (with_lengths(torch.tensor([3])), "key_lengths"),
    "lengths of each head": (with_lengths(torch.ones(2, 2, dtype=torch.int32)), "key_lengths"),
    "one length for all": (with_lengths(torch.tensor(3)), "key_lengths"),
    "fractions as lengths": (with_lengths(torch.ones(2)), "key_lengths"),
    "tensors elsewhere": (call(k=torch.zeros(2, 2, 7, 16, device="meta")), "device"),
}
INTERPRETER_REFUSES = {"bfloat16": (all_of(torch.bfloat16), "bfloat16")}
"""The interpreter multiplies the bits of bfloat16 numbers as if they were integers."""


def refuses(arguments: dict[str, Any], word: str, device: str) -> list[str]:
    moved: dict[str, Any] = {
        name: x.to(device) if isinstance(x, Tensor) and x.device.type == "cpu" else x
        for name, x in arguments.items()
    }
    try:
        flash_attention(**moved)
    except (ValueError, TypeError, RuntimeError) as error:
        message = str(error)
        if "\n" in message or word not in message:
            return [f"says {message!r}"]
        return []
    return ["computes something"]


def register(refused: dict[str, tuple[dict[str, Any], str]], devices: tuple[str, ...]) -> None:
    for name, (arguments, word) in refused.items():

        def check(
            device: str, arguments: dict[str, Any] = arguments, word: str = word
        ) -> list[str]:
            return refuses(arguments, word, device) if device in devices else []

        REGISTERED[f"refuses-{name.replace(' ', '-')}"] = check


register(REFUSED, ("cpu", "cuda"))
register(INTERPRETER_REFUSES, ("cpu",))
