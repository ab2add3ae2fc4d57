from __future__ import annotations

from functools import cache

import pytest
import torch

from labs.flash import chunked_loss as lab
from studykit.lab.events import Curve, Event, Measurement


@cache
def run() -> tuple[Event, ...]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "N_TOKENS", 16)
        patch.setattr(lab, "D_MODEL", 8)
        return tuple(lab.run(vocab_size=2100, chunk=64, seed=0, device="cpu"))


def test_what_is_counted_is_known_from_theory() -> None:
    found = {event.name: event.value for event in run() if isinstance(event, Measurement)}
    assert found["logits"] == 16 * 2100 * 4 / 2**20
    assert found["flops_ratio"] == pytest.approx(4 / 3)
    assert found["peak_full"] >= 2 * found["logits"]  # logits and their gradients
    assert found["peak_chunked"] < found["peak_full"] / 2
    assert 0 < found["difference"] < 1e-12


def test_the_chart_has_each_vocabulary_for_both() -> None:
    curves = [event for event in run() if isinstance(event, Curve)]
    assert {(event.name, *event.xs) for event in curves} == {
        (name, size) for name in ("all logits", "chunks of 64") for size in (1024, 2100)
    }


def test_seeds_draw_different_inputs() -> None:
    first, again, other = (lab.draw(10, seed, torch.float32, "cpu") for seed in (0, 0, 1))
    for a, b, c in zip(first, again, other, strict=True):
        assert a.equal(b)
        assert not a.equal(c)
