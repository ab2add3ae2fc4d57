"""The learner's progress: every answer and every run of a lab, safe as soon as it is recorded.

An answer is never changed, and leaves only by being taken back; what it led to may be computed
again. The memory of a card is what its last review led to. One `Store` may be used from several
threads.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from studykit.clock import from_ms, offset_minutes, to_ms
from studykit.course.contents import AnyCard
from studykit.errors import StoreError
from studykit.lab.results import Prediction, RunResult
from studykit.progress.backups import back_up_daily, copy_database, n_missing
from studykit.progress.database import (
    WRITES,
    driver_of,
    explained,
    how_to_restore,
    open_database,
    open_for_reading,
)
from studykit.progress.examination import examine
from studykit.progress.log_rows import LogRow, checked_log_rows
from studykit.progress.long_run import LogSums
from studykit.progress.queries import (
    add_practised,
    add_schedule,
    forget_removal,
    newest_hiding,
    remove_practised,
    remove_review,
    set_mark,
    stored_marks,
    stored_practised,
    unset_mark,
)
from studykit.progress.rows import (
    MEMORY_COLUMNS,
    REVIEW_COLUMNS,
    add_review,
    memory_of,
    review_of,
    set_memory,
    stored_memories,
)
from studykit.progress.runs import (
    RunEntry,
    StoredRun,
    add_run,
    remove_run,
    run_faults,
    stored_entries,
    stored_runs,
)
from studykit.progress.soundness import UNREADABLE, RowError, bad_rows
from studykit.progress.stats import KnownCounts, ReportSums
from studykit.progress.sums import (
    answers_by_day,
    known_by_day,
    latest_taken_ms,
    read_report_sums,
    read_sums,
)
from studykit.progress.table_rows import TABLES, rows_of_table
from studykit.progress.tables import MemoryRow, ReviewRow, SittingRow
from studykit.progress.weights import (
    add_weights,
    log_to_fit,
    rated_lately,
    stored_weights,
    weights_in_use,
)
from studykit.review.habits import Rated
from studykit.review.marks import Mark, Marking, Marks
from studykit.review.practice import Mode, Practised
from studykit.review.schedule import NEW_MEMORY, Memory, Scheduler, ScheduleSettings, State
from studykit.review.session import ElsewhereError, Review
from studykit.review.study_queue import Done
from studykit.review.weights import History, Move, Weights, WeightsEntry
from studykit.text import clean

if TYPE_CHECKING:
    from studykit.progress.additions import Additions

DEFAULTS = ScheduleSettings()

# As text: it is asked before and after each rating, and building the query takes longer.
_REVISION = """\
SELECT id, card_id, at_ms, n_marks, marked_at_ms, n_weights
FROM (SELECT count(*) AS n_marks, sum(at_ms) AS marked_at_ms FROM marks)
JOIN (SELECT count(*) AS n_weights FROM weights)
LEFT JOIN (SELECT id, card_id, at_ms FROM reviews ORDER BY id DESC LIMIT 1)
"""

_review_id = col(ReviewRow.id)
_card_id = col(ReviewRow.card_id)


class Store:
    """An open progress database. Whatever it cannot do raises `StoreError` and changes nothing."""

    def __init__(
        self,
        engine: Engine,
        path: Path,
        backups_dir: Path,
        private_copy: TemporaryDirectory[str] | None = None,
    ) -> None:
        self.path = path
        self.backups_dir = backups_dir
        self._engine = engine
        self._writing_engine = engine.execution_options(**WRITES)
        self._sitting_id: int | None = None
        self._schedules: set[str] = set()  # the ids that are in the database already
        self._private_copy = private_copy
        self._file = _identity(path)

    @classmethod
    def open(cls, path: Path, *, backups_dir: Path) -> Store:
        """The store in the file at `path`: made if there is none, led to the newest schema."""
        return cls(open_database(path, backups_dir), path, backups_dir)

    @classmethod
    def open_for_reading(cls, path: Path, *, backups_dir: Path) -> Store:
        """The store in the file at `path` as it is now; nothing can be recorded in it.

        It needs nothing that can be written, and never waits for a program that writes.
        """
        engine, private_copy = open_for_reading(path, backups_dir)
        return cls(engine, path, backups_dir, private_copy)

    def close(self) -> None:
        self._engine.dispose()
        if self._private_copy is not None:
            self._private_copy.cleanup()

    def back_up(self, day: date) -> Path | None:
        """The day's copy in `backups_dir`, or None if it is there; call it once after opening.

        It reads the whole database and finds damage that `open` does not look for.
        """
        with explained(self.path, self.backups_dir):
            return back_up_daily(self.path, self.backups_dir, day)

    # --- sittings and answers ---

    def begin_sitting(self, at: datetime, day: date) -> None:
        """What is recorded from now on belongs to a sitting that begins at `at`."""
        with self._writing() as session:
            row = SittingRow(
                started_at_ms=to_ms(at), offset_min=offset_minutes(at), day=day.isoformat()
            )
            session.add(row)
            session.flush()
            sitting_id = _id(row)
        self._sitting_id = sitting_id

    def end_sitting(self, at: datetime) -> None:
        """The sitting ends, if there is one; where that cannot be noted, nothing is lost."""
        if self._sitting_id is None:
            return
        sitting_id, self._sitting_id = self._sitting_id, None
        # A sitting without an end is one that was killed: on a full disk it is no more than that.
        with suppress(StoreError), self._writing() as session:
            row = session.get(SittingRow, sitting_id)
            if row is not None:
                row.ended_at_ms = to_ms(at)

    def keep_schedule(self, scheduler: Scheduler) -> None:
        """Store what the scheduler's `parameters_id` stands for, unless it is known already."""
        if scheduler.parameters_id in self._schedules:
            return
        with self._writing() as session:
            add_schedule(session, scheduler.parameters_id, scheduler.settings)
        self._schedules.add(scheduler.parameters_id)

    def record(
        self, review: Review, before: Memory | None = None, known: Hashable = None
    ) -> Hashable:
        """Add a review and set its card's memory; both are on the disk when this returns.

        Returns the revision then. Raises `ElsewhereError` if `before` or `known` is given and
        another program has changed the card's memory or the revision: a rating is scheduled from
        the memory, and counted by the limits, that the learner has seen.
        """
        with self._writing() as session:
            if known is not None and _revision(session) != known:
                raise ElsewhereError.of_card(review.card_id)
            if before is not None and _memory(session, review.card_id) != before:
                raise ElsewhereError.of_card(review.card_id)
            add_review(session, review, self._sitting_id)
            forget_removal(session, "review", review.card_id, to_ms(review.at))
            set_memory(session, review.card_id, review.after)
            return _revision(session)

    def take_back(
        self, day: date, expected: Review | None = None, cards: Container[str] | None = None
    ) -> Review | None:
        """Remove the newest review and return it; None if it is of a day before `day`.

        It may be of a later day: the clock has been put back since. Its card's memory becomes
        what the review before it led to. A review of a card that is not in `cards`, if they are
        given, stays. Raises `ElsewhereError` if `expected` is given and is not the newest.
        """
        with self._writing() as session:
            newest = (
                select_columns(_review_id, *REVIEW_COLUMNS).order_by(_review_id.desc()).limit(1)
            )
            connection = session.connection()
            row = connection.execute(newest).first()
            if row is None or row.day < day.isoformat():
                return None
            review = review_of(row[1:])
            if cards is not None and review.card_id not in cards:
                return None
            if expected and (expected.card_id, expected.at) != (review.card_id, review.at):
                raise ElsewhereError(
                    f"the last answer, to {clean(review.card_id)}, was given in another window",
                    hint="undo again takes that one back",
                )
            remove_review(session, row.id)
            before = connection.execute(newest.where(_card_id == review.card_id)).first()
            memory = review_of(before[1:]).after if before else NEW_MEMORY
            set_memory(session, review.card_id, memory)
            return review

    def memory(self, card_id: str) -> Memory:
        """What is known of one card; `NEW_MEMORY` if it was never reviewed."""
        with self._reading() as session:
            return _memory(session, card_id)

    def memories(self) -> dict[str, Memory]:
        """Card id -> memory, of every card ever reviewed, whichever course it is of."""
        with self._reading() as session:
            return stored_memories(session)

    def reviews(self, since: date | None = None) -> list[Review]:
        """The log in the order of the answers, from the study day `since` on."""
        query = select_columns(*REVIEW_COLUMNS).order_by(_review_id)
        if since is not None:
            query = query.where(col(ReviewRow.day) >= since.isoformat())
        with self._reading() as session:
            return [review_of(row) for row in session.connection().execute(query)]

    def log_rows(self) -> Iterator[LogRow]:
        """The log in the order of the answers, as bare columns, read bit by bit."""
        yield from map(LogRow._make, self.log_columns(LogRow._fields, date.min, date.max))

    def log_columns(
        self, names: Sequence[str], since: date, until: date
    ) -> Iterator[tuple[Any, ...]]:
        """These columns of the log from one study day to another, read bit by bit."""
        with self._reading() as session:
            yield from checked_log_rows(session, names, since, until)

    def tables(self) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
        """Every table's name with its rows as plain values, as they are at one moment.

        The rows are read bit by bit, before the next table is asked for; nulls are left out.
        """
        with self._reading() as session:
            for name in TABLES:
                yield name, rows_of_table(session.connection(), name)

    def revision(self) -> Hashable:
        """Differs from an earlier one if something was answered, taken back, marked or rescheduled
        since."""
        with self._reading() as session:
            return _revision(session)

    def latest_answer_at(self) -> datetime | None:
        """When the last answer was given by the clock of then, of whichever course."""
        newest = select_columns(col(ReviewRow.at_ms)).order_by(_review_id.desc()).limit(1)
        with self._reading() as session:
            latest_ms = session.connection().execute(newest).scalar()
        return None if latest_ms is None else from_ms(latest_ms)

    def done(self, day: date, cards: Mapping[str, AnyCard]) -> Done:
        """What the study day has seen already of `cards`.

        The day after counts, too: its answers were given before the clock or the time zone went
        back a day, and what they used of the limits is not handed out again.
        """
        days = (day.isoformat(), (day + timedelta(days=1)).isoformat())
        query = select_columns(_card_id, col(ReviewRow.state_before))
        query = query.where(col(ReviewRow.day).in_(days))
        with self._reading() as session:
            rows = session.connection().execute(query)
            asked = [(cards[card_id], state) for card_id, state in rows if card_id in cards]
        return Done(
            new=sum(state == State.NEW for _, state in asked),
            reviews=sum(state == State.REVIEW for _, state in asked),
            notes=frozenset(card.note for card, _ in asked if card.note),
        )

    def add_past(
        self,
        answers: Iterable[tuple[Any, ...]],
        marks: Iterable[tuple[str, Mark]],
        at: datetime,
        day: date,
        scheduler: Scheduler,
    ) -> Additions:
        """Add what was answered and marked in another program, after a copy; all or nothing.

        As `additions.add_past`, whose columns the answers have; the marks count as set `at`.
        """
        from studykit.progress.additions import add_past  # it computes with numpy

        with self._writing() as session:
            add_schedule(session, scheduler.parameters_id, scheduler.settings)
            marked = (to_ms(at), offset_minutes(at), day.isoformat())
            added = add_past(driver_of(session), answers, marks, marked, scheduler.settings)
            if any(added):
                # Another connection still reads what was there before.
                name = f"{self.path.stem}-before-import-{at:%Y-%m-%dT%H%M%S}{self.path.suffix}"
                copy_database(self.path, self.backups_dir / name)
            return added

    # --- marks on cards ---

    def mark(self, marking: Marking) -> None:
        """Set a mark; one that is there already is as if it were set now."""
        with self._writing() as session:
            set_mark(session, marking)

    def unmark(self, card_id: str, mark: Mark) -> None:
        """Take a mark off a card; of one that has it not this does nothing."""
        with self._writing() as session:
            unset_mark(session, card_id, mark)

    def marks(self, day: date) -> Marks:
        """The cards that are marked on `day`, of whichever course."""
        with self._reading() as session:
            return stored_marks(session, day)

    def take_back_mark(self, day: date, cards: Container[str] | None = None) -> Marking | None:
        """The latest mark of `day` that hid a card, removed; None if a review came after it.

        One on a card that is not in `cards`, if they are given, stays.
        """
        with self._writing() as session:
            marking = newest_hiding(session, day)
            if marking is None or (cards is not None and marking.card_id not in cards):
                return None
            unset_mark(session, marking.card_id, marking.mark)
            return marking

    # --- practice beside the schedule ---

    def record_practised(self, practised: Practised) -> int:
        """Add an answer, which no memory and no count of reviews comes from; returns its id."""
        with self._writing() as session:
            return add_practised(session, practised)

    def take_back_practised(self, number: int) -> None:
        """Remove the answer with this id."""
        with self._writing() as session:
            remove_practised(session, number)

    def practised(self, mode: Mode | None = None) -> list[Practised]:
        """What was practised in a mode, or in any, oldest first, of whichever course."""
        with self._reading() as session:
            return stored_practised(session, mode)

    # --- weights of FSRS ---

    def add_weights(self, entry: WeightsEntry) -> int:
        """Add a fit, or a way back, to the history of weights; returns its id."""
        with self._writing() as session:
            return add_weights(session, entry)

    def weights(self) -> list[WeightsEntry]:
        """The history of weights, oldest first."""
        with self._reading() as session:
            return stored_weights(session)

    def weights_in_use(self) -> Weights:
        """Those adopted last, else the defaults of FSRS."""
        with self._reading() as session:
            return weights_in_use(session)

    def log_to_fit(self) -> History:
        """The whole log as weights are fitted to it."""
        with self._reading() as session:
            return log_to_fit(session)

    def find_moves(self, weights: Weights, fallback: ScheduleSettings) -> list[Move]:
        """What `reschedule` with these weights would do to the due day of each card."""
        from studykit.progress.replays import find_moves  # it computes with numpy

        with self._reading() as session:
            return find_moves(driver_of(session), fallback, weights)

    def reschedule(self, entry: WeightsEntry, fallback: ScheduleSettings) -> None:
        """Compute all memories again as if the weights of `entry` had scheduled every answer.

        The entry is kept in the history, as the latest; with it, every replay comes to the same.
        Answers by settings that are not known count as scheduled by `fallback`. A copy of what
        was before is in `backups_dir` then.
        """
        from studykit.progress.replays import rebuild_memories  # it computes with numpy

        name = f"{self.path.stem}-before-rescheduling{self.path.suffix}"
        with explained(self.path, self.backups_dir):
            copy_database(self.path, self.backups_dir / name)
        with self._writing() as session:
            connection = driver_of(session)
            (latest_ms,) = connection.execute("SELECT max(at_ms) FROM reviews").fetchone()
            if latest_ms is not None and latest_ms > to_ms(entry.at):  # the clock was put back
                entry = replace(entry, at=from_ms(latest_ms, offset_minutes(entry.at)))
            add_weights(session, entry)
            rebuild_memories(connection, fallback)

    def rated_lately(self, n_answers: int) -> list[Rated]:
        """The latest answers, counted by state, rating, and rating before."""
        with self._reading() as session:
            return rated_lately(session, n_answers)

    # --- runs of labs ---

    def record_run(
        self, result: RunResult, *, card_id: str | None, prediction: Prediction | None
    ) -> int:
        """Add a run of the learner's own, whatever became of it; returns its id."""
        with self._writing() as session:
            return add_run(session, result, card_id, prediction, self._sitting_id)

    def run_entries(self) -> list[RunEntry]:
        """Every run without what it measured, oldest first; unreadable ones are left out."""
        with self._reading() as session:
            return list(stored_entries(session))

    def run(self, run_id: int) -> StoredRun | None:
        """The run with this id, or None if it cannot be read."""
        return next(self._runs(run_id=run_id, with_events=True), None)

    def runs(self, lab_id: str | None = None) -> list[StoredRun]:
        """The runs, oldest first, of one lab or of all; those that cannot be read are left out."""
        return list(self._runs(lab_id=lab_id, with_events=True))

    def newest_runs(self, lab_id: str, n_newest: int) -> list[StoredRun]:
        """The newest runs of a lab without their events, the newest first."""
        return list(self._runs(lab_id=lab_id, n_newest=n_newest, with_events=False))

    def each_run(self) -> Iterator[StoredRun]:
        """Every run without its events, oldest first, read one by one."""
        return self._runs(with_events=False)

    def _runs(self, **which: Any) -> Iterator[StoredRun]:
        with self._reading() as session:
            for run in stored_runs(session, **which):
                if isinstance(run, StoredRun):
                    yield run

    # --- doctor ---

    def check(self) -> list[str]:
        """What is wrong with the database, one line each: damage, broken links, a wrong cache."""
        way_back = f"{clean(str(self.path))}: {how_to_restore(self.path, self.backups_dir)}"
        problems: list[str] = []
        try:
            with self._reading() as session:
                problems.extend(examine(session, way_back))
        except StoreError as error:  # too damaged to be read to the end
            problems.append(str(error))
        return problems

    def rebuild(self, fallback: ScheduleSettings = DEFAULTS) -> int:
        """Compute all memories again from the answers of the log; returns how many were wrong.

        By the settings that each card was scheduled by then, where they are known, else by
        `fallback`. A stored memory that agrees in stability and difficulty keeps its due day.
        """
        from studykit.progress.replays import rebuild_memories  # it computes with numpy

        with self._writing() as session:
            return rebuild_memories(driver_of(session), fallback)

    def remove_unreadable_runs(self) -> None:
        """Remove the runs that `check` complains of."""
        with self._writing() as session:
            for run_id in run_faults(session):
                remove_run(session, run_id)

    # --- counts ---

    def sums(self, since: date) -> LogSums:
        """What statistics sum up of the log, some of it from the study day `since` on."""
        with self._reading() as session:
            return read_sums(session, since)

    def report_sums(
        self, since: date | None, until: date, pretested: Iterable[str] = ()
    ) -> ReportSums:
        """What a report of the study days from `since` (None: the first) to `until` needs."""
        with self._reading() as session:
            return read_report_sums(session, since, until, pretested)

    def answers_by_day(self) -> dict[date, int]:
        """Study day -> its answers, of every day that has any, oldest first."""
        with self._reading() as session:
            return answers_by_day(session)

    def latest_taken_ms(self, n_answers: int) -> list[int]:
        """How long the latest answers took, newest first."""
        with self._reading() as session:
            return latest_taken_ms(session, n_answers)

    def known_by_day(self, since: date) -> dict[date, KnownCounts]:
        """Study day -> reviews of cards that were in Review, from the day `since` on."""
        with self._reading() as session:
            return known_by_day(session, since)

    def n_missing(self, copy: Path) -> int:
        """How many answers and runs a copy holds that the progress has not."""
        with (
            explained(self.path, self.backups_dir),
            closing(self._engine.raw_connection()) as connection,
        ):
            driver = connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            return n_missing(driver, copy)

    def n_reviews(self) -> int:
        """Answers in the log, readable or not."""
        with self._reading() as session:
            query = select_columns(func.count()).select_from(ReviewRow)
            return session.connection().execute(query).scalar_one()

    # --- transactions ---

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        with (
            explained(self.path, self.backups_dir),
            Session(self._engine) as session,
            self._bad_rows_named(session),
        ):
            yield session

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        """A transaction that is on the disk when the block has ended, or undone if it raises."""
        if _identity(self.path) != self._file:
            # SQLite would go on writing the file that has no name any more.
            raise StoreError(
                f"{clean(str(self.path))} was moved or replaced while it was open",
                hint="put it back, or quit and start again; what was saved until then is in it",
            )
        with (
            explained(self.path, self.backups_dir),
            Session(self._writing_engine, expire_on_commit=False) as session,
            self._bad_rows_named(session),
        ):
            yield session
            session.commit()

    @contextmanager
    def _bad_rows_named(self, session: Session) -> Iterator[None]:
        """Turns what a row that breaks a rule leads to into a `StoreError` that names the row."""
        try:
            yield
        except UNREADABLE as error:
            row = next(bad_rows(driver_of(session)), None)
            if row is None and not isinstance(error, RowError):
                raise  # no row is to blame
            hint = (
                "`studykit doctor --rebuild` makes the memories again from the log"
                if row and " of memories" in row
                else how_to_restore(self.path, self.backups_dir)
            )
            what = f"{clean(str(self.path))} is damaged: {row or error}"
            raise StoreError(what, hint=hint) from error


def _revision(session: Session) -> Hashable:
    return tuple(session.connection().exec_driver_sql(_REVISION).one())


def _memory(session: Session, card_id: str) -> Memory:
    query = select_columns(*MEMORY_COLUMNS).where(col(MemoryRow.card_id) == card_id)
    row = session.connection().execute(query).first()
    return memory_of(row) if row else NEW_MEMORY


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another of the same name; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _id(row: SittingRow) -> int:
    """The id that the database has given to a row just written or read."""
    if row.id is None:
        raise ValueError("the row was never written")
    return row.id
