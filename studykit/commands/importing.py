"""``studykit import``: cards and reviews from the files of other tools."""

from __future__ import annotations

import shlex
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studykit.commands.environment import Environment, environment
from studykit.commands.terminal import say, say_table
from studykit.errors import StudykitError, UsageError
from studykit.text import clean, plural

if TYPE_CHECKING:
    from studykit.exchange.collection import Collection
    from studykit.exchange.course_writer import CoursePlan


LEARNER = "json"
"""The format that makes no course: everything that `studykit export` has written of a learner."""


def import_file(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What another tool has written.")],
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Folder of the course: a new one, or one that was imported before."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would come and what not; write nothing.")
    ] = False,
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="Title of a new course; default: the file's.")
    ] = "",
    format: Annotated[  # noqa: A002, the option's name
        str | None,
        typer.Option(metavar="NAME", help="Its format; default: the one that its ending names."),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Of JSON: take over own versions of labs, too.")
    ] = False,
) -> None:
    """Take over cards and reviews from another tool.

    The cards become a course of YAML decks, the reviews join your own. What is there already stays
    as it is, so the same file can be imported again, or a newer one of the same collection. What
    studykit has exported as JSON joins your progress, and makes no course.
    """
    env, path = environment(ctx), file.expanduser()
    if not path.exists():
        raise UsageError(f"{clean(str(file))} does not exist", hint="name a file or a folder")
    if format == LEARNER or (format is None and path.suffix.lower() == f".{LEARNER}"):
        if into is not None or title:
            raise UsageError("--into and --title make a course", hint="JSON of studykit has none")
        from studykit.commands.import_learner import import_learner

        import_learner(env, path, tell, dry_run=dry_run, trusted=trust)
        return
    if into is None and not dry_run:
        raise UsageError("--into is missing", hint="the folder that the course shall lie in")
    from studykit.exchange.course_writer import plan_course

    collection = _read(env, path, format)
    folder = None if into is None else into.expanduser().absolute()
    plan = plan_course(collection, folder)
    _say_collection(collection, plan)
    say()
    if not plan.ids:
        raise StudykitError(f"{clean(str(file))} holds no card that can come")
    if dry_run or folder is None:
        say("Nothing was written.")
    else:
        _import(env, plan, folder, title or collection.title)


def _import(env: Environment, plan: CoursePlan, folder: Path, title: str) -> None:
    from studykit.exchange.taking_in import take_in

    services, now = env.services, env.clock.now()
    with closing(env.open_store()) as store:
        services.use_weights(store)
        scheduler = services.scheduler
        done = take_in(plan, folder, clean(title), store, scheduler, now, services.today, tell)
    told = f"{plural(done.n_cards, 'new card')}, {plural(done.n_answers, 'new review')}"
    marks = f", {plural(done.n_marks, 'mark')}" if done.n_marks else ""
    say(f"{clean(str(folder))}: {told}{marks}")
    say(f"  studykit --course {shlex.quote(str(folder))}    study it")


def _read(env: Environment, path: Path, name: str | None) -> Collection:
    """What the file holds, read by its format's reader."""
    from studykit.exchange.circumstances import Circumstances
    from studykit.exchange.readers import READERS, format_of

    name = name or format_of(path)
    if name not in READERS:
        known = ", ".join([*READERS, LEARNER])
        raise UsageError(f"no format is called {name!r}", hint=f"one of {known}")
    rollover_hour = env.settings.review.rollover_hour
    return READERS[name](path, Circumstances(env.clock.now(), rollover_hour, tell))


def tell(what: str, n: int, of: int) -> None:
    """Show on a terminal how far the work is, in one line that is written over."""
    if sys.stderr.isatty():
        end = "\n" if n >= of else ""
        print(f"\r{what}: {n:,} of {of:,}", end=end, file=sys.stderr, flush=True)


def _say_collection(collection: Collection, plan: CoursePlan) -> None:
    """What the file holds, deck by deck, and what of it does not come."""
    rows = []
    for deck in collection.decks:
        cards = [card for note in deck.notes for card in note.cards]
        n_reviews = sum(len(card.reviews) for card in cards)
        n_marked = sum(bool(card.marks) for card in cards)
        n_new = len(plan.added.get(deck.path, ()))
        counts = (len(cards), n_new, n_reviews, n_marked)
        rows.append([clean(" / ".join(deck.path)), *(f"{n:,}" for n in counts)])
    if rows:
        say_table(["comes from", "cards", "new", "reviews", "marked"], rows, numbers=4)
    if remarks := [*collection.remarks, *plan.remarks]:
        say()
        rows = [[clean(remark.what), f"{remark.n:,}"] for remark in remarks]
        say_table(["does not come as it is", ""], rows, numbers=1, wrapped=0)
