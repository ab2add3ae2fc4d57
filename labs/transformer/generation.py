"""Writing with a decoder: one token after the other, each drawn from what the model expects."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from labs.transformer.cache import Cache
from labs.transformer.model import Transformer


@torch.no_grad()
def generate(
    model: Transformer,
    tokens: Tensor,
    n_new: int,
    *,
    temperature: float = 0.0,
    top_p: float = 1.0,
    generator: Generator | None = None,
    stop: int | None = None,
    visible: Tensor | None = None,
    encoded: Tensor | None = None,
    encoded_visible: Tensor | None = None,
    cache: Cache | None = None,
) -> Tensor:
    """The `n_new` tokens that the model writes after `tokens`, (batch, seq_len): (batch, n_new).

    At temperature 0 each is the likeliest one; otherwise it is drawn with `generator`, which has to
    be on the CPU, from the softmax of logits / temperature, cut to its nucleus of `top_p`. A
    sequence that has written `stop` goes on with nothing else, and ends the writing early once all
    have: the result is then narrower. Shorter sequences are padded on the left, where `visible`,
    (batch, seq_len), is False. With a `cache`, `tokens` follow what it holds, and `visible` covers
    that too; it then holds all but the last token. The decoder of an encoder-decoder reads
    `encoded`, as `Stack` has it.

    Raises ValueError if the model was not built for so many tokens.
    """
    if cache is None:
        cache = Cache(model.config, capacity=tokens.shape[-1] + max(n_new - 1, 0))
    written: list[Tensor] = []
    ended = torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
    for _ in range(n_new):
        resid = model.last_stream(
            tokens, encoded, visible=visible, encoded_visible=encoded_visible, cache=cache
        )
        logits = model.read(resid[:, -1:])[:, 0]  # (batch, vocab_size)
        tokens = draw(logits, temperature, top_p, generator)[:, None]  # (batch, 1)
        if stop is not None:
            tokens = tokens.masked_fill(ended[:, None], stop)
            ended = ended | (tokens[:, 0] == stop)
        written.append(tokens)
        if stop is not None and bool(ended.all()):
            break
        if visible is not None:
            visible = torch.cat((visible, torch.ones_like(tokens, dtype=torch.bool)), dim=1)
    return torch.cat(written, dim=1) if written else tokens[:, :0]


def draw(logits: Tensor, temperature: float, top_p: float, generator: Generator | None) -> Tensor:
    """A token for each row of logits, (batch, vocab_size): (batch,).

    Drawn on the CPU, so that a seed gives the same tokens on every device.
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    chances = nucleus((logits.cpu() / temperature).softmax(dim=-1), top_p)
    drawn = torch.multinomial(chances, 1, generator=generator)[:, 0]
    return drawn.to(logits.device)


def nucleus(chances: Tensor, top_p: float) -> Tensor:
    """The fewest tokens that together have at least the chance `top_p`; the others get 0.

    Nucleus sampling (Holtzman et al. 2020). (batch, vocab_size) -> the same shape; a row no longer
    adds up to 1.
    """
    if top_p >= 1:
        return chances
    ranked, order = chances.sort(dim=-1, descending=True)
    before = ranked.cumsum(dim=-1) - ranked  # of all likelier tokens; 0 for the likeliest
    kept = ranked.masked_fill(before >= top_p, 0.0)
    return torch.zeros_like(chances).scatter(-1, order, kept)
