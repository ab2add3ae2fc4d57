"""``studykit optimize``: the weights of the schedule, fitted to one's own log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studykit.commands.environment import Environment, environment
from studykit.commands.terminal import confirm, say, say_json, say_table, say_wrapped
from studykit.errors import StudykitError, UsageError
from studykit.text import percent

if TYPE_CHECKING:
    from studykit.progress.store import Store
    from studykit.review.weights import WeightsEntry
    from studykit.study.optimising import Rescheduling


def optimise(
    ctx: typer.Context,
    history: Annotated[
        bool, typer.Option("--history", help="List the weights that were fitted before.")
    ] = False,
    use: Annotated[
        str | None,
        typer.Option(
            metavar="ID|default", help="Go back to weights of the history, or to the defaults."
        ),
    ] = None,
    reschedule: Annotated[
        bool,
        typer.Option(
            "--reschedule", help="Afterwards, move due days to where the weights put them."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Reschedule without asking.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")] = False,
) -> None:
    """Fit the schedule to your own log of reviews.

    From 400 reviews on. The weights are judged on the newest reviews, and kept only if they
    predict them better than those in use.
    """
    env = environment(ctx)
    if history:
        if use is not None or reschedule:
            raise UsageError("--history only lists", hint="leave --use and --reschedule out")
        _show_history(env, as_json=json)
        return
    from studykit.study.optimising import go_back, optimise

    now = env.clock.now()
    with _progress(env) as store:
        services = env.services
        if use is None:
            entry = optimise(store, services.scheduler.settings, now, _tell)
        else:
            entry = go_back(store, use, now)
        services.use_weights(store)
        if not json:
            _say_entry(entry)
        moves = None
        if reschedule:
            moves = _reschedule(env, store, is_sure=yes, is_quiet=json)
        elif not json and entry.is_adopted:
            say_wrapped(
                "In use from the next sitting on. What is scheduled already stays:"
                " --reschedule tells what would move."
            )
    if json:
        say_json(
            {
                "format": 1,
                "weights": _document(entry),
                "rescheduling": None if moves is None else asdict(moves),
            }
        )


@contextmanager
def _progress(env: Environment) -> Iterator[Store]:
    """The progress; raises `StudykitError` before the first sitting, and makes none."""
    with env.existing_store() as found:
        if found is None:
            raise StudykitError("nothing was reviewed yet", hint="studykit review begins")
    with closing(env.open_store()) as store:
        yield store


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _say_entry(entry: WeightsEntry) -> None:
    from studykit.study.optimising import describe_judgement, describe_verdict

    if entry.judgement is None:
        say(f"weights: {entry.source}")
        return
    say_wrapped(*describe_judgement(entry))
    say()
    say("calibration on the held-out reviews, by predicted recall")
    rows = []
    for old, new in zip(entry.judgement.before.bins, entry.judgement.after.bins, strict=True):
        shares = (old.predicted, old.recalled, new.predicted, new.recalled)
        rows.append([f"{old.n_reviews:,}", *(percent(share, 1) for share in shares)])
    header = ["reviews", "predicted before", "recalled", "predicted after", "recalled"]
    say_table(header, rows, numbers=5)
    say()
    say_wrapped(describe_verdict(entry))


def _reschedule(env: Environment, store: Store, *, is_sure: bool, is_quiet: bool) -> Rescheduling:
    from studykit.study.optimising import (
        describe_rescheduling,
        find_rescheduling,
        reschedule,
        week_name,
    )

    settings, weights = env.services.scheduler.settings, store.weights_in_use()
    found = find_rescheduling(store, settings, weights, env.services.today)
    if not is_quiet:
        say()
        say_wrapped(*describe_rescheduling(found))
        if found.n_moved:
            rows = [[week_name(n), *map(str, each)] for n, each in enumerate(found.weeks)]
            say_table(["cards due", "as it is", "rescheduled"], rows, numbers=2)
    if found.n_moved:
        confirm("Move them?", is_sure=is_sure)
        reschedule(store, settings, weights, env.clock.now())
        if not is_quiet:
            say("Moved. A copy of the progress as it was is in backups/.")
    return found


def _show_history(env: Environment, *, as_json: bool) -> None:
    from studykit.review.weights import in_use

    with env.existing_store() as store:
        entries = [] if store is None else store.weights()
    used = in_use(entries)
    if as_json:
        say_json(
            {
                "format": 1,
                "in_use": None if used is None else used.id,
                "history": [_document(entry) for entry in entries],
            }
        )
        return
    if not entries:
        say("No weights were fitted yet: the defaults of FSRS are in use.")
        return
    rows = []
    for entry in entries:
        judged = entry.judgement
        rows.append(
            [
                str(entry.id),
                f"{entry.at.astimezone(env.clock.now().tzinfo):%Y-%m-%d %H:%M}",
                entry.source,
                "in use" if entry is used else "kept" if entry.is_adopted else "not kept",
                f"{entry.n_reviews:,}" if entry.n_reviews else "",
                f"{judged.before.log_loss:.4f}" if judged else "",
                f"{judged.after.log_loss:.4f}" if judged else "",
            ]
        )
    say_table(["id", "when", "weights", "", "reviews", "log loss before", "after"], rows, numbers=3)


def _document(entry: WeightsEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at.isoformat(),
        "weights": list(entry.weights),
        "source": entry.source,
        "reviews": entry.n_reviews,
        "adopted": entry.is_adopted,
        "judged": None if entry.judgement is None else entry.judgement.as_dict(),
    }
