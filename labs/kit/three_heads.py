"""Three heads of one linear layer on an encoder: a class, a tag for each token, two pointers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from labs.models import SentenceEncoder
from labs.tasks.who_did_what import Deed
from labs.transformer.layers import Linear
from labs.transformer.train import UNCOUNTED

TAGS = ("none", "acted", "acted upon")
TAG_WEIGHTS = (0.2, 1.0, 1.0)
"""Most tokens are neither."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Sentences and what the three tasks ask of them; a word is one token, after [CLS]."""

    tokens: Tensor
    """(n, seq_len)"""
    visible: Tensor
    """(n, seq_len), False where a shorter sentence is padded."""
    kind: Tensor
    """(n,)"""
    tags: Tensor
    """(n, seq_len), as in TAGS, UNCOUNTED where there is only padding."""
    last: Tensor
    """(n,): place of the noun that acts; the article before it begins its span."""

    def of(self, rows: Tensor) -> Examples:
        """Some of them."""
        parts = (self.tokens, self.visible, self.kind, self.tags, self.last)
        return Examples(*(part[rows] for part in parts))


class Heads(nn.Module):
    """A linear layer for each task."""

    def __init__(self, d_model: int, weights: Generator) -> None:
        super().__init__()
        self.classify, self.tag, self.point = (Linear(d_model, n) for n in (2, len(TAGS), 2))
        for head in (self.classify, self.tag, self.point):
            nn.init.normal_(head.weight, std=d_model**-0.5, generator=weights)
            nn.init.zeros_(head.bias)

    def forward(self, vectors: Tensor, visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the class (n, 2), the tags (n, seq_len, 3), the pointers (n, seq_len, 2)."""
        pointers = self.point(vectors).masked_fill(~visible[..., None], -torch.inf)
        return self.classify(vectors[:, 0]), self.tag(vectors), pointers

    def loss(self, vectors: Tensor, examples: Examples) -> Tensor:
        """The sum of the losses of the three tasks, in nats."""
        kinds, tags, pointers = self(vectors, examples.visible)
        weights = torch.tensor(TAG_WEIGHTS, device=vectors.device)
        tagging = F.cross_entropy(
            tags.flatten(0, 1), examples.tags.flatten(), weights, ignore_index=UNCOUNTED
        )
        first = F.cross_entropy(pointers[..., 0], examples.last - 1)
        last = F.cross_entropy(pointers[..., 1], examples.last)
        return F.cross_entropy(kinds, examples.kind) + tagging + first + last


def examples(encoder: SentenceEncoder, deeds: Sequence[Deed]) -> Examples:
    """The sentences as tokens, with the answers."""
    tokens, visible = encoder.batch([deed.text for deed in deeds])
    agents, patients = (
        torch.tensor([place + 1 for place in places], device=tokens.device)
        for places in ([deed.agent for deed in deeds], [deed.patient for deed in deeds])
    )
    row = torch.arange(len(deeds), device=tokens.device)
    tags = torch.zeros_like(tokens).masked_fill(~visible, UNCOUNTED)
    tags[row, agents], tags[row, patients] = 1, 2
    kind = torch.tensor([int(deed.is_kind) for deed in deeds], device=tokens.device)
    return Examples(tokens, visible, kind, tags, agents)


@torch.no_grad()
def right(vectors: Tensor, heads: Heads, test: Examples) -> dict[str, float]:
    """Share of right answers of each task."""
    kinds, tags, pointers = heads(vectors, test.visible)
    roles = test.tags > 0
    found = 1 + tags[..., 1:].argmax(dim=-1)  # which of the two roles
    first, last = pointers.argmax(dim=1).unbind(dim=-1)
    return {
        "class": float((kinds.argmax(dim=-1) == test.kind).float().mean()),
        "tag": float((found == test.tags)[roles].float().mean()),
        "span": float(((first == test.last - 1) & (last == test.last)).float().mean()),
    }
