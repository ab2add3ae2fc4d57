"""`studykit report`."""

from __future__ import annotations

import json
import resource
from datetime import timedelta
from pathlib import Path

import pytest

from tests.commands.dice_course import LAB, study
from tests.commands.runner import AT, Run


def test_a_report_tells_of_sittings_and_runs(run: Run, home: Path) -> None:
    """In Markdown by default."""
    study(home, "dice-probability", AT)
    run("lab", "run", LAB, "--trust")
    outcome = run("report")
    assert outcome.code == 0
    assert outcome.out.startswith("# ")
    assert LAB in outcome.out


def test_a_report_can_be_json_and_a_file(run: Run, home: Path, tmp_path: Path) -> None:
    """The file holds what would have been printed."""
    study(home, "dice-probability", AT)
    printed = run("report", "--format", "json").out
    assert json.loads(printed)
    file = tmp_path / "report.json"
    outcome = run("report", "--format", "json", "--output", str(file))
    assert (outcome.code, outcome.out) == (0, "")
    assert json.loads(file.read_text(encoding="utf-8")) == json.loads(printed)


def test_a_report_can_be_a_page(run: Run, home: Path, tmp_path: Path) -> None:
    """With the retention that the settings ask for."""
    study(home, "dice-probability", AT - timedelta(days=40))
    study(home, "dice-probability", AT)
    (home / "settings.toml").write_text("[review]\ndesired_retention = 0.83\n", encoding="utf-8")
    file = tmp_path / "report.html"
    assert run("report", "--format", "html", "-o", str(file)).code == 0
    page = file.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "the 83&nbsp;% that the schedule aims at" in page
    assert "Reviews</dt><dd>2<" in page


def test_a_report_can_be_the_log(run: Run, home: Path) -> None:
    """One row a review of the period."""
    for n_days in (2, 1, 0):
        study(home, "dice-probability", AT - timedelta(days=n_days))
    rows = run("report", "--format", "csv", "--since", "2026-11-22").out.splitlines()
    assert [row.split(",")[1] for row in rows] == ["day", "2026-11-22", "2026-11-23"]


@pytest.mark.parametrize("format_", ["markdown", "md", "html", "csv", "json"])
def test_a_report_before_the_first_sitting_is_empty_but_true(
    format_: str, run: Run, home: Path
) -> None:
    """Nothing was studied, and nothing is written."""
    assert run("report", "--format", format_).code == 0
    assert run("report", "--format", format_, "--since", "2026-11-23").code == 0
    assert not home.exists()


def test_a_report_that_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    """The operating system's reason is repeated."""
    outcome = run("report", "--output", str(tmp_path / "no" / "such" / "folder"))
    assert outcome.code == 2
    assert "No such file or directory" in outcome.complaint


def test_a_full_disk_leaves_the_last_report_whole(run: Run, tmp_path: Path) -> None:
    """A limit on the size of files fails as a full disk does, in the middle of the writing."""
    file = tmp_path / "report.md"
    file.write_text("the report of last week")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, unlimited[1]))
    try:
        outcome = run("report", "-o", str(file))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert outcome.code == 2
    assert "File too large" in outcome.complaint
    assert file.read_text() == "the report of last week"
    assert [path.name for path in tmp_path.glob("*report*")] == ["report.md"]
