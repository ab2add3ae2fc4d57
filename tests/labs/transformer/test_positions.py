from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from labs.transformer import TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.config import Kind
from labs.transformer.positions import (
    BucketBiases,
    LinearBiases,
    RotaryPositions,
    SinusoidalPositions,
    alibi_slopes,
)


def random_vectors(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=Generator().manual_seed(0))


def test_sinusoids_follow_the_published_formula() -> None:
    """sin(p / 10000^(2i/d)) in dimension 2i, cos of the same in dimension 2i + 1."""
    d_model = 8
    table = SinusoidalPositions(20, d_model)(torch.zeros(1, 20, d_model))[0]
    for position in (0, 1, 7, 19):
        for i in range(d_model // 2):
            angle = position / 10_000 ** (2 * i / d_model)
            assert math.isclose(table[position, 2 * i], math.sin(angle), abs_tol=1e-5)
            assert math.isclose(table[position, 2 * i + 1], math.cos(angle), abs_tol=1e-5)


def test_rotated_scores_depend_on_the_relative_distance_only() -> None:
    """One query and one key, placed everywhere: scores are equal along each diagonal."""
    seq_len, head_dim = 12, 8
    rotation = RotaryPositions(seq_len, head_dim)
    query, key = random_vectors(2, head_dim)
    queries = rotation(query.expand(1, 1, seq_len, head_dim))
    keys = rotation(key.expand(1, 1, seq_len, head_dim))
    scores = (queries @ keys.transpose(-2, -1))[0, 0]
    for distance in range(-seq_len + 1, seq_len):
        diagonal = scores.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=0)
    first_row = scores[0]
    assert first_row.std() > 0.1  # and they do depend on it


def test_rotation_is_a_product_of_complex_numbers() -> None:
    seq_len, head_dim = 5, 6
    x = random_vectors(2, 3, seq_len, head_dim)
    points = torch.complex(x[..., :3], x[..., 3:])
    frequencies = 10_000 ** -(torch.arange(3) * 2 / head_dim)
    turned = points * torch.exp(1j * torch.outer(torch.arange(seq_len), frequencies))
    expected = torch.cat((turned.real, turned.imag), dim=-1)
    torch.testing.assert_close(RotaryPositions(9, head_dim)(x), expected, atol=1e-5, rtol=1e-5)


def test_slopes_are_those_of_the_paper() -> None:
    """Eight heads: 1/2, 1/4, … 1/256. Sixteen: the same range in steps of a square root of 2."""
    assert alibi_slopes(8).tolist() == [1 / 2**power for power in range(1, 9)]
    assert alibi_slopes(16).tolist() == pytest.approx([2 ** -(k / 2) for k in range(1, 17)])


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_a_weight_falls_exponentially_with_distance(kind: Kind) -> None:
    """Equal keys: a weight is e^(-slope · distance), divided by the sum over all that is seen."""
    n_heads, seq_len = 4, 6
    config = TransformerConfig(
        vocab_size=5, seq_len=9, n_heads=n_heads, kind=kind, positions="alibi"
    )
    attention = MultiHeadAttention(config)
    q = random_vectors(1, n_heads, seq_len, config.head_dim)
    weights = attention.weights(q, torch.ones_like(q))[0]
    for head, slope in enumerate((1 / 4, 1 / 16, 1 / 64, 1 / 256)):
        for place in range(seq_len):
            seen = range(place + 1 if kind == "decoder" else seq_len)
            shares = {other: math.exp(-slope * abs(place - other)) for other in seen}
            expected = [shares.get(other, 0.0) / sum(shares.values()) for other in range(seq_len)]
            assert weights[head, place].tolist() == pytest.approx(expected, abs=1e-6)


def test_biases_leave_the_scores_of_near_tokens_alone() -> None:
    biased = LinearBiases(5, 2)(torch.zeros(1, 2, 4, 4))[0]
    assert biased[1, :, :].diagonal().tolist() == [0, 0, 0, 0]
    assert biased[0, 2].tolist() == [-2 / 16, -1 / 16, 0, -1 / 16]


def test_fewer_queries_than_keys_are_the_last_of_the_tokens() -> None:
    last = LinearBiases(5, 2)(torch.zeros(1, 2, 1, 3))[0]
    assert last[0, 0].tolist() == [-2 / 16, -1 / 16, 0]


def test_near_distances_have_buckets_of_their_own_and_far_ones_share() -> None:
    decoder = BucketBiases(32, 128, 2, is_causal=True)
    distances = torch.tensor([3, 0, -1, -15, -16, -20, -127, -128, -5000])
    assert decoder.buckets(distances).tolist() == [0, 0, 1, 15, 16, 17, 31, 31, 31]
    encoder = BucketBiases(32, 128, 2, is_causal=False)
    assert encoder.buckets(distances).tolist() == [19, 0, 1, 9, 10, 10, 15, 15, 15]
    assert encoder.buckets(-distances).tolist() == [3, 0, 17, 25, 26, 26, 31, 31, 31]


def test_biases_by_bucket_are_those_of_the_place() -> None:
    biases = BucketBiases(8, 20, 2, is_causal=True)
    with torch.no_grad():
        biases.table.copy_(torch.arange(16.0).view(8, 2))
    scores = biases(torch.zeros(1, 2, 4, 4))[0]
    assert scores[1, 3].tolist() == [7, 5, 3, 1]
    assert biases(torch.zeros(1, 2, 1, 4))[0, 1, 0].tolist() == [7, 5, 3, 1]
