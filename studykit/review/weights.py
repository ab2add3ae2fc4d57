"""Fitted weights of FSRS: what they are fitted to, how they were judged, which are in use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from studykit.review.schedule import WEIGHT_BOUNDS

DEFAULTS = "defaults"
"""The source of a way back to the weights that FSRS comes with."""

RESCHEDULED = "rescheduled"
"""The source of an entry from which on all earlier answers count as scheduled by its weights."""

Weights = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class History:
    """A log as three columns, in the order of the answers."""

    card: Sequence[int]
    """A number for each card."""
    day: Sequence[int]
    """The study day, counted from any day on."""
    rating: Sequence[int]


@dataclass(frozen=True, slots=True)
class Bin:
    """Held-out reviews of similar predicted recall."""

    n_reviews: int
    predicted: float
    """Mean probability of recall."""
    recalled: float
    """Share that was recalled."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well weights predict the held-out reviews."""

    log_loss: float
    """Mean of -log(p), p the probability given to what happened; in nats, lower is better."""
    rmse_bins: float
    """Root mean square difference of predicted and actual recall, over the bins of fsrs-rs
    (reviews so far, lapses, days since the last), which weighs later reviews more; lower is
    better."""
    predicted: float
    """Mean predicted recall."""
    bins: tuple[Bin, ...]
    """From the least predicted recall to the highest."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Old and new weights on the same held-out reviews."""

    n_fitted: int
    """Reviews on a later day that the new weights were fitted to."""
    n_held_out: int
    recalled: float
    """Share of the held-out reviews that was recalled."""
    before: Score
    """Of the weights in use until now."""
    after: Score
    gain: float
    """Mean log loss before minus after."""
    gain_error: float
    """Standard error of `gain`."""

    @property
    def is_better(self) -> bool:
        """Whether the new weights are to be kept."""
        return self.gain > 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Judgement:
        """What `as_dict` gave; raises `KeyError` or `TypeError` for anything else."""

        def score(part: dict[str, Any]) -> Score:
            return Score(**{**part, "bins": tuple(Bin(**each) for each in part["bins"])})

        scores = {name: score(document[name]) for name in ("before", "after")}
        return cls(**{**document, **scores})


@dataclass(frozen=True, slots=True)
class WeightsEntry:
    """One line of the history of weights: a fit, or a way back to earlier weights."""

    at: datetime
    weights: Weights
    source: str
    """The fitting package with its version, `DEFAULTS`, `RESCHEDULED`, or the entry that was gone
    back to."""
    n_reviews: int
    """Of the log that they were fitted to, or that was scheduled by them; else 0."""
    judgement: Judgement | None
    """None where nothing was fitted."""
    is_adopted: bool
    """They came into use, and are until the next entry that did."""
    id: int | None = None
    """None until it is stored."""


class Move(NamedTuple):
    """From which study day on a card is asked, and from which it would be."""

    card_id: str
    before: date
    after: date


def in_use(history: Sequence[WeightsEntry]) -> WeightsEntry | None:
    """The newest that was adopted; None: the defaults of FSRS, as ever."""
    return next((entry for entry in reversed(history) if entry.is_adopted), None)


def weights_as_json(weights: Weights) -> str:
    """A list of numbers, for `weights_from_json`."""
    return json.dumps(weights)


def weights_from_json(text: str) -> Weights:
    """What `weights_as_json` wrote; raises `ValueError` for what FSRS could not schedule with."""
    values = json.loads(text)
    if not isinstance(values, list) or len(values) != len(WEIGHT_BOUNDS):
        raise ValueError(f"not a list of {len(WEIGHT_BOUNDS)} weights")
    for n, (value, (low, high)) in enumerate(zip(values, WEIGHT_BOUNDS, strict=True)):
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"weight {n} is not a number from {low} to {high}")
    return tuple(map(float, values))


def judgement_as_json(judgement: Judgement | None) -> str:
    """An object, for `judgement_from_json`; an empty one for None."""
    return json.dumps({} if judgement is None else judgement.as_dict())


def judgement_from_json(text: str) -> Judgement | None:
    """What `judgement_as_json` wrote; raises `ValueError` for anything else."""
    try:
        document = json.loads(text)
        return Judgement.from_dict(document) if document else None
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a judgement of weights") from error
