"""An exercise's rows: drawn from what a lab measured, anew for each asking, and scored. Pure.

Which rows are asked follows from a key alone, so that an undone answer finds the same ones again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from studykit.course.cards import MOST_PLACES, Exercise
from studykit.lab.events import Table
from studykit.lab.results import RunResult
from studykit.text import clean, format_value

Value: TypeAlias = float | str
_Rows: TypeAlias = list[tuple[str, Value]]
"""Item and value, of a group."""

N_TRIED = 20
"""Draws of which `trouble_with` counts the different ones."""
LEAST_DIFFERENT = 10


@dataclass(frozen=True, slots=True)
class Task:
    """The rows of a measured table that are asked now, and what is right of them."""

    items: tuple[str, ...]
    """As they are shown; never in the right order where that is what is asked."""
    values: tuple[Value, ...]
    """What was measured of each."""
    right: tuple[int, ...]
    """The right answer, in the form of a given one: ``rank``: places of `items`, the largest value
    first; ``pick``: places of those with the largest values; else the place in `places` of each
    item."""
    places: tuple[str, ...] = ()
    """What an item can be given (``place``, ``signs``)."""
    group: str = ""
    seed: int = 0
    """Of the run, the one that measured the rows."""
    is_recorded: bool = True
    """The run is the recorded one, not the learner's own."""


def draw_task(exercise: Exercise, runs: Iterable[RunResult], key: str) -> Task | None:
    """The task that `key` draws from the first of `runs` that can serve one; None if none can.

    Seed and group are drawn first; of ``rank`` and ``pick`` every choice of rows that are far
    enough apart is then as likely as any other. Of ``place`` and ``signs`` the rows are spread
    over the places, so that one word for all is never right, and seldom nearly right.
    """
    for run in runs:
        random = Random(key)
        found = [(n, group) for n in range(len(run.seeds)) for group in _groups(exercise, run, n)]
        random.shuffle(found)
        for n, group in found:
            rows = _groups(exercise, run, n)[group]
            if drawn := _draw_rows(exercise, rows, random):
                places = _places(exercise, rows)
                return _task(exercise, drawn, places, group, run, n, random)
    return None


def score(exercise: Exercise, task: Task, given: Sequence[int]) -> float:
    """How good the answer `given` is, at most 1.

    ``rank``: Spearman's rank correlation, from -1; else the share that is right, from 0.
    """
    n = len(task.right)
    if exercise.form == "rank":
        squares = sum((place - given.index(item)) ** 2 for place, item in enumerate(task.right))
        return 1 - 6 * squares / (n * (n * n - 1))
    if exercise.form == "pick":
        return len(set(given) & set(task.right)) / n
    return sum(mine == right for mine, right in zip(given, task.right, strict=True)) / n


def trouble_with(exercise: Exercise, run: RunResult) -> tuple[str, str] | None:
    """Why `run` cannot serve the exercise as it should, and what to do; None if it can."""
    tables = [_table(exercise, run, n) for n in range(len(run.seeds))]
    if not any(tables):
        known = {table.title: None for seed in run.seeds for table in seed.all(Table)}
        return f"no table is called {exercise.table}", f"there are {', '.join(known) or 'none'}"
    wanted = _columns(exercise)
    for name in wanted:
        for table in filter(None, tables):
            if name not in table.columns:
                what = f"table {exercise.table} has no column {name}"
                return what, f"it has {', '.join(table.columns)}"
    served: dict[str, bool] = {}
    for n in range(len(run.seeds)):
        for group, rows in _groups(exercise, run, n).items():
            places = _places(exercise, rows)
            if len(places) > MOST_PLACES:
                what = f"column {exercise.value} has {len(places)} different texts"
                return what, f"at most {MOST_PLACES}"
            if places and len({_place_of(exercise, value, places) for _, value in rows}) < 2:
                continue  # nothing to tell apart: never drawn
            can = bool(_draw_rows(exercise, rows, Random(0)))
            served[group] = served.get(group, False) or can
    if not served:
        kind = "numbers" if _is_spread(exercise) else "two different answers in a group"
        return f"column {exercise.value} holds no {kind}", "name another, or record again"
    for group, can in served.items():
        if not can:
            whose = f" of {exercise.group} {group}" if group else ""
            apart = f" that are {exercise.apart:g} apart" if _is_spread(exercise) else ""
            what = f"no seed has {exercise.draw} rows{whose}{apart}"
            return what, "draw fewer, lower apart, or measure more"
    drawn = [draw_task(exercise, [run], f"{n}") for n in range(N_TRIED)]
    different = {
        (task.group, frozenset(task.items), tuple(task.items[place] for place in task.right))
        if _is_spread(exercise)
        else (task.group, frozenset(zip(task.items, task.right, strict=True)))
        for task in filter(None, drawn)
    }
    if len(different) < LEAST_DIFFERENT:
        what = f"of {N_TRIED} draws only {len(different)} differ, so it can be learned by heart"
        return what, "draw fewer of more rows, or record more seeds"
    return None


def _columns(exercise: Exercise) -> list[str]:
    """Those that its table must have: of the item, of the value, of the group if it has one."""
    return [exercise.item, exercise.value, *([exercise.group] if exercise.group else [])]


def _table(exercise: Exercise, run: RunResult, n: int) -> Table | None:
    """The table of the seed at place `n`."""
    found = (table for table in run.seeds[n].all(Table) if table.title == exercise.table)
    return next(found, None)


def _groups(exercise: Exercise, run: RunResult, n: int) -> dict[str, _Rows]:
    """Group -> its rows that can be asked: of finite value, and named as no other one."""
    table = _table(exercise, run, n)
    wanted = _columns(exercise)
    if table is None or any(name not in table.columns for name in wanted):
        return {}
    item_at, value_at, *group_at = (list(table.columns).index(name) for name in wanted)
    groups: dict[str, _Rows] = {}
    for row in table.rows:
        group = _as_text(row[group_at[0]]) if group_at else ""
        value = row[value_at]
        if _is_askable(exercise, value):
            value = _as_text(value) if isinstance(value, str) else float(value)
            groups.setdefault(group, []).append((_as_text(row[item_at]), value))
    for group, rows in groups.items():
        times = Counter(item for item, _ in rows)
        groups[group] = [row for row in rows if times[row[0]] == 1]
    return groups


def _as_text(cell: Value) -> str:
    """The cell in one line."""
    return " ".join(clean(cell).split()) if isinstance(cell, str) else format_value(cell)


def _is_askable(exercise: Exercise, value: Value) -> bool:
    if exercise.form == "place":
        return isinstance(value, str) and bool(value.strip())
    return not isinstance(value, str) and math.isfinite(value)


def _is_spread(exercise: Exercise) -> bool:
    """Its rows must be apart from each other."""
    return exercise.form in ("rank", "pick")


def _places(exercise: Exercise, rows: _Rows) -> tuple[str, ...]:
    """What an item of `rows` can be given."""
    if exercise.form == "signs":
        return exercise.words
    texts = (value for _, value in rows if isinstance(value, str))
    return tuple(dict.fromkeys(texts)) if exercise.form == "place" else ()


def _place_of(exercise: Exercise, value: Value, places: Sequence[str]) -> int:
    if isinstance(value, str):
        return places.index(value)
    return 0 if value > exercise.apart else 2 if value < -exercise.apart else 1


def _draw_rows(exercise: Exercise, rows: _Rows, random: Random) -> _Rows:
    """So many of `rows` as are asked, shuffled; none if they cannot serve."""
    if _is_spread(exercise):
        drawn = _spread_apart(rows, exercise.draw, exercise.apart, random)
    else:
        places = _places(exercise, rows)
        drawn = _spread_over(exercise, rows, places, random)
    random.shuffle(drawn)
    return drawn


def _spread_apart(rows: _Rows, n: int, apart: float, random: Random) -> _Rows:
    """`n` rows whose values differ by `apart` or more, each such choice as likely as another."""
    ordered = sorted((float(value), item) for item, value in rows)
    values = [value for value, _ in ordered]
    end = len(values)
    # follows[at]: the first place whose value is far enough above that of `at`; it only rises.
    follows: list[int] = []
    far = 0
    for value in values:
        while far < end and not _are_apart(value, values[far], apart):
            far += 1
        follows.append(far)
    # ways[k][at]: the number of ways to choose k of the rows from `at` on.
    ways = [[1] * (end + 1)]
    for _ in range(n):
        row = [0] * (end + 1)
        for at in reversed(range(end)):
            row[at] = row[at + 1] + ways[-1][follows[at]]
        ways.append(row)
    drawn: _Rows = []
    at, n_left = 0, n
    if not ways[n][0]:
        return drawn
    while n_left:
        if random.randrange(ways[n_left][at]) < ways[n_left - 1][follows[at]]:
            drawn.append((ordered[at][1], values[at]))
            at, n_left = follows[at], n_left - 1
        else:
            at += 1
    return drawn


def _are_apart(low: float, high: float, apart: float) -> bool:
    # 0.35 is 0.05 above 0.3, but not in binary.
    return high > low and (high - low >= apart or math.isclose(high - low, apart))


def _spread_over(exercise: Exercise, rows: _Rows, places: Sequence[str], random: Random) -> _Rows:
    """So many rows as are asked, of as many places as there are.

    Each further one is of a place that is drawn first: a word that is seldom right would be asked
    for as seldom, and the others would be a good guess.
    """
    by_place: dict[int, _Rows] = {}
    for row in random.sample(rows, len(rows)):
        by_place.setdefault(_place_of(exercise, row[1], places), []).append(row)
    if len(rows) < exercise.draw or len(by_place) < 2:
        return []
    drawn = [left.pop() for left in random.sample(list(by_place.values()), len(by_place))]
    while len(drawn) < exercise.draw:
        drawn.append(random.choice([left for left in by_place.values() if left]).pop())
    return drawn[: exercise.draw]


def _task(
    exercise: Exercise,
    drawn: _Rows,
    places: tuple[str, ...],
    group: str,
    run: RunResult,
    n: int,
    random: Random,
) -> Task:
    if exercise.form == "rank" and drawn == _falling(drawn):
        drawn = drawn[1:] + drawn[:1]
    order = [drawn.index(row) for row in _falling(drawn)] if _is_spread(exercise) else []
    match exercise.form:
        case "rank":
            right = order
        case "pick":
            right = sorted(order[: exercise.choose])
        case _:
            right = [_place_of(exercise, value, places) for _, value in drawn]
    return Task(
        items=tuple(item for item, _ in drawn),
        values=tuple(value for _, value in drawn),
        right=tuple(right),
        places=places,
        group=group,
        seed=run.seeds[n].seed,
        is_recorded=run.recorded,
    )


def _falling(rows: _Rows) -> _Rows:
    """The largest value first."""
    return sorted(rows, key=lambda row: -float(row[1]))
