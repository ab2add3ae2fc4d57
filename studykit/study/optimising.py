"""Weights for the learner's own log: fitted, judged, kept or not; and what rescheduling moves."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from statistics import median

from studykit.errors import UsageError
from studykit.progress.store import Store
from studykit.review.fit_child import FITTED, TOLD
from studykit.review.fitting import CannotFitError, Fit, Tell, fitter
from studykit.review.schedule import DEFAULT_WEIGHTS, ScheduleSettings
from studykit.review.weights import (
    DEFAULTS,
    RESCHEDULED,
    History,
    Move,
    Weights,
    WeightsEntry,
    in_use,
)
from studykit.text import percent, plural

N_WEEKS = 6
"""Weeks from today whose load is told before rescheduling."""


def fit_apart(history: History, in_use: Weights, n_relearning_steps: int, tell: Tell) -> Fit:
    """`fit` in a process of its own.

    The package holds Python's lock while it computes, seconds for a long log, and what it cannot
    do it ends in a panic, which is no `Exception` and prints what nobody can read.
    """
    # No `multiprocessing`: it passes the number of stderr on, which is -1 below the screens.
    command = [sys.executable, "-m", "studykit.review.fit_child"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            pickle.dump((history, tuple(in_use), n_relearning_steps), child.stdin)
            child.stdin.flush()
            while True:
                kind, value = pickle.load(child.stdout)
                if kind == TOLD:
                    tell(value)
                elif kind == FITTED:
                    found: Fit = value
                    return found
                else:
                    raise CannotFitError(value)
        except (EOFError, BrokenPipeError):
            raise CannotFitError(f"{fitter()} failed on this log") from None
        finally:
            child.kill()


# --- which weights are in use ---


def optimise(
    store: Store,
    settings: ScheduleSettings,
    at: datetime,
    tell: Tell,
    fit_to: Callable[[History, Weights, int, Tell], Fit] = fit_apart,
) -> WeightsEntry:
    """Fit weights to the log of `store`, and keep them if they are better than those in use.

    Either way they are in its history then. `tell` hears what is going on. Raises
    `CannotFitError`, or `StoreError`.
    """
    fitted_by = fitter()
    tell("reading the log")
    found = fit_to(store.log_to_fit(), store.weights_in_use(), len(settings.relearning_steps), tell)
    entry = WeightsEntry(
        at=at,
        weights=found.weights,
        source=fitted_by,
        n_reviews=found.n_reviews,
        judgement=found.judgement,
        is_adopted=found.judgement.is_better,
    )
    return replace(entry, id=store.add_weights(entry))


def go_back(store: Store, which: str, at: datetime) -> WeightsEntry:
    """Use the weights of the entry with the id `which`, or the ``default`` ones, from now on.

    Those that are in use stay so, without another entry. Raises `UsageError` if there is none.
    """
    used = in_use(store.weights())
    if used is not None:
        is_default = which == "default" and used.weights == DEFAULT_WEIGHTS
        if is_default or which == str(used.id):
            return used
    if which == "default":
        entry = WeightsEntry(at, DEFAULT_WEIGHTS, DEFAULTS, 0, None, is_adopted=True)
        return replace(entry, id=store.add_weights(entry))
    wanted = next((each for each in store.weights() if str(each.id) == which), None)
    if wanted is None:
        raise UsageError(
            f"--use {which}: there are no such weights",
            hint="studykit optimize --history lists them; default: those that FSRS comes with",
        )
    entry = WeightsEntry(at, wanted.weights, f"as {which}", 0, None, is_adopted=True)
    return replace(entry, id=store.add_weights(entry))


# --- what rescheduling moves ---


@dataclass(frozen=True, slots=True)
class Rescheduling:
    """What becomes of due days if the weights in use had scheduled every answer."""

    n_cards: int
    """Cards that were ever reviewed."""
    n_earlier: int
    n_later: int
    median_days: float
    """Of those that move, in either direction; 0 if none does."""
    longest_days: int
    n_due: tuple[int, int]
    """Cards due today, overdue ones included: as it is now, and then. Suspended ones are not."""
    weeks: tuple[tuple[int, int], ...]
    """The same for each of the next `N_WEEKS` weeks, today's and overdue cards in the first."""

    @property
    def n_moved(self) -> int:
        return self.n_earlier + self.n_later


def find_rescheduling(
    store: Store, settings: ScheduleSettings, weights: Weights, today: date
) -> Rescheduling:
    """What `reschedule` would do today."""
    moves = store.find_moves(weights, settings)
    return summarise(moves, store.marks(today).suspended, today)


def summarise(moves: Sequence[Move], suspended: Collection[str], today: date) -> Rescheduling:
    """The moves in numbers."""
    by_days = [(move.after - move.before).days for move in moves]
    moved = [abs(days) for days in by_days if days]
    asked = [move for move in moves if move.card_id not in suspended]

    def load(of: Callable[[Move], date]) -> tuple[int, list[int]]:
        days = [max(0, (of(move) - today).days) for move in asked]
        weeks = [day // 7 for day in days]
        return days.count(0), [weeks.count(week) for week in range(N_WEEKS)]

    before, after = load(lambda move: move.before), load(lambda move: move.after)
    return Rescheduling(
        n_cards=len(moves),
        n_earlier=sum(days < 0 for days in by_days),
        n_later=sum(days > 0 for days in by_days),
        median_days=float(median(moved)) if moved else 0.0,
        longest_days=max(moved, default=0),
        n_due=(before[0], after[0]),
        weeks=tuple(zip(before[1], after[1], strict=True)),
    )


def reschedule(store: Store, settings: ScheduleSettings, weights: Weights, at: datetime) -> None:
    """Compute every memory again as if `weights` had scheduled every answer."""
    entry = WeightsEntry(at, weights, RESCHEDULED, store.n_reviews(), None, is_adopted=True)
    store.reschedule(entry, settings)


# --- in words ---


def describe_judgement(entry: WeightsEntry) -> list[str]:
    """What the held-out reviews say of fitted weights, line by line; nothing of others."""
    judged = entry.judgement
    if judged is None:
        return []
    before, after = judged.before, judged.after
    change = f"{'better' if judged.gain > 0 else 'worse'} by {abs(judged.gain):.4f}"
    change = f"{change} ± {judged.gain_error:.4f}" if judged.gain else "the same"
    lines = [
        f"fitted to {judged.n_fitted:,} reviews, judged on the {judged.n_held_out:,} newest,"
        f" of which {percent(judged.recalled, 1)} were recalled",
        f"log loss     {before.log_loss:.4f} before, {after.log_loss:.4f} after ({change})",
        f"RMSE (bins)  {before.rmse_bins:.4f} before, {after.rmse_bins:.4f} after",
        f"predicted    {percent(before.predicted, 1)} before, {percent(after.predicted, 1)} after",
    ]
    if 0 < abs(judged.gain) < 2 * judged.gain_error:
        lines.append("the difference is within what chance makes of so few reviews")
    return lines


def describe_verdict(entry: WeightsEntry) -> str:
    """Whether they were kept, and what that means."""
    if entry.is_adopted:
        return "They predict better than those in use until then, and were kept."
    if entry.judgement is not None and entry.judgement.gain == 0:
        return "The fit comes to the weights in use: nothing changes."
    return "They do not predict better than those in use then, and were not kept."


def week_name(n: int) -> str:
    """``this week``, ``in 1 week``, ``in 2 weeks``."""
    return f"in {plural(n, 'week')}" if n else "this week"


def describe_rescheduling(found: Rescheduling) -> list[str]:
    """What will move, line by line."""
    if not found.n_moved:
        return [f"Of {plural(found.n_cards, 'card')} none moves."]
    due, then = found.n_due
    return [
        f"Of {plural(found.n_cards, 'card')} {found.n_moved:,} move:"
        f" {found.n_earlier:,} come earlier, {found.n_later:,} later,"
        f" half of them by {found.median_days:.0f} days or less, at most by"
        f" {found.longest_days:,}.",
        f"Due today: {due:,} now, {then:,} then.",
    ]
