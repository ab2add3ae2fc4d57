"""What goes out: cards as two sides of plain text, with their schedule, and the log beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from studykit.course.cards import Kind
from studykit.exchange.circumstances import Tell, tell_nobody
from studykit.progress.log_rows import LogRow
from studykit.review.marks import Mark
from studykit.review.schedule import NEW_MEMORY, Memory, ScheduleSettings


@dataclass(frozen=True, slots=True)
class OutCard:
    """One card; its texts have a card's marks (`text.SPAN`, `text.FENCE`) and nothing else."""

    id: str
    course: str
    """Id of the course."""
    deck: str
    """Title of the deck."""
    topic: str
    """Title of the topic."""
    path: tuple[str, ...]
    """Ids of the deck and the topic, which stay when a title is reworded."""
    kind: Kind
    question: str
    """With the options, steps or sides that it shows."""
    answer: str
    explain: str
    source: str
    lab: str
    hidden: str = ""
    """Of a cloze: what the `HOLE` of the question stands for; empty for every other card."""
    memory: Memory = NEW_MEMORY
    marks: frozenset[Mark] = frozenset()
    """Those that hold today."""
    desired_retention: float = 0.9
    changed_at_s: int = 0
    """Seconds since the epoch: when its file was last changed."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A course with one learner's progress in it."""

    title: str
    n_cards: int
    cards: Iterable[OutCard]
    """In the course's order; to be read once."""
    n_reviews: int
    log: Callable[[], Iterator[LogRow]]
    """The whole log in the order of the answers, of whichever course."""
    now: datetime
    today: date
    settings: ScheduleSettings
    tell: Tell = tell_nobody
