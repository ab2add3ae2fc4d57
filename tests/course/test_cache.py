"""A course that was cached is the course that would be read, or it is not used."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studykit.course import cache, decks
from studykit.course.cache import FOLDER, CourseReader
from studykit.course.cards import Course
from studykit.course.decks import load_course
from studykit.errors import CourseError
from studykit.settings import bundled_course_root
from tests.course.mini_course import MiniCourse


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def n_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often a course was read from its files."""
    read: list[Path] = []

    def count(root: Path) -> Course:
        read.append(root)
        return load_course(root)

    monkeypatch.setattr(decks, "load_course", count)
    return lambda: len(read)


def kept_file(home: Path) -> Path:
    (path,) = (home / FOLDER).iterdir()
    return path


def test_the_second_start_gets_the_same_course_without_reading_it(
    mini: MiniCourse, home: Path, n_read: Callable[[], int]
) -> None:
    first = CourseReader(mini.root, home)
    course, cover = first.course, first.cover
    second = CourseReader(mini.root, home)

    assert second.cover == cover == course.cover
    assert second.course == course == load_course(mini.root)
    assert [*second.course.cards] == [*course.cards]
    assert n_read() == 1


def test_the_bundled_course_survives_being_kept(home: Path) -> None:
    """Every kind of card and every lab of it, paths included."""
    root = bundled_course_root()
    _ = CourseReader(root, home).course

    assert CourseReader(root, home).course == load_course(root)


def test_problems_are_kept_with_the_course(mini: MiniCourse, home: Path) -> None:
    mini.deck.write_text(mini.deck.read_text().replace("kind: recall", "kind: recal", 1))
    problems = CourseReader(mini.root, home).course.problems

    assert problems and "recal" in problems[0]
    again = CourseReader(mini.root, home)
    assert again.cover.problems == again.course.problems == problems


@pytest.mark.parametrize("settled_s", [0, 60])
@pytest.mark.parametrize("what", ["deck", "lab", "new lab", "manifest", "gone"])
def test_what_changed_is_read_again(
    mini: MiniCourse, home: Path, what: str, settled_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if size and time of the file are what they were, and the stamp of all was trusted."""
    monkeypatch.setattr(cache, "SETTLED_S", settled_s)
    time.sleep(0.02)  # a change of the same tick could not be told
    _ = CourseReader(mini.root, home).course
    lab = next(path for path in (mini.root / "labs").glob("*/*.py") if path.stem != "__init__")
    path = {
        "deck": mini.deck,
        "lab": lab,
        "new lab": lab.with_name("other.py"),
        "manifest": mini.root / "decks" / "course.yaml",
        "gone": lab,
    }[what]
    before = path.stat() if path.exists() else None
    if what == "gone":
        path.unlink()
    elif before is None:
        path.write_text(lab.read_text())
    else:
        text = path.read_text()
        old = "Normalise" if what == "deck" else "title" if what == "manifest" else "QUESTION"
        assert old in text
        path.write_text(text.replace(old, old[:-1] + "X", 1))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size

    try:
        expected: Course | str = load_course(mini.root)
    except CourseError as error:
        expected = str(error)
    try:
        found: Course | str = CourseReader(mini.root, home).course
    except CourseError as error:
        found = str(error)
    assert found == expected


@pytest.fixture
def n_hashed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often the files of a course were hashed."""
    hashed: list[Path] = []
    course_key = cache.course_key

    def count(root: Path) -> str:
        hashed.append(root)
        return course_key(root)

    monkeypatch.setattr(cache, "course_key", count)
    return lambda: len(hashed)


def test_files_that_have_settled_are_not_hashed_again(
    mini: MiniCourse, home: Path, n_hashed: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those changed just now are; and once more after a file was written anew as it was."""
    course = CourseReader(mini.root, home).course
    n = n_hashed()
    assert CourseReader(mini.root, home).course == course
    assert n_hashed() == n + 1

    monkeypatch.setattr(cache, "SETTLED_S", 0)
    for expected in (n + 2, n + 2):  # the first one keeps the stamp
        assert CourseReader(mini.root, home).course == course
        assert n_hashed() == expected
    time.sleep(0.02)
    mini.deck.write_bytes(mini.deck.read_bytes())
    for expected in (n + 3, n + 3):
        assert CourseReader(mini.root, home).course == course
        assert n_hashed() == expected


def test_where_nothing_may_be_written_the_stamp_stays(
    mini: MiniCourse, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = CourseReader(mini.root, home).course
    before = kept_file(home).read_bytes()
    monkeypatch.setattr(cache, "SETTLED_S", 0)

    assert CourseReader(mini.root, home, may_write=False).course == course
    assert kept_file(home).read_bytes() == before


def test_another_course_and_another_program_have_their_own(
    mini: MiniCourse, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes elsewhere are another course: their cards have other places."""
    _ = CourseReader(mini.root, home).course
    moved = mini.root.rename(tmp_path / "moved")
    assert CourseReader(moved, home).course == load_course(moved)

    key = cache.course_key(moved)
    monkeypatch.setattr(cache, "__version__", "0.0.0")
    assert cache.course_key(moved) != key


@pytest.mark.parametrize("n_line", [0, 1, 2, 3, 4])
def test_one_wrong_byte_is_noticed(mini: MiniCourse, home: Path, n_line: int) -> None:
    """In the name of the content, in what Home shows, in labs, contents and cards."""
    _ = CourseReader(mini.root, home).course
    lines = kept_file(home).read_bytes().split(b"\n")
    assert b"A mini course" in lines[1] and b"Normalise" in lines[4]
    middle = len(lines[n_line]) // 2
    lines[n_line] = lines[n_line][:middle] + b"~" + lines[n_line][middle + 1 :]
    kept_file(home).write_bytes(b"\n".join(lines))

    reader = CourseReader(mini.root, home)
    assert reader.cover == load_course(mini.root).cover
    assert reader.contents.cards.keys() == reader.course.cards.keys()
    assert reader.course == load_course(mini.root)


@pytest.mark.parametrize("is_cached", [False, True])
def test_the_contents_list_what_the_course_holds(
    mini: MiniCourse, home: Path, n_read: Callable[[], int], *, is_cached: bool
) -> None:
    """Whether or not it was cached before; and then no card is read whole."""
    if is_cached:
        _ = CourseReader(mini.root, home).course
    reader = CourseReader(mini.root, home)
    contents, course = reader.contents, load_course(mini.root)

    assert (contents.id, contents.title, contents.labs) == (course.id, course.title, course.labs)
    assert n_read() == 1 and ("course" in vars(reader)) != is_cached
    for deck, listed in zip(course.decks, contents.decks, strict=True):
        assert (listed.id, listed.title) == (deck.id, deck.title)
        for topic, below in zip(deck.topics, listed.topics, strict=True):
            assert (below.id, below.number, below.title) == (topic.id, topic.number, topic.title)
    assert list(contents.cards.items()) == [
        (id_, (id_, card.deck_id, card.topic_id, card.note, card.headline))
        for id_, card in course.cards.items()
    ]
    assert contents.decks[0].cards == tuple(contents.cards.values())


def test_a_deck_that_is_missing_is_noticed(mini: MiniCourse, home: Path) -> None:
    _ = CourseReader(mini.root, home).course
    lines = kept_file(home).read_bytes().split(b"\n")
    kept_file(home).write_bytes(b"\n".join(lines[:4]))

    assert CourseReader(mini.root, home).course == load_course(mini.root)


def test_what_is_damaged_is_kept_anew(
    mini: MiniCourse, home: Path, n_read: Callable[[], int]
) -> None:
    _ = CourseReader(mini.root, home).course
    kept_file(home).write_bytes(kept_file(home).read_bytes()[:-2])
    _ = CourseReader(mini.root, home).course
    _ = CourseReader(mini.root, home).course
    assert n_read() == 2


@pytest.mark.parametrize("content", [b"", b"\n", b"{}", b"\x80\x04K\x01.", b"a\nb\nc"])
def test_what_is_no_kept_course_is_left_aside(mini: MiniCourse, home: Path, content: bytes) -> None:
    _ = CourseReader(mini.root, home).course
    kept_file(home).write_bytes(content)

    assert CourseReader(mini.root, home).course == load_course(mini.root)


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(
    mini: MiniCourse, home: Path
) -> None:
    home.write_text("a file where the folder should be")
    assert CourseReader(mini.root, home).course == load_course(mini.root)


def test_nothing_is_kept_unless_it_may_be(mini: MiniCourse, home: Path) -> None:
    assert CourseReader(mini.root, home, may_write=False).course == load_course(mini.root)
    assert not home.exists()


def test_a_course_that_changes_while_it_is_read_is_not_kept(
    mini: MiniCourse, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read may be neither the old content nor the new."""

    def load_and_change(root: Path) -> Course:
        course = load_course(root)
        mini.deck.write_text(mini.deck.read_text() + "\n# later\n")
        return course

    monkeypatch.setattr(decks, "load_course", load_and_change)
    _ = CourseReader(mini.root, home).course
    assert not (home / FOLDER).exists()
