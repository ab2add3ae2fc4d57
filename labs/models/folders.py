"""Checkpoints as Hugging Face lays them out: a folder of config.json, safetensors and tokens."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labs.models.checkpoints import Facts
from labs.models.errors import ModelError
from labs.models.filling import Stored
from labs.models.safetensors_file import SafetensorsFile

LARGEST_CONFIG = 1 << 18
"""Bytes; real ones have a few thousand."""


def read_json(path: Path, largest: int) -> dict[str, Any]:
    """The object in a JSON file of at most so many bytes; `ModelError` if there is none."""
    try:
        if path.stat().st_size > largest:
            raise ModelError(f"{path}: larger than {largest:,} bytes; give the original file")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no JSON"
        raise ModelError(f"{path}: cannot be read ({reason}); give a whole model") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path}: holds no fields; give the original file")
    return value


def read_config(path: Path) -> Facts:
    """The fields of a config.json."""
    return Facts(path, read_json(path, LARGEST_CONFIG))


def store(file: SafetensorsFile) -> Stored:
    """The tensors of a safetensors file, as float32 in memory of their own."""
    sizes = {name: math.prod(place.shape) for name, place in file.places.items()}

    def read(name: str) -> Tensor:
        return file.tensor(name).to(torch.float32, copy=True)

    return Stored(file.file.path, sizes, read)
