from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from torch import Generator, Tensor

from labs.llama import batched_decoding
from labs.llama.batched_decoding import BATCHES, KINDS, matrices
from labs.transformer import TransformerConfig
from labs.transformer.model import Block
from studykit.lab.events import Curve, Event, Measurement, Table


def counted(monkeypatch: pytest.MonkeyPatch, context: int) -> list[Event]:
    """The events of a run in which an action takes as long as it reads and computes numbers.

    A byte read takes 1, a product 0.25: reading decides for one text, arithmetic for many.
    """

    def seconds(actions: list[partial[Any]], device: str, **rounds: float) -> list[float]:
        taken = []
        for action in actions:
            if action.func is batched_decoding.multiply:
                x, _, into, out = action.args
                n_numbers = sum(matrix.numel() for matrix in (*into, out))
                taken.append(max(n_numbers, 0.25 * len(x) * n_numbers))
            else:
                q, k, v = action.args
                taken.append(float(k.numel() + v.numel()))
                assert q.shape[:2] == k.shape[:2]  # a group's queries are rows of its head
                assert action().shape == q.shape
        return taken

    monkeypatch.setattr(batched_decoding, "fastest", seconds)
    return list(batched_decoding.run(context=context, seed=0, device="cpu"))


def test_ratios_are_those_of_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    events = counted(monkeypatch, 64)

    values = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert values["weights_ratio"] == pytest.approx(1 / 4)  # arithmetic from 4 texts on
    assert values["caches_ratio"] == pytest.approx(1)
    mha, gqa = (sum(m.numel() for m in numbers_of(KINDS[kind])) for kind in ("MHA", "GQA"))
    cache = 2 * 9 * 64 * 512
    assert values["gain_small"] == pytest.approx((mha + cache) / (gqa + cache / 3))
    (table,) = (event for event in events if isinstance(event, Table))
    assert [row[1] for row in table.rows] == [*BATCHES, *BATCHES]
    one, _, many = table.rows[:3]  # milliseconds a text, then the share of MHA's caches
    assert one[2:4] == pytest.approx((1000 * (mha + cache), 1000 * (gqa + cache / 3)))
    assert one[5] == pytest.approx(cache / (mha + cache))
    assert many[2] == pytest.approx(1000 * (mha / 4 + cache))
    first = next(e for e in events if isinstance(e, Curve))
    assert first.ys == pytest.approx([values["gain_small"]])
    cache = 16 * 2 * 9 * 64 * 64
    assert values["gain_large"] == pytest.approx((4 * mha + cache) / (4 * gqa + cache / 3))


def numbers_of(n_kv_heads: int) -> list[Tensor]:
    into, out = matrices(n_kv_heads, Generator(), "cpu")
    return [*into, out]


def test_the_matrices_are_those_of_a_layer_of_the_model() -> None:
    config = TransformerConfig(
        vocab_size=2,
        seq_len=8,
        d_model=576,
        n_heads=9,
        n_kv_heads=3,
        d_ff=1536,
        feedforward="gated",
        biases="off",
    )
    matrices_of_layer = [p for p in Block(config).parameters() if p.dim() == 2]

    assert sorted(p.shape for p in matrices_of_layer) == sorted(m.shape for m in numbers_of(3))
