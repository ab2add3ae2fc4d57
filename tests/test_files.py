"""Files are written whole, for those who may read them, and leave nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studykit.files import replace_file


@pytest.fixture
def private() -> object:
    """A umask that keeps everything from others."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("private")
def test_a_new_file_is_as_private_as_the_umask_wants(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    replace_file(path, "one")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_text("one")
    for mode in (0o600, 0o664):
        path.chmod(mode)
        replace_file(path, "two")
        assert path.stat().st_mode & 0o777 == mode
    assert path.read_text() == "two"


def test_an_abandoned_draft_of_the_file_is_removed(tmp_path: Path) -> None:
    """Not one that is being written, nor a file of anybody else."""
    old, young, other = (
        tmp_path / name for name in (".a.md.1.part", ".a.md.2.part", ".b.md.1.part")
    )
    for path in (old, young, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, 0))
    replace_file(tmp_path / "a.md", "text")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".a.md.2.part", ".b.md.1.part", "a.md"]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.md").mkdir()
    with pytest.raises(OSError, match=r"a\.md"):
        replace_file(tmp_path / "a.md", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]
