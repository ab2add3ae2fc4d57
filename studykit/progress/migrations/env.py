"""Run by Alembic: applies the scripts on the connection, and in the transaction, of the caller."""

from __future__ import annotations

from alembic import context

from studykit.progress.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite alters a table by copying it; the caller's transaction covers all of it.
    render_as_batch=True,
)
context.run_migrations()
