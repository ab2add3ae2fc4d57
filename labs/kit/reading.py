"""What a language model loses on texts, and what it writes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.models import LanguageModel
from labs.transformer.generation import generate


def losses(logits: Tensor, tokens: Tensor) -> Tensor:
    """The loss of each token but the first, in nats: (batch, seq_len - 1).

    `logits`, (batch, seq_len, vocab_size), are those that the model gives for `tokens`.
    """
    # The last position predicts a token that is not there.
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")


def mean_loss(logits: Tensor, tokens: Tensor) -> float:
    """The loss of all tokens but the first, in nats, in the mean."""
    return float(losses(logits, tokens).mean())


def written(language: LanguageModel, beginning: str, n_new: int) -> str:
    """What the model writes after a beginning, always the likeliest token, on one line.

    ``↵`` stands where a line ends.
    """
    tokens = [language.begin, *language.tokenizer.encode(beginning)]
    on_device = torch.tensor([tokens], device=language.model.embed.weight.device)
    new = generate(language.model, on_device, n_new)[0].tolist()
    return language.tokenizer.decode(new).replace("\n", "↵")
