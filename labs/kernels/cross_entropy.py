"""The loss of a language model in chunks of the vocabulary, without ever holding all logits.

A token's logits are scores of its hidden vector against the rows of the unembedding. So the hidden
vectors are queries, the rows are keys, and the lse of attention over them is what the loss needs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from labs.kernels.online_softmax import attend_tile, finish, merge, no_keys, tiles


def chunked_cross_entropy(
    hidden: Tensor, unembedding: Tensor, targets: Tensor, *, chunk: int
) -> Tensor:
    """Mean over the tokens of -ln softmax(hidden · unembeddingᵀ)[target], in nats.

    `hidden` is (n_tokens, d_model), `unembedding` (vocab_size, d_model), `targets` (n_tokens,),
    each in 0 to vocab_size - 1: none is left out. No more than (n_tokens, chunk) logits exist at
    once, forward and backward.
    """
    loss: Tensor = ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, unembedding, targets, chunk
    )
    return loss


class ChunkedCrossEntropy(torch.autograd.Function):
    """Keeps the lse of each token for the backward pass and computes the logits again there."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, unembedding: Tensor, targets: Tensor, chunk: int
    ) -> Tensor:
        """The loss; lse - logit of the target, averaged."""
        visible = torch.ones(1, 1, dtype=torch.bool, device=hidden.device)
        partial = no_keys(hidden[:, :0])  # nothing is accumulated but the sum
        for entries in tiles(len(unembedding), chunk):
            rows = unembedding[entries]
            partial = merge(partial, attend_tile(hidden, rows, rows[:, :0], visible, scale=1.0))
        lse = finish(partial).lse
        ctx.save_for_backward(hidden, unembedding, targets, lse)
        ctx.chunk = chunk
        return (lse - (hidden * unembedding[targets]).sum(dim=-1)).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dloss: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Gradients of hidden and unembedding: each logit's is (softmax - 1 at the target) / n."""
        hidden, unembedding, targets, lse = ctx.saved_tensors
        dhidden, dunembedding = torch.zeros_like(hidden), torch.empty_like(unembedding)
        for entries in tiles(len(unembedding), ctx.chunk):
            rows = unembedding[entries]
            dlogits = (hidden @ rows.T - lse[:, None]).exp()  # (n_tokens, chunk)
            here = ((targets >= entries.start) & (targets < entries.stop)).nonzero().squeeze(1)
            dlogits[here, targets[here] - entries.start] -= 1
            dlogits *= dloss / len(hidden)
            dhidden += dlogits @ rows
            dunembedding[entries] = dlogits.T @ hidden
        return dhidden, dunembedding, None, None
