from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from studykit.course.labs import find_labs
from studykit.errors import CourseError
from studykit.lab.trust import TRUST_FILE, course_hash, is_trusted, remember
from studykit.settings import bundled_course_root
from tests.lab.fake_labs import FakeCourse


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "home" / "data"


def test_a_course_is_asked_about_once(course: FakeCourse, data_dir: Path) -> None:
    """And another course remembered later takes nothing from it."""
    course.write_run("yield")
    other = FakeCourse(course.root.parent / "other")
    other.write_run("yield")
    assert not is_trusted(course.root, data_dir)

    remember(course.root, data_dir)
    remember(other.root, data_dir)

    assert is_trusted(course.root, data_dir)
    assert is_trusted(course.root / ".." / "course", data_dir)
    assert is_trusted(other.root, data_dir)


def test_the_bundled_course_is_always_trusted(data_dir: Path) -> None:
    assert is_trusted(bundled_course_root(), data_dir)
    assert not data_dir.exists()


def test_changed_code_is_asked_about_again(course: FakeCourse, data_dir: Path) -> None:
    """Any file that Python could import counts: changed, added, moved or taken away."""
    lab = course.write_run("yield").path
    helper = course.root / "labs" / "helper.py"
    helper.write_text("A = 1\n")
    remember(course.root, data_dir)

    for change in (
        lambda: helper.write_text("A = 2\n"),
        lambda: helper.rename(helper.with_name("other.py")),
        lambda: lab.with_name("native.so").write_bytes(b""),
        lambda: lab.unlink(),
    ):
        change()
        assert not is_trusted(course.root, data_dir)
        remember(course.root, data_dir)
        assert is_trusted(course.root, data_dir)


def test_text_and_caches_may_change(course: FakeCourse, data_dir: Path) -> None:
    """Decks, data and bytecode are not what a lab imports."""
    lab = course.write_run("yield").path
    remember(course.root, data_dir)

    (lab.parent / "__pycache__").mkdir()
    (lab.parent / "__pycache__" / "probe.cpython-311.pyc").write_bytes(b"x")
    (lab.parent / "notes.md").write_text("x")
    (course.root / "decks").mkdir()
    (course.root / "decks" / "1.yaml").write_text("x")

    assert is_trusted(course.root, data_dir)


def test_sources_in_a_folder_for_caches_count(course: FakeCourse, data_dir: Path) -> None:
    """Python imports them like others."""
    lab = course.write_run("yield").path
    remember(course.root, data_dir)

    (lab.parent / "__pycache__").mkdir()
    (lab.parent / "__pycache__" / "helper.py").write_text("A = 1\n")

    assert not is_trusted(course.root, data_dir)


def test_ones_own_labs_may_change(course: FakeCourse, data_dir: Path) -> None:
    """Also when they were trusted before as they were; another course gains nothing by it."""
    lab = course.write_run("yield").path
    other = FakeCourse(course.root.parent / "other")
    other.write_run("yield")
    remember(course.root, data_dir)
    remember(course.root, data_dir, as_own=True)
    remember(other.root, data_dir)

    for path in (lab, other.root / "labs" / "demo" / "probe.py"):
        path.write_text("A = 2\n")

    assert is_trusted(course.root, data_dir)
    assert not is_trusted(other.root, data_dir)


def test_contents_cannot_pass_from_file_to_file(course: FakeCourse) -> None:
    """The same bytes divided otherwise are other code."""
    folder = course.root / "labs"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text("xy")
    (folder / "b.py").write_text("")
    first = course_hash(course.root)
    (folder / "a.py").write_text("x")
    (folder / "b.py").write_text("y")

    assert course_hash(course.root) != first


def test_code_behind_a_link_counts(course: FakeCourse, data_dir: Path, tmp_path: Path) -> None:
    """A linked folder is followed as an import follows it, and a circle ends."""
    course.write_run("yield")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "helper.py").write_text("A = 1\n")
    (course.root / "labs" / "linked").symlink_to(elsewhere)
    (elsewhere / "circle").symlink_to(course.root / "labs")
    remember(course.root, data_dir)

    (elsewhere / "helper.py").write_text("A = 2\n")

    assert not is_trusted(course.root, data_dir)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[]", b'{"format": 1, "courses": 3}', b"[" * 100_000]
)
def test_a_damaged_memory_trusts_nobody(course: FakeCourse, data_dir: Path, content: bytes) -> None:
    course.write_run("yield")
    data_dir.mkdir(parents=True)
    (data_dir / TRUST_FILE).write_bytes(content)

    assert not is_trusted(course.root, data_dir)
    remember(course.root, data_dir)
    assert is_trusted(course.root, data_dir)
    assert json.loads((data_dir / TRUST_FILE).read_text())["format"] == 1


def test_a_pipe_in_the_place_of_the_memory_is_not_waited_for(
    course: FakeCourse, data_dir: Path
) -> None:
    course.write_run("yield")
    data_dir.mkdir(parents=True)
    os.mkfifo(data_dir / TRUST_FILE)

    assert not is_trusted(course.root, data_dir)


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_what_is_no_file_is_neither_waited_for_nor_read(
    course: FakeCourse, data_dir: Path, what: str
) -> None:
    lab = course.write_run("yield").path
    special = lab.with_name("special.py")
    if what == "pipe":
        os.mkfifo(special)
    else:
        special.symlink_to("/dev/zero")

    with pytest.raises(CourseError, match=r"special\.py.*not a regular file"):
        is_trusted_after_remember(course.root, data_dir)


def is_trusted_after_remember(root: Path, data_dir: Path) -> bool:
    remember(root, data_dir)
    return is_trusted(root, data_dir)


def test_a_link_out_of_the_course_is_not_followed_for_ever(
    course: FakeCourse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither through very many folders nor through very much code."""
    course.write_run("yield")
    elsewhere = tmp_path / "elsewhere"
    for n in range(30):
        (elsewhere / f"{n}").mkdir(parents=True)
    (course.root / "labs" / "linked").symlink_to(elsewhere)
    course_hash(course.root)

    monkeypatch.setattr("studykit.course.source.MOST_ENTRIES", 20)
    with pytest.raises(CourseError, match=r"labs:1:1: holds more than 20 files \(does a link lead"):
        course_hash(course.root)

    monkeypatch.undo()
    monkeypatch.setattr("studykit.lab.trust.MOST_CODE_BYTES", 100)
    with pytest.raises(CourseError, match="labs of more than 0 MiB"):
        course_hash(course.root)


def test_what_an_editor_leaves_beside_a_lab_is_none(course: FakeCourse, data_dir: Path) -> None:
    """Emacs locks a file by a link to nowhere, and other systems keep a second half of it."""
    lab = course.write_run("yield").path
    remember(course.root, data_dir)

    lab.with_name(".#probe.py").symlink_to("me@machine.1234")
    lab.with_name("._probe.py").write_bytes(b"\x00\xff")

    assert is_trusted(course.root, data_dir)
    assert find_labs(course.root) == [lab]


def test_unreadable_code_is_named(course: FakeCourse, data_dir: Path) -> None:
    lab = course.write_run("yield").path
    lab.with_name("gone.py").symlink_to(os.devnull + "/nowhere")

    with pytest.raises(CourseError, match=r"gone\.py.*cannot be read"):
        course_hash(course.root)
