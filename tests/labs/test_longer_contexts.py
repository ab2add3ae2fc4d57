from __future__ import annotations

import pytest

from labs.flash import longer_contexts as lab
from labs.kernels.three_ways import attention
from labs.machine.peak_memory import peak_allocated
from labs.machine.stopwatch import one_core
from studykit.lab.events import Event, Measurement

SHAPE = lab.Shape(n_heads=1, head_dim=64, number_bytes=4, seed=0, device="cpu")


def test_the_longest_context_fits_and_a_longer_one_does_not() -> None:
    cap = 2**20
    with one_core():
        longest = int(lab.longest_context("naive", cap, SHAPE))
        naive = attention("naive", block=0)
        fits, beyond = (
            peak_allocated(lambda n=n: naive(*lab.inputs(n, SHAPE)))  # type: ignore[misc]
            for n in (longest, int(longest * lab.PRECISION) + 1)
        )
    assert fits <= cap < beyond


def test_predictions_are_those_of_the_arithmetic() -> None:
    """32 heads of 128 in fp16: two matrices of 16 GiB at 16,384 tokens, and 32 KiB a token."""
    shape = lab.Shape(n_heads=32, head_dim=128, number_bytes=2, seed=0, device="cuda")
    assert lab.predicted("fused", 2**29, shape) == 2**14
    assert lab.predicted("naive", 2**35 + 2**29, shape) == pytest.approx(2**14)


def test_measurements_are_of_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {("naive", 6): 800, ("fused", 6): 4000, ("naive", 12): 1000, ("fused", 12): 8000}
    monkeypatch.setattr(lab, "longest_context", lambda way, cap, _: found[way, cap // lab.MIB])
    monkeypatch.setattr(lab, "TIMED_LENS", (8, 16, 32))
    monkeypatch.setattr(lab, "fastest", lambda *_, **__: [1.0, 3.0, 12.0])
    events: list[Event] = list(lab.run(head_dim=64, cap_mib=6, seed=0, device="cpu"))
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert measured["longest_naive"] == 800
    assert measured["advantage"] == 5
    assert measured["advantage_growth"] == 8 / 5
    assert measured["time_growth"] == 4
