"""A course from anybody: whatever is in it, each command ends with a line and in little memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="its special files and figures are of Linux")
def test_no_course_breaks_a_command(tmp_path: Path) -> None:
    """Twelve of the courses of `hostile_courses`, which tries any number."""
    command = [sys.executable, "-m", "tests.course.hostile_courses", str(tmp_path), "1", "12"]
    environment = os.environ | {"STUDYKIT_NOW": "2026-11-23T09:00:00+00:00"}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 courses, 60 commands, 0 faults" in done.stdout
