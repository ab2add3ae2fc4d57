"""The tables of the progress database.

The review log is the truth; `memories` is a cache of the last row of each card. Instants are
UTC milliseconds with the local offset in minutes beside them, study days are ISO dates.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import REAL, CheckConstraint, Index, Integer, Text
from sqlmodel import Field, SQLModel

# SQLite checks the type of every value in a STRICT table; that allows no VARCHAR, FLOAT or
# BOOLEAN, hence the explicit column types below.
_STRICT = {"sqlite_strict": True}
_A_DAY = "GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'"


def _memory_checks(table: str) -> tuple[CheckConstraint, ...]:
    return (
        CheckConstraint("state BETWEEN 0 AND 3", name=f"ck_{table}_state"),
        CheckConstraint("stability_days > 0", name=f"ck_{table}_stability"),
        CheckConstraint(f"due_day {_A_DAY}", name=f"ck_{table}_due_day"),
        CheckConstraint("reps >= 0 AND lapses >= 0", name=f"ck_{table}_counts"),
    )


class MemoryColumns(SQLModel):
    """A `Memory` as columns: what a review led to, and what is now known of a card."""

    state: int
    step: int | None = None
    stability_days: float | None = Field(default=None, sa_type=REAL)
    difficulty: float | None = Field(default=None, sa_type=REAL)
    due_at_ms: int | None = None
    due_day: str | None = Field(default=None, sa_type=Text)
    last_review_at_ms: int | None = None
    last_review_day: str | None = Field(default=None, sa_type=Text)
    reps: int
    lapses: int


def _caps_left() -> Any:
    # Not in `MemoryColumns`: SQLite adds a column to a table that is there as its last one.
    return Field(default=0, sa_column_kwargs={"server_default": "0"})


class SittingRow(SQLModel, table=True):
    """One session of study; without an end if it was killed."""

    __tablename__: ClassVar[str] = "sittings"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(f"day {_A_DAY}", name="ck_sittings_day"),
        _STRICT,
    )

    id: int | None = Field(default=None, primary_key=True)
    started_at_ms: int
    offset_min: int
    day: str = Field(sa_type=Text)
    ended_at_ms: int | None = None


SUMMED = ("day", "state_before", "rating", "correct", "confidence", "taken_ms", "predicted")
"""What statistics sum up, by the day: an index of its own has them, a sixth as long as the log."""


class ReviewRow(MemoryColumns, table=True):
    """One rated answer, with the memory that it led to; ids grow in the order of the answers."""

    __tablename__: ClassVar[str] = "reviews"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(f"day {_A_DAY}", name="ck_reviews_day"),
        CheckConstraint("rating BETWEEN 1 AND 4", name="ck_reviews_rating"),
        CheckConstraint("suggested BETWEEN 1 AND 4", name="ck_reviews_suggested"),
        CheckConstraint("correct IN (0, 1)", name="ck_reviews_correct"),
        *_memory_checks("reviews"),
        Index("ix_reviews_sums", *SUMMED),
        _STRICT,
    )

    id: int | None = Field(default=None, primary_key=True)
    sitting_id: int | None = Field(default=None, foreign_key="sittings.id")
    card_id: str = Field(sa_type=Text, index=True)
    at_ms: int
    offset_min: int
    day: str = Field(sa_type=Text)
    rating: int
    kind: str = Field(sa_type=Text)
    correct: bool | None = Field(default=None, sa_type=Integer)
    suggested: int | None = None
    given: str = Field(sa_type=Text)
    confidence: int | None = None
    taken_ms: int
    scheduler: str = Field(sa_type=Text)
    parameters_id: str = Field(sa_type=Text)
    content_hash: str = Field(sa_type=Text)
    caps_left: int = _caps_left()
    state_before: int | None = None
    """State of the card as it was asked; None where the log does not tell."""
    predicted: float | None = Field(default=None, sa_type=REAL)
    """Probability of recall by FSRS, of a card that was in Review."""
    score: float | None = Field(default=None, sa_type=REAL)
    """`exercise`: how much of it was right, from 0 to 1."""


class MemoryRow(MemoryColumns, table=True):
    """What is now known of one card."""

    __tablename__: ClassVar[str] = "memories"
    __table_args__: ClassVar[Any] = (*_memory_checks("memories"), _STRICT)

    card_id: str = Field(sa_type=Text, primary_key=True)
    caps_left: int = _caps_left()


class MarkRow(SQLModel, table=True):
    """What the learner has set on a card: gone from the table once it is taken off."""

    __tablename__: ClassVar[str] = "marks"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("mark IN ('suspended', 'buried', 'flagged')", name="ck_marks_mark"),
        CheckConstraint(f"day {_A_DAY}", name="ck_marks_day"),
        _STRICT,
    )

    card_id: str = Field(sa_type=Text, primary_key=True)
    mark: str = Field(sa_type=Text, primary_key=True)
    at_ms: int
    offset_min: int
    day: str = Field(sa_type=Text)
    """The study day that it was set on; "buried" holds for that day only."""


class PractisedRow(SQLModel, table=True):
    """One answer beside the schedule; no memory and no count of reviews comes from it."""

    __tablename__: ClassVar[str] = "practised"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("mode IN ('ahead', 'cram', 'pretest')", name="ck_practised_mode"),
        CheckConstraint(f"day {_A_DAY}", name="ck_practised_day"),
        CheckConstraint("correct IN (0, 1)", name="ck_practised_correct"),
        _STRICT,
    )

    id: int | None = Field(default=None, primary_key=True)
    card_id: str = Field(sa_type=Text)
    mode: str = Field(sa_type=Text)
    at_ms: int
    offset_min: int
    day: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    correct: bool | None = Field(default=None, sa_type=Integer)
    given: str = Field(sa_type=Text)
    confidence: int | None = None
    taken_ms: int
    score: float | None = Field(default=None, sa_type=REAL)
    """`exercise`: how much of it was right, from 0 to 1."""


class RunRow(SQLModel, table=True):
    """One run of a lab on the learner's machine: what lists and counts ask for."""

    __tablename__: ClassVar[str] = "runs"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("seconds >= 0", name="ck_runs_seconds"),
        _STRICT,
    )

    id: int | None = Field(default=None, primary_key=True)
    sitting_id: int | None = Field(default=None, foreign_key="sittings.id")
    lab: str = Field(sa_type=Text, index=True)
    card_id: str | None = Field(default=None, sa_type=Text)
    started_at_ms: int
    offset_min: int
    seconds: float = Field(sa_type=REAL)
    status: str = Field(sa_type=Text)
    device: str = Field(sa_type=Text)
    machine: str = Field(sa_type=Text)
    code_hash: str = Field(sa_type=Text)
    knobs: str = Field(sa_type=Text)
    """JSON object."""
    seeds: str = Field(sa_type=Text)
    """JSON list of the seeds that ended."""
    budget: float = Field(sa_type=REAL)
    prediction: str | None = Field(default=None, sa_type=Text)
    """The `Prediction` made before the run as JSON, if one was made."""


class OutcomeRow(SQLModel, table=True):
    """What a run measured; in a table of its own, so that a list of runs reads none of it."""

    __tablename__: ClassVar[str] = "outcomes"
    __table_args__: ClassVar[Any] = (_STRICT,)

    run_id: int | None = Field(default=None, primary_key=True, foreign_key="runs.id")
    n_bytes: int
    """Size of `events`."""
    numbers: str = Field(sa_type=Text)
    """The `RunResult` without its events, as JSON."""
    events: str | None = Field(default=None, sa_type=Text)
    """The events of each seed, in the order of the seeds, as JSON; None once they have given way
    to those of newer runs."""


class ScheduleRow(SQLModel, table=True):
    """What the `parameters_id` of a review stands for."""

    __tablename__: ClassVar[str] = "schedules"
    __table_args__: ClassVar[Any] = (_STRICT,)

    parameters_id: str = Field(sa_type=Text, primary_key=True)
    settings: str = Field(sa_type=Text)
    """`ScheduleSettings` as a JSON object."""


class WeightsRow(SQLModel, table=True):
    """One fit of the weights of FSRS, or a way back to earlier ones; rows are only ever added."""

    __tablename__: ClassVar[str] = "weights"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("adopted IN (0, 1)", name="ck_weights_adopted"),
        _STRICT,
    )

    id: int | None = Field(default=None, primary_key=True)
    at_ms: int
    offset_min: int
    parameters: str = Field(sa_type=Text)
    """JSON list of the 21 weights."""
    source: str = Field(sa_type=Text)
    """Where they come from: the optimizer with its version, or the row that was gone back to."""
    n_reviews: int
    """Reviews that they were fitted to."""
    judged: str = Field(sa_type=Text)
    """How they fared on reviews held out, as a JSON object."""
    adopted: int
    """1: in use from then on, until a newer row that is."""


class RemovalRow(SQLModel, table=True):
    """What the learner took back: a copy of the log that still has it must not bring it back."""

    __tablename__: ClassVar[str] = "removals"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(
            "what IN ('review', 'practised', 'suspended', 'buried', 'flagged')",
            name="ck_removals_what",
        ),
        _STRICT,
    )

    what: str = Field(sa_type=Text, primary_key=True)
    card_id: str = Field(sa_type=Text, primary_key=True)
    at_ms: int = Field(primary_key=True)
    """When the answer was given or the mark set."""


METADATA = SQLModel.metadata
"""All of them: the schema as it is at `migrations.HEAD_REVISION`."""
