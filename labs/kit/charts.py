"""What training labs draw and list alike."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

from labs.kit.arms import Losses, best
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

CUT_OFF = 6.0
"""Nats, more than any uniform guess here: a loss far above must not flatten the others."""


def cut_off(loss: float) -> float:
    """The loss as it is drawn; NaN stays NaN."""
    return loss if math.isnan(loss) else min(loss, CUT_OFF)


def by_layer(
    chart: str, line: str, values: Sequence[float], unit: str = "", *, first: int = 0
) -> Curve:
    """A value of each layer from layer `first` on, on a log scale if it has a unit.

    Layer 0 is the stream before the first layer.
    """
    layers = list(range(first, first + len(values)))
    return Curve(chart, line, layers, values, "layer", unit, log_y=bool(unit))


def watch(
    training: Iterable[Losses], labels: Mapping[str, str], rates: Sequence[float], n_steps: int
) -> Generator[Event, None, tuple[Losses, Losses]]:
    """Draw every arm's loss at the middle learning rate while it trains; the first and last losses.

    Losses far above a uniform guess are cut off in the chart; a second one, on a log scale, shows
    them all if an arm starts there.
    """
    middle = (len(rates) - 1) // 2
    chart = f"Held-out loss at learning rate {rates[middle]:g}"
    start: Losses | None = None
    for losses in training:
        start = start or losses
        high = any(start.of[arm][middle] > CUT_OFF for arm in labels)
        for arm, label in labels.items():
            loss, xs = losses.of[arm][middle], [losses.step]
            unit = f"nats, cut off at {CUT_OFF:g}" if high else "nats"
            yield Curve(chart, label, xs, [cut_off(loss)], "step", unit)
            if high:
                yield Curve(f"{chart}, log scale", label, xs, [loss], "step", "nats", log_y=True)
        n_models = sum(map(len, losses.of.values()))
        yield Progress(
            losses.step, n_steps, f"training {n_models} {'model' if n_models == 1 else 'models'}"
        )
    assert start is not None, "a training yields its losses before the first step"
    return start, losses


def results(
    start: Losses, end: Losses, labels: Mapping[str, str], rates: Sequence[float], source: str
) -> Iterator[Event]:
    """Measurements ``start_<arm>`` and ``loss_<arm>``, the best of the rates, and a table of all.

    `source` says what the losses were measured on.
    """
    rows: list[tuple[str | float, ...]] = []
    for arm, label in labels.items():
        before, after = best(start.of[arm]), best(end.of[arm])
        n_rates = f", best of {len(rates)} learning rates" if len(rates) > 1 else ""
        yield Measurement(f"start_{arm}", before, "nats", f"loss before training, {label}")
        yield Measurement(f"loss_{arm}", after, "nats", f"loss, {label}{n_rates}")
        rows.append((label, before, *end.of[arm], after))
    columns = ("model", "before", *(f"rate {rate:g}" for rate in rates), "best")
    yield Table(f"Held-out loss after {end.step} steps, in nats ({source})", columns, rows)
