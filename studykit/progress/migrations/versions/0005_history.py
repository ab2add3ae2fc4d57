"""What statistics, replays and merges need: states before, predictions, settings, removals."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DECAY = -0.1542
"""The last of the default weights of FSRS-6, by which every card was scheduled until now."""

STATE_BEFORE = """\
CREATE TEMP TABLE befores AS
SELECT id, state_before, stability_days,
    julianday(last_review_day) - julianday(day_before) AS days
FROM (
    SELECT id, last_review_day,
        coalesce(lag(state) OVER card, CASE reps WHEN 1 THEN 0 END) AS state_before,
        lag(stability_days) OVER card AS stability_days,
        lag(last_review_day) OVER card AS day_before
    FROM reviews WINDOW card AS (PARTITION BY card_id ORDER BY id)
)
ORDER BY id
"""
"""The first review of a card found it new, unless rows before it are missing: then it is unknown
how it was."""

FILL = """\
UPDATE reviews SET
    state_before = befores.state_before,
    predicted = CASE befores.state_before
        WHEN 2 THEN recall(befores.days, befores.stability_days) END
FROM temp.befores WHERE befores.id = reviews.id
"""


def upgrade() -> None:
    # In place: nothing is copied, however long the log is.
    op.add_column("reviews", sa.Column("state_before", sa.Integer))
    op.add_column("reviews", sa.Column("predicted", sa.REAL))
    op.add_column("reviews", sa.Column("score", sa.REAL))
    op.add_column("practised", sa.Column("score", sa.REAL))
    fill()
    op.create_table(
        "schedules",
        sa.Column("parameters_id", sa.Text, primary_key=True),
        sa.Column("settings", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "weights",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at_ms", sa.Integer, nullable=False),
        sa.Column("offset_min", sa.Integer, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("n_reviews", sa.Integer, nullable=False),
        sa.Column("judged", sa.Text, nullable=False),
        sa.Column("adopted", sa.Integer, nullable=False),
        sa.CheckConstraint("adopted IN (0, 1)", name="ck_weights_adopted"),
        sqlite_strict=True,
    )
    op.create_table(
        "removals",
        sa.Column("what", sa.Text, primary_key=True),
        sa.Column("card_id", sa.Text, primary_key=True),
        sa.Column("at_ms", sa.Integer, primary_key=True),
        sa.CheckConstraint(
            "what IN ('review', 'practised', 'suspended', 'buried', 'flagged')",
            name="ck_removals_what",
        ),
        sqlite_strict=True,
    )


def fill() -> None:
    """How each card was when it was asked, and what FSRS expected of it."""
    connection = op.get_bind()
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.create_function("recall", 2, recall, deterministic=True)  # not every SQLite has pow()
    connection.exec_driver_sql(STATE_BEFORE)
    connection.exec_driver_sql("CREATE UNIQUE INDEX temp.befores_id ON befores (id)")
    connection.exec_driver_sql(FILL)
    connection.exec_driver_sql("DROP TABLE temp.befores")


def recall(days: float | None, stability_days: float | None) -> float | None:
    """Probability of recall after `days`, as FSRS-6 has it; None where the log is damaged."""
    if days is None or not stability_days or stability_days < 0:
        return None
    factor = 0.9 ** (1 / DECAY) - 1
    result: float = (1 + factor * max(0.0, days) / stability_days) ** DECAY
    return result
