from __future__ import annotations

import math

from labs.bert import bidirectional
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
