"""What readers and writers of files are told, and whom they tell how far they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

Tell = Callable[[str, int, int], None]
"""Hears how far the work is: what is being read or written, how many of how many."""


def tell_nobody(what: str, n: int, of: int) -> None:
    """A `Tell` for whoever does not want to know."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a reader cannot know from the file."""

    now: datetime
    """Local time, aware."""
    rollover_hour: int
    """Local hour at which the learner's study days begin."""
    tell: Tell = tell_nobody
