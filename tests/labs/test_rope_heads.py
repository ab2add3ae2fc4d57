from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Generator

from labs.llama import rope_heads
from labs.llama.rope_heads import (
    agreement,
    as_pairs,
    beyond,
    bound,
    bounded,
    heads,
    of_means,
    turned_scores,
)
from labs.models import load_language_model
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.positions import RotaryPositions
from labs.transformer.probes import attention_maps, queries_keys
from studykit.lab.events import Event, Measurement, Table

BASE = 100.0


def measured(events: list[Event]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def test_scores_are_those_of_the_models_rotation() -> None:
    q, k = torch.randn(2, 8, generator=Generator().manual_seed(0))
    rotation = RotaryPositions(40, 8, BASE)

    scores = turned_scores(q, k, torch.arange(6.0), BASE)

    for distance in range(6):
        turned_q = rotation(q[None, None, None], 30 + distance)
        turned_k = rotation(k[None, None, None], 30)
        expected = float((turned_q * turned_k).sum()) / 8**0.5
        assert float(scores[distance]) == pytest.approx(expected, abs=1e-5)


def test_the_bound_is_never_exceeded_and_met_at_no_distance() -> None:
    # Su et al. 2021, eq. 36 and 37: summation by parts.
    whole = bound(torch.arange(200.0), 4, BASE)
    assert float(whole[0]) == pytest.approx(2.5)  # (1 + 2 + 3 + 4) / 4
    assert (whole[1:] < whole[0]).all()
    q, k = torch.randn(2, 50, 8, generator=Generator().manual_seed(1))
    products = as_pairs(q) * as_pairs(k).conj()
    steps = torch.cat((products, torch.zeros(50, 1)), dim=1).diff(dim=1).abs().amax(dim=1)
    scores = turned_scores(q, k, torch.arange(200.0), BASE).abs() * 8**0.5
    assert (scores <= steps[:, None] * 4 * whole + 1e-4).all()


def made(peak: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys of one head that scores tokens `peak` places back highest."""
    theta = peak * BASE ** -(torch.arange(4) / 4)
    k = torch.cat((theta.cos(), theta.sin()))  # turned on by as much as the peak is away
    q = torch.cat((torch.ones(4), torch.zeros(4)))
    sizes = 1, 2, 40, 1, 8  # (n_layers, batch, seq_len, n_heads, head_dim)
    return q.expand(sizes), k.expand(sizes)


@pytest.mark.parametrize("peak", [0, 1, 20])
def test_a_head_made_for_a_distance_has_its_peak_there(peak: int) -> None:
    queries, keys = made(peak)

    events = list(heads(queries, keys, 32, BASE))

    scores = of_means(queries, keys, torch.arange(33.0), BASE)
    assert int(scores.argmax()) == peak
    values = measured(events)
    assert values["share_elsewhere"] == (peak > 0)
    assert values["correlation"] == pytest.approx(1, abs=1e-3)
    (table,) = (event for event in events if isinstance(event, Table))
    assert sum(float(row[1]) for row in table.rows) == 1
    near = float(scores[0, 1:9].mean() - scores[0, 16:].mean())
    assert values["fall"] == pytest.approx(near, abs=1e-5)
    assert values["share_falling"] == (near > 1)


def test_heads_that_match_contents_are_not_told_by_their_means() -> None:
    draw = Generator().manual_seed(2)
    queries = torch.randn(1, 2, 40, 3, 8, generator=draw)
    scores = of_means(queries, queries.roll(5, dims=2), torch.arange(33.0), BASE)
    assert float(agreement(queries, queries.roll(5, dims=2), scores, BASE).max()) < 0.9


def test_beyond_the_training_a_slow_pair_comes_back() -> None:
    q = torch.zeros(1, 1, 4, 1, 8)
    q[..., 3] = 1  # the slowest pair alone: half a turn in about 99 places
    wave = 2 * torch.pi * BASE**0.75

    rising = measured(list(beyond(q, q, round(wave / 2), BASE)))
    falling = measured(list(beyond(q, q, round(wave / 4), BASE)))

    assert rising["share_rising"] == 1 and rising["rise"] > 0.3
    assert falling["share_rising"] == 0


def test_the_bound_rises_again_beyond_its_lowest() -> None:
    values = measured(list(bounded(32, 100.0)))  # a small base: all of it comes back
    share = bound(torch.arange(8193.0), 32, 100.0) / 16.5
    lowest = int(share.argmin())
    assert values["bound_512"] == pytest.approx(float(share[512]), rel=1e-4)
    assert values["bound_rise"] == pytest.approx(float(share[lowest:].max() - share[lowest]))
    assert 0 < values["bound_rise"] < 0.5


def test_queries_and_keys_of_a_model_give_its_scores() -> None:
    config = TransformerConfig(
        vocab_size=9, seq_len=64, d_model=16, n_heads=2, positions="rope", rope_base=BASE
    )
    model = Transformer(config, Generator().manual_seed(0)).requires_grad_(False)
    tokens = torch.full((2, 40), 3)  # one word again and again: in the first layer means say all

    scores = of_means(*queries_keys(model, tokens), torch.arange(5.0), BASE)

    assert scores.shape == (4, 5)  # n_layers · n_heads
    for head in range(2):
        # The last token's weights are the softmax of its scores, which are known but for a number.
        weights = attention_maps(model, tokens)[0][0, head, -1].log().flip(0)[:5]
        torch.testing.assert_close(scores[head] - scores[head, 0], weights - weights[0])


@pytest.mark.weights("smollm2")
def test_the_real_model_is_read_and_another_kind_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rope_heads, "N_TEXTS", 1)
    monkeypatch.setattr(rope_heads, "N_TOKENS", 34)
    values = measured(list(rope_heads.run(far=64, seed=0, device="cpu", model="smollm2")))
    assert 0.5 < values["correlation"] <= 1
    assert values["random_ratio"] == pytest.approx(1, abs=0.1)
    language = load_language_model()
    monkeypatch.setattr(language.model, "config", replace(language.model.config, positions="none"))
    with pytest.raises(ValueError, match="smollm2: its positions are no RoPE"):
        list(rope_heads.run(far=64, seed=0, device="cpu", model="smollm2"))
