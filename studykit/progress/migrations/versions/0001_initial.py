"""The first schema: sittings, reviews, memories, runs.

A script never imports the tables: they change, it stays.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

A_DAY = "GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'"


def upgrade() -> None:
    op.create_table(
        "sittings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("started_at_ms", sa.Integer, nullable=False),
        sa.Column("offset_min", sa.Integer, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("ended_at_ms", sa.Integer),
        sa.CheckConstraint(f"day {A_DAY}", name="ck_sittings_day"),
        sqlite_strict=True,
    )
    op.create_table(
        "memories",
        *memory_columns(),
        sa.Column("card_id", sa.Text, primary_key=True),
        *memory_checks("memories"),
        sqlite_strict=True,
    )
    op.create_table(
        "reviews",
        *memory_columns(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sitting_id", sa.Integer, sa.ForeignKey("sittings.id")),
        sa.Column("card_id", sa.Text, nullable=False),
        sa.Column("at_ms", sa.Integer, nullable=False),
        sa.Column("offset_min", sa.Integer, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("rating", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("correct", sa.Integer),
        sa.Column("suggested", sa.Integer),
        sa.Column("given", sa.Text, nullable=False),
        sa.Column("confidence", sa.Integer),
        sa.Column("taken_ms", sa.Integer, nullable=False),
        sa.Column("scheduler", sa.Text, nullable=False),
        sa.Column("parameters_id", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.CheckConstraint(f"day {A_DAY}", name="ck_reviews_day"),
        sa.CheckConstraint("rating BETWEEN 1 AND 4", name="ck_reviews_rating"),
        sa.CheckConstraint("suggested BETWEEN 1 AND 4", name="ck_reviews_suggested"),
        sa.CheckConstraint("correct IN (0, 1)", name="ck_reviews_correct"),
        *memory_checks("reviews"),
        sqlite_strict=True,
    )
    op.create_index("ix_reviews_card_id", "reviews", ["card_id"])
    op.create_index("ix_reviews_day", "reviews", ["day"])
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sitting_id", sa.Integer, sa.ForeignKey("sittings.id")),
        sa.Column("lab", sa.Text, nullable=False),
        sa.Column("card_id", sa.Text),
        sa.Column("started_at_ms", sa.Integer, nullable=False),
        sa.Column("offset_min", sa.Integer, nullable=False),
        sa.Column("seconds", sa.REAL, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("machine", sa.Text, nullable=False),
        sa.Column("code_hash", sa.Text, nullable=False),
        sa.Column("knobs", sa.Text, nullable=False),
        sa.Column("seeds", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("prediction", sa.Text),
        sa.CheckConstraint("seconds >= 0", name="ck_runs_seconds"),
        sqlite_strict=True,
    )
    op.create_index("ix_runs_lab", "runs", ["lab"])


def memory_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer),
        sa.Column("stability_days", sa.REAL),
        sa.Column("difficulty", sa.REAL),
        sa.Column("due_at_ms", sa.Integer),
        sa.Column("due_day", sa.Text),
        sa.Column("last_review_at_ms", sa.Integer),
        sa.Column("last_review_day", sa.Text),
        sa.Column("reps", sa.Integer, nullable=False),
        sa.Column("lapses", sa.Integer, nullable=False),
    ]


def memory_checks(table: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint("state BETWEEN 0 AND 3", name=f"ck_{table}_state"),
        sa.CheckConstraint("stability_days > 0", name=f"ck_{table}_stability"),
        sa.CheckConstraint(f"due_day {A_DAY}", name=f"ck_{table}_due_day"),
        sa.CheckConstraint("reps >= 0 AND lapses >= 0", name=f"ck_{table}_counts"),
    ]
