"""The plan line by line: what each setting is, what turns it, and what may be typed for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from studykit.course.contents import AnyCourse
from studykit.settings import RETENTIONS, WEEKDAYS, ReviewSettings
from studykit.settings_file import parse_day, parse_period
from studykit.study.words import short_day

WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHARES = {1.0: "usual", 0.5: "half", 0.0: "off"}
"""A weekday's shares that turning it goes through."""
STEPS = {"new_per_day": 1, "reviews_per_day": 10, "backlog_per_day": 10}
MOST_A_DAY = 9999
EXAM_AFTER_DAYS = 60
"""Days from today to an exam that is turned on."""

ABOUT: Mapping[str, str] = {
    "new_per_day": "new cards on a usual day",
    "reviews_per_day": "reviews of known cards on a day",
    "backlog_per_day": "reviews a day, and no new cards, while more are due than these",
    "desired_retention": "share of reviews to be remembered; more means shorter intervals",
    "retention": "the same for this deck alone",
    "balance": "spread reviews over the days that their fuzz allows",
    "easy_days": "its share of a usual day; on a day off nothing is asked",
    "holidays": "days off: what is due waits for the next study day",
    "exams": "its cards are asked a last time in the seven study days before",
}
"""Setting -> what it does, in a few words."""

TYPED: Mapping[str, str] = {
    "new_per_day": "a number",
    "reviews_per_day": "a number",
    "backlog_per_day": "a number, or nothing",
    "desired_retention": "70 to 97",
    "retention": "70 to 97, or nothing: as all",
    "easy_days": "0 to 100 %",
    "holidays": "2026-12-24/2027-01-02, 2027-02-01",
    "exams": "2027-02-01, or nothing",
}
"""Setting -> what may be typed for it."""

Values = dict[str, Any]
"""Settings of the table ``[review]`` with new values, as TOML has them."""


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One line of the plan."""

    setting: str
    key: str
    """Of a setting that is a table; else empty."""
    label: str
    value: str
    is_own: bool
    """It differs from what it would be if it were not set."""

    @property
    def about(self) -> str:
        """What it does."""
        return ABOUT[self.setting]

    @property
    def typed(self) -> str:
        """What may be typed; empty if it is only turned."""
        return TYPED.get(self.setting, "")


def plan_lines(review: ReviewSettings, course: AnyCourse, today: date) -> tuple[PlanLine, ...]:
    """All of them in the order in which they are shown, those of single decks at the end."""
    usual = ReviewSettings()
    lines = [
        PlanLine(name, "", label, _count(getattr(review, name), name), False)
        for name, label in (
            ("new_per_day", "New cards a day"),
            ("reviews_per_day", "Reviews a day"),
            ("backlog_per_day", "Backlog a day"),
        )
    ]
    wanted = review.desired_retention
    lines.append(PlanLine("desired_retention", "", "Desired retention", _percent(wanted), False))
    balance = "on" if review.balance else "off"
    lines.append(PlanLine("balance", "", "Balance", balance, review.balance != usual.balance))
    for key, name in zip(WEEKDAYS, WEEKDAY_NAMES, strict=True):
        share = review.easy_days.get(key, 1.0)
        value = SHARES.get(share, _percent(share))
        lines.append(PlanLine("easy_days", key, name, value, share != 1))
    ahead = [period for period in review.holidays if period[1] >= today]
    told = ", ".join(_period(*period, today) for period in ahead) or "none"
    lines.append(PlanLine("holidays", "", "Holidays", told, bool(ahead)))
    lines.append(_exam_line(course.id, "Exam", review, today))
    for name in _decks(course):
        own = review.retention.get(name)
        value = "as all" if own is None else _percent(own)
        lines.append(PlanLine("retention", name, f"{name} retention", value, own is not None))
    lines += [_exam_line(name, f"{name} exam", review, today) for name in _decks(course)]
    return tuple(lines)


def _exam_line(name: str, label: str, review: ReviewSettings, today: date) -> PlanLine:
    day = review.exams.get(name)
    value = "none" if day is None else short_day(day, today)
    value += " (over)" if day is not None and day <= today else ""
    return PlanLine("exams", name, label, value, day is not None)


def turned(
    line: PlanLine, step: int, review: ReviewSettings, course: AnyCourse, today: date
) -> Values:
    """What `step`, 1 or -1, makes of it; nothing where it cannot be turned further."""
    name, value = line.setting, getattr(review, line.setting)
    match name:
        case "new_per_day" | "reviews_per_day" | "backlog_per_day":
            size = STEPS[name]
            new: Any = max(0, min(MOST_A_DAY, (value + step * size) // size * size))
        case "desired_retention":
            new = _within(value + step / 100)
        case "retention":
            usual = _usual_retention(review, course)
            new = {**value, line.key: _within(value.get(line.key, usual) + step / 100)}
        case "balance":
            new = not value
        case "easy_days":
            shares = sorted(SHARES)
            at = min(shares, key=lambda share: abs(share - value.get(line.key, 1.0)))
            place = max(0, min(shares.index(at) + step, len(shares) - 1))
            new = _with_share(value, line.key, shares[place])
        case "exams":
            day = value.get(line.key)
            first = today + timedelta(days=EXAM_AFTER_DAYS)
            new = {**value, line.key: first if day is None else day + timedelta(days=step)}
        case _:
            return {}
    return {} if new == value else {name: new}


def typed(line: PlanLine, text: str, review: ReviewSettings) -> Values:
    """What `text` makes of it; raises `ValueError` with what is wrong, as it goes on after it."""
    name, value, text = line.setting, getattr(review, line.setting), text.strip()
    match name:
        case "new_per_day" | "reviews_per_day" | "backlog_per_day":
            if not text and name == "backlog_per_day":
                return {name: 0}
            if not re.fullmatch("[0-9]{1,4}", text):
                raise ValueError(f"is no whole number from 0 to {MOST_A_DAY}")
            return {name: int(text)}
        case "desired_retention":
            return {name: _retention(text)}
        case "retention":
            return {name: _with(value, line.key, _retention(text) if text else None)}
        case "easy_days":
            return {name: _with_share(value, line.key, _share(text or "100"))}
        case "holidays":
            periods = [part.strip() for part in text.split(",") if part.strip()]
            for period in periods:
                try:
                    parse_period(period)
                except ValueError as error:
                    which = "" if len(periods) == 1 else f"will not do: {period} "
                    raise ValueError(f"{which}{error}") from None
            return {name: periods}
        case "exams":
            try:
                day = parse_day(text) if text else None
            except ValueError:
                raise ValueError("is no day") from None
            return {name: _with(value, line.key, day)}
        case _:
            raise ValueError("is turned with h and l")


def as_typed(line: PlanLine, review: ReviewSettings) -> str:
    """What would have to be typed for what is set."""
    value = getattr(review, line.setting)
    if line.setting == "holidays":
        return ", ".join(as_toml(line.setting, value))
    if line.key:
        value = value.get(line.key, "")
    if isinstance(value, float):
        return f"{100 * value:g}"
    return str(value)


def as_toml(setting: str, value: Any) -> Any:
    """A setting's value as the file has it."""
    if setting == "holidays":
        return ["/".join(day.isoformat() for day in dict.fromkeys(period)) for period in value]
    return dict(value) if isinstance(value, Mapping) else value


def _decks(course: AnyCourse) -> Sequence[str]:
    return [deck.id for deck in course.decks]


def _usual_retention(review: ReviewSettings, course: AnyCourse) -> float:
    from studykit.review.plan import Plan

    plan = Plan.build(review, course.id, course.retention)
    return plan.desired_retention or review.desired_retention


def _count(n: int, name: str) -> str:
    return "as usual" if name == "backlog_per_day" and not n else str(n)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _period(first: date, last: date, today: date) -> str:
    if first == last:
        return short_day(first, today)
    return f"{short_day(first, today)} – {short_day(last, today)}"


def _within(share: float) -> float:
    """The nearest whole per cent that may be desired."""
    low, high = RETENTIONS
    return min(high, max(low, round(share, 2)))


def _retention(text: str) -> float:
    low, high = RETENTIONS
    share = _share(text)
    if not low <= share <= high:
        raise ValueError(f"is not from {100 * low:.0f} to {100 * high:.0f} %")
    return share


def _share(text: str) -> float:
    """Of ``93``, ``93 %`` or ``0.93``; 1 is the whole."""
    if not re.fullmatch(r"[0-9]{1,3}([.,][0-9]{1,4})? ?%?", text):
        raise ValueError("is no share, like 90 %")
    number = float(text.rstrip(" %").replace(",", "."))
    share = number if number <= 1 and "%" not in text else number / 100
    if share > 1:
        raise ValueError("is more than 100 %")
    return round(share, 6)


def _with(table: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The table with another value of a key; without it if that is None."""
    rest = {name: item for name, item in table.items() if name != key}
    return rest if value is None else {**rest, key: value}


def _with_share(table: Mapping[str, float], key: str, share: float) -> dict[str, Any]:
    return _with(table, key, None if share == 1 else share)
