"""Marks that the learner sets on cards, and the short intervals after a confident error."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("memories", "reviews"):
        # In place: nothing is copied, however long the log is.
        op.add_column(table, sa.Column("caps_left", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "marks",
        sa.Column("card_id", sa.Text, primary_key=True),
        sa.Column("mark", sa.Text, primary_key=True),
        sa.Column("at_ms", sa.Integer, nullable=False),
        sa.Column("offset_min", sa.Integer, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.CheckConstraint("mark IN ('suspended', 'buried', 'flagged')", name="ck_marks_mark"),
        sa.CheckConstraint(
            "day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'", name="ck_marks_day"
        ),
        sqlite_strict=True,
    )
