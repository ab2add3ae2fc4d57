"""What is recorded is there again, exactly, in another process or thread, or not at all."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from studykit.errors import StoreError
from studykit.lab.results import Prediction
from studykit.progress.rows import set_memory
from studykit.progress.store import Store
from studykit.review.marks import Mark, Marking, Marks
from studykit.review.schedule import NEW_MEMORY, Rating, Scheduler, ScheduleSettings, State
from studykit.review.session import Review
from studykit.review.study_queue import Done
from tests.progress.builders import (
    MONDAY,
    day_after,
    make_card,
    make_memory,
    make_rated,
    make_review,
    make_run,
    open_store,
    with_befores,
)


def test_a_new_store_knows_nothing(store: Store) -> None:
    assert store.memories() == {}
    assert store.memory("a") == NEW_MEMORY
    assert store.reviews() == []
    assert store.runs() == []
    assert store.take_back(MONDAY.date()) is None
    assert store.check() == []


def test_reviews_and_memories_survive_a_restart(tmp_path: Path) -> None:
    """Every field comes back, the local offset included."""
    first = make_review("a", rating=Rating.AGAIN, after=make_memory(State.LEARNING))
    second = replace(make_review("b"), correct=None, suggested=None, confidence=None)
    with closing(open_store(tmp_path)) as store:
        store.record(first)
        store.record(second)

    with closing(open_store(tmp_path)) as store:
        reviews, memories = store.reviews(), store.memories()

    assert reviews == [first, second]
    assert [review.at.utcoffset() for review in reviews] == [timedelta(hours=1)] * 2
    assert [type(review.rating) for review in reviews] == [Rating] * 2
    assert memories == {"a": first.after, "b": second.after}


def test_reviews_since_a_day_leave_earlier_days_out(store: Store) -> None:
    for n in range(3):
        store.record(make_review("a", at=MONDAY + timedelta(days=n)))

    assert [review.day for review in store.reviews(day_after(1))] == [day_after(1), day_after(2)]


def test_what_was_typed_is_stored_safe_to_show(store: Store) -> None:
    """Neither an escape sequence nor half a surrogate pair reaches the database."""
    store.record(make_review(given="\x1b[31mred\udc80"))

    assert [review.given for review in store.reviews()] == ["␛[31mred�"]


def test_taking_back_restores_the_memory_before(store: Store) -> None:
    before = make_review("a", after=make_memory(State.LEARNING))
    last = make_review("a", at=MONDAY + timedelta(minutes=10), after=make_memory(reps=2))
    store.record(before)
    store.record(last)

    assert store.take_back(MONDAY.date()) == last
    assert store.memory("a") == before.after
    assert store.take_back(MONDAY.date()) == before
    assert store.memory("a") == NEW_MEMORY
    assert store.memories() == {}
    assert store.take_back(MONDAY.date()) is None


def test_taking_back_stops_at_another_day(store: Store) -> None:
    """An answer of yesterday stays, and so does all that was built on it."""
    yesterday = make_review("a", at=MONDAY - timedelta(days=1))
    store.record(yesterday)

    assert store.take_back(MONDAY.date()) is None
    assert store.reviews() == [yesterday]


def test_done_counts_first_answers_known_cards_and_sibling_groups(store: Store) -> None:
    """Steps of a learning card count neither as new nor as a review; other courses not at all."""
    cards = {
        id_: make_card(id_, note=note) for id_, note in [("new", "n1"), ("old", ""), ("x", "n2")]
    }
    yesterday = MONDAY - timedelta(days=1)
    answers = (
        make_review("old", at=yesterday),
        make_review("x", at=yesterday),
        make_review("new", after=make_memory(State.LEARNING)),
        make_review("new", after=make_memory(State.LEARNING, reps=2)),
        make_review("old", after=make_memory(State.RELEARNING, reps=2, lapses=1)),
        make_review("old", after=make_memory(reps=3, lapses=1)),
        make_review("of-another-course"),
    )
    for review in with_befores(answers):
        store.record(review)

    assert store.done(MONDAY.date(), cards) == Done(new=1, reviews=1, notes=frozenset({"n1"}))
    assert store.done(day_after(1), cards) == Done()


def test_runs_come_back_with_their_predictions(store: Store) -> None:
    """Not a number is a result like another."""
    prediction = Prediction("3.3", claim="", value=3.3, confidence=70, correct=False)
    diverged = make_run(loss=float("inf"), status="done")
    first = store.record_run(make_run(), card_id="a", prediction=prediction)
    store.record_run(make_run("core/norm", status="cancelled"), card_id=None, prediction=None)
    store.record_run(diverged, card_id=None, prediction=None)

    one, *_ = runs = store.runs("core/residuals")

    assert [run.result for run in runs] == [make_run(), diverged]
    assert (one.id, one.card_id, one.prediction) == (first, "a", prediction)
    assert [run.result.lab for run in store.runs()] == [
        "core/residuals",
        "core/norm",
        "core/residuals",
    ]


def test_a_run_that_cannot_be_read_hides_no_other(store: Store) -> None:
    store.record_run(make_run(), card_id=None, prediction=None)
    store.record_run(make_run(), card_id=None, prediction=None)
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE outcomes SET numbers = '{}' WHERE run_id = 1")

    assert [run.id for run in store.runs()] == [2]
    (problem,) = store.check()
    assert problem.startswith("run 1 of core/residuals cannot be read: ")


def test_answers_belong_to_the_sitting_in_which_they_were_given(store: Store) -> None:
    store.record(make_review("before"))
    store.begin_sitting(MONDAY, MONDAY.date())
    store.record(make_review("within"))
    store.record_run(make_run(), card_id=None, prediction=None)
    store.end_sitting(MONDAY + timedelta(minutes=10))
    store.record(make_review("after"))

    with closing(sqlite3.connect(store.path)) as connection:
        reviews = connection.execute("SELECT card_id, sitting_id FROM reviews").fetchall()
        runs = connection.execute("SELECT sitting_id FROM runs").fetchall()
        sittings = connection.execute(
            "SELECT id, day, offset_min, ended_at_ms - started_at_ms FROM sittings"
        ).fetchall()
    assert reviews == [("before", None), ("within", 1), ("after", None)]
    assert runs == [(1,)]
    assert sittings == [(1, "2026-11-23", 60, 600_000)]


def test_commits_wait_for_the_disk(store: Store) -> None:
    """Write-ahead log, synchronised at each commit, foreign keys on: in every connection."""
    seen = []
    event.listen(
        store._engine,
        "begin",
        lambda connection: seen.append(
            [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        ),
    )
    store.record(make_review())
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(store.memory, "ab"))

    assert seen == [["wal", 2, 1]] * 3


def test_a_full_disk_loses_nothing_and_stores_no_half(store: Store) -> None:
    """The answer that did not fit is refused as a whole; with space again it can be given."""
    store.record(make_review("first"))
    connection = store._engine.raw_connection()
    (n_pages,) = connection.cursor().execute("PRAGMA page_count").fetchone()
    connection.cursor().execute(f"PRAGMA max_page_count = {n_pages}")
    connection.close()
    big = make_review("big", given="x" * 100_000)

    with pytest.raises(StoreError, match="cannot be written: the disk is full"):
        store.record(big)

    assert list(store.memories()) == ["first"]
    assert len(store.reviews()) == 1
    connection = store._engine.raw_connection()
    connection.cursor().execute("PRAGMA max_page_count = 100000")
    connection.close()
    store.record(big)
    assert set(store.memories()) == {"first", "big"}


def test_a_sitting_ends_also_where_nothing_can_be_written(store: Store) -> None:
    """All its answers are safe: it must not end with an error that says otherwise."""
    store.begin_sitting(MONDAY, MONDAY.date())
    store.record(make_review())
    connection = store._engine.raw_connection()
    connection.cursor().execute("PRAGMA query_only = ON")
    connection.close()
    with pytest.raises(StoreError, match="is read-only"):
        store.record(make_review("late"))

    store.end_sitting(MONDAY + timedelta(minutes=5))

    assert [review.card_id for review in store.reviews()] == ["a"]


def test_a_file_that_was_moved_away_takes_no_answer(store: Store, tmp_path: Path) -> None:
    """Nor does one that was put in its place; where it is back, answers go on."""
    store.record(make_review("first"))
    elsewhere = tmp_path / "elsewhere.sqlite3"
    store.path.rename(elsewhere)
    with pytest.raises(StoreError, match="was moved or replaced while it was open"):
        store.record(make_review("second"))
    store.path.touch()
    with pytest.raises(StoreError, match="was moved or replaced while it was open"):
        store.record(make_review("second"))

    elsewhere.replace(store.path)
    store.record(make_review("second"))
    assert set(store.memories()) == {"first", "second"}


def test_a_store_opened_in_a_thread_is_used_from_others(tmp_path: Path) -> None:
    """Answers recorded at the same time by several threads are all there."""
    reviews = [make_review(f"card-{n}") for n in range(40)]
    with (
        ThreadPoolExecutor(4) as pool,
        closing(pool.submit(open_store, tmp_path).result()) as store,
    ):
        list(pool.map(store.record, reviews))

        assert set(store.memories()) == {review.card_id for review in reviews}
        assert store.check() == []


def test_threads_that_read_before_they_write_wait_for_each_other(tmp_path: Path) -> None:
    """None of them finds that what it has read was changed before it could write."""
    answers = [make_review(f"card-{n}") for n in range(40)]

    def give_and_take_back(review: Review) -> Review | None:
        store.record(review)
        return store.take_back(review.day)

    with closing(open_store(tmp_path)) as store, ThreadPoolExecutor(4) as pool:
        taken_back = list(pool.map(give_and_take_back, answers))

        assert sorted(review.card_id for review in taken_back if review) == sorted(
            review.card_id for review in answers
        )
        assert store.reviews() == []
        assert store.memories() == {}


def test_two_programs_share_a_database(store: Store, tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as other:
        store.record(make_review("a"))
        other.record(make_review("b"))

        assert set(store.memories()) == set(other.memories()) == {"a", "b"}


def test_rebuilding_makes_the_memories_again_from_the_log(store: Store) -> None:
    """A wrong, a missing and a surplus memory are each found and mended."""
    for card_id in ("right", "wrong", "missing"):
        store.record(make_rated(card_id))
    right = make_rated().after
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE memories SET lapses = 7 WHERE card_id = 'wrong'")
        connection.execute("DELETE FROM memories WHERE card_id = 'missing'")
        connection.execute(
            "INSERT INTO memories (card_id, state, reps, lapses) VALUES ('surplus', 2, 1, 0)"
        )

    problems = store.check()

    assert [line.split(":")[0] for line in problems] == [
        "memory of missing",
        "memory of surplus",
        "memory of wrong",
    ]
    assert store.rebuild() == 3
    assert store.check() == []
    assert store.memories() == {c: right for c in ("missing", "right", "wrong")}
    assert store.rebuild() == 0


def test_rebuilding_computes_what_the_answers_led_to(store: Store) -> None:
    """The answers count, not what stands beside them; each by the settings of its time."""
    steady = Scheduler(ScheduleSettings(desired_retention=0.8, learning_steps=()))
    store.keep_schedule(steady)
    memory, log = NEW_MEMORY, []
    for days, rating in enumerate((Rating.EASY, Rating.AGAIN, Rating.GOOD)):
        at = MONDAY + timedelta(days=9 * days)
        log.append(make_rated(at=at, rating=rating, known=memory, scheduler=steady, confidence=95))
        memory = log[-1].after
        store.record(log[-1])
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(
            "UPDATE reviews SET stability_days = 99, due_day = '2027-11-23', state_before = NULL,"
            " step = NULL, reps = 1, lapses = 5 WHERE id > 1"
        )
        connection.execute("DELETE FROM memories")

    assert store.rebuild() == 1
    assert list(map(without_numbers, store.reviews())) == list(map(without_numbers, log))
    for found, given in zip(store.reviews(), log, strict=True):
        assert found.after.stability_days == pytest.approx(given.after.stability_days, rel=1e-9)
        assert found.after.difficulty == pytest.approx(given.after.difficulty, rel=1e-9)
        assert found.predicted == (given.predicted and pytest.approx(given.predicted, rel=1e-9))
    assert store.memories() == {"a": store.reviews()[-1].after}
    assert store.check() == []


def without_numbers(review: Review) -> Review:
    after = replace(review.after, stability_days=None, difficulty=None)
    return replace(review, after=after, predicted=None)


def test_rebuilding_a_log_that_was_cut_keeps_what_it_had_led_to(store: Store) -> None:
    """What the lost answers did cannot be computed; what was taken back is no loss."""
    first = make_rated(rating=Rating.EASY)
    later = MONDAY + timedelta(days=30)
    second = make_rated(at=later, known=first.after)
    store.record(first)
    store.record(second)
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DELETE FROM reviews WHERE id = 1")

    assert store.rebuild() == 0
    assert store.memories() == {"a": second.after}
    assert store.reviews() == [replace(second, before=None, predicted=None)]
    assert store.take_back(later.date()) is not None
    again = make_rated(at=later)
    store.record(again)
    assert store.rebuild() == 0
    assert store.reviews() == [again]


def test_a_row_that_points_nowhere_is_reported(store: Store) -> None:
    store.record(make_review())
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE reviews SET sitting_id = 99")

    assert store.check() == ["reviews 1: points to a missing row of sittings"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rating": 5},
        {"state": 9},
        {"day": "23.11.2026"},
        {"correct": 2},
        {"at_ms": "noon"},
        {"given": None},
    ],
)
def test_the_database_itself_refuses_wrong_values(store: Store, wrong: dict[str, object]) -> None:
    """Checks and strict types hold whoever writes."""
    store.record(make_review())
    ((column, value),) = wrong.items()

    with (
        closing(sqlite3.connect(store.path)) as connection,
        pytest.raises(sqlite3.IntegrityError),
    ):
        connection.execute(f"UPDATE reviews SET {column} = ?", (value,))


def marking(card_id: str, mark: Mark, *, minutes: int = 0, days: int = 0) -> Marking:
    at = MONDAY + timedelta(days=days, minutes=minutes)
    return Marking(card_id, mark, at, at.date())


def test_marks_survive_a_restart_and_a_burial_does_not_survive_the_day(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.mark(marking("a", "suspended"))
        store.mark(marking("b", "buried"))
        store.mark(marking("c", "flagged"))
        store.mark(marking("c", "buried"))
        store.unmark("a", "flagged")

    with closing(open_store(tmp_path)) as store:
        assert store.marks(MONDAY.date()) == Marks(
            frozenset("a"), frozenset({"b", "c"}), frozenset("c")
        )
        assert store.marks(day_after(1)) == Marks(frozenset("a"), frozenset(), frozenset("c"))
        store.unmark("a", "suspended")
        assert store.marks(day_after(1)).hidden == frozenset()


def test_the_days_last_hiding_is_taken_back_unless_an_answer_came_after_it(store: Store) -> None:
    """Flags stay, and so does what was hidden on another day."""
    store.mark(marking("old", "suspended", days=-1))
    store.mark(marking("a", "suspended"))
    store.record(make_review("b", at=MONDAY + timedelta(minutes=1)))
    assert store.take_back_mark(MONDAY.date()) is None
    store.mark(marking("c", "buried", minutes=2))
    store.mark(marking("d", "flagged", minutes=3))

    assert store.take_back_mark(MONDAY.date()) == marking("c", "buried", minutes=2)
    assert store.take_back_mark(MONDAY.date()) is None
    store.take_back(MONDAY.date())
    assert store.take_back_mark(MONDAY.date()) == marking("a", "suspended")
    assert store.take_back_mark(MONDAY.date()) is None
    assert store.marks(MONDAY.date()) == Marks(frozenset({"old"}), flagged=frozenset("d"))


def test_a_clock_put_back_a_day_finds_its_limits_used_and_its_answers_in_turn(
    store: Store,
) -> None:
    """As a flight to the west does it: what was done tomorrow counts, and is undone first."""
    cards = {"a": make_card("a")}
    store.record(make_review("a", before=State.NEW))
    yesterday = day_after(-1)
    assert store.done(yesterday, cards).new == 1
    assert store.done(day_after(-2), cards).new == 0
    assert store.latest_answer_at() == MONDAY
    store.mark(marking("b", "buried", minutes=-60))
    assert store.take_back_mark(MONDAY.date()) is not None
    assert store.take_back(yesterday) == make_review("a", before=State.NEW)


def test_a_mark_set_again_is_the_latest(store: Store) -> None:
    store.mark(marking("a", "buried"))
    store.mark(marking("b", "buried", minutes=1))
    store.mark(marking("a", "buried", minutes=2))

    assert store.take_back_mark(MONDAY.date()) == marking("a", "buried", minutes=2)


def test_short_intervals_survive_and_are_rebuilt(store: Store) -> None:
    """What a confident error leads to is part of the memory that the log holds."""
    review = make_rated(rating=Rating.AGAIN, confidence=95)
    store.record(review)

    assert store.memories() == {"a": review.after}
    assert store.reviews() == [review]
    with store._writing() as session:
        set_memory(session, "a", make_memory())
    assert store.rebuild() == 1
    assert store.memory("a").caps_left == 2
