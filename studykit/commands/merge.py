"""``studykit merge``: what was done on another machine joins the progress."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studykit.commands.environment import Environment, environment
from studykit.commands.terminal import say, say_json, warn
from studykit.errors import StudykitError, UsageError
from studykit.text import clean, plural

if TYPE_CHECKING:
    from studykit.progress.merge import Merged

ENDINGS = (".sqlite3", ".db", ".zip")
"""Of the files in a folder that are looked at: databases, and what `studykit backup` writes."""


def merge(
    ctx: typer.Context,
    other: Annotated[
        Path,
        typer.Argument(
            metavar="OTHER", help="Progress of another machine, a backup, or a folder of them."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would come, and change nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")] = False,
) -> None:
    """Join what was done on another machine to the progress here.

    Nothing is lost, and OTHER is never written.
    """
    env = environment(ctx)
    others = _databases(env, other.expanduser())
    with merge_target(env, dry_run=dry_run) as (path, backups_dir, copy):
        found = [(each, _merge(env, path, backups_dir, each)) for each in others]
        copy = kept_copy(copy, [merged for _, merged in found])
    failed = [error for _, error in found if isinstance(error, StudykitError)]
    if failed and len(others) == 1:
        raise failed[0]
    if json:
        documents = [_document(*each) for each in found]
        kept = None if copy is None else str(copy)
        say_json({"format": 1, "dry_run": dry_run, "merged": documents, "copy": kept})
    else:
        for each, merged in found:
            if not isinstance(merged, StudykitError):
                say(f"{clean(each.name)}: {describe_merged(merged)}")
        say_copy(copy)
    for error in failed:
        warn(str(error))
    if failed:
        raise typer.Exit(1)


def _databases(env: Environment, other: Path) -> list[Path]:
    """The files to merge; raises `UsageError` if there is none."""
    own = env.paths.database.resolve()
    if other.is_dir():
        found = sorted(each for each in other.iterdir() if each.suffix in ENDINGS)
        found = [each for each in found if each.is_file() and each.resolve() != own]
        if not found:
            raise UsageError(
                f"{clean(str(other))} holds no progress of another machine",
                hint=f"files that end in {', '.join(ENDINGS)} are looked at",
            )
        return found
    if not other.exists():
        raise UsageError(f"{clean(str(other))} does not exist", hint="name a file or a folder")
    if other.resolve() == own:
        raise UsageError(
            f"{clean(str(other))} is the progress of this machine",
            hint="name that of the other one",
        )
    return [other]


@contextmanager
def merge_target(env: Environment, *, dry_run: bool) -> Iterator[tuple[Path, Path, Path | None]]:
    """The database to merge into, where its copies lie, and the copy made of it.

    On a dry run that is a private copy, of which none is made.
    """
    from studykit.progress.backups import copy_before_merge
    from studykit.progress.database import explained, require_alone
    from studykit.progress.merge import trial_copy

    path, backups_dir = env.paths.database, env.paths.backups_dir
    if dry_run:
        with trial_copy(path, backups_dir) as trial:
            yield trial, trial.parent, None
        return
    copy = None
    if path.exists():
        with explained(path, backups_dir):
            require_alone(path)
            copy = copy_before_merge(path, backups_dir, env.clock.now())
    yield path, backups_dir, copy


def kept_copy(copy: Path | None, found: Iterable[Merged | StudykitError]) -> Path | None:
    """The copy that was made before merging, which is removed if nothing has come."""
    if copy is None or any(
        isinstance(each, StudykitError) or not each.is_nothing for each in found
    ):
        return copy
    copy.unlink(missing_ok=True)
    return None


def say_copy(copy: Path | None) -> None:
    """Where the progress is as it was, if it was changed."""
    if copy is not None:
        say(f"a copy of the progress as it was: {clean(str(copy))}")


def _merge(env: Environment, path: Path, backups_dir: Path, other: Path) -> Merged | StudykitError:
    from studykit.exchange.backup import is_backup, unpacked_database
    from studykit.progress.merge import merge as merge_database

    try:
        with ExitStack() as stack:
            if is_backup(other):
                other = stack.enter_context(unpacked_database(other))
            return merge_database(path, backups_dir, other, env.fallback)
    except StudykitError as error:
        return error


def describe_merged(merged: Merged) -> str:
    """What has come, in words."""
    if merged.is_nothing:
        return "nothing that is not here already"
    parts = [
        (merged.n_answers, plural(merged.n_answers, "answer")),
        (merged.n_taken_back, f"{plural(merged.n_taken_back, 'answer')} taken back there"),
        (merged.n_practised, f"{merged.n_practised} practised"),
        (merged.n_runs, plural(merged.n_runs, "run")),
        (merged.n_marks, plural(merged.n_marks, "mark")),
        (merged.n_weights, f"{merged.n_weights} fitted weights"),
        (merged.n_cards, f"{plural(merged.n_cards, 'card')} scheduled anew"),
    ]
    return ", ".join(told for n, told in parts if n)


def _document(other: Path, merged: Merged | StudykitError) -> dict[str, object]:
    if isinstance(merged, StudykitError):
        return {"from": str(other), "error": str(merged)}
    return {
        "from": str(other),
        "answers": merged.n_answers,
        "taken_back": merged.n_taken_back,
        "practised": merged.n_practised,
        "runs": merged.n_runs,
        "marks": merged.n_marks,
        "weights": merged.n_weights,
        "cards_scheduled_anew": merged.n_cards,
    }
