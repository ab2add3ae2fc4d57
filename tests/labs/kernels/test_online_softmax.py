from __future__ import annotations

import math
from functools import partial, reduce
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from labs.kernels import online_softmax
from labs.kernels.online_softmax import (
    Partial,
    TileMask,
    attend_tile,
    finish,
    merge,
    no_keys,
    online_attention,
    online_attention_backward,
    reopen,
    tiles,
)
from labs.kernels.reference import Attended, Causal, reference_attention, visible_keys
from labs.machine.peak_memory import peak_allocated

CAUSAL: tuple[Causal, ...] = ("none", "top-left", "bottom-right")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=Generator().manual_seed(seed))


def inputs(
    n_queries: int, n_keys: int, heads: tuple[int, int] = (2, 2), *, seed: int = 0, batch: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of 4 numbers a head."""
    n_heads, n_kv_heads = heads
    q = normal(batch, n_heads, n_queries, 4, seed=seed)
    k = normal(batch, n_kv_heads, n_keys, 4, seed=seed + 1)
    v = normal(batch, n_kv_heads, n_keys, 4, seed=seed + 2)
    return q, k, v


def assert_same(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> None:
    """Equal to 12 decimals, infinities and NaN included."""
    torch.testing.assert_close(tuple(a), tuple(b), rtol=0, atol=1e-12, equal_nan=True)


# The merge.


@st.composite
def partials(draw: st.DrawFn, count: int) -> list[Partial]:
    """Partial results of any sizes of scores, some of them of no key."""
    drawn = []
    for _ in range(count):
        row_max = torch.tensor(
            draw(st.lists(st.floats(-300, 300) | st.just(-math.inf), min_size=2, max_size=2)),
            dtype=torch.float64,
        )
        seed = draw(st.integers(0, 2**16))
        seen = row_max > -math.inf
        row_sum = (1 + normal(2, seed=seed).abs()) * seen
        drawn.append(Partial(row_max, row_sum, normal(2, 3, seed=seed + 1) * seen[:, None]))
    return drawn


@given(partials(3))
def test_the_merge_is_associative(three: list[Partial]) -> None:
    a, b, c = three
    assert_same(merge(merge(a, b), c), merge(a, merge(b, c)))


@given(partials(2))
def test_the_merge_is_commutative(two: list[Partial]) -> None:
    a, b = two
    assert_same(merge(a, b), merge(b, a))


@given(partials(1))
def test_merging_no_keys_changes_nothing(one: list[Partial]) -> None:
    (a,) = one
    assert_same(merge(a, no_keys(a.acc)), a)
    assert_same(merge(no_keys(a.acc), a), a)


def test_a_merge_that_only_knows_later_keys_rescales_what_it_had() -> None:
    """By hand: scores 1 and 3, values 10 and 20."""
    first = Partial(torch.tensor([1.0]), torch.tensor([1.0]), torch.tensor([[10.0]]))
    second = Partial(torch.tensor([3.0]), torch.tensor([1.0]), torch.tensor([[20.0]]))
    row_max, row_sum, acc = merge(first, second)
    assert row_max.item() == 3
    assert row_sum.item() == pytest.approx(math.exp(-2) + 1)
    assert acc.item() == pytest.approx(10 * math.exp(-2) + 20)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_any_grouping_of_any_tiles_gives_the_row(owners: list[int], random: Random) -> None:
    """Keys are dealt out to four heaps, and the heaps merged as a tree in random order."""
    (q, k, v), owner = inputs(3, len(owners), batch=1), torch.tensor(owners)
    heaps = []
    for number in range(4):
        mine = owner == number
        if mine.any():
            visible = torch.ones(3, int(mine.sum()), dtype=torch.bool)
            heaps.append(attend_tile(q, k[..., mine, :], v[..., mine, :], visible, scale=0.5))
    while len(heaps) > 1:
        random.shuffle(heaps)
        heaps.append(merge(heaps.pop(), heaps.pop()))
    assert_same(finish(heaps[0]), reference_attention(q, k, v, scale=0.5))


@given(st.integers(0, 9))
def test_finished_results_of_two_halves_merge_into_that_of_all_keys(split: int) -> None:
    q, k, v = inputs(3, 9)
    halves = [
        reopen(online_attention(q, k[..., part, :], v[..., part, :]))
        for part in (slice(split), slice(split, None))
    ]
    assert_same(finish(reduce(merge, halves)), reference_attention(q, k, v))


# Forward.


@given(
    n_queries=st.integers(1, 9),
    n_keys=st.integers(1, 12),
    heads=st.sampled_from([(2, 2), (4, 2), (3, 1)]),
    causal=st.sampled_from(CAUSAL),
    window=st.none() | st.integers(1, 6),
    lengths=st.none() | st.tuples(st.integers(0, 12), st.integers(0, 12)),
    block_q=st.integers(1, 10),
    block_k=st.integers(1, 13),
    random=st.randoms(use_true_random=False),
)
def test_tiles_of_any_size_in_any_order_give_the_reference(
    n_queries: int,
    n_keys: int,
    heads: tuple[int, int],
    causal: Causal,
    window: int | None,
    lengths: tuple[int, int] | None,
    block_q: int,
    block_k: int,
    random: Random,
) -> None:
    q, k, v = inputs(n_queries, n_keys, heads)
    key_lengths = None if lengths is None else torch.tensor(lengths).clamp(max=n_keys)
    order = random.sample(range(-(-n_keys // block_k)), -(-n_keys // block_k))
    tiled = online_attention(
        q,
        k,
        v,
        causal=causal,
        window=window,
        key_lengths=key_lengths,
        block_q=block_q,
        block_k=block_k,
        order=order,
    )
    whole = reference_attention(q, k, v, causal=causal, window=window, key_lengths=key_lengths)
    assert_same(tiled, whole)


def test_scores_far_beyond_the_range_of_exp_do_no_harm() -> None:
    q, k, v = inputs(5, 7)
    tiled = online_attention(1e4 * q, k, v, block_k=2)
    assert tiled.lse.max() > 1e4
    torch.testing.assert_close(tiled, reference_attention(1e4 * q, k, v), rtol=1e-12, atol=1e-12)


def test_a_query_that_sees_no_key_reads_nothing() -> None:
    q, k, v = inputs(3, 4)
    out, lse = online_attention(q, k, v, key_lengths=torch.tensor([0, 4]), block_q=2, block_k=3)
    assert torch.equal(out[0], torch.zeros_like(out[0]))
    assert torch.equal(lse[0], torch.full_like(lse[0], -math.inf))
    assert out[1].ne(0).all()
    top_left = online_attention(q, k[..., :0, :], v[..., :0, :])
    assert torch.equal(top_left.out, torch.zeros_like(q))


def test_numbers_of_invisible_keys_have_no_part_in_anything() -> None:
    q, k, v = inputs(3, 5)
    lengths = torch.tensor([2, 2])
    expected = online_attention(q, k, v, key_lengths=lengths, block_k=2)
    gradients = online_attention_backward(q, k, v, expected, q, key_lengths=lengths, block_k=2)
    k[..., 2:, :], v[..., 2:, :] = math.nan, math.nan
    assert_same(online_attention(q, k, v, key_lengths=lengths, block_k=4), expected)
    again = online_attention_backward(q, k, v, expected, q, key_lengths=lengths, block_k=4)
    assert_same(again, gradients)


def test_an_order_that_leaves_a_tile_out_is_refused() -> None:
    q, k, v = inputs(3, 5)
    for order in ([0, 1], [0, 1, 1], [1, 2, 3]):
        with pytest.raises(ValueError, match="each of the 3 key tiles once"):
            online_attention(q, k, v, block_k=2, order=order)


# Tiles.


@pytest.mark.parametrize("causal", CAUSAL)
@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("lengths", [None, torch.tensor([2, 7])])
def test_the_tiles_of_the_mask_are_those_of_the_whole(
    causal: Causal, window: int | None, lengths: Tensor | None
) -> None:
    mask = TileMask(6, 7, 4, 3, causal, window, lengths, torch.device("cpu"))
    whole = visible_keys(6, 7, causal=causal, window=window, key_lengths=lengths)
    seen = 0
    for queries in mask.query_tiles:
        for keys in mask.key_tiles:
            tile = mask.visible(queries, keys).squeeze(2)
            expected = whole[..., queries, keys]
            assert torch.equal(tile.expand(expected.shape), expected)
            seen += bool(expected.any())
    assert sum(len(list(mask.seen_by(queries))) for queries in mask.query_tiles) == seen
    assert sum(len(list(mask.seeing(keys))) for keys in mask.key_tiles) == seen


def test_causal_attention_visits_the_lower_triangle_of_tiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    visited = []

    def counted(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, *, scale: float) -> Partial:
        visited.append(visible)
        return attend_tile(q, k, v, visible, scale=scale)

    monkeypatch.setattr(online_softmax, "attend_tile", counted)
    q, k, v = inputs(16, 16)
    online_attention(q, k, v, causal="top-left", block_q=4, block_k=4)
    assert len(visited) == (4 * 4 + 4) // 2


def test_the_last_tile_may_be_shorter() -> None:
    assert tiles(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert tiles(2, 64) == [slice(0, 2)]
    assert tiles(0, 64) == []


def test_memory_grows_with_the_length_and_that_of_the_scores_with_its_square() -> None:
    def peaks(n: int) -> list[float]:
        q, k, v = inputs(n, n, (1, 1), batch=1)
        attended = online_attention(q, k, v)
        return [
            peak_allocated(partial(online_attention, q, k, v)),
            peak_allocated(partial(online_attention_backward, q, k, v, attended, q)),
            peak_allocated(partial(reference_attention, q, k, v)),
        ]

    (forward, backward, whole), twice = peaks(256), peaks(512)
    assert forward < backward < 256 * 256 * 8 < whole  # bytes of the scores
    assert twice[0] < 2 * forward
    assert twice[1] < 2 * backward
    assert twice[2] > 3.8 * whole


# Backward.


@given(
    n_queries=st.integers(1, 9),
    n_keys=st.integers(1, 12),
    heads=st.sampled_from([(2, 2), (4, 2), (3, 1)]),
    causal=st.sampled_from(CAUSAL),
    window=st.none() | st.integers(1, 6),
    lengths=st.none() | st.tuples(st.integers(0, 12), st.integers(0, 12)),
    block_q=st.integers(1, 10),
    block_k=st.integers(1, 13),
)
def test_the_gradients_are_those_of_the_reference(
    n_queries: int,
    n_keys: int,
    heads: tuple[int, int],
    causal: Causal,
    window: int | None,
    lengths: tuple[int, int] | None,
    block_q: int,
    block_k: int,
) -> None:
    q, k, v = (x.requires_grad_() for x in inputs(n_queries, n_keys, heads))
    dout = normal(*q.shape, seed=9)
    key_lengths = None if lengths is None else torch.tensor(lengths).clamp(max=n_keys)
    out, lse = reference_attention(
        q, k, v, causal=causal, window=window, scale=0.7, key_lengths=key_lengths
    )
    expected = torch.autograd.grad(out, (q, k, v), dout)
    with torch.no_grad():
        gradients = online_attention_backward(
            q,
            k,
            v,
            Attended(out, lse),
            dout,
            causal=causal,
            window=window,
            scale=0.7,
            key_lengths=key_lengths,
            block_q=block_q,
            block_k=block_k,
        )
    assert_same(gradients, expected)
