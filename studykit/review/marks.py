"""What a learner sets on a card: suspended, buried, flagged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, TypeAlias

Mark: TypeAlias = Literal["suspended", "buried", "flagged"]
"""Not asked until that is undone; not asked until tomorrow; to be found again in lists."""


@dataclass(frozen=True, slots=True)
class Marking:
    """A mark as it was set on a card."""

    card_id: str
    mark: Mark
    at: datetime
    day: date
    """The study day of `at`."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Ids of the cards that are marked on one study day."""

    suspended: frozenset[str] = frozenset()
    buried: frozenset[str] = frozenset()
    flagged: frozenset[str] = frozenset()

    @property
    def hidden(self) -> frozenset[str]:
        """Cards that are not asked on that day."""
        return self.suspended | self.buried

    def plus(self, card_id: str, mark: Mark) -> Marks:
        """Once `card_id` has the mark, too."""
        return replace(self, **{mark: getattr(self, mark) | {card_id}})

    def minus(self, card_id: str, mark: Mark) -> Marks:
        """Once the mark is taken off `card_id`."""
        return replace(self, **{mark: getattr(self, mark) - {card_id}})
