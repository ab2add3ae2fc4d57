"""``studykit import``: cards and reviews from the files of other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studykit.commands.environment import Environment, environment
from studykit.commands.terminal import say, say_table
from studykit.errors import UsageError
from studykit.text import clean

if TYPE_CHECKING:
    from studykit.exchange.collection import Collection


def import_file(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What another tool has written.")],
    format: Annotated[  # noqa: A002, the option's name
        str | None,
        typer.Option(metavar="NAME", help="Its format; default: the one that its ending names."),
    ] = None,
) -> None:
    """Take over cards and reviews from another tool."""
    env = environment(ctx)
    collection = _read(env, file, format)
    _say_collection(collection)


def _read(env: Environment, file: Path, name: str | None) -> Collection:
    """What the file holds, read by its format's reader."""
    from studykit.exchange.circumstances import Circumstances
    from studykit.exchange.readers import READERS, format_of

    path = file.expanduser()
    if not path.exists():
        raise UsageError(f"{clean(str(file))} does not exist", hint="name a file or a folder")
    name = name or format_of(path)
    if name not in READERS:
        raise UsageError(f"no format is called {name!r}", hint=f"one of {', '.join(READERS)}")
    rollover_hour = env.settings.review.rollover_hour
    return READERS[name](path, Circumstances(env.clock.now(), rollover_hour, tell))


def tell(what: str, n: int, of: int) -> None:
    """Show on a terminal how far the work is, in one line that is written over."""
    if sys.stderr.isatty():
        end = "\n" if n >= of else ""
        print(f"\r{what}: {n:,} of {of:,}", end=end, file=sys.stderr, flush=True)


def _say_collection(collection: Collection) -> None:
    """What the file holds, deck by deck, and what of it does not come."""
    rows = []
    for deck in collection.decks:
        cards = [card for note in deck.notes for card in note.cards]
        n_reviews = sum(len(card.reviews) for card in cards)
        rows.append([" / ".join(deck.path), f"{len(cards):,}", f"{n_reviews:,}"])
    say_table(["deck", "cards", "reviews"], rows, numbers=2)
    for remark in collection.remarks:
        say(f"{remark.n:,} {remark.what}")
