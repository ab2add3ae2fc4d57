"""The curves of several seeds as one: their mean, and the room that they take on a chart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from studykit.lab.events import Curve


def mean_curve(curves: Sequence[Curve]) -> Curve | None:
    """The mean of one line over the seeds, at the places where every seed has a point.

    Seeds that diverged are left out, unless all of them did. None if there is no such place.
    """
    kept = [curve for curve in curves if not has_diverged(curve)] or list(curves)
    first = kept[0]
    if all(curve.xs == first.xs for curve in kept):
        xs, columns = first.xs, [curve.ys for curve in kept]
    else:
        at = [dict(zip(curve.xs, curve.ys, strict=False)) for curve in kept]
        xs = tuple(x for x in at[0] if all(x in ys for ys in at))
        columns = [tuple(ys[x] for x in xs) for ys in at]
    if not xs:
        return None
    # Divided before they are added: the sum of two huge floats is not finite.
    ys = tuple(sum(y / len(kept) for y in values) for values in zip(*columns, strict=True))
    return replace(first, xs=tuple(xs), ys=ys)


def has_diverged(curve: Curve) -> bool:
    """Whether a point of it is no number, or infinite."""
    return not all(map(math.isfinite, curve.ys))


@dataclass(slots=True)
class Room:
    """What the axes of a chart leave room for; it only grows, and in steps to the right."""

    left: float = math.inf
    right: float = -math.inf
    bottom: float = math.inf
    top: float = -math.inf

    def take_in(self, curves: Iterable[Curve], *, is_exact: bool = False) -> None:
        """Grow to have room for `curves`; `is_exact`: not for more to come at the right."""
        for curve in curves:
            points = zip(curve.xs, curve.ys, strict=False)
            for x, y in points:
                if math.isfinite(x) and math.isfinite(y):
                    self.left, self.bottom = min(self.left, x), min(self.bottom, y)
                    self.top = max(self.top, y)
                    if x > self.right:
                        self.right = x if is_exact else _round_up(x)

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Lower left and upper right; none while nothing is known."""
        if self.left > self.right:
            return ()
        return (self.left, self.bottom), (self.right, self.top)


def _round_up(x: float) -> float:
    """The next of 1, 2, 5, 10, 20, ...; what is not above 0 stays."""
    if not 1e-300 < x < 1e300:
        return x
    power = 10.0 ** math.floor(math.log10(x))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= x), 10 * power)
