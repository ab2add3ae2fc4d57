"""Going back to a copy: what it brings, what is added to it, what becomes of the file."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from studykit.errors import StoreError
from studykit.progress.merge import merge
from studykit.progress.restore import Restored, restore
from studykit.progress.store import DEFAULTS
from studykit.review.marks import Marking
from studykit.review.schedule import State
from tests.progress.builders import MONDAY, day_after, make_review, make_run, open_store
from tests.progress.test_migrations import OLD_ANSWER, upgrade

TUESDAY = MONDAY + timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two days with a copy of each morning: 3 answers on Monday, 4 on Tuesday; a run on each."""
    with closing(open_store(tmp_path)) as store:
        for n, (at, n_answers) in enumerate([(MONDAY, 3), (TUESDAY, 4)]):
            store.back_up(at.date())
            store.begin_sitting(at, at.date())
            for minute in range(n_answers):
                review = make_review(f"card-{minute}", at=at + timedelta(minutes=minute))
                store.record(review)
            store.mark(Marking(f"card-{n}", "suspended", at, at.date()))
            store.record_run(make_run(at=at), card_id=None, prediction=None)
    return tmp_path


def bring_back(home: Path, copy: Path | None = None) -> Restored:
    return restore(home / "progress.sqlite3", home / "backups", TUESDAY, copy)


def copy_of(home: Path, n_days: int) -> Path:
    return home / "backups" / f"progress-{day_after(n_days)}.sqlite3"


@contextmanager
def edited(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection, connection:
        yield connection


def state(home: Path) -> tuple[int, int, frozenset[str]]:
    """Answers, runs and suspended cards of a sound progress."""
    with closing(open_store(home)) as store:
        assert store.check() == []
        hidden = store.marks(TUESDAY.date()).suspended
        return len(store.reviews()), len(store.runs()), hidden


def test_one_bad_row_costs_no_other_answer(home: Path) -> None:
    """Those of today are added to this morning's copy, in which the row is as it was."""
    before = state(home)
    with edited(home / "progress.sqlite3") as connection:
        connection.execute("UPDATE reviews SET day = '2026-99-99' WHERE id = 2")

    done = bring_back(home)

    assert (done.copy, done.n_answers, done.n_since) == (copy_of(home, 1), 7, 4)
    assert state(home) == before
    assert done.kept_in == home / "replaced-2026-11-24-090000"
    with edited(done.kept_in / "progress.sqlite3") as connection:
        assert connection.execute("SELECT day FROM reviews WHERE id = 2").fetchone()[0][:7] == (
            "2026-99"
        )


def test_an_answer_that_the_copy_has_is_not_added_as_another(home: Path) -> None:
    """Damage may leave a value that an answer can have."""
    with edited(home / "progress.sqlite3") as connection:
        connection.execute("UPDATE reviews SET day = '2026-99-99' WHERE id = 2")
        connection.execute("UPDATE reviews SET taken_ms = taken_ms + 4096 WHERE id = 1")

    assert bring_back(home).n_answers == 7

    with closing(open_store(home)) as store:
        assert {review.taken_ms for review in store.reviews()} == {8000}


def test_a_lost_file_comes_back_as_it_was_this_morning(home: Path) -> None:
    (home / "progress.sqlite3").unlink()

    done = bring_back(home)

    assert (done.n_answers, done.n_since, done.kept_in) == (3, 0, None)
    assert state(home) == (3, 1, frozenset({"card-0"}))


def test_a_copy_of_nothing_is_no_copy_to_go_back_to(home: Path, tmp_path: Path) -> None:
    """As one that was made when all had begun anew."""
    (home / "progress.sqlite3").unlink()
    with closing(open_store(tmp_path / "anew")) as store:
        empty = store.back_up(day_after(2))
    assert empty is not None
    shutil.copy(empty, home / "backups")

    done = bring_back(home)

    assert (done.copy, done.n_answers) == (copy_of(home, 1), 3)


def test_a_damaged_copy_is_passed_over(home: Path) -> None:
    """And named, with the reason; where there is no other, it gives what can be read of it."""
    (home / "progress.sqlite3").write_bytes(b"no database" * 1000)
    with edited(copy_of(home, 1)) as connection:
        connection.execute("UPDATE reviews SET offset_min = 1440 WHERE id = 1")

    done = bring_back(home)

    assert (done.copy, done.n_answers) == (None, 2)
    (reason,) = done.passed_over
    assert reason == (
        f"{copy_of(home, 1)}: row 1 of reviews, card card-0: offset_min cannot be 1440"
    )


def test_a_copy_that_is_named_is_taken(home: Path) -> None:
    """What came after it is added, as far as it is of the same history."""
    done = bring_back(home, copy_of(home, 0))

    assert (done.copy, done.n_answers, done.n_since) == (copy_of(home, 0), 7, 7)


def test_the_answers_of_another_history_are_not_mixed_in(home: Path, tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "other")) as store:
        for n in range(9):
            store.record(make_review(f"other-{n}"))
    shutil.copy(tmp_path / "other" / "progress.sqlite3", home / "progress.sqlite3")

    done = bring_back(home)

    assert (done.n_answers, done.n_since) == (3, 0)
    assert state(home)[0] == 3


def test_without_a_sound_copy_the_file_gives_what_can_be_read(home: Path) -> None:
    shutil.rmtree(home / "backups")
    with edited(home / "progress.sqlite3") as connection:
        connection.execute("UPDATE reviews SET at_ms = 1 << 62 WHERE id = 5")
        connection.execute("UPDATE outcomes SET numbers = 'none' WHERE run_id = 1")

    done = bring_back(home)

    assert (done.copy, done.n_answers, done.n_since) == (None, 6, 6)
    assert state(home) == (6, 1, frozenset({"card-0", "card-1"}))


def test_a_sound_progress_without_answers_is_not_called_unreadable(tmp_path: Path) -> None:
    """Whoever moves it away, as for an unreadable one, loses its runs and marks."""
    with closing(open_store(tmp_path)) as store:
        store.mark(Marking("card-0", "suspended", MONDAY, MONDAY.date()))
        store.record_run(make_run(at=MONDAY), card_id=None, prediction=None)

    with pytest.raises(StoreError) as caught:
        bring_back(tmp_path)

    assert "is sound, and there is no copy with more in it" in str(caught.value)
    assert state(tmp_path) == (0, 1, frozenset({"card-0"}))


def test_where_nothing_can_be_read_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "progress.sqlite3"
    path.write_bytes(b"no database" * 1000)

    with pytest.raises(StoreError, match=r"there is no sound copy in .*, and nothing can be read"):
        bring_back(tmp_path)

    assert path.read_bytes() == b"no database" * 1000
    assert list(tmp_path.iterdir()) == [path]


def test_a_log_of_another_file_is_set_aside_with_it(home: Path) -> None:
    """Nothing stays that could be applied to the copy."""
    for ending in ("-wal", "-shm"):
        (home / f"progress.sqlite3{ending}").write_bytes(b"frames" * 100)

    done = bring_back(home)

    assert done.kept_in is not None
    names = {"progress.sqlite3", "progress.sqlite3-wal", "progress.sqlite3-shm"}
    assert {path.name for path in done.kept_in.iterdir()} == names
    assert state(home)[0] == 7
    assert not list(home.glob(".restore-*"))


def test_after_a_merge_an_older_copy_brings_all_of_it_back(home: Path, tmp_path: Path) -> None:
    """A merge gives the rows other numbers than the copy has."""
    with closing(open_store(tmp_path / "other")) as store:
        store.record(make_review("elsewhere", at=MONDAY - timedelta(days=1)))
    merge(home / "progress.sqlite3", home, tmp_path / "other" / "progress.sqlite3", DEFAULTS)
    with edited(home / "progress.sqlite3") as connection:
        connection.execute("UPDATE reviews SET day = '2026-99-99' WHERE id = 3")

    done = bring_back(home)

    assert (done.n_answers, done.n_since) == (8, 5)
    with closing(open_store(home)) as store:
        assert store.check() == []
        assert store.reviews()[0].card_id == "elsewhere"


def test_what_was_taken_back_since_the_copy_stays_taken_back(home: Path) -> None:
    """Also if other answers have its number now."""
    with closing(open_store(home)) as store:
        for _ in range(5):
            assert store.take_back(MONDAY.date()) is not None
        store.record(make_review("later", at=TUESDAY + timedelta(hours=1)))
    with edited(home / "progress.sqlite3") as connection:
        connection.execute("UPDATE reviews SET day = '2026-99-99' WHERE id = 1")

    bring_back(home)

    with closing(open_store(home)) as store:
        assert [review.card_id for review in store.reviews()] == ["card-0", "card-1", "later"]


def test_a_mark_that_was_taken_off_since_the_copy_stays_off(home: Path) -> None:
    """Also where nothing tells that it was, as in a file of an older schema."""
    with closing(open_store(home)) as store:
        store.unmark("card-0", "suspended")
    with edited(home / "progress.sqlite3") as connection:
        connection.execute("DELETE FROM removals")
        connection.execute("UPDATE reviews SET day = '2026-99-99' WHERE id = 2")

    bring_back(home)

    assert state(home)[2] == frozenset({"card-1"})


def test_a_file_of_an_older_schema_gives_its_answers(tmp_path: Path) -> None:
    """The copy is led to ours first; what the file has no columns for is computed."""
    path = tmp_path / "progress.sqlite3"
    upgrade(path, "0001")
    (tmp_path / "backups").mkdir()
    shutil.copy(path, tmp_path / "backups" / "progress-2026-11-23.sqlite3")
    with edited(path) as connection:
        connection.executescript(OLD_ANSWER)
        connection.execute("DELETE FROM memories")

    done = bring_back(tmp_path)

    assert (done.n_answers, done.n_since) == (1, 1)
    with closing(open_store(tmp_path)) as store:
        assert store.check() == []
        assert store.reviews()[0].before is State.NEW


def test_pages_that_are_lost_cost_no_answers_but_their_own(tmp_path: Path) -> None:
    """Those between two of them are read, too."""
    with closing(open_store(tmp_path)) as store:
        for n in range(150):
            if n == 50:
                store.back_up(MONDAY.date())
            at = MONDAY + timedelta(minutes=n)
            store.record(make_review(f"card-{n}", at=at, given=f"answer-{n:03} " + "x" * 700))
    path = tmp_path / "progress.sqlite3"
    content = bytearray(path.read_bytes())
    for n in (20, 90, 130):
        page = content.index(b"answer-%03d" % n) // 4096
        content[4096 * page : 4096 * (page + 1)] = b"\xff" * 4096
    path.write_bytes(content)

    done = bring_back(tmp_path)

    with closing(open_store(tmp_path)) as store:
        assert store.check() == []
        kept = {int(review.card_id.removeprefix("card-")) for review in store.reviews()}
    lost = set(range(150)) - kept
    assert {90, 130} <= lost
    assert len(lost) <= 12
    assert done.n_since == 100 - len(lost)


HOLDER = """
import sys
from contextlib import closing
from pathlib import Path
from tests.progress.builders import open_store

with closing(open_store(Path(sys.argv[1]))) as store:
    store.memories()
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def elsewhere(home: Path) -> Iterator[None]:
    """Another program has the progress open meanwhile."""
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        try:
            yield
        finally:
            other.communicate()


def test_a_file_that_is_open_elsewhere_is_left_alone(home: Path) -> None:
    """The other window would go on answering into the file that was moved away."""
    with elsewhere(home), pytest.raises(StoreError, match="is open in another window"):
        bring_back(home)

    assert bring_back(home).n_answers == 7
