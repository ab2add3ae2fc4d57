"""``studykit export``: cards, schedule and log for other programs."""

from __future__ import annotations

import enum
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studykit.commands.environment import Environment, environment
from studykit.commands.importing import tell
from studykit.commands.terminal import say
from studykit.errors import StudykitError, UsageError
from studykit.text import clean, plural

if TYPE_CHECKING:
    from studykit.exchange.outgoing import Outgoing
    from studykit.progress.store import Store


class Format(enum.StrEnum):
    """What can be written."""

    APKG = "apkg"
    ANKI_TEXT = "anki-text"
    JSON = "json"
    MARKDOWN = "markdown"
    CSV = "csv"
    TSV = "tsv"
    REVLOG = "revlog"


ENDINGS = {
    ".apkg": Format.APKG,
    ".txt": Format.ANKI_TEXT,
    ".json": Format.JSON,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    "": Format.MARKDOWN,
}


def export(
    ctx: typer.Context,
    to: Annotated[
        Path, typer.Option(metavar="FILE", help="The file to write; of Markdown a new folder.")
    ],
    format: Annotated[  # noqa: A002, the option's name
        Format | None,
        typer.Option(help="Default: the one that the file's ending names (docs/exchange.md)."),
    ] = None,
) -> None:
    """Write the course with your progress for another program.

    A package for Anki with schedule and review log; cards as Anki's text, Markdown, CSV or TSV;
    the log for FSRS optimisers; or, as JSON, everything that is yours.
    """
    env = environment(ctx)
    path = to.expanduser()
    chosen = format or ENDINGS.get(path.suffix.lower())
    if chosen is None:
        known = ", ".join(ending for ending in ENDINGS if ending)
        what = f"--to {clean(str(to))} ends in none of {known}"
        raise UsageError(what, hint="name the format with --format")
    if path.is_dir() and (chosen is not Format.MARKDOWN or any(path.iterdir())):
        what = "is not empty" if chosen is Format.MARKDOWN else "is a folder"
        raise UsageError(f"--to {clean(str(to))} {what}", hint="name one that is not there yet")
    try:
        with env.existing_store() as store:
            say(f"{clean(str(path))}: {_export(env, store, chosen, path)}")
    except OSError as error:
        reason = error.strerror or str(error)
        raise StudykitError(f"{clean(str(path))} cannot be written: {reason}") from None


def _export(env: Environment, store: Store | None, format: Format, path: Path) -> str:  # noqa: A002
    """Write the file, whole or not at all; returns what is in it, in words."""
    from studykit.files import drafted
    from studykit.study.going_out import outgoing

    services = env.services
    if store is not None:
        services.store, services.runs = store, store.run_entries()
    out = outgoing(services, store, tell)
    if format is not Format.MARKDOWN:
        with drafted(path.resolve()) as draft:  # of a link its target is written
            return _write(env, store, out, format, draft)
    from studykit.exchange.markdown_decks import write_markdown

    draft = path.with_name(f".{path.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        n = write_markdown(out, draft)
        with suppress(FileNotFoundError):
            path.rmdir()
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return plural(n, "card")


def _write(
    env: Environment,
    store: Store | None,
    out: Outgoing,
    format: Format,  # noqa: A002
    draft: Path,
) -> str:
    match format:
        case Format.APKG:
            from studykit.exchange.anki_writer import write_apkg

            written = write_apkg(out, draft)
            told = f"{plural(written.n_cards, 'card')}, {plural(written.n_reviews, 'review')}"
            if written.n_other_reviews:
                others = plural(written.n_other_reviews, "review")
                told += f"; {others} of cards that are not in this course stay out"
            return told
        case Format.JSON:
            from studykit.exchange.json_writer import write_json

            return (
                f"everything of yours, {plural(write_json(out, store, env.paths, draft), 'review')}"
            )
        case Format.REVLOG:
            from studykit.exchange.tables_out import write_revlog

            return plural(write_revlog(out, draft), "review")
        case Format.ANKI_TEXT:
            from studykit.exchange.tables_out import write_anki_text

            return plural(write_anki_text(out, draft), "card")
        case _:
            from studykit.exchange.tables_out import write_cards

            delimiter = "\t" if format is Format.TSV else ","
            return plural(write_cards(out, draft, delimiter), "card")
