from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from studykit.progress.store import Store
from tests.progress.builders import open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new, empty store in `tmp_path`."""
    with closing(open_store(tmp_path)) as opened:
        yield opened
