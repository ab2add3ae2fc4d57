"""Random pairs of logs that grew apart on two machines, and what must hold once they are merged.

Run as ``python -m tests.progress.merge_trials N [SEED]``: N pairs, and a line on what they held;
the first pair that breaks a rule ends it with exit code 1 and the seed.
"""

from __future__ import annotations

import random
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from studykit.lab.results import Prediction
from studykit.progress.backups import copy_database
from studykit.progress.merge import Merged, merge
from studykit.progress.store import Store
from studykit.review.marks import Mark, Marking
from studykit.review.practice import Practised
from studykit.review.schedule import Rating, Scheduler, ScheduleSettings, State
from studykit.review.weights import RESCHEDULED, WeightsEntry
from tests.progress.builders import MONDAY, make_rated, make_run, open_store

CARDS = ("a", "b", "c", "d")
FALLBACK = ScheduleSettings()
SCHEDULERS = (
    Scheduler(FALLBACK),
    Scheduler(ScheduleSettings(desired_retention=0.8, learning_steps=())),
    Scheduler(replace(FALLBACK, parameters=(1.0, 2.0, 3.0, 9.0, *FALLBACK.parameters[4:]))),
)
MARKS: tuple[Mark, ...] = get_args(Mark)


class Machine:
    """A learner at one machine, who does something at random again and again."""

    def __init__(self, folder: Path, rng: random.Random, at: datetime) -> None:
        self.folder, self.rng, self.at = folder, rng, at
        self.store = open_store(folder)
        self.scheduler = rng.choice(SCHEDULERS)
        self.zone = timezone(timedelta(hours=rng.choice((0, 1, -8))))

    @property
    def path(self) -> Path:
        return self.store.path

    def live(self, n_deeds: int) -> None:
        """Do so many things, some seconds or days apart."""
        for _ in range(n_deeds):
            self.at += timedelta(seconds=self.rng.choice((1, 40, 700, 90_000, 600_000)))
            if self.rng.random() < 0.03:
                self.at -= timedelta(days=3)  # the clock is put back
            self._do(self.rng.choice(CARDS), self.at.astimezone(self.zone))

    def _do(self, card_id: str, at: datetime) -> None:
        rng, store = self.rng, self.store
        match rng.choices(
            (
                *("rate", "undo", "mark", "unmark", "practise", "run", "sit", "settle", "keep"),
                "reschedule",
            ),
            (30, 4, 4, 3, 4, 3, 3, 1, 1, 1),
        )[0]:
            case "rate":
                store.keep_schedule(self.scheduler)
                review = make_rated(
                    card_id,
                    at=at,
                    rating=rng.choice([*Rating]),
                    known=store.memory(card_id),
                    scheduler=self.scheduler,
                    confidence=rng.choice((50, 95)),
                )
                after = review.after
                if after.state is State.REVIEW and after.due_day and rng.random() < 0.3:
                    # As the balancing of the load does it.
                    moved = replace(after, due_day=after.due_day + timedelta(days=1))
                    review = replace(review, after=moved)
                store.record(review)
            case "undo":
                store.take_back((at - timedelta(days=9)).date())
            case "mark":
                store.mark(Marking(card_id, rng.choice(MARKS), at, at.date()))
            case "unmark":
                store.unmark(card_id, rng.choice(MARKS))
            case "practise":
                practised = Practised(card_id, "cram", at, at.date(), "recall", True, "", None, 900)
                number = store.record_practised(practised)
                if rng.random() < 0.3:
                    store.take_back_practised(number)
            case "run":
                bet = rng.choice((None, Prediction("It gets stuck", claim="stuck", confidence=70)))
                # No two runs take the same time; by it they are told apart.
                run = replace(make_run(at=at, loss=rng.random()), seconds=rng.random())
                store.record_run(run, card_id=card_id, prediction=bet)
            case "sit":
                store.end_sitting(at)
                store.begin_sitting(at, at.date())
            case "settle":
                self.scheduler = rng.choice(SCHEDULERS)
            case "reschedule":
                store.keep_schedule(self.scheduler)
                weights = rng.choice(SCHEDULERS).settings.parameters
                entry = WeightsEntry(at, weights, RESCHEDULED, 0, None, is_adopted=True)
                store.reschedule(entry, FALLBACK)
            case "keep":
                with store._writing() as session:
                    session.connection().exec_driver_sql(
                        "INSERT INTO weights (at_ms, offset_min, parameters, source, n_reviews,"
                        " judged, adopted) VALUES (?, 0, ?, 'trial', 400, '{}', ?)",
                        (
                            int(at.timestamp() * 1000),
                            str(list(rng.choice(SCHEDULERS).settings.parameters)),
                            rng.randrange(2),
                        ),
                    )


def grown_apart(root: Path, seed: int) -> tuple[Path, Path]:
    """Two databases that were one for a while; often neither has all of the other."""
    rng = random.Random(seed)
    first = Machine(root / "first", rng, MONDAY)
    first.live(rng.randrange(25))
    (root / "second").mkdir()
    if rng.random() < 0.9:
        copy_database(first.path, root / "second" / first.path.name)
    second = Machine(root / "second", rng, first.at)
    for _ in range(rng.choice((1, 1, 2))):
        first.live(rng.randrange(25))
        second.live(rng.randrange(25))
        for machine in (first, second):
            machine.store.close()
        if rng.random() < 0.4:
            before = root / "before.sqlite3"
            copy_database(first.path, before)
            merge(first.path, root, second.path, FALLBACK)
            if rng.random() < 0.5:
                # What both have led to other memories: here without the answers between.
                copy_database(before, second.path)
                second = Machine(root / "second", rng, second.at)
    for machine in (first, second):
        machine.store.close()
    return first.path, second.path


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, numbers included."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for (name,) in names
        }


def joined(root: Path, name: str, ours: Path, others: Iterable[Path]) -> tuple[Path, list[Merged]]:
    """A copy of `ours`, which the others were merged into."""
    target = root / name / ours.name
    copy_database(ours, target)
    return target, [merge(target, target.parent, other, FALLBACK) for other in others]


def answers(path: Path) -> Counter[tuple[Any, ...]]:
    """What was answered: the log without numbers and without what it led to."""
    with closing(sqlite3.connect(path)) as connection:
        return Counter(
            connection.execute(
                "SELECT card_id, at_ms, offset_min, day, rating, kind, correct, suggested, given,"
                " confidence, taken_ms, content_hash FROM reviews"
            )
        )


def removals(path: Path) -> set[tuple[str, str, int]]:
    """What was taken back: its sort, its card, and when it was given."""
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT what, card_id, at_ms FROM removals"))


def marks(path: Path) -> dict[tuple[str, str], int]:
    """When each mark was set."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT card_id, mark, at_ms FROM marks")
        return {(card_id, mark): at_ms for card_id, mark, at_ms in rows}


def united_marks(first: Path, second: Path) -> dict[tuple[str, str], int]:
    """The later of each, unless it was taken off at that time or later."""
    later: dict[tuple[str, str], int] = {}
    for key, at_ms in [*marks(first).items(), *marks(second).items()]:
        later[key] = max(at_ms, later.get(key, at_ms))
    for mark, card_id, at_ms in removals(first) | removals(second):
        if later.get((card_id, mark), at_ms + 1) <= at_ms:
            del later[card_id, mark]
    return later


def check_pair(root: Path, seed: int) -> list[str]:
    """What does not hold for a random pair; empty if all does."""
    first, second = grown_apart(root, seed)
    before = content(first), content(second)
    there, _ = joined(root, "there", first, [second])
    back, _ = joined(root, "back", second, [first])
    faults = []
    if (content(first), content(second)) != before:
        faults.append("the other database was written")
    one, other = content(there), content(back)
    faults += [f"{name} depends on the direction" for name in one if one[name] != other[name]]
    _, again = joined(root, "again", there, [second, first, back])
    if not all(merged.is_nothing for merged in again):
        faults.append(f"merging again brings something: {again}")
    if content(root / "again" / there.name) != one:
        faults.append("merging again changes something")
    gone = {row[1:] for row in removals(first) | removals(second) if row[0] == "review"}
    union = answers(first) | answers(second)
    kept = Counter({row: n for row, n in union.items() if row[:2] not in gone})
    if answers(there) != kept:
        faults.append("the log is not the union of both, less what was taken back")
    if marks(there) != united_marks(first, second):
        faults.append("a mark is lost, or one that was taken off is back")
    with closing(Store.open(there, backups_dir=there.parent)) as store:
        faults += store.check()
        times = [review.at for review in store.reviews()]
        if times != sorted(times):
            faults.append("the log is not in the order of time")
        if store.rebuild(FALLBACK):
            faults.append("a replay of the log gives other memories")
    return faults


def main(n_pairs: int, seed: int = 0) -> int:
    n_answers = 0
    for number in range(seed, seed + n_pairs):
        with TemporaryDirectory() as folder:
            faults = check_pair(Path(folder), number)
            if faults:
                print(f"seed {number}: {'; '.join(faults)}")
                return 1
            n_answers += answers(Path(folder) / "there" / "progress.sqlite3").total()
    print(f"{n_pairs} pairs, {n_answers} answers once merged: the same both ways, none lost")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
