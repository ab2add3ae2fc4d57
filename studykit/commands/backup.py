"""``studykit backup`` and ``studykit restore``: all that is the learner's, kept and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studykit.commands.environment import Environment, environment
from studykit.commands.terminal import say
from studykit.errors import StudykitError, UsageError
from studykit.text import clean, plural, size_in_words

if TYPE_CHECKING:
    from studykit.exchange.learner_files import Placed

NEWEST = "newest"


def backup(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Default: a new file in the folder of the copies."),
    ] = None,
) -> None:
    """Write everything that is yours into one archive.

    Progress, settings, own cards, pinned questions and changed labs.
    """
    from studykit.exchange.backup import PREFIX, write_backup

    env = environment(ctx)
    now = env.clock.now()
    name = f"{PREFIX}{now:%Y-%m-%d-%H%M%S}.zip"
    target = env.paths.backups_dir / name if file is None else file.expanduser()
    if target.is_dir():
        target /= name
    if target.exists():
        raise UsageError(f"{clean(str(target))} exists", hint="name a new file")
    names = write_backup(env.paths, target, now)
    size = size_in_words(target.stat().st_size)
    say(f"{clean(str(target))}: {plural(len(names), 'file')}, {size}")


def restore(
    ctx: typer.Context,
    which: Annotated[
        str,
        typer.Argument(metavar="newest|FILE", help="A backup or a copy of the progress."),
    ] = NEWEST,
    trust: Annotated[
        bool, typer.Option("--trust", help="Bring back changed labs, too: they are programs.")
    ] = False,
) -> None:
    """Go back to a backup or a copy, and take over what was answered since.

    Files of yours that are missing come back; those that are there stay.
    """
    go_back(environment(ctx), which, trusted=trust)


def go_back(env: Environment, which: str, *, trusted: bool) -> None:
    """Restore the file that is named, or the newest, and say what was done."""
    from studykit.exchange.backup import is_backup, opened_backup
    from studykit.exchange.learner_files import put_files

    chosen = _chosen(env, which)
    if chosen is None or not is_backup(chosen):
        _restore_progress(env, chosen)
        return
    with opened_backup(chosen, env.paths) as opened:
        # What cannot be put back is told before anything is changed.
        put_files(opened.files, env.paths, trusted=trusted, dry_run=True)
        if opened.database is not None:
            _restore_progress(env, opened.database, chosen)
        _say_placed(put_files(opened.files, env.paths, trusted=trusted))


def _chosen(env: Environment, which: str) -> Path | None:
    """The file that is named; None: the newest sound copy of the progress."""
    from studykit.exchange.backup import PREFIX, is_backup
    from studykit.progress.backups import copies_in
    from studykit.progress.database import may_be_progress

    if which != NEWEST:
        path = Path(which).expanduser()
        if not path.is_file():
            raise UsageError(f"{clean(which)}: there is no such file", hint="newest, or a file")
        if not is_backup(path) and not may_be_progress(path):
            raise StudykitError(
                f"{clean(which)} is neither a backup nor a copy of the progress",
                hint="newest, or a file that studykit has written",
            )
        return path
    archives = sorted(env.paths.backups_dir.glob(f"{PREFIX}*.zip"))
    return archives[-1] if archives and not copies_in(env.paths.backups_dir) else None


def _restore_progress(env: Environment, copy: Path | None, named: Path | None = None) -> None:
    """Put a copy, or the newest sound one, in the place of the progress, and say what was done."""
    from studykit.progress.restore import restore as restore_database

    paths = env.paths
    done = restore_database(paths.database, paths.backups_dir, env.clock.now(), copy, env.fallback)
    for reason in done.passed_over:
        say(f"not taken  {reason.replace(str(copy), str(named or copy))}")
    source = (named or done.copy) if done.copy else "what could still be read"
    since = f", {done.n_since} of them given since" if done.copy else ""
    say(f"restored   {source}: {plural(done.n_answers, 'answer')}{since}")
    if done.kept_in is not None:
        say(f"kept       the file as it was, in {done.kept_in}")


def _say_placed(placed: Placed) -> None:
    for name in placed.written:
        say(f"restored   {name}")
    for name in placed.kept:
        say(f"not taken  {name}: another one is there, and stays")
    for name in placed.left:
        say(f"not taken  {name}: a program; --trust brings it back")
