"""Files of weights are mapped, not read: a page comes from the disk when a tensor touches it."""

from __future__ import annotations

import mmap
from pathlib import Path

import torch
from torch import Tensor

from labs.models.errors import ModelError


class MappedFile:
    """The bytes of a file, and tensors that lie in it.

    Raises `ModelError` if the file cannot be opened or is empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():  # a pipe would be waited for
            raise ModelError(f"{path}: there is no such file; give the path of a model's weights")
        try:
            self.size = path.stat().st_size
            with path.open("rb") as file:
                # A private copy: what is written to a tensor never reaches the file.
                self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:  # ValueError: nothing in it to map
            raise self.damaged(f"cannot be read ({error})") from None

    def damaged(self, what: str) -> ModelError:
        """The error that says what is wrong with this file."""
        return ModelError(f"{self.path}: {what}; get the file again, or give another")

    def tensor(self, offset: int, n_bytes: int, dtype: torch.dtype) -> Tensor:
        """The tensor (n_bytes / bytes of an element,) that starts at `offset`, without a copy."""
        if not n_bytes:
            return torch.empty(0, dtype=dtype)
        raw = torch.frombuffer(self.bytes, dtype=torch.uint8, count=n_bytes, offset=offset)
        if offset % dtype.itemsize:
            raw = raw.clone()  # elements must start at a multiple of their size
        return raw.view(dtype)
