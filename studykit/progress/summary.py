"""What a report tells: numbers about a period of study, ready to be written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from studykit.course.cards import KnobValue
from studykit.lab.results import Prediction, Status, Verdict


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers counted."""

    reviews: int
    new: int
    """Cards answered for the first time ever."""
    again: int
    seconds: float
    """From a card's appearing to its rating."""


@dataclass(frozen=True, slots=True)
class Retention:
    """True retention: of the reviews of cards that were in Review, how many were remembered.

    Remembered: not rated Again. Learning and relearning steps do not count.
    """

    n: int
    remembered: int
    low: float | None
    """The 95 % interval by Wilson's method; None without a review."""
    high: float | None

    @property
    def share(self) -> float | None:
        """`remembered` of `n`, None without a review."""
        return self.remembered / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class TopicProgress:
    """How far one topic is learned, and what was studied of it in the period."""

    deck_id: str
    number: str
    title: str
    cards: int
    unseen: int
    learning: int
    """In learning or relearning steps."""
    known: int
    """In Review."""
    mastery: float
    """Share of the topic's cards expected to be recalled today: the probabilities of recall of
    those in Review, over all its cards. Unseen cards and those in steps add nothing."""
    studied: Tally


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run of a lab, whatever became of it."""

    lab: str
    title: str
    """Empty if the course has the lab no longer."""
    at: datetime
    day: date
    status: Status
    device: str
    machine: str
    seconds: float
    knobs: Mapping[str, KnobValue]
    changed_knobs: Mapping[str, KnobValue]
    """Those that differ from the lab's defaults."""
    verdicts: Mapping[str, Verdict]
    claims: Mapping[str, str]
    """Claim -> its text, of those that the course still has."""
    is_outdated: bool
    """True: the lab's code has changed since, or the course has it no longer."""
    card_id: str | None
    prediction: Prediction | None


@dataclass(frozen=True, slots=True)
class PretestScore:
    """What was known of a topic's cards before learning them, and what is known of them now."""

    topic_number: str
    title: str
    day: date
    """The study day of its latest answer."""
    judged: int
    """Cards whose pretest answer was right or wrong."""
    right: int
    judged_since: int
    """Of the same cards, those that a review has judged by now."""
    right_since: int
    """Those whose last judged review was right."""


@dataclass(frozen=True, slots=True)
class HardCard:
    """A card that was forgotten."""

    card_id: str
    topic_number: str
    question: str
    lapses: int
    reviews: int
    is_leech: bool
    """It lapsed so often that it wants to be rewritten."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What `render_markdown` and `render_json` tell. "The period": `since` to `today`, inclusive.

    Cards that the course has no longer count in the totals, days and retention, nowhere else.
    """

    course_id: str
    course_title: str
    since: date
    today: date
    total: Tally
    cards: int
    """Different cards answered in the period."""
    judged: int
    """Answers that were right or wrong; recall cards are neither."""
    right: int
    elsewhere: int
    """Reviews in the period of cards that the course has not, or has no longer."""
    streak_days: int
    """Study days in a row with a review, up to today, or to yesterday while today has none."""
    days: tuple[tuple[date, Tally], ...]
    """Study days of the period that have reviews, oldest first."""
    retention: Retention
    topics: tuple[TopicProgress, ...]
    overdue: int
    """Cards due before today, part of the forecast's first day."""
    forecast: tuple[tuple[date, int], ...]
    """Known cards by the day they are due, if each is reviewed when it is; no new cards."""
    runs: tuple[RunSummary, ...]
    hardest: tuple[HardCard, ...]
    """Cards with most lapses ever, hardest first."""
    practised: int = 0
    """Answers of the period beside the schedule, pretests included."""
    pretests: tuple[PretestScore, ...] = ()
    """Of the period's pretests, by topic."""
