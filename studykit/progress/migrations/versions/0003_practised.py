"""Answers that were practised beside the schedule."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "practised",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("card_id", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("at_ms", sa.Integer, nullable=False),
        sa.Column("offset_min", sa.Integer, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("correct", sa.Integer),
        sa.Column("given", sa.Text, nullable=False),
        sa.Column("confidence", sa.Integer),
        sa.Column("taken_ms", sa.Integer, nullable=False),
        sa.CheckConstraint("mode IN ('ahead', 'cram', 'pretest')", name="ck_practised_mode"),
        sa.CheckConstraint(
            "day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'", name="ck_practised_day"
        ),
        sa.CheckConstraint("correct IN (0, 1)", name="ck_practised_correct"),
        sqlite_strict=True,
    )
