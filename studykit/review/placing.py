"""On which of the days that the fuzz allows a review falls, by the learner's plan. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate

from studykit.review.plan import Plan
from studykit.review.schedule import Memory, State, draw_evenly

ONE_DAY = timedelta(days=1)

CROWD_POWER = 4
"""How much a crowded day repels: with 2, half a day still comes to 0.65 of a whole one."""


@dataclass(frozen=True, slots=True)
class PlannedDays:
    """A `Placing` by the plan, for one card as it is asked.

    A day's weight is (share / (1 + cards due))^`CROWD_POWER` / interval, so that days fill up in
    proportion to their shares, and of equal choices the sooner is likelier: a card that comes
    early costs less than one that is forgotten. If nothing is to be balanced, it is share /
    interval. The same days, card and count of reviews always lead to the same choice.
    """

    plan: Plan
    load: Mapping[date, int]
    """Day -> cards in Review that are due on it."""
    deck_id: str
    """The card's."""
    _weights: dict[date, float] = field(default_factory=dict, compare=False)
    """Those that were asked for: the ranges of the four ratings overlap."""

    def __call__(self, day: date, low: int, high: int, most: int, draw: int) -> int:
        low, high = self._before_exam(day, low, high)
        high = min(high, most)
        low = min(low, high)
        weights = [self._weight(day + timedelta(days=n)) / n for n in range(low, high + 1)]
        total = sum(weights)
        if total == 0:  # all are days off: the card is due on one and waits
            return draw_evenly(day, low, high, most, draw)
        sought = draw / 2**64 * total
        chosen = low
        for n, (weight, reached) in enumerate(zip(weights, accumulate(weights), strict=True), low):
            if weight:
                chosen = n
                if reached > sought:
                    break
        return chosen

    def _weight(self, day: date) -> float:
        """How likely `day` is among days equally far away."""
        weight = self._weights.get(day)
        if weight is None:
            weight = self.plan.share(day)
            if weight and self.plan.is_balanced:
                weight = (weight / (1 + self._n_asked(day))) ** CROWD_POWER
            self._weights[day] = weight
        return weight

    def _n_asked(self, day: date) -> int:
        """Cards due on the study day, and on the days off before it, from which they wait."""
        n_due = self.load.get(day, 0)
        if self.plan.has_days_off:
            while self.plan.share(day := day - ONE_DAY) == 0:
                n_due += self.load.get(day, 0)
        return n_due

    def _before_exam(self, day: date, low: int, high: int) -> tuple[int, int]:
        """The range, which an exam draws into the last study days before it."""
        exam = self.plan.next_exam(self.deck_id, day)
        if exam is None:
            return low, high
        first, last = (self.plan.last_round(exam).days[0] - day).days, (exam - day).days - 1
        if first <= 0 or high <= last:
            return low, high  # this is the last round already, or it is kept as it is
        return (low if first <= low <= last else first), last


def count_due(memories: Iterable[tuple[str, Memory]], hidden: Container[str]) -> Counter[date]:
    """Day -> cards in Review due on it, without those that are `hidden`."""
    return Counter(
        memory.due_day
        for card_id, memory in memories
        if memory.state is State.REVIEW and memory.due_day is not None and card_id not in hidden
    )
