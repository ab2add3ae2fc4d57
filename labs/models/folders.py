"""Checkpoints as Hugging Face lays them out: a folder of config.json, safetensors and tokens."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labs.models.errors import ModelError, quote
from labs.models.filling import Stored
from labs.models.safetensors_file import SafetensorsFile

LARGEST_CONFIG = 1 << 18
"""Bytes; real ones have a few thousand."""
LARGEST_INDEX = 1 << 22
HUB_NAME = re.compile(r"(?!.*\.\.)[\w.-]+(/[\w.-]+)?", re.ASCII)
"""An owner and a name, such as HuggingFaceTB/SmolLM2-135M; the first models have no owner."""


def find_folder(name_or_path: str) -> Path:
    """The folder at a path, or the last download of a name in the cache of `huggingface_hub`.

    Raises `ModelError` if there is neither.
    """
    path = Path(os.path.expanduser(name_or_path))  # noqa: PTH111 # which may fail
    if name_or_path and path.is_dir():
        return path
    known = "give a name of `studykit models`, a GGUF file, or a folder that holds config.json"
    if not HUB_NAME.fullmatch(name_or_path):
        raise ModelError(f"{quote(name_or_path)}: no such folder; {known}")
    snapshots = _hub_cache() / f"models--{name_or_path.replace('/', '--')}" / "snapshots"
    # Not by the name of a branch: what is downloaded by the number of a commit sets none.
    folders = [config.parent for config in snapshots.glob("*/config.json")]
    if not folders:
        pull = f"studykit models pull {name_or_path}"
        raise ModelError(f"{name_or_path}: not on this machine; {known}, or: {pull}")
    return max(folders, key=lambda folder: folder.stat().st_mtime)


def _hub_cache() -> Path:
    """Where huggingface_hub keeps what it downloads, by the variables that it follows."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache).expanduser()
    general = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or os.path.join(general, "huggingface")  # noqa: PTH118
    return Path(home).expanduser() / "hub"


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


def open_weights(folder: Path) -> Stored:
    """The tensors of a folder's safetensors, in one file or in several that an index names."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.exists():
        return open_files(single)
    if not index.exists():
        raise ModelError(
            f"{folder}: holds no model.safetensors; give a folder that does (weights in other "
            "formats can run code and are not read)"
        )
    of_tensor = read_json(index, LARGEST_INDEX).get("weight_map")
    names = [*of_tensor.values()] if isinstance(of_tensor, dict) else []
    if not names or not all(
        isinstance(name, str) and re.fullmatch(r"[\w-]+\.safetensors", name) for name in names
    ):
        raise ModelError(f"{index}: names no safetensors files beside it; give the original file")
    return open_files(*(folder / name for name in sorted(set(names))))


def open_files(*paths: Path) -> Stored:
    """The tensors of safetensors files, each read as float32 into memory of its own."""
    files: dict[str, SafetensorsFile] = {}
    sizes: dict[str, int] = {}
    for path in paths:
        file = SafetensorsFile(path)
        for name, place in file.places.items():
            if name in files:
                raise ModelError(f"{path}: tensor {quote(name)} is also in another file beside it")
            files[name], sizes[name] = file, math.prod(place.shape)

    def read(name: str) -> Tensor:
        return files[name].tensor(name).to(torch.float32, copy=True)

    return Stored(paths[0], sizes, read)
