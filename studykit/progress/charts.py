"""Charts as inline SVG: no script, colours and fonts from the page, words for who cannot see them.

Every chart is `WIDTH` units wide and grows with the page, so that its text stays readable on a
phone. Nothing is told by colour alone: a mark has a shape, a number or a tooltip, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from html import escape

from studykit.progress.stats import Retention, Sureness
from studykit.text import clean, percent, plural

WIDTH = 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 392.0, 12.0, 150.0
"""The plot's edges inside a chart of height `_HEIGHT`."""
_HEIGHT = 176
_N_SHADES = 4


def text_of(value: object) -> str:
    """`value` as text in HTML: control characters visible, nothing in it markup."""
    return escape(clean(str(value)))


def day_name(day: date) -> str:
    """``23 Nov``."""
    return f"{day.day} {day:%b}"


def calendar_chart(counts: Sequence[tuple[date, int]]) -> str:
    """A column for each week, a square for each day, darker with more reviews; begins on Monday."""
    most = max(n for _, n in counts)
    parts = [
        _text(30, 30 + 14 * row, name, "end") for row, name in ((0, "Mon"), (2, "Wed"), (4, "Fri"))
    ]
    last_label = -3
    for index, (day, n) in enumerate(counts):
        week, row = divmod(index, 7)
        x, y = 36 + 14 * week, 20 + 14 * row
        is_first_week = row == 0 and day.day <= 7
        if is_first_week and week - last_label >= 3:
            parts.append(_text(x, 12, f"{day:%b}"))
            last_label = week
        shade = 0 if n == 0 else 1 + (_N_SHADES - 1) * (n - 1) // max(1, most - 1)
        tip = _title(f"{day:%a} {day_name(day)} {day.year}: {plural(n, 'review')}")
        parts.append(
            f'<rect class="day s{shade}" x="{x:.1f}" y="{y}" width="11.6" height="11.6" rx="2">'
            f"{tip}</rect>"
        )
    n_days = sum(n > 0 for _, n in counts)
    words = (
        f"Calendar of {plural(len(counts), 'day')}: {plural(n_days, 'day')} with a review, at most"
        f" {plural(most, 'review')} on a day."
    )
    return _chart(parts, 122, words)


def retention_chart(weeks: Sequence[tuple[date, Retention]], desired: float) -> str:
    """A point a week with its 95 % interval, against the desired retention."""
    lows = [week.low for _, week in weeks if week.low is not None]
    bottom = min(0.7, int(10 * min(lows)) / 10)
    step = 0.1 if bottom >= 0.5 else 0.2
    ticks = [1 - step * n for n in range(int((1 - bottom) / step + 1e-9) + 1)]

    def y_of(share: float) -> float:
        return _BOTTOM - (share - bottom) / (1 - bottom) * (_BOTTOM - _TOP)

    span = max(1, (weeks[-1][0] - weeks[0][0]).days // 7)

    def x_of(week: date) -> float:
        place = (week - weeks[0][0]).days / 7 / span if len(weeks) > 1 else 0.5
        return _LEFT + 12 + place * (_RIGHT - _LEFT - 24)

    parts = [_grid(y_of(tick), percent(tick)) for tick in ticks]
    wanted = y_of(desired)
    parts.append(f'<path class="wanted" d="M{_LEFT} {wanted:.1f}H{_RIGHT}"/>')
    for week, seen in weeks:
        x = x_of(week)
        if seen.share is None or seen.low is None or seen.high is None:
            continue
        tip = _title(
            f"Week of {day_name(week)}: {seen.remembered} of {seen.n} remembered,"
            f" {percent(seen.share)}, 95 % interval {100 * seen.low:.0f} to {percent(seen.high)}"
        )
        parts.append(
            f'<g class="week">{tip}<path d="M{x:.1f} {y_of(seen.low):.1f}V{y_of(seen.high):.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{y_of(seen.share):.1f}" r="4"/></g>'
        )
    parts += _ends([(x_of(week), day_name(week)) for week, _ in weeks])
    listed = "; ".join(f"{day_name(week)}: {percent(seen.share or 0)}" for week, seen in weeks)
    return _chart(parts, _HEIGHT, f"True retention by week, desired {percent(desired)}. {listed}.")


def forecast_chart(forecast: Sequence[tuple[date, int]], overdue: int) -> str:
    """A bar a day; what is overdue lies hatched at the foot of the first."""
    ticks = _round_ticks(max(n for _, n in forecast))
    top = ticks[-1]
    pitch = (_RIGHT - _LEFT) / len(forecast)

    def y_of(n: float) -> float:
        return _BOTTOM - n / top * (_BOTTOM - _TOP)

    parts = [_grid(y_of(tick), str(tick)) for tick in ticks]
    for index, (day, n) in enumerate(forecast):
        x = _LEFT + pitch * index + 0.1 * pitch
        tip = _title(f"{day:%a} {day_name(day)}: {plural(n, 'card')} due")
        parts.append(_bar("due", x, y_of(n), 0.8 * pitch, _BOTTOM - y_of(n), tip))
        if index == 0 and overdue:
            late = _title(f"{plural(overdue, 'card')} of them overdue")
            parts.append(
                '<pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse"'
                ' patternTransform="rotate(45)"><rect class="hatch" width="2" height="5"/>'
                "</pattern>"
            )
            height = _BOTTOM - y_of(overdue)
            parts.append(_bar("late", x, y_of(overdue), 0.8 * pitch, height, late))
    shown = [0, *range(7, len(forecast), 7)]
    for index in shown:
        name = "today" if index == 0 else day_name(forecast[index][0])
        parts.append(
            _text(_LEFT + pitch * (index + 0.5), _BOTTOM + 16, name, "middle" if index else "start")
        )
    total = sum(n for _, n in forecast)
    words = (
        f"Cards due on each of the next {len(forecast)} days, {total} in all; today"
        f" {forecast[0][1]}, {overdue} of them overdue."
    )
    return _chart(parts, _HEIGHT, words)


def calibration_chart(sureness: Sequence[Sureness]) -> str:
    """Share of right answers over the confidence stated; on the diagonal both agree."""

    def x_of(stated: float) -> float:
        return _LEFT + stated / 100 * (_RIGHT - _LEFT)

    def y_of(share: float) -> float:
        return _BOTTOM - share * (_BOTTOM - _TOP)

    parts = [_grid(y_of(tick / 4), percent(tick / 4)) for tick in range(5)]
    parts.append(f'<path class="wanted" d="M{_LEFT} {_BOTTOM}L{_RIGHT} {_TOP}"/>')
    parts += [
        _text(x_of(tick), _BOTTOM + 16, f"{tick} %", _anchor(index, 5))
        for index, tick in enumerate((0, 25, 50, 75, 100))
    ]
    words = []
    for each in sureness:
        seen = each.outcome
        if seen.share is None or seen.low is None or seen.high is None:
            continue
        told = (
            f"{each.stated:.0f} % sure: {seen.remembered} of {seen.n} right, {percent(seen.share)}"
        )
        words.append(told)
        x = x_of(each.stated)
        parts.append(
            f'<g class="week">{_title(told)}'
            f'<path d="M{x:.1f} {y_of(seen.low):.1f}V{y_of(seen.high):.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{y_of(seen.share):.1f}" r="4"/></g>'
        )
    return _chart(parts, _HEIGHT, f"Right answers by confidence. {'; '.join(words)}.")


def share_bar(parts: Iterable[tuple[str, float]], words: str) -> str:
    """One bar across the page, of (class, share of the whole) from left to right."""
    x, rects = 0.0, ['<rect class="rest" width="100" height="8"/>']
    for name, share in parts:
        rects.append(f'<rect class="{name}" x="{x:.2f}" width="{100 * share:.2f}" height="8"/>')
        x += 100 * share
    return (
        f'<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" role="img"'
        f' aria-label="{text_of(words)}">{"".join(rects)}</svg>'
    )


def _chart(parts: Iterable[str], height: int, words: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{text_of(words)}">{"".join(parts)}</svg>'
    )


def _title(text: str) -> str:
    return f"<title>{text_of(text)}</title>"


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text_of(text)}</text>'


def _grid(y: float, label: str) -> str:
    line = f'<path class="grid" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>'
    return line + _text(_LEFT - 5, y + 4, label, "end")


def _bar(name: str, x: float, y: float, width: float, height: float, tip: str) -> str:
    return (
        f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">'
        f"{tip}</rect>"
    )


def _ends(places: Sequence[tuple[float, str]]) -> list[str]:
    """Labels below the axis for the first place and the last, and the middle if there is room."""
    shown = (
        sorted({0, len(places) // 2, len(places) - 1}) if len(places) > 2 else range(len(places))
    )
    return [
        _text(places[index][0], _BOTTOM + 16, places[index][1], _anchor(index, len(places)))
        for index in shown
    ]


def _anchor(index: int, n: int) -> str:
    if n == 1 or 0 < index < n - 1:
        return "middle"
    return "start" if index == 0 else "end"


def _round_ticks(most: int) -> list[int]:
    """0 to at least `most` in up to five whole, round steps."""
    step = next(
        unit * 10**power for power in range(9) for unit in (1, 2, 5) if unit * 10**power * 5 >= most
    )
    return list(range(0, max(1, -(-most // step)) * step + 1, step))
