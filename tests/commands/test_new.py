"""A course of one's own to begin with."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from studykit.cli import main
from studykit.course.decks import load_course
from studykit.course.starter import course_id
from studykit.lab.trust import is_trusted
from studykit.study.check import check_course


def test_a_new_course_passes_check_and_is_studied(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its result was measured here, and its labs may be changed without a question."""
    folder = tmp_path / "deep" / "My sums"
    assert main(["new", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{folder}: 3 cards, 1 lab, 0 problems" in said
    assert f"studykit check '{folder}'" in said
    assert check_course(folder).problems == ()
    course = load_course(folder)
    assert (course.id, course.title) == ("my-sums", "My sums")
    assert all(card.startswith("my-sums-") for card in course.cards)

    lab = folder / "labs" / "first" / "averages.py"
    lab.write_text(lab.read_text().replace("N_MEANS = 1000", "N_MEANS = 400"))
    assert is_trusted(folder, home)
    assert main(["--course", str(folder), "verify"]) == 0
    assert "not been run here" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "title", ["A: b # c", "Ünïcode 'quoted' \"twice\"", "- no", "\u0645\u06cc\u200c\u062e"]
)
def test_a_title_is_text_whatever_it_is(title: str, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    assert main(["new", str(folder), "--title", title]) == 0
    assert load_course(folder).title == title
    assert yaml.safe_load((folder / "decks" / "course.yaml").read_text())["title"] == title


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["full"], "full is not empty (name a folder that is not there yet)"),
        (["file"], "file is a file (name a folder that is not there yet)"),
        (["link"], "link is a file"),
        (["a", "--title", "\x1b[2J"], "--title of 4 characters (a line, at most 200)"),
        (["a", "--title", "x" * 201], "--title of 201 characters"),
        (["file/below"], "below cannot be written: File exists"),
    ],
)
def test_nothing_of_the_author_s_is_written_over(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full", "notes.txt").write_text("mine")
    Path("file").write_text("mine")
    Path("link").symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))

    assert main(["new", *arguments]) != 0
    assert complaint in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_may_be_there_already(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    assert main(["new", str(folder)]) == 0
    assert check_course(folder).problems == ()


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("sums", "sums"),
        ("My Sums 2", "my-sums-2"),
        ("..x", "x"),
        ("ü", "course"),
        ("a" * 90, "a" * 40),
    ],
)
def test_a_course_is_called_as_its_folder(name: str, id_: str) -> None:
    assert course_id(name) == id_
