"""Cards forgotten again and again: to be understood or rewritten, not repeated once more."""

from __future__ import annotations

from studykit.review.schedule import Memory

FIRST_LAPSES = 8
"""A card that lapsed so often is a leech."""
NEXT_LAPSES = 4
"""Said again after so many more."""


def is_leech(memory: Memory) -> bool:
    """True from the eighth lapse on."""
    return memory.lapses >= FIRST_LAPSES


def turned_leech(before: Memory, after: Memory) -> bool:
    """True if the review between them is the one to say it at: the 8th lapse, the 12th, …"""
    lapsed = after.lapses > before.lapses
    return lapsed and is_leech(after) and (after.lapses - FIRST_LAPSES) % NEXT_LAPSES == 0
