"""The definition that everything else is compared with, itself compared with loops and PyTorch."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch.nn.attention.bias import causal_lower_right

from labs.kernels.reference import Causal, reference_attention, visible_keys

HEAD_DIM = 5
CAUSAL: list[Causal] = ["none", "top-left", "bottom-right"]


def random_inputs(
    batch: int, n_heads: int, n_kv_heads: int, n_queries: int, n_keys: int
) -> tuple[Tensor, Tensor, Tensor]:
    generator = Generator().manual_seed(11)
    shapes = (n_heads, n_queries), (n_kv_heads, n_keys), (n_kv_heads, n_keys)
    q, k, v = (
        torch.randn(batch, *shape, HEAD_DIM, dtype=torch.float64, generator=generator)
        for shape in shapes
    )
    return q, k, v


def sees(
    query: int, key: int, n_queries: int, length: int, causal: Causal, window: int | None
) -> bool:
    """The meaning of visibility, one query and one key at a time."""
    if key >= length:
        return False
    place = query + (length - n_queries if causal == "bottom-right" else 0)
    if window is not None and key <= place - window:
        return False
    if causal == "none":
        return window is None or key < place + window
    return key <= place


@given(
    n_queries=st.integers(1, 6),
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=3),
    causal=st.sampled_from(CAUSAL),
    window=st.none() | st.integers(1, 7),
)
def test_visible_keys_are_those_of_the_loops(
    n_queries: int, lengths: list[int], causal: Causal, window: int | None
) -> None:
    visible = visible_keys(
        n_queries, 6, causal=causal, window=window, key_lengths=torch.tensor(lengths)
    )
    assert visible.shape == (len(lengths), 1, n_queries, 6)
    for sequence, length in enumerate(lengths):
        for query in range(n_queries):
            expected = [sees(query, key, n_queries, length, causal, window) for key in range(6)]
            assert visible[sequence, 0, query].tolist() == expected


def test_every_key_is_visible_without_a_mask() -> None:
    assert visible_keys(3, 4).shape == (1, 1, 3, 4)
    assert visible_keys(3, 4).all()


@given(
    n_queries=st.integers(1, 3),
    n_keys=st.integers(1, 4),
    group=st.integers(1, 3),
    causal=st.sampled_from(CAUSAL),
    window=st.none() | st.integers(1, 3),
)
def test_attention_is_that_of_the_loops(
    n_queries: int, n_keys: int, group: int, causal: Causal, window: int | None
) -> None:
    q, k, v = random_inputs(1, 2 * group, 2, n_queries, n_keys)
    out, lse = reference_attention(q, k, v, causal=causal, window=window, scale=0.7)
    for head in range(2 * group):
        for i in range(n_queries):
            seen = [j for j in range(n_keys) if sees(i, j, n_queries, n_keys, causal, window)]
            keys, values = k[0, head // group], v[0, head // group]
            powers = [math.exp(0.7 * float(q[0, head, i] @ keys[j])) for j in seen]
            total = sum(powers)
            expected = [
                sum(p / total * float(values[j, d]) for p, j in zip(powers, seen, strict=True))
                for d in range(HEAD_DIM)
            ]
            assert out[0, head, i].tolist() == pytest.approx(expected, abs=1e-12)
            assert float(lse[0, head, i]) == pytest.approx(
                math.log(total) if seen else -math.inf, abs=1e-12
            )


@pytest.mark.parametrize(("n_queries", "n_keys"), [(1, 1), (1, 9), (4, 9), (9, 9), (9, 4)])
@pytest.mark.parametrize(("n_heads", "n_kv_heads"), [(2, 2), (6, 2), (3, 1)])
@pytest.mark.parametrize("causal", CAUSAL)
def test_attention_is_that_of_torch(
    n_queries: int, n_keys: int, n_heads: int, n_kv_heads: int, causal: Causal
) -> None:
    q, k, v = random_inputs(2, n_heads, n_kv_heads, n_queries, n_keys)
    arguments: dict[str, Any] = {"is_causal": causal == "top-left"}
    if causal == "bottom-right" and n_queries <= n_keys:
        arguments = {"attn_mask": causal_lower_right(n_queries, n_keys)}
    elif causal == "bottom-right":  # here the bias warns of rows that see nothing; a mask does not
        arguments = {"attn_mask": torch.ones(n_queries, n_keys).tril(n_keys - n_queries).bool()}
    expected = F.scaled_dot_product_attention(q, k, v, enable_gqa=True, **arguments)
    torch.testing.assert_close(reference_attention(q, k, v, causal=causal).out, expected)


def test_padded_keys_are_as_good_as_absent() -> None:
    q, k, v = random_inputs(2, 2, 2, 4, 6)
    lengths = torch.tensor([3, 6])
    together = reference_attention(q, k, v, causal="bottom-right", key_lengths=lengths)
    for i, length in enumerate(lengths.tolist()):
        alone = reference_attention(
            q[i : i + 1], k[i : i + 1, :, :length], v[i : i + 1, :, :length], causal="bottom-right"
        )
        torch.testing.assert_close(together.out[i : i + 1], alone.out)
        torch.testing.assert_close(together.lse[i : i + 1], alone.lse)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_numbers_in_padded_keys_have_no_part(poison: float) -> None:
    q, k, v = random_inputs(2, 2, 1, 4, 6)
    lengths = torch.tensor([4, 4])
    expected = reference_attention(q, k, v, key_lengths=lengths)
    k[:, :, 4:], v[:, :, 4:] = poison, poison
    poisoned = reference_attention(q, k, v, key_lengths=lengths)
    assert torch.equal(poisoned.out, expected.out)
    assert torch.equal(poisoned.lse, expected.lse)


def test_a_query_without_a_key_reads_nothing_and_learns_nothing() -> None:
    """Its gradient is 0 and not NaN, which it would be with exp(-∞ - -∞)."""
    q, k, v = (x.requires_grad_() for x in random_inputs(1, 1, 1, 5, 3))
    out, lse = reference_attention(q, k, v, causal="bottom-right")
    assert out[:, :, :2].count_nonzero() == 0
    assert (lse[:, :, :2] == -math.inf).all()
    assert lse[:, :, 2:].isfinite().all()
    gradients = torch.autograd.grad(out.sum(), (q, k, v))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[0][:, :, :2].count_nonzero() == 0


def test_the_scale_is_that_of_the_head_unless_given() -> None:
    q, k, v = random_inputs(1, 1, 1, 3, 3)
    given_scale = reference_attention(q, k, v, scale=1 / math.sqrt(HEAD_DIM))
    assert torch.equal(reference_attention(q, k, v).out, given_scale.out)
    assert not torch.allclose(reference_attention(q, k, v, scale=1.0).out, given_scale.out)
