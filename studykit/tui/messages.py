"""What widgets and workers tell the screens, and which screen a screen asks the app to open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message
from textual.screen import Screen

from studykit.errors import StudykitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studykit.course.cards import Card, Knobs, KnobValue, LabHeader
    from studykit.lab.results import Prediction
    from studykit.review.asking import Asking
    from studykit.review.grading import Confidence, Given
    from studykit.review.marks import Marks
    from studykit.review.schedule import Memory, Rating
    from studykit.review.weights import WeightsEntry
    from studykit.study.finding import Entry
    from studykit.study.lab_run import LabRun
    from studykit.study.learner_stats import HomeStats
    from studykit.study.optimising import Rescheduling
    from studykit.study.overview import Overview
    from studykit.study.plan_outlook import PlanOutlook
    from studykit.study.statistics import Statistics


@dataclass
class ProgressOpened(Message):
    """The progress can be read and written; `overview` is what it says now."""

    overview: Overview


@dataclass
class HomeStatsRead(Message):
    """The numbers of the longer run have been counted."""

    stats: HomeStats


@dataclass
class PlanReckoned(Message):
    """What the plan leads to has been simulated."""

    outlook: PlanOutlook


@dataclass
class StatisticsRead(Message):
    """What the progress screen tells has been counted."""

    stats: Statistics


@dataclass
class CardsRead(Message):
    """Every card of the course, with what is known of it and how it is marked."""

    entries: tuple[Entry, ...]
    marks: Marks


@dataclass
class ProgressFailed(Message):
    """The progress cannot be used."""

    error: StudykitError


@dataclass
class ReportWritten(Message):
    """The report lies in `path`."""

    path: Path


@dataclass
class ReportFailed(Message):
    """The report could not be written, for this reason."""

    reason: str


@dataclass
class Answered(Message):
    """The learner has answered the card."""

    given: Given


@dataclass
class AnswerUnclear(Message):
    """What stands in the answer cannot be graded yet; `hint` says what is missing."""

    hint: str


@dataclass
class RatingPicked(Message):
    """The learner has rated the card with the mouse."""

    rating: Rating


@dataclass
class ConfidencePicked(Message):
    """The learner has said with the mouse how sure the answer is."""

    confidence: Confidence


@dataclass
class Opening(Message):
    """A screen is to be opened; the app does it for the screen on top alone.

    So a key that was typed twice opens nothing twice.
    """

    by: Screen[None]


@dataclass
class OpenLab(Opening):
    """The lab is to be run; `LabClosed` comes when the learner is back."""

    header: LabHeader
    knobs: Knobs
    card: Card | None = None
    prediction: Prediction | None = None
    is_answered: bool = False
    """The card's answer was shown: its outcome can be predicted no longer."""
    is_instead: bool = False
    """The screen that asks gives way to it."""
    run: LabRun | None = None
    """The run in hand that is to be seen; None: the newest of the lab, if there is one."""


@dataclass
class LabClosed(Message):
    """The learner is back from the lab; its runs may have changed what is known."""

    lab_id: str


@dataclass
class LabEnded(Message):
    """A run is over, whatever has become of it."""

    run: LabRun


@dataclass
class StartLab(Opening):
    """The run is to be put in line, if the learner trusts the course; the screen hears of it."""

    run: LabRun


@dataclass
class OpenSweep(Opening):
    """The lab is to be run at each of the settings, on so many seeds, if the learner trusts it."""

    header: LabHeader
    settings: Sequence[dict[str, KnobValue]]
    n_seeds: int


@dataclass
class OpenCard(Opening):
    """The card is to be read, with its answer."""

    card: Card
    memory: Memory


@dataclass
class ChooseCard(Opening):
    """One card of the course is wanted; `chosen` hears of it."""

    asks: str
    """What it is wanted for."""
    chosen: Callable[[Card], object]


@dataclass
class OpenPractice(Opening):
    """The learner wants to choose what to practise."""

    what: str = ""
    """The deck or topic to begin with, as the command line calls it."""


@dataclass
class OpenPart(Opening):
    """The due cards of a deck or topic are to be asked, by its name: ``deck`` or ``deck/topic``."""

    what: str


@dataclass
class OpenBrowse(Opening):
    """The cards are to be looked through, at first those that this search finds."""

    search: str = ""


@dataclass
class OpenSitting(Opening):
    """The cards of a review or of a practice are to be asked."""

    asking: Asking


@dataclass
class WorkTold(Message):
    """What a worker is doing now, in a few words."""

    text: str


@dataclass
class WeightsFitted(Message):
    """A fit has ended and is in the history."""

    entry: WeightsEntry


@dataclass
class MovesFound(Message):
    """It is known what rescheduling would move."""

    moves: Rescheduling


@dataclass
class CardsMoved(Message):
    """The log was rescheduled."""

    n_cards: int


@dataclass
class OpenWeights(Message):
    """Open the weights of the schedule; nothing happens if another screen has covered `by`."""

    by: Screen[None]
