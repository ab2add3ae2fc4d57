"""docs/paths.md tells the paths that the code takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tui.paths import PACKAGE, WALKS

PAGE = (PACKAGE.parent / "docs" / "paths.md").read_text(encoding="utf-8")
TOLERANCE = 0.1
"""A timer that fires meanwhile brings a few functions of its own."""


@pytest.mark.parametrize("title", WALKS)
async def test_the_page_tells_the_path(title: str, tmp_path: Path) -> None:
    """Every file that a step names is passed, and no more functions than it says, nor fewer."""
    functions = await WALKS[title](tmp_path)
    files = {file for file, _ in functions}
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+/[\w/]+\.py)`", section))
    counts = re.search(r": (\d+) files, (\d+) functions", section)
    assert counts is not None
    assert named and named <= files
    assert len(files) == pytest.approx(int(counts[1]), rel=TOLERANCE)
    assert len(functions) == pytest.approx(int(counts[2]), rel=TOLERANCE)
