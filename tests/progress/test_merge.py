"""Two logs of one learner become one, the same whichever way round."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from studykit.errors import StoreError
from studykit.progress.backups import copy_database
from studykit.progress.merge import Merged, merge
from studykit.progress.store import Store
from studykit.review.marks import Marking
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, ScheduleSettings
from studykit.review.session import Review
from tests.progress.builders import MONDAY, make_rated, make_run, open_store
from tests.progress.merge_trials import FALLBACK, answers, check_pair, content
from tests.progress.test_migrations import OLD_ANSWER, upgrade
from tests.progress.test_restore import elsewhere

NOTHING = Merged(0, 0, 0, 0, 0, 0, 0)
STEADY = Scheduler(ScheduleSettings(learning_steps=(), relearning_steps=()))


@settings(max_examples=10, deadline=None)
@given(st.integers(10_000, 1_000_000))
@example(2134)  # the last bits of a prediction differed by the array it was computed in
def test_merging_is_idempotent_and_commutative_and_loses_nothing(seed: int) -> None:
    """`merge_trials` says what is done at random and what must hold; run by hand for 1,000."""
    with TemporaryDirectory() as folder:
        assert check_pair(Path(folder), seed) == []


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The progress of one machine: a card answered on Monday."""
    (tmp_path / "desk").mkdir()
    with closing(open_store(tmp_path / "desk")) as store:
        store.keep_schedule(STEADY)
        store.begin_sitting(MONDAY, MONDAY.date())
        store.record(make_rated(scheduler=STEADY))
        store.end_sitting(MONDAY)
    return tmp_path / "desk" / "progress.sqlite3"


@pytest.fixture
def laptop(desk: Path, tmp_path: Path) -> Path:
    """A second machine, which began with a copy."""
    path = tmp_path / "laptop" / "progress.sqlite3"
    copy_database(desk, path)
    return path


def rate(path: Path, days: int, rating: Rating = Rating.GOOD, *, moved: int = 0) -> Review:
    """Answer the card so many days after Monday; its due day is moved by the balance."""
    with closing(open_store(path.parent)) as store:
        at = MONDAY + timedelta(days=days)
        known = store.memory("a")
        review = make_rated(at=at, rating=rating, known=known, scheduler=STEADY)
        assert review.after.due_day is not None
        due = review.after.due_day + timedelta(days=moved)
        review = replace(review, after=replace(review.after, due_day=due))
        store.record(review)
        return review


def join(path: Path, other: Path) -> Merged:
    return merge(path, path.parent / "backups", other, FALLBACK)


def played(*answers: tuple[int, Rating]) -> list[Memory]:
    """The memories after answers so many days after Monday, on one machine."""
    memories = [NEW_MEMORY]
    for days, rating in answers:
        at = MONDAY + timedelta(days=days)
        memories.append(STEADY.review("a", memories[-1], rating, at))
    return memories[1:]


def test_answers_of_both_machines_are_scheduled_as_if_given_on_one(
    desk: Path, laptop: Path
) -> None:
    rate(desk, 3)
    rate(desk, 20, Rating.AGAIN)
    rate(laptop, 9)

    assert join(desk, laptop) == replace(NOTHING, n_answers=1, n_cards=1)

    expected = played((0, Rating.GOOD), (3, Rating.GOOD), (9, Rating.GOOD), (20, Rating.AGAIN))
    with closing(open_store(desk.parent)) as store:
        found = store.reviews()
        assert store.check() == []
    assert [review.at.date() for review in found] == [
        MONDAY.date() + timedelta(days=days) for days in (0, 3, 9, 20)
    ]
    for review, memory in zip(found, expected, strict=True):
        assert review.after.stability_days == pytest.approx(memory.stability_days, rel=1e-9)
        assert (review.after.due_day, review.after.lapses) == (memory.due_day, memory.lapses)


def test_a_due_day_that_was_moved_stands_where_its_memory_does(desk: Path, laptop: Path) -> None:
    """Of two memories that one answer led to, the one that agrees with the whole log counts."""
    first = rate(desk, 3, moved=1)
    early = desk.with_name("early.sqlite3")
    copy_database(desk, early)
    rate(laptop, 2)
    join(desk, laptop)  # now the answer of day 3 led to another memory
    later = rate(desk, 30, moved=1)
    for ours, theirs in ((desk, early), (early, desk)):
        target = ours.with_name(f"joined-{ours.name}")
        copy_database(ours, target)
        join(target, theirs)
        with closing(Store.open(target, backups_dir=target.parent)) as store:
            last = store.reviews()[-1].after
            assert (last.due_day, store.check()) == (later.after.due_day, [])

    with closing(open_store(desk.parent)) as store:
        assert store.reviews()[2].after.stability_days != first.after.stability_days


def test_of_two_versions_the_one_that_agrees_counts(desk: Path, laptop: Path) -> None:
    """Whichever would be preferred: a memory without the answers before it is no memory."""
    rate(desk, 3)
    rate(desk, 9, moved=1)
    copy_database(desk, laptop)
    with closing(sqlite3.connect(laptop)) as connection, connection:
        # As after a merge with a machine whose answers were taken back since.
        connection.execute("UPDATE reviews SET stability_days = 9e5, reps = 2 WHERE id = 3")
    join(desk, laptop)
    join(laptop, desk)
    assert content(desk) == content(laptop)
    expected = played((0, Rating.GOOD), (3, Rating.GOOD), (9, Rating.GOOD))[-1]
    with closing(open_store(desk.parent)) as store:
        assert expected.due_day is not None
        assert store.memory("a").due_day == expected.due_day + timedelta(days=1)


def test_what_was_taken_back_does_not_come_back(desk: Path, laptop: Path) -> None:
    with closing(open_store(desk.parent)) as store:
        assert store.take_back(MONDAY.date()) is not None
    assert join(desk, laptop) == NOTHING
    assert join(laptop, desk) == replace(NOTHING, n_taken_back=1, n_cards=1)
    with closing(open_store(laptop.parent)) as store:
        assert (store.reviews(), store.memories()) == ([], {})


def test_marks_runs_and_sittings_come_too(desk: Path, laptop: Path) -> None:
    day = MONDAY.date()
    tuesday = MONDAY + timedelta(days=1)
    with closing(open_store(desk.parent)) as store:
        store.mark(Marking("a", "flagged", MONDAY, day))
        store.record_run(make_run(at=tuesday), card_id="a", prediction=None)
    copy_database(desk, laptop)
    with closing(open_store(laptop.parent)) as store:
        store.unmark("a", "flagged")
        store.mark(Marking("b", "suspended", tuesday, tuesday.date()))
        store.begin_sitting(MONDAY - timedelta(days=1), day - timedelta(days=1))
        earlier = make_run(at=MONDAY - timedelta(hours=20), loss=2.0)
        store.record_run(earlier, card_id=None, prediction=None)

    assert join(desk, laptop) == replace(NOTHING, n_runs=1, n_marks=2)

    with closing(open_store(desk.parent)) as store:
        marks = store.marks(day)
        assert (marks.flagged, marks.suspended) == (frozenset(), frozenset({"b"}))
        assert [run.result.started_at for run in store.runs()] == [earlier.started_at, tuesday]
        assert store.runs()[0].result == earlier
        assert store.check() == []
    with closing(sqlite3.connect(desk)) as connection:
        begun = connection.execute("SELECT started_at_ms FROM sittings ORDER BY id").fetchall()
        of_reviews = connection.execute("SELECT DISTINCT sitting_id FROM reviews").fetchall()
        of_runs = connection.execute("SELECT sitting_id FROM runs ORDER BY id").fetchall()
    assert begun == sorted(begun)
    assert (of_reviews, of_runs) == ([(2,)], [(1,), (None,)])


def test_events_that_gave_way_on_one_machine_come_back_from_the_other(
    desk: Path, laptop: Path
) -> None:
    for path in (desk, laptop):
        with closing(open_store(path.parent)) as store:
            store.record_run(make_run(), card_id=None, prediction=None)
    with closing(sqlite3.connect(desk)) as connection, connection:
        connection.execute("UPDATE outcomes SET events = NULL, n_bytes = 0")

    assert join(desk, laptop) == NOTHING

    with closing(open_store(desk.parent)) as store:
        (run,) = store.runs()
        assert (run.is_thinned, run.result) == (False, make_run())


def test_a_log_whose_clock_went_back_is_put_in_the_order_of_time(desk: Path, laptop: Path) -> None:
    rate(desk, 9)
    rate(desk, 5)
    join(desk, laptop)
    with closing(open_store(desk.parent)) as store:
        assert [(review.at - MONDAY).days for review in store.reviews()] == [0, 5, 9]
        expected = played((0, Rating.GOOD), (5, Rating.GOOD), (9, Rating.GOOD))[-1]
        assert store.memory("a").due_day == expected.due_day


def test_an_empty_progress_takes_up_the_whole_of_the_other(desk: Path, tmp_path: Path) -> None:
    """What a new machine begins with: every due day as it was."""
    rate(desk, 3, moved=1)
    new = tmp_path / "new" / "progress.sqlite3"
    assert join(new, desk).n_answers == 2
    join(desk, new)
    assert content(new) == content(desk)
    with closing(open_store(new.parent)) as store, closing(open_store(desk.parent)) as other:
        assert store.memories() == other.memories()


def test_the_other_database_is_never_written(desk: Path, laptop: Path) -> None:
    """Not even where a program that was killed has left its log beside it: that counts."""
    with closing(open_store(laptop.parent)) as store:
        known = store.memory("a")
        store.record(make_rated(at=MONDAY + timedelta(days=2), known=known, scheduler=STEADY))
        folder = desk.parent / "synchronised"
        folder.mkdir()
        for left in laptop.parent.glob("progress.sqlite3*"):
            shutil.copy(left, folder)
    assert (folder / "progress.sqlite3-wal").stat().st_size > 0
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    folder.chmod(0o500)
    try:
        assert join(desk, folder / "progress.sqlite3").n_answers == 1
    finally:
        folder.chmod(0o700)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


def test_a_database_of_an_older_studykit_is_taken_up(desk: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.sqlite3"
    upgrade(old, "0001")
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(OLD_ANSWER.replace("'a'", "'old'"))
    before = old.read_bytes()
    assert join(desk, old).n_answers == 1
    assert old.read_bytes() == before


def breaks_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def loses_a_page(path: Path) -> None:
    """Of the log, which nothing reads as the database is opened."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'reviews'"
        ).fetchone()
    content = bytearray(path.read_bytes())
    content[4096 * (page - 1) : 4096 * page] = b"\xff" * 4096
    path.write_bytes(content)


def becomes_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def is_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def holds_an_impossible_answer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE reviews SET offset_min = 9000")


def was_scheduled_by_no_settings(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        settings = STEADY.settings.as_json().replace('"rollover_hour": 4', '"rollover_hour": "x"')
        connection.execute("INSERT INTO schedules VALUES ('odd', ?)", (settings,))
        connection.execute("UPDATE reviews SET parameters_id = 'odd'")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda path: path.write_bytes(b""), r"other\.sqlite3 is empty"),
        (lambda path: path.write_bytes(b"no database" * 99), r"other\.sqlite3 is not a database"),
        (breaks_off, r"other\.sqlite3 is damaged"),
        (loses_a_page, r"other\.sqlite3 is damaged"),
        (is_newer, r"other\.sqlite3 was made by a newer studykit .* \(upgrade studykit"),
        (holds_an_impossible_answer, r"other\.sqlite3 is damaged: row 1 of reviews, card a: off"),
        (was_scheduled_by_no_settings, r"other\.sqlite3 is damaged: row 2 of schedules: settings"),
        (Path.unlink, r"other\.sqlite3 is not there"),
        (becomes_a_pipe, r"other\.sqlite3 is no regular file"),
    ],
)
def test_a_database_that_cannot_be_used_changes_nothing(
    desk: Path, laptop: Path, harm: object, told: str
) -> None:
    rate(laptop, 3)
    other = laptop.with_name("other.sqlite3")
    copy_database(laptop, other)
    assert callable(harm)
    harm(other)
    before = content(desk)
    with pytest.raises(StoreError, match=told) as caught:
        join(desk, other)
    assert "\n" not in str(caught.value)
    assert content(desk) == before


def test_a_progress_that_is_open_elsewhere_is_left_alone(desk: Path, laptop: Path) -> None:
    """Numbers change in a merge, and an open window knows the old ones."""
    rate(laptop, 3)
    before = answers(desk)
    with elsewhere(desk.parent), pytest.raises(StoreError, match="open in another window"):
        join(desk, laptop)
    assert answers(desk) == before
    assert join(desk, laptop).n_answers == 1


def test_the_settings_of_each_answer_are_those_it_was_scheduled_by(
    desk: Path, laptop: Path
) -> None:
    """The other machine's settings come with its answers."""
    strict = Scheduler(ScheduleSettings(0.97, (), ()))
    with closing(open_store(laptop.parent)) as store:
        store.keep_schedule(strict)
        at = MONDAY + timedelta(days=4)
        store.record(make_rated(at=at, known=store.memory("a"), scheduler=strict))
    rate(desk, 2)
    join(desk, laptop)
    before = played((0, Rating.GOOD), (2, Rating.GOOD))[-1]
    with closing(open_store(desk.parent)) as store:
        expected = strict.review("a", before, Rating.GOOD, at)
        assert store.memory("a").due_day == expected.due_day
