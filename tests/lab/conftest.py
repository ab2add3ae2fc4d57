from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from studykit.clock import FixedClock
from studykit.lab.process import LabRunner
from tests.lab.fake_labs import NOON, FakeCourse


@pytest.fixture
def course(tmp_path: Path) -> FakeCourse:
    return FakeCourse(tmp_path / "course")


@pytest.fixture
async def runner(course: FakeCourse) -> AsyncIterator[LabRunner]:
    made = LabRunner(course.root, time_limit_s=20.0, clock=FixedClock(NOON), preload=())
    yield made
    await made.close()
