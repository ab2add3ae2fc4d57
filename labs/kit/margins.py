"""How sure a language model is of the right one of two words, with heads silenced."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from labs.models import LanguageModel
from labs.tasks.four_jobs import Beginning
from labs.transformer.interventions import silenced_heads
from studykit.lab.events import UnmetNeedError


class Margins:
    """Beginnings of one length, and how much the right word is preferred to the wrong one.

    Raises `UnmetNeedError` for a model that cuts their words into several tokens.
    """

    def __init__(self, language: LanguageModel, rows: Sequence[Beginning], device: str) -> None:
        def ids(text: str) -> list[int]:
            return language.tokenizer.encode(text)

        texts = [[language.begin, *ids(row.text)] for row in rows]
        words = [ids(f" {word}") for row in rows for word in (row.right, row.wrong)]
        if len({len(text) for text in texts}) > 1 or any(len(word) > 1 for word in words):
            raise UnmetNeedError("the model cuts the words of this lab into pieces: take smollm2")
        self.model = language.model
        self._tokens = torch.tensor(texts, device=device)  # (n, seq_len)
        pairs = language.model.unembed.weight[torch.tensor(words, device=device)[:, 0]]
        self._direction = pairs[::2] - pairs[1::2]  # (n, d_model): right less wrong

    @cached_property
    def _stream(self) -> list[Tensor]:
        return self.model.residual_stream(self._tokens)

    def whole(self) -> Tensor:
        """The mean margin, from the tokens on: a number."""
        return self._of(self.model.last_stream(self._tokens))

    def without(self, heads: Sequence[tuple[int, int]]) -> float:
        """The mean margin with heads, pairs of layer and head from 0, silenced."""
        first = min((layer for layer, _ in heads), default=len(self.model.blocks))
        resid = self._stream[first]
        with silenced_heads(self.model, heads):
            for block in self.model.blocks[first:]:
                resid = block(resid)
        return float(self._of(resid))

    def _of(self, resid: Tensor) -> Tensor:
        last = self.model.final_norm(resid[:, -1:])[:, 0]  # (n, d_model)
        margin: Tensor = (last * self._direction).sum(dim=-1).mean()
        return margin
