"""The process is set up for speed only where the app is all there is."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator

import pytest

from studykit.tui.pace import collect_young, freeze_heap, tune_process


@pytest.fixture(autouse=True)
def same_process_afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("TEXTUAL_FPS", raising=False)
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    yield
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)
    gc.unfreeze()
    os.environ.pop("TEXTUAL_FPS", None)


def test_a_process_of_others_is_left_alone() -> None:
    freeze_heap()
    assert gc.get_freeze_count() == 0


def test_what_is_loaded_is_searched_for_garbage_no_more() -> None:
    tune_process()
    freeze_heap()
    assert gc.get_freeze_count() > 1000

    loop: list[object] = []
    loop.append(loop)
    n_before = len(gc.get_objects())
    del loop
    collect_young()
    assert len(gc.get_objects()) < n_before


def test_the_learners_own_frame_rate_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone on a slow line may want fewer."""
    monkeypatch.setenv("TEXTUAL_FPS", "15")
    tune_process()
    assert os.environ["TEXTUAL_FPS"] == "15"
