"""Instants, offsets and study days."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.clock import (
    NOW_VARIABLE,
    FixedClock,
    SystemClock,
    clock_from_environment,
    from_ms,
    offset_minutes,
    study_day,
    to_ms,
)
from studykit.errors import UsageError

BERLIN = ZoneInfo("Europe/Berlin")


def test_the_system_clock_knows_its_offset() -> None:
    """An instant without an offset could not be stored."""
    assert SystemClock().now().utcoffset() is not None


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs POSIX time zones")
def test_the_system_clock_follows_the_machine_to_another_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also while the program runs: a laptop that travels, a study day that ends by its wall."""
    clock, offsets = SystemClock(), []
    for zone in ("XXX-9", "YYY+8"):  # east of Greenwich is negative here
        monkeypatch.setenv("TZ", zone)
        offsets.append(offset_minutes(clock.now()))
    monkeypatch.undo()
    time.tzset()
    assert offsets == [9 * 60, -8 * 60]


def test_a_fixed_clock_stands_still_until_it_is_moved() -> None:
    """Two readings agree; `advance` moves by exactly its step."""
    clock = FixedClock(datetime(2026, 11, 23, 9, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.advance(timedelta(minutes=10))
    assert clock.now() == datetime(2026, 11, 23, 9, 10, tzinfo=UTC)


def test_the_environment_fixes_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """STUDYKIT_NOW keeps its own offset, which the study day depends on."""
    monkeypatch.setenv(NOW_VARIABLE, "2026-11-23T09:00:00+01:00")
    now = clock_from_environment().now()
    assert now.isoformat() == "2026-11-23T09:00:00+01:00"


@pytest.mark.parametrize("text", ["yesterday", "2026-11-23", "2026-11-23T09:00:00"])
def test_a_time_without_an_offset_is_a_usage_error(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error repeats the text and shows the form that works."""
    monkeypatch.setenv(NOW_VARIABLE, text)
    with pytest.raises(UsageError, match=r"STUDYKIT_NOW='.*2026-11-23T09:00:00\+01:00"):
        clock_from_environment()


@pytest.mark.parametrize("year", ["0001", "1900", "9000", "9999"])
def test_a_time_at_the_ends_of_the_calendar_is_a_usage_error(
    year: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are days before and intervals after it that no date can tell."""
    monkeypatch.setenv(NOW_VARIABLE, f"{year}-06-01T09:00:00+01:00")
    with pytest.raises(UsageError, match="lies too far away"):
        clock_from_environment()


def test_an_empty_variable_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells set a variable to nothing to switch it off."""
    monkeypatch.setenv(NOW_VARIABLE, "")
    assert isinstance(clock_from_environment(), SystemClock)


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 11, 23, 3, 59, 59, tzinfo=BERLIN), date(2026, 11, 22)),
        (datetime(2026, 11, 23, 4, 0, 0, tzinfo=BERLIN), date(2026, 11, 23)),
        (datetime(2026, 11, 23, 23, 59, tzinfo=BERLIN), date(2026, 11, 23)),
        # The night of the spring change: 2:30 does not exist, 3:30 is 2.5 hours past midnight.
        (datetime(2026, 3, 29, 3, 30, tzinfo=BERLIN), date(2026, 3, 28)),
        (datetime(2026, 3, 29, 4, 0, tzinfo=BERLIN), date(2026, 3, 29)),
        # The night of the autumn change: 2:30 comes twice, 4:00 is five hours past midnight.
        (datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=BERLIN), date(2026, 10, 24)),
        (datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN), date(2026, 10, 24)),
        (datetime(2026, 10, 25, 3, 59, tzinfo=BERLIN), date(2026, 10, 24)),
        (datetime(2026, 10, 25, 4, 0, tzinfo=BERLIN), date(2026, 10, 25)),
    ],
)
def test_a_study_day_begins_at_the_rollover_hour_on_the_wall(at: datetime, day: date) -> None:
    """Also on the two nights of the year whose hours do not count up to 24."""
    assert study_day(at, 4) == day


def test_midnight_is_a_rollover_hour_too() -> None:
    """With 0 a study day is a calendar day."""
    assert study_day(datetime(2026, 11, 23, 0, 0, tzinfo=BERLIN), 0) == date(2026, 11, 23)


@given(
    at=st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)),
    offset=st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_stored_instants_come_back_with_their_offset(at: datetime, offset: int) -> None:
    """`from_ms` is the inverse of `to_ms` and `offset_minutes`, to the millisecond."""
    local = at.replace(
        microsecond=at.microsecond // 1000 * 1000, tzinfo=timezone(timedelta(minutes=offset))
    )
    back = from_ms(to_ms(local), offset_minutes(local))
    assert back == local
    assert back.utcoffset() == local.utcoffset()


SHIFTED = (
    *("America/New_York", "America/St_Johns", "Antarctica/Casey", "Antarctica/Troll"),
    *("Antarctica/Vostok", "Asia/Amman", "Atlantic/Azores", "Australia/Lord_Howe"),
    *("Europe/Berlin", "America/Havana", "Asia/Gaza", "America/Scoresbysund"),
)
"""Zones whose clocks were put back at all hours, by half an hour to three hours."""


def put_back(zone: ZoneInfo, first_year: int, last_year: int) -> Iterator[datetime]:
    """Each second at which clocks of the zone were put back, in UTC."""
    at, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year, 1, 1, tzinfo=UTC)
    offset = at.astimezone(zone).utcoffset()
    while at < end:
        later = at + timedelta(days=1)
        offset_then = later.astimezone(zone).utcoffset()
        assert offset is not None
        assert offset_then is not None
        if offset_then < offset:
            low, high = 0, 24 * 3600
            while high - low > 1:
                middle = (low + high) // 2
                then = (at + timedelta(seconds=middle)).astimezone(zone)
                low, high = (middle, high) if then.utcoffset() == offset else (low, middle)
            yield at + timedelta(seconds=high)
        at, offset = later, offset_then


@pytest.mark.parametrize("name", SHIFTED)
def test_no_study_day_goes_back(name: str) -> None:
    """Whatever the rollover: not even where clocks are put back across it."""
    zone = ZoneInfo(name)
    changes = list(put_back(zone, 1970, 2038))
    assert changes
    for change in changes[-40:]:
        instants = [change + timedelta(minutes=m) for m in (-180, -61, -31, -1, 0, 1, 31, 61, 181)]
        for rollover_hour in range(24):
            days = [study_day(at.astimezone(zone), rollover_hour) for at in instants]
            assert days == sorted(days), (change, rollover_hour)


def test_a_day_that_has_begun_goes_on_as_clocks_are_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also for the system's clock, whose instants know their offset only. In Troll 3:00 is 1:00."""
    change = datetime(2026, 10, 25, 1, tzinfo=UTC)
    monkeypatch.setenv("TZ", "Antarctica/Troll")
    time.tzset()
    try:
        instants = [change + timedelta(minutes=minutes) for minutes in (-90, -30, 30, 90)]
        walls = [at.astimezone() for at in instants]
        days = [study_day(at, 2) for at in walls]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert [f"{wall:%H:%M}" for wall in walls] == ["01:30", "02:30", "01:30", "02:30"]
    assert days == [date(2026, 10, 24), *[date(2026, 10, 25)] * 3]
