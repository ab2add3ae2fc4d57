"""What a run measured leaves the table of runs, so that a list of runs need not read it."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LISTS = {"curves": "curve", "heat_maps": "heat_map", "tables": "table", "walks": "walk"}
"""Lists of a seed, as they were stored before the events were one list -> the event's name."""


def upgrade() -> None:
    connection = op.get_bind()
    op.drop_index("ix_runs_lab", "runs")
    op.rename_table("runs", "old_runs")
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
        sa.Column("budget", sa.REAL, nullable=False),
        sa.Column("prediction", sa.Text),
        sa.CheckConstraint("seconds >= 0", name="ck_runs_seconds"),
        sqlite_strict=True,
    )
    op.create_index("ix_runs_lab", "runs", ["lab"])
    op.create_table(
        "outcomes",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("n_bytes", sa.Integer, nullable=False),
        sa.Column("numbers", sa.Text, nullable=False),
        sa.Column("events", sa.Text),
        sqlite_strict=True,
    )
    # One at a time: a run may be large, and all of them larger than the memory.
    for id_ in connection.execute(sa.text("SELECT id FROM old_runs ORDER BY id")).scalars().all():
        stored = connection.execute(
            sa.text("SELECT result FROM old_runs WHERE id = :id"), {"id": id_}
        ).scalar_one()
        budget, numbers, events = split(stored)
        connection.execute(
            sa.text(
                "INSERT INTO runs SELECT id, sitting_id, lab, card_id, started_at_ms, offset_min,"
                " seconds, status, device, machine, code_hash, knobs, seeds, :budget, prediction"
                " FROM old_runs WHERE id = :id"
            ),
            {"id": id_, "budget": budget},
        )
        connection.execute(
            sa.text("INSERT INTO outcomes VALUES (:id, :n_bytes, :numbers, :events)"),
            {"id": id_, "n_bytes": len(events or ""), "numbers": numbers, "events": events},
        )
    op.drop_table("old_runs")


def split(stored: str) -> tuple[float, str, str | None]:
    """The budget, the result without its events, and these; what is no run of ours is all kept."""
    try:
        document = json.loads(stored)
        budget = float(document.get("budget", 1.0))
        events = [events_of(seed) for seed in document["seeds"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return 1.0, stored, None
    return budget, json.dumps(document), json.dumps(events)


def events_of(seed: dict[str, Any]) -> list[Any]:
    """The events of a seed, taken out of it."""
    events: list[Any] = seed.pop("events", [])
    for name, event in LISTS.items():
        events += [{**item, "event": event} for item in seed.pop(name, [])]
    return events
