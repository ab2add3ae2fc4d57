from __future__ import annotations

import math
from functools import cache

import pytest

from labs.core import residuals
from labs.transformer.config import Init
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

TINY = residuals.Budget(
    n_steps=4, evaluate_every=2, batch_size=2, seq_len=8, d_model=8, d_ff=16, n_held_out=400
)

DEFAULT_RUN = {
    "uniform_entropy": 4.564,
    "unigram_entropy": 3.248,
    "bigram_entropy": 2.516,
    "loss_base": 2.74,
    "loss_no_residual": 3.26,
    "loss_no_norm": 8.9,
    "loss_bare": 3.30,
    "gradient_ratio_base": 1.9,
    "gradient_ratio_no_residual": 0.44,
    "gradient_ratio_no_norm": 13.0,
    "gradient_ratio_bare": 0.14,
    "growth_base": 3.1,
    "growth_no_residual": 0.6,
    "growth_no_norm": 92.0,
    "growth_bare": 0.04,
    "diversity_base": 0.56,
    "diversity_no_residual": 0.015,
    "diversity_no_norm": 0.27,
    "diversity_bare": 0.016,
}
"""What a run with default knobs measures, rounded."""

nan, inf = math.nan, math.inf


@cache
def tiny_run(seed: int = 0, n_layers: int = 2, init: Init = "xavier") -> tuple[Event, ...]:
    """All events of a run that is far too short to learn anything."""
    return tuple(residuals.measure(TINY, n_layers=n_layers, init=init, seed=seed, device="cpu"))


def measurements(events: tuple[Event, ...]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements(tiny_run())
    assert set(measured) == set(DEFAULT_RUN)
    assert set(residuals.verdict(measured)) == set(residuals.CLAIMS)
    assert measured["uniform_entropy"] == pytest.approx(math.log(96))
    assert measured["bigram_entropy"] < measured["unigram_entropy"] < measured["uniform_entropy"]


def test_yardsticks_are_marked_as_such() -> None:
    marked = {e.name for e in tiny_run() if isinstance(e, Measurement) and e.yardstick}
    assert marked == {"uniform_entropy", "unigram_entropy", "bigram_entropy"}


def test_curves_grow_in_step_with_the_progress() -> None:
    events = tiny_run()
    curves = [event for event in events if isinstance(event, Curve)]
    losses = [curve for curve in curves if curve.chart.startswith("Held-out loss")]
    for name in residuals.LABELS.values():
        assert [x for curve in losses if curve.name == name for x in curve.xs] == [0, 2, 4]
    by_layer = {c.chart: (list(c.xs), len(c.ys)) for c in curves if c not in losses}
    assert by_layer == {
        "Gradient of each layer before training": ([1, 2], 2),
        "Size of the stream before training": ([0, 1, 2], 3),
        "Diversity of the tokens before training": ([0, 1, 2], 3),
    }
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == [0, 0, 2, 4]
    assert progress[-1].done == progress[-1].total


def test_the_table_shows_every_learning_rate_and_the_best() -> None:
    (table,) = (event for event in tiny_run() if isinstance(event, Table))
    measured = measurements(tiny_run())
    assert [row[0] for row in table.rows] == list(residuals.LABELS.values())
    for arm, (_, *by_rate, best) in zip(residuals.LABELS, table.rows, strict=True):
        assert len(by_rate) == 3
        assert best == min(by_rate) == measured[f"loss_{arm}"]


def test_the_seed_decides_everything() -> None:
    again = tuple(residuals.measure(TINY, n_layers=2, init="xavier", seed=0, device="cpu"))
    assert measurements(again) == measurements(tiny_run())
    other = measurements(tiny_run(seed=1))
    differing = {name for name, value in measurements(tiny_run()).items() if value != other[name]}
    assert differing == {name for name in DEFAULT_RUN if not name.endswith("_entropy")}


def test_depth_and_initialisation_reach_the_models() -> None:
    """Known from theory: small weights silence the sublayers, so the stream hardly grows."""
    xavier = measurements(tiny_run(n_layers=4))
    small = measurements(tiny_run(n_layers=4, init="small"))
    assert xavier["growth_no_norm"] > 2
    assert small["growth_no_norm"] == pytest.approx(1.0, abs=0.1)
    assert xavier["growth_no_norm"] > measurements(tiny_run())["growth_no_norm"]


def test_the_verdict_of_a_default_run() -> None:
    holds = {claim for claim, verdict in residuals.verdict(DEFAULT_RUN).items() if verdict}
    assert holds == {
        "trains", "stuck", "highway", "collapses", "explodes", "together", "amplifies"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("trains", {"loss_base": 2.94}, True),
        ("trains", {"loss_base": 2.96}, False),
        ("trains", {"loss_base": nan}, False),
        ("stuck", {"loss_no_residual": 3.21}, True),
        ("stuck", {"loss_no_residual": 3.19}, False),
        ("stuck", {"loss_no_residual": 3.31}, False),
        ("stuck", {"loss_no_residual": nan}, False),
        ("slower", {"loss_no_residual": 3.19}, True),
        ("slower", {"loss_no_residual": 3.21}, False),
        ("slower", {"loss_no_residual": nan}, False),
        ("diverges", {"loss_no_residual": 4.6}, True),
        ("diverges", {"loss_no_residual": nan}, True),
        ("diverges", {"loss_no_residual": 4.5}, False),
        ("highway", {"gradient_ratio_base": 0.11}, True),
        ("highway", {"gradient_ratio_base": 0.09}, False),
        ("highway", {"gradient_ratio_base": nan}, None),
        ("vanishes", {"gradient_ratio_no_residual": 0.0009}, True),
        ("vanishes", {"gradient_ratio_no_residual": 0.0011}, False),
        ("vanishes", {"gradient_ratio_no_residual": nan}, None),
        ("bare_vanishes", {"gradient_ratio_bare": 4e-16}, True),
        ("bare_vanishes", {"gradient_ratio_bare": 0.0011}, False),
        ("bare_vanishes", {"gradient_ratio_bare": nan}, None),
        ("collapses", {"diversity_no_residual": 0.04}, True),
        ("collapses", {"diversity_no_residual": 0.06}, False),
        ("collapses", {"diversity_base": 0.29}, False),
        ("collapses", {"diversity_base": nan}, None),
        ("collapses", {"diversity_no_residual": nan}, None),
        ("norm_alone", {"loss_no_residual": 2.83}, True),
        ("norm_alone", {"loss_no_residual": 2.85}, False),
        ("norm_alone", {"loss_no_residual": nan}, False),
        ("norm_alone", {"loss_base": nan}, None),
        ("residual_alone", {"loss_no_norm": 2.83}, True),
        ("residual_alone", {"loss_no_norm": 2.85}, False),
        ("residual_alone", {"loss_no_norm": nan}, False),
        ("residual_alone", {"loss_base": nan}, None),
        ("handicapped", {"loss_no_norm": 2.85}, True),
        ("handicapped", {"loss_no_norm": 2.83}, False),
        ("handicapped", {"loss_no_norm": 4.6}, False),
        ("handicapped", {"loss_no_norm": nan}, False),
        ("handicapped", {"loss_base": nan}, None),
        ("explodes", {"loss_no_norm": 4.6}, True),
        ("explodes", {"loss_no_norm": inf}, True),
        ("explodes", {"loss_no_norm": nan}, True),
        ("explodes", {"loss_no_norm": 4.5}, False),
        ("together", {"loss_no_norm": nan}, True),
        ("together", {"loss_no_norm": 2.94}, False),
        ("together", {"loss_no_residual": 2.94}, False),
        ("together", {"loss_base": 2.96}, False),
        ("amplifies", {"growth_no_norm": 10.1}, True),
        ("amplifies", {"growth_no_norm": 9.9}, False),
        ("amplifies", {"growth_base": 10.1}, False),
        ("amplifies", {"growth_no_norm": nan}, None),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert residuals.verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("loss", [2.7, 3.0, 3.19, 3.21, 3.25, 4.5, 4.6, inf, nan])
def test_a_prediction_has_one_right_option_at_most(loss: float) -> None:
    """The claims that a learner chooses between exclude one another."""
    verdict = residuals.verdict(DEFAULT_RUN | {"loss_no_residual": loss})
    assert sum(verdict[claim] is True for claim in ("stuck", "slower", "diverges")) <= 1
    verdict = residuals.verdict(DEFAULT_RUN | {"loss_no_norm": loss})
    assert sum(verdict[c] is True for c in ("residual_alone", "handicapped", "explodes")) == 1


def test_the_best_of_several_rates_ignores_those_that_diverged() -> None:
    assert residuals.best([3.0, nan, 2.5]) == 2.5
    assert residuals.best([nan, inf]) == inf
    assert math.isnan(residuals.best([nan, nan]))
