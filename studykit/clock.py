"""Time, passed in: the only caller of the system clock, and the arithmetic of study days."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Protocol

from studykit.errors import UsageError

NOW_VARIABLE = "STUDYKIT_NOW"
"""Environment variable that fixes the time, in ISO 8601 with an offset (tests, demonstrations)."""


FIRST_YEAR, LAST_YEAR = 1900, 9000
"""Years that a clock may show: Python's calendar ends soon after them."""


class Clock(Protocol):
    """Tells the time as an aware local datetime, so that the offset travels with the instant."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock in the machine's time zone."""

    def now(self) -> datetime:
        time.tzset()  # a machine may change its zone while the app is open
        return datetime.now().astimezone()


@dataclass
class FixedClock:
    """A clock that stands still until `advance` moves it."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def advance(self, step: timedelta) -> None:
        self.at += step


def clock_from_environment() -> Clock:
    """`FixedClock` when STUDYKIT_NOW is set, else `SystemClock`.

    Raises `UsageError` when the variable is not an ISO instant with an offset, or one in a year
    that nobody lives to see.
    """
    text = os.environ.get(NOW_VARIABLE, "")
    if not text:
        return SystemClock()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(
            f"{NOW_VARIABLE}={text!r} is not an instant", hint="write 2026-11-23T09:00:00+01:00"
        )
    if not FIRST_YEAR < at.year < LAST_YEAR:
        raise UsageError(
            f"{NOW_VARIABLE}={text!r} lies too far away",
            hint=f"a year between {FIRST_YEAR} and {LAST_YEAR}",
        )
    return FixedClock(at)


def study_day(at: datetime, rollover_hour: int) -> date:
    """The day that a review at `at` counts for; one begins at `rollover_hour`, local time.

    It never goes back: where clocks are put back across that hour, the day that has begun goes on.
    """
    # Wall-clock arithmetic on purpose: 3 am belongs to yesterday on the night clocks change, too.
    rollover = timedelta(hours=rollover_hour)
    day = (at.replace(tzinfo=None) - rollover).date()
    put_back = _put_back_before(at)
    if put_back is None:
        return day
    return max(day, (put_back.replace(tzinfo=None) - rollover).date())


def _put_back_before(at: datetime) -> datetime | None:
    """The last second before clocks were put back, if they were in the day before `at`."""
    zone = at.tzinfo
    if isinstance(zone, timezone):
        # The offset alone, as the system clock tells the time: its zone is the machine's.
        zone = None
        if at.astimezone().utcoffset() != at.utcoffset():
            return None
    now = at.astimezone(UTC)

    def local(seconds_ago: int) -> datetime:
        return (now - timedelta(seconds=seconds_ago)).astimezone(zone)

    def offset(seconds_ago: int) -> timedelta:
        return local(seconds_ago).utcoffset() or timedelta()

    since, before = 0, 24 * 3600
    if offset(before) <= offset(since):
        return None
    while before - since > 1:
        middle = (since + before) // 2
        if offset(middle) == offset(0):
            since = middle
        else:
            before = middle
    return local(before)


def to_ms(at: datetime) -> int:
    """Milliseconds since the epoch."""
    return round(at.timestamp() * 1000)


def year_start(year: int) -> datetime:
    """The first instant of a year, UTC."""
    return datetime(year, 1, 1, tzinfo=UTC)


def offset_minutes(at: datetime) -> int:
    """Offset of the local time from UTC, in minutes."""
    offset = at.utcoffset()
    return 0 if offset is None else round(offset.total_seconds() / 60)


def from_ms(ms: int, offset: int = 0) -> datetime:
    """The instant `ms` as a local time `offset` minutes from UTC; inverse of `to_ms`."""
    zone = timezone(timedelta(minutes=offset)) if offset else UTC
    return datetime.fromtimestamp(ms / 1000, tz=zone)
