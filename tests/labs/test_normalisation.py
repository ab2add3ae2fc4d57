from __future__ import annotations

import math
from functools import cache

import pytest

from labs.core import normalisation
from labs.transformer.config import Init
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress, Table

TINY = normalisation.Budget(
    n_steps=4, evaluate_every=2, batch_size=2, seq_len=8, d_model=8, d_ff=16, n_held_out=400
)

DEFAULT_RUN = {
    "uniform_entropy": 4.564,
    "unigram_entropy": 3.248,
    "size_none": 72.0,
    "size_pre": 3.0,
    "size_post": 1.0,
    "size_uniform": 62.0,
    "change_none": 20.0,
    "change_pre": 1.2,
    "change_post": 1.0,
    "change_uniform": 0.9,
    "company_layer": 0.0,
    "company_batch": 2.1,
    "learns_none": 0,
    "stuck_none": 0,
    "diverged_none": 4,
    "best_none": 16.0,
    "learns_pre": 4,
    "stuck_pre": 0,
    "diverged_pre": 0,
    "best_pre": 2.77,
    "learns_post": 0,
    "stuck_post": 4,
    "diverged_post": 0,
    "best_post": 3.26,
    "collapsed_none": 0,
    "collapsed_pre": 0,
    "collapsed_post": 4,
    "size_pre_trained": 87.0,
    "loss_pre_highest": 2.93,
}
"""What a run with default knobs measures, rounded."""

nan, inf = math.nan, math.inf


@cache
def tiny_run(
    seed: int = 0, n_layers: int = 2, init: Init = "xavier", warmup_steps: int = 0
) -> tuple[Event, ...]:
    """All events of a run that is far too short to learn anything."""
    events = normalisation.measure(
        TINY, n_layers=n_layers, init=init, warmup_steps=warmup_steps, seed=seed, device="cpu"
    )
    return tuple(events)


def measurements(events: tuple[Event, ...]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements(tiny_run())
    assert set(measured) == set(DEFAULT_RUN)
    assert set(normalisation.verdict(measured)) == set(normalisation.CLAIMS)
    assert measured["uniform_entropy"] == pytest.approx(math.log(96))
    assert measured["unigram_entropy"] < measured["uniform_entropy"]


def test_yardsticks_are_marked_as_such() -> None:
    marked = {e.name for e in tiny_run() if isinstance(e, Measurement) and e.yardstick}
    assert marked == {"uniform_entropy", "unigram_entropy"}


def test_curves_grow_in_step_with_the_progress() -> None:
    curves = [event for event in tiny_run() if isinstance(event, Curve)]
    losses = [curve for curve in curves if curve.chart.startswith("Held-out loss")]
    for norm in normalisation.NORMS:
        assert [x for curve in losses if curve.name == norm for x in curve.xs] == [0, 2, 4]
    by_layer = [curve for curve in curves if curve.chart.endswith("before training")]
    assert len(by_layer) == 2 * len(normalisation.LINES)
    assert all(list(c.xs) == [0, 1, 2] and len(c.ys) == 3 for c in by_layer)
    progress = [event for event in tiny_run() if isinstance(event, Progress)]
    assert [event.done for event in progress] == [0, 0, 2, 4]
    assert progress[-1].done == progress[-1].total


def test_heat_maps_and_the_table_show_every_norm_at_every_rate() -> None:
    heat_maps = [event for event in tiny_run() if isinstance(event, HeatMap)]
    assert [tuple(h.rows) for h in heat_maps] == [("none", "pre", "post")] * 2
    assert all(len(row) == len(h.columns) == 4 for h in heat_maps for row in h.values)
    (table,) = (event for event in tiny_run() if isinstance(event, Table))
    measured = measurements(tiny_run())
    for norm, *ends in table.rows:
        for end in ("learns", "stuck", "diverged"):
            assert measured[f"{end}_{norm}"] == ends.count(end)


def test_the_best_loss_is_the_lowest_of_the_heat_map() -> None:
    losses = next(event for event in tiny_run() if isinstance(event, HeatMap))
    for norm, row in zip(losses.rows, losses.values, strict=True):
        lowest = min(loss for loss in row if loss is not None)
        assert measurements(tiny_run())[f"best_{norm}"] == lowest


def test_the_seed_decides_everything() -> None:
    again = normalisation.measure(
        TINY, n_layers=2, init="xavier", warmup_steps=0, seed=0, device="cpu"
    )
    assert measurements(tuple(again)) == measurements(tiny_run())
    other = measurements(tiny_run(seed=1))
    first = measurements(tiny_run())
    for name in ("size_none", "change_none", "change_uniform", "company_batch", "best_pre"):
        assert first[name] != other[name]


def test_the_knobs_reach_the_models() -> None:
    """Known from theory: small weights silence the sublayers, and depth makes a stream grow."""
    xavier, small = measurements(tiny_run(n_layers=4)), measurements(tiny_run(init="small"))
    assert xavier["size_none"] > measurements(tiny_run())["size_none"]
    assert small["change_none"] == pytest.approx(1.0, abs=0.05)
    warm = measurements(tiny_run(warmup_steps=60))
    first = measurements(tiny_run())
    differing = {name for name, value in first.items() if value != warm[name]}
    assert {"best_none", "best_pre", "best_post"} <= differing
    assert not any(name.startswith(("size_none", "change", "company")) for name in differing)


def test_norms_hold_what_theory_says_they_hold() -> None:
    measured = measurements(tiny_run())
    assert measured["size_post"] == pytest.approx(1, abs=1e-3)
    assert measured["company_layer"] < 1e-6
    assert measured["company_batch"] > 0.1


@pytest.mark.parametrize(
    ("loss", "end"),
    [
        (2.7, "learns"),
        (3.14, "learns"),
        (3.16, "stuck"),
        (3.34, "stuck"),
        (3.36, "worse"),
        (4.5, "worse"),
        (4.6, "diverged"),
        (inf, "diverged"),
        (nan, "diverged"),
    ],
)
def test_stuck_and_diverged_are_different_failures(loss: float, end: str) -> None:
    assert normalisation.outcome(loss, letters=3.248, uniform=4.564) == end


def test_a_loss_is_cut_off_for_the_charts_only_and_nan_stays() -> None:
    assert normalisation.cut_off(3.0) == 3.0
    assert normalisation.cut_off(inf) == normalisation.CHART_TOP
    assert math.isnan(normalisation.cut_off(nan))
    diverged = {norm: (50.0, 40.0, nan, inf) for norm in normalisation.NORMS}
    events = tuple(normalisation.range_test(diverged, letters=3.248, uniform=4.564))
    assert measurements(events)["best_none"] == 40.0
    assert measurements(events)["diverged_post"] == 4
    lost = {norm: (nan,) * 4 for norm in normalisation.NORMS}
    events = tuple(normalisation.range_test(lost, letters=3.248, uniform=4.564))
    assert math.isnan(measurements(events)["best_none"])


def test_the_verdict_of_a_default_run() -> None:
    holds = {claim for claim, verdict in normalisation.verdict(DEFAULT_RUN).items() if verdict}
    assert holds == {"sharpens", "post_stuck", "post_collapses", "better", "outgrown", "alone"}


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("sharpens", {"change_none": 5.1}, True),
        ("sharpens", {"change_none": 4.9}, False),
        ("sharpens", {"change_pre": 2.1}, False),
        ("sharpens", {"change_post": 2.1}, False),
        ("sharpens", {"change_uniform": 2.1}, False),
        ("sharpens", {"change_none": nan}, None),
        ("sharpens", {"change_post": nan}, None),
        ("multiplies", {"change_uniform": 2.1}, True),
        ("multiplies", {"change_uniform": 1.9}, False),
        ("multiplies", {"change_uniform": 2.1, "change_none": 4.9}, False),
        ("multiplies", {"change_uniform": nan}, None),
        ("keeps", {"change_none": 1.9}, True),
        ("keeps", {"change_none": 2.1}, False),
        ("keeps", {"change_none": nan}, None),
        ("post_stuck", {"stuck_post": 3}, True),
        ("post_stuck", {"stuck_post": 2}, False),
        ("post_stuck", {"stuck_post": 3, "diverged_post": 1}, False),
        ("post_diverges", {"diverged_post": 1}, True),
        ("post_diverges", {"diverged_post": 0}, False),
        ("post_like_pre", {"learns_post": 3}, True),
        ("post_like_pre", {"learns_post": 2}, False),
        ("post_like_pre", {"learns_post": 3, "diverged_post": 1}, False),
        ("post_collapses", {"collapsed_post": 3}, True),
        ("post_collapses", {"collapsed_post": 2}, False),
        ("post_collapses", {"collapsed_pre": 1}, False),
        ("better", {"best_none": 2.88}, True),
        ("better", {"best_none": 2.86}, False),
        ("better", {"best_none": nan}, True),
        ("better", {"best_pre": nan}, None),
        ("wider", {"best_none": 2.86, "learns_none": 3}, True),
        ("wider", {"best_none": 2.86, "learns_none": 4}, False),
        ("wider", {"best_none": 2.88, "learns_none": 3}, False),
        ("wider", {"best_none": nan}, False),
        ("wider", {"best_pre": nan}, None),
        ("superfluous", {"best_none": 2.86, "learns_none": 4}, True),
        ("superfluous", {"best_none": 2.86, "learns_none": 3}, False),
        ("superfluous", {"best_none": 2.88, "learns_none": 4}, False),
        ("superfluous", {"best_pre": nan}, None),
        ("outgrown", {"size_pre_trained": 10.1}, True),
        ("outgrown", {"size_pre_trained": 9.9}, False),
        ("outgrown", {"loss_pre_highest": 3.16}, False),
        ("outgrown", {"size_pre_trained": nan}, None),
        ("held", {"size_pre_trained": 9.9}, True),
        ("held", {"size_pre_trained": 10.1}, False),
        ("held", {"size_pre_trained": nan}, None),
        ("burst", {"loss_pre_highest": 3.16}, True),
        ("burst", {"loss_pre_highest": 3.14}, False),
        ("burst", {"loss_pre_highest": nan}, True),
        ("burst", {"size_pre_trained": 9.9, "loss_pre_highest": 3.16}, False),
        ("burst", {"size_pre_trained": nan}, None),
        ("alone", {"company_layer": 9e-7}, True),
        ("alone", {"company_layer": 2e-6}, False),
        ("alone", {"company_batch": 0.009}, False),
        ("alone", {"company_layer": nan}, None),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert normalisation.verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("change", [0.5, 1.9, 2.1, 4.9, 5.1, 20.0])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_a_prediction_has_one_right_option_at_most(change: float, count: int) -> None:
    """The claims that a learner chooses between exclude one another."""
    for uniform in (0.5, change):
        run = DEFAULT_RUN | {"change_none": change, "change_uniform": uniform}
        verdict = normalisation.verdict(run)
        assert sum(verdict[c] is True for c in ("sharpens", "multiplies", "keeps")) <= 1
    for diverged in range(5 - count):
        rest = 4 - count - diverged
        ends = {"stuck_post": count, "diverged_post": diverged, "learns_post": rest}
        verdict = normalisation.verdict(DEFAULT_RUN | ends)
        post = ("post_stuck", "post_diverges", "post_like_pre")
        assert sum(verdict[claim] is True for claim in post) <= 1
    for best_none in (2.6, 2.86, 2.88, nan):
        run = DEFAULT_RUN | {"learns_none": count, "best_none": best_none}
        verdict = normalisation.verdict(run)
        assert sum(verdict[c] is True for c in ("better", "wider", "superfluous")) == 1
    for loss in (2.9, 3.2, nan):
        run = DEFAULT_RUN | {"size_pre_trained": 5 * change, "loss_pre_highest": loss}
        verdict = normalisation.verdict(run)
        assert sum(verdict[c] is True for c in ("outgrown", "held", "burst")) == 1
