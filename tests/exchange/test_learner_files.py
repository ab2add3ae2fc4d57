"""The learner's files travel by names that lead nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from studykit.errors import StudykitError
from studykit.exchange.learner_files import is_program, learner_files, place_of
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
