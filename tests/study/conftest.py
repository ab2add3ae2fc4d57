"""What the tests of studying share with those of the progress."""

from tests.progress.conftest import store

__all__ = ["store"]
