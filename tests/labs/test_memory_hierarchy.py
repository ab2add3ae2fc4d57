from __future__ import annotations

from typing import Any

import pytest
import torch

from labs.flash import memory_hierarchy as lab
from studykit.lab.events import Curve, Event, Measurement


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """A run that is far too small for its times to mean anything."""
    tiny = lab.Sizes(range(14, 16), matrix=32, vector_mib=1, n_tokens=32)
    monkeypatch.setattr(lab, "CPU", tiny)
    monkeypatch.setattr(lab, "fastest", count_calls)
    torch.set_num_threads(2)
    return list(lab.run(head_dim=16, seed=0, device="cpu"))


def count_calls(actions: Any, device: str, **_: Any) -> list[float]:
    """As if every action took one second more than the one before."""
    for action in actions:
        action()
    return [float(number) for number in range(1, len(actions) + 1)]


def test_measurements_are_what_their_labels_say(events: list[Event]) -> None:
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    # Products with 1, 4, 16, 64 and 256 vectors took 1 to 5 seconds, the addition 6.
    assert measured["sixteenfold_time"] == 3
    assert measured["product_rate"] == 2 * 32**2 * 256 / 5 / 1e9
    assert measured["addition_rate"] == 32**2 / 6 / 1e9
    # 32 tokens in fp32: 4 · 32² · 16 FLOPs over four matrices and four times 32 rows of 16.
    assert measured["intensity"] == 4 * 32**2 * 16 / (4 * (4 * 32**2 + 4 * 32 * 16))
    assert measured["fused_gain"] == 1 / 2
    assert measured["tiles_gain"] == 1 / 2
    assert measured["slow_bandwidth"] == measured["fast_bandwidth"] == 2**15 / 1e9


def test_the_roofline_is_drawn_over_flop_per_byte(events: list[Event]) -> None:
    (curve,) = (e for e in events if isinstance(e, Curve) and e.name == "matrix product")
    assert curve.xs == [-1, 1, 3, 5, 7]  # 256 vectors: 128 FLOP a byte


def test_the_number_of_threads_is_given_back(events: list[Event]) -> None:
    assert torch.get_num_threads() == 2


def test_all_steps_are_done_on_all_of_the_vector() -> None:
    vectors = torch.zeros(100), torch.zeros(100)
    for vector, n_bytes in zip(vectors, (400, 64), strict=True):
        lab.sixteen_steps(vector, n_bytes)()
    assert torch.equal(*vectors)
    torch.testing.assert_close(vectors[0], torch.full((100,), 1 - 0.5**8))
