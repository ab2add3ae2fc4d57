"""Numbers and times as the screens say them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta

from studykit.text import plural

MOST_NAMED = 2
"""Cards that are named in a line; more of them are counted."""


def few(card_ids: Collection[str]) -> str:
    """``core-a, core-b``, or ``3 cards``."""
    is_few = len(card_ids) <= MOST_NAMED
    return ", ".join(sorted(card_ids)) if is_few else plural(len(card_ids), "card")


def short_day(day: date, today: date) -> str:
    """``6 Dec``, with the year where it is another one."""
    return f"{day.day} {day:%b}" if day.year == today.year else f"{day.day} {day:%b %Y}"


def long_day(day: date) -> str:
    """``Mon 23 Nov 2026``."""
    return f"{day:%a} {day.day} {day:%b %Y}"


def when(due: date | datetime, today: date, rollover_hour: int) -> str:
    """``at 10:42`` for an instant of today, ``tomorrow at 04:00``, ``on 6 Dec``."""
    if isinstance(due, datetime):
        return f"at {due:%H:%M}"
    if due == today + timedelta(days=1):
        return f"tomorrow at {rollover_hour:02}:00"
    return f"on {short_day(due, today)}"


def held_back(n_siblings: int, backlog: str = "") -> str:
    """What is due and yet not asked today, with the reason; empty if nothing is."""
    siblings = f"{n_siblings} held back until tomorrow (sibling)" if n_siblings else ""
    return "; ".join(part for part in (siblings, backlog) if part)


def minutes(duration: timedelta) -> str:
    """``12 min``, ``under a minute``."""
    whole = round(duration.total_seconds() / 60)
    return f"{whole} min" if whole else "under a minute"


def about(duration: timedelta) -> str:
    """An estimate: ``≈ 12 min``, ``under a minute``."""
    text = minutes(duration)
    return text if text.startswith("under") else f"≈ {text}"


def outlook(
    coming: tuple[date | datetime, int] | None, n_unseen: int, today: date, rollover_hour: int
) -> str:
    """What comes once nothing is left: ``Next: 12 cards tomorrow at 04:00; 8 new cards …``."""
    parts = []
    if coming is not None:
        due, n = coming
        parts.append(f"Next: {plural(n, 'card')} {when(due, today, rollover_hour)}")
    if n_unseen:
        parts.append(f"{plural(n_unseen, 'new card')} still to meet")
    return "; ".join(parts) or "Nothing is scheduled"
