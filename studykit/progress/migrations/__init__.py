"""Changes of the database's schema, one Alembic script each in ``versions/``.

Alembic takes a third of a second to import, so what every start needs is written here: a new
database is made from the tables as they are and marked with `HEAD_REVISION`; only one marked
with an older revision is led through the scripts.
"""

from __future__ import annotations

from pathlib import Path

SCRIPTS = Path(__file__).parent
"""The Alembic environment."""

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every revision, oldest first; a script added to ``versions/`` is added here."""

HEAD_REVISION = REVISIONS[-1]
"""The revision of the tables as they are."""
