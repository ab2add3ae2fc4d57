"""What the tests of studying share with those of the progress and of the screens."""

from tests.progress.conftest import store
from tests.tui.conftest import closed_stores

__all__ = ["closed_stores", "store"]
