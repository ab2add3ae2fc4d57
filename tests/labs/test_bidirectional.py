from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from labs.bert import bidirectional
from labs.bert.bidirectional import SEQ_LEN, VOCAB_SIZE, by_place, draw_held_out
from labs.kit.budget import generator
from labs.tasks.toy_languages import build_successor_language
from studykit.lab.events import Curve, Measurement


def test_floors_of_a_place_are_equal_where_nothing_stands_to_the_right() -> None:
    events = list(bidirectional.run(hidden=0.2, seed=0, device="cpu", budget=0.02))
    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert m["floor_both"] < m["floor_left"] < math.log(bidirectional.VOCAB_SIZE)
    assert math.isinf(m["steps_left"]) and math.isinf(m["steps_next"])  # five steps reach nothing

    places = {
        event.name: event.ys
        for event in events
        if isinstance(event, Curve) and event.chart == "Loss by place"
    }
    left, both = (places[f"floor, {label}"] for label in ("sees the left side", "sees both sides"))
    assert len(left) == bidirectional.SEQ_LEN
    assert math.isclose(left[-1], both[-1], rel_tol=1e-5)
    assert all(more > less for more, less in zip(left[:-1], both[:-1], strict=True))


def test_only_hidden_tokens_count_and_the_last_place_by_itself() -> None:
    language = build_successor_language(VOCAB_SIZE, (0.4, 0.3, 0.2, 0.1), generator(0, "probe"))
    held_out = draw_held_out(language, 0.2, 64, seed=0, device="cpu")
    certain = held_out.hidden.clone()
    certain[:, -1] = False

    def knowing_all_but_the_last(inputs: Tensor) -> Tensor:
        """Certain of hidden tokens, without an idea at the last place and of all others."""
        logits = torch.zeros(*inputs.shape, VOCAB_SIZE)
        rows, places = certain.nonzero(as_tuple=True)
        logits[rows, places, held_out.batch[1][certain]] = 100.0
        return logits

    models = dict.fromkeys(("both", "left"), knowing_all_but_the_last)
    events = list(by_place(models, held_out))  # type: ignore[arg-type]

    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert m["last_both"] == m["last_left"] == pytest.approx(math.log(VOCAB_SIZE))
    assert m["elsewhere_both"] == m["elsewhere_left"] == pytest.approx(0, abs=1e-6)
    curve = next(e for e in events if isinstance(e, Curve) and not e.name.startswith("floor"))
    assert curve.ys == pytest.approx([0.0] * (SEQ_LEN - 1) + [math.log(VOCAB_SIZE)], abs=1e-6)
