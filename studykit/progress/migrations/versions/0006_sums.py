"""Statistics sum up the columns of an index, in place of reading the whole log."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_reviews_day", "reviews")
    op.create_index(
        "ix_reviews_sums",
        "reviews",
        ["day", "state_before", "rating", "correct", "confidence", "taken_ms", "predicted"],
    )
