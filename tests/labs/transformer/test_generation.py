from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from labs.transformer import EncoderDecoder, Transformer, TransformerConfig
from labs.transformer.cache import Cache
from labs.transformer.generation import draw, generate, nucleus

Randomise = Callable[[nn.Module], None]
BASE = TransformerConfig(
    vocab_size=11, seq_len=12, d_model=16, n_layers=2, n_heads=4, d_ff=20, n_kv_heads=2
)
TOKENS = torch.randint(11, (2, 9), generator=Generator().manual_seed(1))
KINDS: dict[str, dict[str, Any]] = {
    "learned": {},
    "sinusoidal": {"positions": "sinusoidal", "norm": "post"},
    "rope": {"positions": "rope"},
    "alibi": {"positions": "alibi"},
    "buckets": {"positions": "buckets", "n_buckets": 8, "farthest_bucket": 20},
    "fused": {"attention": "sdpa", "positions": "rope"},
    "fused with biases": {"attention": "sdpa", "positions": "alibi"},
}


def built(config: TransformerConfig, randomise: Randomise) -> Transformer:
    model = Transformer(config, Generator().manual_seed(0))
    randomise(model)
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pieces", [(1,) * 9, (4, 5), (3, 1, 5)])
def test_read_in_pieces_tokens_mean_the_same(
    kind: str, pieces: tuple[int, ...], randomise: Randomise
) -> None:
    model = built(replace(BASE, **KINDS[kind]), randomise)
    cache = Cache(model.config)
    parts = [model(part, cache=cache) for part in torch.split(TOKENS, list(pieces), dim=1)]
    assert cache.length == 9
    torch.testing.assert_close(torch.cat(parts, dim=1), model(TOKENS), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_padded_batch_is_read_in_pieces(kind: str, randomise: Randomise) -> None:
    model = built(replace(BASE, **KINDS[kind]), randomise)
    visible = torch.ones_like(TOKENS, dtype=torch.bool)
    visible[1, :5] = False
    cache = Cache(model.config, capacity=9)
    parts = [
        model(TOKENS[:, start:end], visible=visible[:, :end], cache=cache)
        for start, end in ((0, 3), (3, 7), (7, 8), (8, 9))
    ]
    together = torch.cat(parts, dim=1)
    torch.testing.assert_close(together[0], model(TOKENS[:1])[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together[1, 5:], model(TOKENS[1:, 5:])[0], atol=1e-4, rtol=1e-4)


def test_a_decoder_reads_its_encoder_once(randomise: Randomise) -> None:
    model = EncoderDecoder(replace(BASE, kind="encoder-decoder"), Generator().manual_seed(0))
    randomise(model)
    encoded = model.encoder(TOKENS)
    whole = model.decoder(TOKENS, encoded)
    cache = Cache(model.config)
    parts = [model.decoder(TOKENS[:, :4], encoded, cache=cache)]
    parts.append(model.decoder(TOKENS[:, 4:], torch.full_like(encoded, torch.nan), cache=cache))
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-4, rtol=1e-4)


def test_one_beginning_is_continued_in_several_ways(randomise: Randomise) -> None:
    model = built(BASE, randomise)
    cache = Cache(model.config)
    model(TOKENS[:1, :5], cache=cache)
    both = model(TOKENS[:, 5:], cache=cache.repeat(2))
    beginnings = TOKENS[:1, :5].expand(2, -1)
    whole = model(torch.cat((beginnings, TOKENS[:, 5:]), dim=1))[:, 5:]
    torch.testing.assert_close(both, whole, atol=1e-4, rtol=1e-4)
    model(TOKENS[1:, 5:], cache=cache)
    cache.forget(5)
    again = model(TOKENS[:1, 5:], cache=cache)
    torch.testing.assert_close(again, whole[:1], atol=1e-4, rtol=1e-4)


def test_a_full_cache_and_a_full_model_say_so(randomise: Randomise) -> None:
    model = built(BASE, randomise)
    cache = Cache(model.config, capacity=4)
    model(TOKENS[:, :4], cache=cache)
    with pytest.raises(ValueError, match="5 tokens, and the cache was built for 4"):
        model(TOKENS[:, :1], cache=cache)
    with pytest.raises(ValueError, match="13 tokens, and the model was built for 12"):
        generate(model, TOKENS, 5)


def test_the_likeliest_token_is_written_again_and_again(randomise: Randomise) -> None:
    model = built(BASE, randomise)
    tokens = TOKENS[:, :4]
    for _ in range(5):
        following = model(tokens)[:, -1:].argmax(dim=-1)
        tokens = torch.cat((tokens, following), dim=1)
    assert generate(model, TOKENS[:, :4], 5).tolist() == tokens[:, 4:].tolist()
    assert generate(model, TOKENS[:, :4], 0).shape == (2, 0)


def test_sequences_of_different_length_are_written_as_each_alone(randomise: Randomise) -> None:
    model = built(BASE, randomise)
    short, long = TOKENS[:1, :3], TOKENS[1:, :6]
    padded = torch.cat((F.pad(short, (3, 0), value=7), long))
    visible = torch.tensor([[False] * 3 + [True] * 3, [True] * 6])
    together = generate(model, padded, 4, visible=visible)
    alone = torch.cat((generate(model, short, 4), generate(model, long, 4)))
    assert together.tolist() == alone.tolist()


def test_a_seed_gives_the_same_text_and_another_seed_another() -> None:
    model = Transformer(BASE, Generator().manual_seed(0))

    def text(seed: int) -> Tensor:
        return generate(
            model, TOKENS[:, :2], 9, temperature=1.0, generator=Generator().manual_seed(seed)
        )

    assert text(0).tolist() == text(0).tolist() != text(1).tolist()


def test_writing_stops_where_it_is_told(randomise: Randomise) -> None:
    model = built(BASE, randomise)
    free = generate(model, TOKENS[:1, :2], 6)[0].tolist()
    stop = free[2]
    first = free.index(stop)
    stopped = generate(model, TOKENS[:1, :2], 6, stop=stop)[0].tolist()
    assert stopped == free[: first + 1]
    batch = generate(model, torch.cat((TOKENS[:1, :2], TOKENS[1:, :2])), 6, stop=stop)
    assert batch[0].tolist() == stopped + [stop] * (batch.shape[1] - len(stopped))


def test_the_nucleus_is_the_fewest_tokens_with_that_chance() -> None:
    chances = torch.tensor([[0.1, 0.5, 0.15, 0.25], [0.25, 0.25, 0.25, 0.25]])
    assert nucleus(chances, 0.7).tolist() == [
        pytest.approx([0, 0.5, 0, 0.25]),
        pytest.approx([0.25, 0.25, 0.25, 0]),
    ]
    assert nucleus(chances, 0.01)[0].nonzero().tolist() == [[1]]
    assert nucleus(chances, 1.0) is chances


def test_tokens_are_drawn_as_often_as_they_are_expected() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0]]).expand(20_000, -1)
    drawn = draw(logits, 2.0, 1.0, Generator().manual_seed(0))
    shares = drawn.bincount() / len(drawn)
    torch.testing.assert_close(shares, (logits[0] / 2).softmax(dim=0), atol=0.01, rtol=0)
    cut = draw(logits, 2.0, 0.6, Generator().manual_seed(0))
    assert set(cut.tolist()) == {1, 2}
