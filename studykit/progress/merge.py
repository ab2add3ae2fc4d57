"""Two logs become one: what was done on another machine joins the progress, nothing is lost.

The union of two append-only logs, less what was taken back on either side, in the order of time.
The memories of the cards whose logs differ are computed anew. Either way round the result is the
same, and merging again changes nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from studykit.errors import StoreError
from studykit.progress.backups import SQLITE_ERRORS, copy_database
from studykit.progress.database import explained, migrated_copy, open_database, require_alone
from studykit.progress.numbering import renumber
from studykit.progress.replays import StoredLog, read_log, reschedulings, write_replayed
from studykit.progress.runs import KEPT_EVENT_BYTES, LET_GO
from studykit.progress.soundness import RowError, bad_rows
from studykit.progress.tables import METADATA
from studykit.review.replay import CLOSE, NONE, Floats, Outcomes
from studykit.review.schedule import ScheduleSettings
from studykit.text import clean


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge has brought to the progress, or would bring."""

    n_answers: int
    """Rows of the log that came from the other database."""
    n_taken_back: int
    """Rows that were here and were taken back there."""
    n_cards: int
    """Cards whose memory is another one now."""
    n_practised: int
    n_runs: int
    n_marks: int
    """Marks that were set, moved or taken off."""
    n_weights: int

    @property
    def is_nothing(self) -> bool:
        """True if both held the same already."""
        return not any(getattr(self, name) for name in self.__slots__)


class _Table(NamedTuple):
    """A table whose rows are only ever added."""

    name: str
    time: str
    """The column that orders its rows."""
    identity: tuple[str, ...]
    """Columns by which a row is known on every machine; the others can be computed, or differ."""

    @property
    def key(self) -> tuple[str, ...]:
        return self.time, *self.identity


_SITTINGS = _Table("sittings", "started_at_ms", ("offset_min", "day"))
_REVIEWS = _Table(
    "reviews",
    "at_ms",
    (
        *("card_id", "rating", "given", "kind", "correct", "suggested", "confidence", "taken_ms"),
        *("offset_min", "day", "content_hash"),
    ),
)
_PRACTISED = _Table(
    "practised",
    "at_ms",
    ("card_id", "mode", "given", "kind", "correct", "confidence", "taken_ms", "offset_min", "day"),
)
_RUNS = _Table(
    "runs",
    "started_at_ms",
    (
        *("lab", "card_id", "offset_min", "seconds", "status", "device", "machine", "code_hash"),
        *("knobs", "seeds", "budget", "prediction"),
    ),
)
_WEIGHTS = _Table(
    "weights",
    "at_ms",
    ("offset_min", "parameters", "source", "n_reviews", "judged", "adopted"),
)

_DIFFERING = "card_id IN (SELECT card_id FROM temp.differing)"


def merge(path: Path, backups_dir: Path, other: Path, fallback: ScheduleSettings) -> Merged:
    """Add to the progress at `path` all that the database `other` holds; that is never written.

    All or nothing. Answers scheduled by settings that neither knows are computed by `fallback`.
    Raises `StoreError` if either cannot be used, or if another program has the progress open.
    """
    with explained(path, backups_dir), migrated_copy(other) as theirs:
        _require_sound(theirs, other)
        if path.exists():
            require_alone(path)
        open_database(path, backups_dir).dispose()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("ATTACH ? AS other", (str(theirs),))
            try:
                with _transaction(connection):
                    return _Joining(connection).run(fallback)
            except RowError as error:
                fault = next(bad_rows(connection), str(error))
                raise _damaged(path, fault) from error


@contextmanager
def trial_copy(path: Path, backups_dir: Path) -> Iterator[Path]:
    """A private copy of the progress, to see what `merge` would make of it."""
    with TemporaryDirectory(prefix="studykit-") as folder:
        trial = Path(folder) / path.name
        if path.exists():
            with explained(path, backups_dir):
                copy_database(path, trial)
        yield trial


def _require_sound(database: Path, named: Path) -> None:
    """Raises `StoreError` for a row that breaks a rule: it would be spread by a merge."""
    try:
        with closing(sqlite3.connect(database)) as opened:
            (finding,) = opened.execute("PRAGMA quick_check(1)").fetchone()
            fault = next(bad_rows(opened), None) if finding == "ok" else finding
    except SQLITE_ERRORS as error:
        fault = str(error)
    if fault is not None:
        raise _damaged(named, fault)


def _damaged(path: Path, fault: str) -> StoreError:
    return StoreError(
        f"{clean(str(path))} is damaged: {clean(' '.join(fault.split()))}",
        hint="`studykit doctor --restore newest` mends it on the machine that it comes from",
    )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


class _Joining:
    """The steps, on a connection with our tables in `main` and theirs in `other`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._do = connection.execute
        self._connection = connection

    def run(self, fallback: ScheduleSettings) -> Merged:
        do = self._do
        do("INSERT OR IGNORE INTO main.removals SELECT * FROM other.removals")
        do("INSERT OR IGNORE INTO main.schedules SELECT * FROM other.schedules")
        self._join_sittings()
        n_answers, n_taken_back, versions = self._join_reviews()
        n_practised = self._join_practised()
        n_runs = self._join_runs()
        n_marks = self._join_marks()
        before = reschedulings(self._connection)
        n_weights = self._pair(_WEIGHTS)
        self._add(_WEIGHTS)
        self._renumber(_WEIGHTS)
        if reschedulings(self._connection) != before:  # every card follows, not only theirs
            do("INSERT OR IGNORE INTO differing SELECT DISTINCT card_id FROM main.reviews")
        n_cards = self._replay(fallback, versions)
        broken = do("PRAGMA main.foreign_key_check").fetchall()
        if broken:
            raise RowError(f"{len(broken)} rows point nowhere")
        return Merged(n_answers, n_taken_back, n_cards, n_practised, n_runs, n_marks, n_weights)

    # --- rows of tables that only grow ---

    def _pair(self, table: _Table, where: str = "1") -> int:
        """Fill `temp.pairs`: the number of each row of theirs, and of ours that is the same one.

        Rows that are alike in one database count one by one. Returns how many of theirs are new.
        """
        do, columns = self._do, ", ".join(table.key)
        for schema in ("main", "other"):
            do(f"DROP TABLE IF EXISTS temp.{schema}_rows")
            do(
                f"CREATE TEMP TABLE {schema}_rows AS SELECT id, {columns},"
                f" row_number() OVER (PARTITION BY {columns} ORDER BY id) AS nth"
                f" FROM {schema}.{table.name} WHERE {where}"
            )
        do(f"CREATE INDEX temp.main_rows_key ON main_rows ({table.time}, {table.identity[0]})")
        same = " AND ".join(f"ours.{name} IS theirs.{name}" for name in (*table.key, "nth"))
        do("DROP TABLE IF EXISTS temp.pairs")
        do(
            "CREATE TEMP TABLE pairs AS SELECT theirs.id AS theirs, ours.id AS ours"
            f" FROM other_rows AS theirs LEFT JOIN main_rows AS ours ON {same}"
        )
        do("CREATE INDEX temp.pairs_theirs ON pairs (theirs)")
        do("CREATE INDEX temp.pairs_ours ON pairs (ours)")
        (n_new,) = do("SELECT count(*) FROM pairs WHERE ours IS NULL").fetchone()
        return int(n_new)

    def _add(self, table: _Table, **columns: str) -> None:
        """Add theirs that are new, some `columns` as SQL has them; `pairs` is complete then."""
        names = [c.name for c in METADATA.tables[table.name].columns if c.name != "id"]
        values = ", ".join(columns.get(name, name) for name in names)
        query = f"INSERT INTO main.{table.name} ({', '.join(names)}) SELECT {values}"
        new = self._do("SELECT theirs FROM pairs WHERE ours IS NULL ORDER BY theirs").fetchall()
        for (theirs,) in new:
            added = self._do(f"{query} FROM other.{table.name} WHERE id = ?", (theirs,))
            self._do("UPDATE pairs SET ours = ? WHERE theirs = ?", (added.lastrowid, theirs))

    def _renumber(self, table: _Table, *references: tuple[str, str]) -> None:
        """Let the numbers grow with the time; `references`: columns that hold them elsewhere."""
        renumber(self._connection, table.name, table.key, references)

    # --- table by table ---

    def _join_sittings(self) -> None:
        self._pair(_SITTINGS)
        self._add(_SITTINGS)
        # A sitting without an end was still open, or killed, when the database was copied.
        self._do(
            "UPDATE main.sittings SET ended_at_ms = max(coalesce(sittings.ended_at_ms,"
            " theirs.ended_at_ms), theirs.ended_at_ms) FROM temp.pairs JOIN other.sittings"
            " AS theirs ON theirs.id = pairs.theirs"
            " WHERE pairs.ours = sittings.id AND theirs.ended_at_ms IS NOT NULL"
        )
        self._renumber(_SITTINGS, ("reviews", "sitting_id"), ("runs", "sitting_id"))
        self._do(
            "CREATE TEMP TABLE sitting_numbers AS SELECT theirs, coalesce(new, ours) AS ours"
            " FROM pairs LEFT JOIN numbers ON old = ours"
        )
        self._do("CREATE UNIQUE INDEX temp.sitting_numbers_theirs ON sitting_numbers (theirs)")

    _SITTING = "(SELECT ours FROM sitting_numbers WHERE theirs = sitting_id)"
    """Our number of the sitting of a row of theirs."""

    def _join_reviews(self) -> tuple[int, int, dict[int, Sequence[Any]]]:
        """How many came and went, and the other versions of what answers led to."""
        do = self._do
        do("CREATE TEMP TABLE differing (card_id TEXT PRIMARY KEY) WITHOUT ROWID")
        # On either side: both ways round the same cards are replayed.
        gone = _was_taken_back(_REVIEWS, "review")
        for schema in ("main", "other"):
            do(f"INSERT OR IGNORE INTO differing SELECT card_id FROM {schema}.reviews WHERE {gone}")
        n_taken_back = do(f"DELETE FROM main.reviews WHERE {gone}").rowcount
        n_answers = self._pair(_REVIEWS, f"NOT {gone}")
        do(
            "INSERT OR IGNORE INTO differing SELECT card_id FROM other.reviews"
            " WHERE id IN (SELECT theirs FROM pairs WHERE ours IS NULL)"
        )
        do(
            "INSERT OR IGNORE INTO differing SELECT card_id FROM main.reviews"
            " WHERE id NOT IN (SELECT ours FROM pairs WHERE ours IS NOT NULL)"
        )
        # What a clock that was put back had in another order is replayed in the order of time.
        do(
            "INSERT OR IGNORE INTO differing SELECT card_id FROM (SELECT card_id,"
            " (lag(at_ms) OVER card, lag(rating) OVER card, lag(given) OVER card)"
            " > (at_ms, rating, given) AS is_late FROM main.reviews"
            " WINDOW card AS (PARTITION BY card_id ORDER BY id)) WHERE is_late"
        )
        versions = self._choose_versions()
        self._add(_REVIEWS, sitting_id=self._SITTING)
        self._renumber(_REVIEWS)
        numbers = dict(do("SELECT old, new FROM numbers"))
        return n_answers, n_taken_back, {numbers.get(n, n): row for n, row in versions.items()}

    def _choose_versions(self) -> dict[int, Sequence[Any]]:
        """Let rows that both have hold the preferred version; number -> the other one."""
        do = self._do
        do(
            "UPDATE main.reviews SET"
            " sitting_id = coalesce(reviews.sitting_id, (SELECT ours FROM sitting_numbers"
            " WHERE theirs = them.sitting_id)), score = coalesce(reviews.score, them.score)"
            " FROM temp.pairs JOIN other.reviews AS them ON them.id = pairs.theirs"
            " WHERE pairs.ours = reviews.id AND (reviews.sitting_id IS NULL"
            " AND them.sitting_id IS NOT NULL OR reviews.score IS NULL AND them.score IS NOT NULL)"
        )
        both = (
            "temp.pairs JOIN other.reviews AS theirs ON theirs.id = pairs.theirs"
            " JOIN main.reviews AS ours ON ours.id = pairs.ours"
        )
        names = [*_OF_A_VERSION, "state_before", "scheduler", "parameters_id"]
        ours, theirs = (
            ", ".join(f"{schema}.{name}" for name in names) for schema in ("ours", "theirs")
        )
        differ = " OR ".join(f"ours.{name} IS NOT theirs.{name}" for name in names)
        rows = do(
            f"SELECT ours.id, ours.card_id, {ours}, {theirs} FROM {both} WHERE {differ}"
        ).fetchall()
        if not rows:
            return {}
        rank, n = self._ranks(), len(names)
        versions: dict[int, Sequence[Any]] = {}
        for number, card_id, *columns in rows:
            do("INSERT OR IGNORE INTO differing VALUES (?)", (card_id,))
            pair = (columns[:n], columns[n:])
            preferred = max(pair, key=lambda version: (rank[version[-1]], repr(version)))
            versions[number] = pair[0] if preferred is pair[1] else pair[1]
            if preferred is pair[1]:
                marks = ", ".join(f"{name} = ?" for name in names)
                do(f"UPDATE main.reviews SET {marks} WHERE id = ?", (*preferred, number))
        return versions

    def _ranks(self) -> dict[str, tuple[int, int]]:
        """Settings -> when their weights were adopted, and the last answer scheduled by them."""
        adopted: dict[tuple[float, ...], int] = {}
        for schema in ("main", "other"):
            for at_ms, text in self._do(
                f"SELECT at_ms, parameters FROM {schema}.weights WHERE adopted"
            ):
                weights = tuple(json.loads(text))
                adopted[weights] = max(adopted.get(weights, 0), at_ms)
        last = dict(
            self._do(
                "SELECT parameters_id, max(at_ms) FROM (SELECT parameters_id, at_ms FROM"
                " main.reviews UNION ALL SELECT parameters_id, at_ms FROM other.reviews) GROUP BY 1"
            )
        )
        weights_of = {
            name: tuple(json.loads(text).get("parameters", ()))
            for name, text in self._do("SELECT parameters_id, settings FROM main.schedules")
        }
        return {name: (adopted.get(weights_of.get(name, ()), 0), at) for name, at in last.items()}

    def _join_practised(self) -> int:
        gone = _was_taken_back(_PRACTISED, "practised")
        self._do(f"DELETE FROM main.practised WHERE {gone}")
        n_new = self._pair(_PRACTISED, f"NOT {gone}")
        self._add(_PRACTISED)
        self._renumber(_PRACTISED)
        return n_new

    def _join_runs(self) -> int:
        n_new = self._pair(_RUNS)
        self._do(
            "UPDATE main.outcomes SET n_bytes = theirs.n_bytes, events = theirs.events"
            " FROM temp.pairs JOIN other.outcomes AS theirs ON theirs.run_id = pairs.theirs"
            " WHERE outcomes.run_id = pairs.ours AND outcomes.events IS NULL"
            " AND theirs.events IS NOT NULL"
        )
        new = self._do("SELECT theirs FROM pairs WHERE ours IS NULL").fetchall()
        self._add(_RUNS, sitting_id=self._SITTING)
        for row in new:
            self._do(
                "INSERT INTO main.outcomes SELECT ours, n_bytes, numbers, events FROM pairs"
                " JOIN other.outcomes ON run_id = theirs WHERE theirs = ?",
                row,
            )
        self._renumber(_RUNS, ("outcomes", "run_id"))
        self._do(LET_GO, (KEPT_EVENT_BYTES,))
        return n_new

    def _join_marks(self) -> int:
        before = set(self._do("SELECT card_id, mark, at_ms FROM main.marks"))
        self._do(
            "INSERT INTO main.marks SELECT * FROM other.marks WHERE 1 ON CONFLICT DO UPDATE SET"
            " at_ms = excluded.at_ms, offset_min = excluded.offset_min, day = excluded.day"
            " WHERE (excluded.at_ms, excluded.offset_min, excluded.day) > (at_ms, offset_min, day)"
        )
        self._do(
            "DELETE FROM main.marks WHERE EXISTS (SELECT 1 FROM main.removals WHERE"
            " what = marks.mark AND removals.card_id = marks.card_id"
            " AND removals.at_ms >= marks.at_ms)"
        )
        return len(before ^ set(self._do("SELECT card_id, mark, at_ms FROM main.marks")))

    def _replay(self, fallback: ScheduleSettings, versions: Mapping[int, Sequence[Any]]) -> int:
        """Compute the memories of the cards whose logs differ; how many are others now."""
        log = read_log(self._connection, fallback, _DIFFERING)
        other, other_predicted = _other_version(log, versions)
        found = log.replayed(other)
        predicted = _same_bits(found.predicted, log.predicted, other_predicted)
        found = found._replace(predicted=predicted)
        return write_replayed(self._connection, log, found, _DIFFERING, is_exact=True)


def _was_taken_back(table: _Table, what: str) -> str:
    return (
        f"EXISTS (SELECT 1 FROM main.removals WHERE what = '{what}'"
        f" AND removals.card_id = {table.name}.card_id AND removals.at_ms = {table.name}.at_ms)"
    )


_OF_A_VERSION = (
    *("state", "step", "stability_days", "difficulty", "due_at_ms", "due_day"),
    *("reps", "lapses", "caps_left", "predicted"),
)


def _same_bits(found: Floats, *stored: Floats) -> Floats:
    """What was found, with the last bits that one of the machines has, the same both ways round.

    Those of a power depend on who computes it, and on its place in an array.
    """
    close = [np.where(np.isclose(found, each, rtol=CLOSE, atol=0), each, np.nan) for each in stored]
    chosen: Floats = np.fmax(*close)
    return np.where(np.isnan(chosen), found, chosen)


def _other_version(
    log: StoredLog, versions: Mapping[int, Sequence[Any]]
) -> tuple[Outcomes, Floats]:
    """The other versions in the places of their answers; what has none agrees with nothing."""
    other = log.after.take(np.arange(len(log.ids)))
    other.stability_days[:] = np.nan
    predicted = np.full(len(log.ids), np.nan)
    for number, row in versions.items():
        place = np.searchsorted(log.ids, number)
        for column, value in zip((*other, predicted), row, strict=False):
            if isinstance(value, str):
                value = np.datetime64(value)
            column[place] = NONE if value is None else value
    return other, predicted
