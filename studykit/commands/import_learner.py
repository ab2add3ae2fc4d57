"""``studykit import me.json``: everything that an export of one's own holds."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from studykit.commands.merge import describe_merged, kept_copy, merge_target, say_copy
from studykit.commands.terminal import say
from studykit.text import clean

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.exchange.circumstances import Tell
    from studykit.exchange.json_reader import Learner
    from studykit.exchange.learner_files import Placed
    from studykit.progress.merge import Merged


def import_learner(
    env: Environment, path: Path, tell: Tell, *, dry_run: bool, trusted: bool
) -> None:
    """Join the document's log to the progress, and put its files where none lie.

    Raises `StudykitError` if the document or the progress cannot be used; nothing has changed then.
    """
    from studykit.exchange.json_reader import read_learner
    from studykit.exchange.learner_files import put_files

    with TemporaryDirectory(prefix="studykit-") as folder:
        database = Path(folder, "progress.sqlite3")
        learner = read_learner(path, database, env.paths, tell)
        placed = put_files(learner.files, env.paths, trusted=trusted, dry_run=True)
        merged, copy = _take_in(env, database, learner, dry_run=dry_run)
    copy = kept_copy(copy, [merged])
    if not dry_run:
        put_files(learner.files, env.paths, trusted=trusted)
    say(f"{clean(path.name)}: {describe_merged(merged)}")
    _say_files(placed, path)
    say_copy(copy)
    if dry_run:
        say("Nothing was written.")


def _take_in(
    env: Environment, database: Path, learner: Learner, *, dry_run: bool
) -> tuple[Merged, Path | None]:
    """Let `database` be the progress where there is none, else merge it; and the copy made then."""
    from studykit.progress.backups import copy_database, refuse_if_lost
    from studykit.progress.database import explained
    from studykit.progress.merge import Merged, merge

    own, backups_dir, counts = env.paths.database, env.paths.backups_dir, learner.counts
    if own.exists():
        with merge_target(env, dry_run=dry_run) as (target, its_backups_dir, copy):
            return merge(target, its_backups_dir, database, env.fallback), copy
    with explained(own, backups_dir):
        refuse_if_lost(own, backups_dir)
        if not dry_run:
            own.parent.mkdir(parents=True, exist_ok=True)
            copy_database(database, own)
    tables = ("practised", "runs", "marks", "weights")
    return Merged(counts.get("reviews", 0), 0, 0, *(counts.get(name, 0) for name in tables)), None


def _say_files(placed: Placed, path: Path) -> None:
    if placed.written:
        say(f"files that were not here: {', '.join(placed.written)}")
    if placed.kept:
        say(f"others are here, and stay: {', '.join(placed.kept)}")
    if placed.left:
        names = ", ".join(placed.left)
        say(f"programs, left out: {names}; `studykit import {clean(str(path))} --trust` takes them")
