"""The learner's files travel by names that lead nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from studykit.errors import StudykitError
from studykit.exchange.learner_files import (
    Placed,
    is_program,
    learner_files,
    place_of,
    put_files,
)
from studykit.settings import Paths
from tests.files import write_files


def paths_of(folder: Path) -> Paths:
    return Paths(folder / "data", folder / "config" / "settings.toml")


def test_files_come_by_name(tmp_path: Path) -> None:
    """Settings, own decks, pins and own labs, and nothing else that lies there."""
    mine = {
        "decks/many.yaml": "a",
        "pins/many.json": "b",
        "bench/many/labs/core/residuals.py": "c",
    }
    write_files(
        tmp_path / "data", {**mine, "backups/a.sqlite3": "x", "decks/a.txt": "x", "last.log": "x"}
    )
    write_files(tmp_path / "config", {"settings.toml": "d"})
    found = dict(learner_files(paths_of(tmp_path)))
    assert found == {**mine, "settings.toml": "d"}
    for name in found:
        assert place_of(name, paths_of(tmp_path)).read_text(encoding="utf-8") == found[name]
    assert [name for name in found if is_program(name)] == ["bench/many/labs/core/residuals.py"]


@pytest.mark.parametrize(
    "name",
    [
        *("", "progress.sqlite3", "decks/../settings.yaml", "/etc/passwd", "decks/a/b.yaml"),
        *("bench/many/labs/core/../x.py", "bench/many/core/x.py", "decks/a.yaml\n", "pins/A.json"),
    ],
)
def test_no_other_name_has_a_place(name: str, tmp_path: Path) -> None:
    """A document may come from anybody."""
    with pytest.raises(StudykitError, match="no file of a learner is called"):
        place_of(name, paths_of(tmp_path))


def test_no_file_is_written_over(tmp_path: Path) -> None:
    """What is missing is written, what is there stays, programs come only if they are trusted."""
    paths = paths_of(tmp_path)
    write_files(tmp_path / "data", {"decks/same.yaml": "a", "decks/other.yaml": "mine"})
    lab = "bench/many/labs/core/residuals.py"
    files = {
        "decks/same.yaml": "a",
        "decks/other.yaml": "theirs",
        "pins/many.json": "{}",
        "settings.toml": "[review]\nnew_per_day = 7\n",
        lab: "print()",
    }
    tried = put_files(files, paths, trusted=False, dry_run=True)
    assert not paths.settings_file.exists()
    placed = put_files(files, paths, trusted=False)
    assert (
        placed
        == tried
        == Placed(
            written=("pins/many.json", "settings.toml"), kept=("decks/other.yaml",), left=(lab,)
        )
    )
    assert lab not in dict(learner_files(paths))
    assert put_files(files, paths, trusted=True).written == (lab,)
    found = dict(learner_files(paths))
    assert found == {**files, "decks/other.yaml": "mine"}


def test_settings_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    """Before anything is written: they would keep every command from starting."""
    files = {"pins/many.json": "{}", "settings.toml": "[review]\nnew_per_day = -1\n"}
    with pytest.raises(StudykitError, match="new_per_day"):
        put_files(files, paths_of(tmp_path), trusted=True)
    assert not (tmp_path / "data").exists()
