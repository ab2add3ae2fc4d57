"""How fast keys are answered, and which come too fast to be meant. Loaded before textual."""

from __future__ import annotations

import gc
import os
import sys

FRAMES_PER_SECOND = 240
"""Textual waits for the next frame before it draws: at its own 60, 8 ms on average."""
SWITCH_SECONDS = 0.0001
"""What was drawn is written by another thread, which else waits 5 ms for its turn."""
YOUNG_OBJECTS = 50_000
"""Painting one card makes ten thousand; Python looks for garbage after every 700."""

SEEN_SECONDS = 0.25
"""What is new on the screen is seen after this time; a key pressed before is not about it."""
HELD_SECONDS = 0.2
"""A key that comes again within this time is held down, or has bounced."""


class KeyRepeats:
    """Tells keys that are held down, of which a terminal says no more than that they come again."""

    def __init__(self) -> None:
        self._latest = ""
        self._at_s = 0.0

    def is_held(self, key: str, at_s: float) -> bool:
        """True if `key`, at `at_s` of the monotonic clock, repeats the key before; keeps it."""
        is_held = key == self._latest and at_s - self._at_s < HELD_SECONDS
        self._latest, self._at_s = key, at_s
        return is_held


def tune_process() -> None:
    """Set the process up; call it before anything imports textual."""
    os.environ.setdefault("TEXTUAL_FPS", str(FRAMES_PER_SECOND))
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)


def collect_young() -> None:
    """Look for young garbage now that a picture is painted, and not while the next one is."""
    if gc.get_threshold()[0] == YOUNG_OBJECTS:
        gc.collect(1)


def freeze_heap() -> None:
    """Take what is loaded by now for good: with a large course a search through it takes 0.1 s.

    As `collect_young`, it leaves a process alone that was not tuned: a test, another program.
    """
    if gc.get_threshold()[0] == YOUNG_OBJECTS:
        gc.freeze()
