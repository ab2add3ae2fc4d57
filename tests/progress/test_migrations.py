"""An old database is led to the newest schema, after a copy, completely or not at all."""

from __future__ import annotations

import ast
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from studykit.clock import to_ms
from studykit.errors import StoreError
from studykit.progress import migrations
from studykit.progress.rows import memory_columns
from studykit.progress.store import Store
from studykit.review.marks import Marks
from studykit.review.schedule import NEW_MEMORY, Rating, Scheduler, ScheduleSettings, State
from tests.progress.builders import MONDAY, make_review, open_store

HEAD = migrations.HEAD_REVISION
NEXT = f"{int(HEAD) + 1:04}"

ADD_A_COLUMN = f"""\
import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{HEAD}"

def upgrade():
    with op.batch_alter_table("sittings") as batch:
        batch.add_column(sa.Column("place", sa.Text))
"""


def schema(path: Path) -> list[tuple[str, str]]:
    """Name and SQL of everything in the database, spaces apart."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    return [(name, " ".join((sql or "").split())) for name, sql in rows]


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of scripts of a studykit one revision ahead."""
    scripts = tmp_path / "100% scripts"
    (scripts / "versions").mkdir(parents=True)
    for source in (migrations.SCRIPTS / "env.py", *migrations.SCRIPTS.glob("versions/*.py")):
        (scripts / source.relative_to(migrations.SCRIPTS)).write_text(source.read_text())
    (scripts / "versions" / f"{NEXT}_next.py").write_text(ADD_A_COLUMN)
    monkeypatch.setattr(migrations, "SCRIPTS", scripts)
    monkeypatch.setattr(migrations, "REVISIONS", (*migrations.REVISIONS, NEXT))
    monkeypatch.setattr(migrations, "HEAD_REVISION", NEXT)
    return scripts


def old_database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database as this version makes it, with a sitting and an answer in it."""
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "HEAD_REVISION", HEAD)
        with closing(open_store(folder)) as store:
            review = make_review()
            store.begin_sitting(review.at, review.day)
            store.record(review)
    return folder / "progress.sqlite3"


def upgrade(path: Path, revision: str) -> None:
    """Lead the database at `path`, made if there is none, to `revision` by the scripts alone."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations.SCRIPTS))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_a_new_database_is_what_the_scripts_would_make(tmp_path: Path) -> None:
    """Tables, constraints and indexes, to the letter."""
    open_store(tmp_path).close()
    path = tmp_path / "migrated.sqlite3"
    upgrade(path, "head")

    assert schema(tmp_path / "progress.sqlite3") == schema(path)


def test_the_revisions_named_are_those_of_the_scripts() -> None:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(migrations.SCRIPTS))
    revisions = [script.revision for script in scripts.walk_revisions()]

    assert list(migrations.REVISIONS) == revisions[::-1]
    assert scripts.get_current_head() == migrations.HEAD_REVISION


OLD_ANSWER = """\
INSERT INTO reviews (state, stability_days, difficulty, due_day, last_review_at_ms,
    last_review_day, reps, lapses, card_id, at_ms, offset_min, day, rating, kind, correct,
    suggested, given, confidence, taken_ms, scheduler, parameters_id, content_hash)
VALUES (2, 2.25, 5.5, '2026-11-26', 1795420800000, '2026-11-23', 1, 0, 'a', 1795420800000, 60,
    '2026-11-23', 3, 'choice', 1, 3, 'the second option', 70, 8000, 'fsrs-6.3.2', '0a1b2c', 'abc');
INSERT INTO memories (state, stability_days, difficulty, due_day, last_review_at_ms,
    last_review_day, reps, lapses, card_id)
VALUES (2, 2.25, 5.5, '2026-11-26', 1795420800000, '2026-11-23', 1, 0, 'a');
"""
"""A review and its memory as revision 0001 stored them."""


def test_the_first_schema_becomes_todays_with_every_answer(tmp_path: Path) -> None:
    """Nothing was marked then and no interval kept short."""
    path = tmp_path / "progress.sqlite3"
    upgrade(path, "0001")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD_ANSWER)

    with closing(open_store(tmp_path)) as store:
        (review,) = store.reviews()
        assert review == replace(make_review(at=review.at), before=State.NEW)
        assert store.memories() == {"a": review.after}
        assert review.after.caps_left == 0
        assert store.marks(review.day) == Marks()
        assert store.check() == []

    (tmp_path / "new").mkdir()
    open_store(tmp_path / "new").close()
    assert schema(path) == schema(tmp_path / "new" / "progress.sqlite3")


OLD_HISTORY = """\
INSERT INTO reviews (id, state, step, stability_days, difficulty, due_at_ms, due_day,
    last_review_at_ms, last_review_day, reps, lapses, card_id, at_ms, offset_min, day, rating,
    kind, given, taken_ms, scheduler, parameters_id, content_hash)
VALUES {rows};
"""


def test_old_answers_learn_how_their_card_was_and_what_was_expected(tmp_path: Path) -> None:
    """By the row before of the same card; where that is missing, nothing is made up."""
    scheduler = Scheduler(ScheduleSettings())
    asked = [("a", 0), ("b", 0), ("a", 0), ("b", 0), ("a", 3), ("cut", 3), ("b", 9), ("cut", 20)]
    path, rows, expected = tmp_path / "progress.sqlite3", [], []
    memories = {"cut": scheduler.review("cut", NEW_MEMORY, Rating.EASY, MONDAY)}
    for n, (card_id, days) in enumerate(asked, 1):
        at = MONDAY + timedelta(days=days, minutes=n)
        before = memories.get(card_id, NEW_MEMORY)
        after = scheduler.review(card_id, before, Rating.GOOD, at)
        memories[card_id] = after
        is_known = (card_id, days) != ("cut", 3)
        predicted = scheduler.predicted(before, at.date()) if is_known else None
        expected.append((before.state if is_known else None, predicted))
        row = memory_columns(after)
        del row["caps_left"]
        answer = (card_id, to_ms(at), 60, at.date().isoformat(), 3, "recall", "", 1, "", "", "")
        rows.append((n, *row.values(), *answer))
    upgrade(path, "0001")
    with closing(sqlite3.connect(path)) as connection, connection:
        marks = f"({', '.join('?' * len(rows[0]))})"
        connection.executemany(OLD_HISTORY.format(rows=marks), rows)

    with closing(open_store(tmp_path)) as store:
        found = [(review.before, review.predicted) for review in store.reviews()]

    assert [state for state, _ in found] == [state for state, _ in expected]
    assert [p for _, p in found] == [p and pytest.approx(p, rel=1e-12) for _, p in expected]
    assert sum(p is not None for _, p in found) == 3


def test_an_old_database_is_copied_and_migrated(
    tmp_path: Path, next_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is the database as it was; nothing of it is lost."""
    path = old_database(tmp_path, monkeypatch)
    before = schema(path)

    with closing(open_store(tmp_path)) as store:
        assert store.reviews() == [make_review()]
        assert store.check() == []

    assert "place TEXT" in dict(schema(path))["sittings"]
    (backup,) = (tmp_path / "backups").iterdir()
    assert backup.name == f"progress-before-{NEXT}-from-{HEAD}.sqlite3"
    assert schema(backup) == before
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT card_id FROM reviews").fetchall() == [("a",)]

    with closing(open_store(tmp_path)) as store:
        assert store.reviews() == [make_review()]


def test_reading_an_old_database_changes_nothing(
    tmp_path: Path, next_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prompt that counts what is due leaves the migration to the app."""
    path = old_database(tmp_path, monkeypatch)
    before = path.read_bytes()

    with closing(Store.open_for_reading(path, backups_dir=tmp_path / "backups")) as store:
        assert store.reviews() == [make_review()]

    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir() if item != next_version] == [path.name]


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, next_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even its first steps, which succeeded."""
    path = old_database(tmp_path, monkeypatch)
    before = schema(path)
    script = next_version / "versions" / f"{NEXT}_next.py"
    script.write_text(
        f"{ADD_A_COLUMN}    op.execute('DELETE FROM reviews')\n    op.drop_table('x')\n"
    )

    with pytest.raises(
        StoreError, match=r"cannot be brought up to date: .*no such table"
    ) as caught:
        open_store(tmp_path)

    assert f"progress-before-{NEXT}-from-{HEAD}.sqlite3" in caught.value.hint
    assert schema(path) == before
    script.write_text(ADD_A_COLUMN)
    with closing(open_store(tmp_path)) as store:
        assert store.reviews() == [make_review()]


def test_a_migration_that_would_break_links_changes_nothing(
    tmp_path: Path, next_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old_database(tmp_path, monkeypatch)
    before = schema(path)
    script = next_version / "versions" / f"{NEXT}_next.py"
    script.write_text(f"{ADD_A_COLUMN}    op.execute('DELETE FROM sittings')\n")

    with pytest.raises(StoreError, match="1 rows would point nowhere"):
        open_store(tmp_path)

    assert schema(path) == before


def test_alembic_is_imported_only_to_migrate(tmp_path: Path) -> None:
    """It costs a third of a second, which no ordinary start shall pay."""
    code = (
        "import sys; from pathlib import Path; from tests.progress.builders import open_store;"
        f"[open_store(Path({str(tmp_path)!r})).close() for start in ('first', 'second')];"
        "print('alembic' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )

    assert result.stdout == "False\n"


def test_scripts_do_not_import_the_tables() -> None:
    """The tables change; a script must go on making what it always made."""
    for script in (migrations.SCRIPTS / "versions").glob("*.py"):
        imported = {
            node.module
            for node in ast.walk(ast.parse(script.read_text()))
            if isinstance(node, ast.ImportFrom)
        }
        assert not {name for name in imported if name and name.startswith("studykit")}
