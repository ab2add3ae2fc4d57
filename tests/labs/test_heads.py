from __future__ import annotations

from functools import cache

import pytest

from labs.core import heads
from labs.kit.readers import n_read
from labs.tasks.four_places import Places
from studykit.lab.events import Curve, Event, HeatMap, Measurement


@cache
def short_run(places: Places = "offsets") -> tuple[Event, ...]:
    """All events of a run that is far too short to learn anything."""
    return tuple(heads.run(places=places, seed=0, device="cpu", budget=0.02))


def test_untrained_readers_do_no_better_than_guessing() -> None:
    curves = [event for event in short_run() if isinstance(event, Curve)]
    untrained = [curve.ys[0] for curve in curves if list(curve.xs) == [0]]
    assert len(untrained) == 3
    assert all(bits > 3.5 for bits in untrained)


def test_head_counts_share_starting_weights_and_size() -> None:
    one, eight = (heads.build(n_heads, 0, "cpu") for n_heads in (1, 8))
    for left, right in zip(one, eight, strict=True):
        pairs = zip(left.parameters(), right.parameters(), strict=True)
        assert all(a.equal(b) for a, b in pairs)
    starts = {reader.transformer.embed.weight[0, 0].item() for reader in one}
    assert len(starts) == heads.N_STARTS


@pytest.mark.parametrize("places", ["offsets", "marks"])
def test_every_start_is_shown(places: Places) -> None:
    maps = {event.title: event for event in short_run(places) if isinstance(event, HeatMap)}
    measured = {e.name: e.value for e in short_run(places) if isinstance(e, Measurement)}
    for n_heads, label in ((1, "1 head"), (4, "4 heads")):
        rows = maps[f"Right answers, {label}"].values
        counts = [n_read([share or 0 for share in row]) for row in rows]
        assert max(counts) == measured[f"best_h{n_heads}"]
        assert sum(counts) / heads.N_STARTS == measured[f"read_h{n_heads}"]
