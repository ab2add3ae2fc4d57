"""One attention head that answers questions of associative recall: the smallest whole attention."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from labs.tasks.recall import RecallTask
from labs.transformer.layers import Embedding, Linear


class LookupHead(nn.Module):
    """One attention head that answers the question at the end of a sequence of cells.

    ::

        weights = softmax(scale · q kᵀ)     one query, a key for each cell
        answer  = unembed(weights v)        the mean of the values in proportion

    ``scale`` stands before every score; it is 1/√head_dim unless given.
    """

    scale: Tensor

    def __init__(
        self,
        task: RecallTask,
        d_model: int,
        head_dim: int,
        generator: Generator,
        *,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.embed = Embedding(task.vocab_size, d_model)
        self.query = Linear(d_model, head_dim, bias=False)
        self.key = Linear(d_model, head_dim, bias=False)
        self.value = Linear(d_model, head_dim, bias=False)
        self.unembed = Linear(head_dim, task.n_values, bias=False)
        # With the axes of a score, so that heads with different scales can be stacked.
        scale = head_dim**-0.5 if scale is None else scale
        self.register_buffer("scale", torch.full((1, 1, 1), scale))
        for parameter in self.parameters():
            # Every component of a token (two symbols), query, key or value starts with variance 1.
            std = 0.5**0.5 if parameter is self.embed.weight else parameter.shape[1] ** -0.5
            nn.init.normal_(parameter, std=std, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        # tokens: (batch, n_cells + 1, 2) -> logits: (batch, n_values)
        cells, question = tokens[:, :-1], tokens[:, -1:]
        return self.answer(question, keys_from=cells, values_from=cells)

    def answer(self, question: Tensor, *, keys_from: Tensor, values_from: Tensor) -> Tensor:
        """Logits of the values, where keys and values may come from different cells."""
        out = self.weights(question, keys_from) @ self.value(self.vectors(values_from))
        logits: Tensor = self.unembed(out)  # (batch, 1, n_values)
        return logits.squeeze(-2)

    def weights(self, question: Tensor, cells: Tensor) -> Tensor:
        """How much of each cell goes into the answer; a row adds up to 1."""
        return self.scores(question, cells).softmax(dim=-1)

    def scores(self, question: Tensor, cells: Tensor) -> Tensor:
        """How well each cell's key fits the question's query."""
        q = self.query(self.vectors(question))  # (batch, n_questions, head_dim)
        k = self.key(self.vectors(cells))  # (batch, n_cells, head_dim)
        scores: Tensor = self.scale * q @ k.mT
        return scores  # (batch, n_questions, n_cells)

    def vectors(self, tokens: Tensor) -> Tensor:
        """A token's two symbols, added up."""
        # (batch, n_tokens, 2) -> (batch, n_tokens, d_model)
        both: Tensor = self.embed(tokens)
        return both.sum(dim=-2)
