"""How well it stays and what comes, in text: for Home and for panels of the progress screen."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from textual.content import Content

from studykit.progress.long_run import Stretch, Unit
from studykit.progress.stats import ENOUGH, Retention, TopicProgress
from studykit.study.statistics import Statistics
from studykit.study.words import short_day
from studykit.text import clean, percent, plural
from studykit.tui.widgets.gauges import render_bar, render_columns, render_interval, render_scale

MUTED = "$text-muted"
_BOTTOM, _LOWEST = 0.7, 0.5
"""The left end of the line of retention, and where an interval is lower; what is lower still
stands at it."""
_FORECAST_ROWS = 4
MOST_STRETCHES = 60
"""Days, weeks or months that are listed."""
_LABEL, _SHARE, _BESIDE = 9, 18, 14
"""Columns: of a period's name, of a share with its interval, of what stands behind it."""


def render_retention(retention: Retention, wanted: float) -> Content:
    """The last 30 days in a few lines."""
    title = Content.styled("TRUE RETENTION", "bold $text-accent")
    head = Content.assemble(title, ("  last 30 days", "$text-muted"))
    basis = Content.styled(f"{plural(retention.n, 'review')} of known cards", "$text-muted")
    share = render_share(retention)
    if share is None:
        return Content("\n").join([head, Content("too few to judge"), basis])
    lines = [head, share, verdict(retention, wanted), *_graded(retention), basis]
    return Content("\n").join(lines)


def _graded(retention: Retention) -> list[Content]:
    """How many answers were right by their grade: ratings alone may flatter."""
    if not retention.graded:
        return []
    share = percent(retention.right / retention.graded)
    if retention.is_flattering:
        return [Content.styled(f"! only {share} graded right", "$text-warning")]
    return [Content.styled(f"{share} graded right", MUTED)]


def render_share(retention: Retention) -> Content | None:
    """The share with its interval; None where there are too few to judge."""
    share, low, high = retention.share, retention.low, retention.high
    if share is None or low is None or high is None or retention.n < ENOUGH:
        return None
    return Content.assemble(
        (f"{100 * share:.1f} %", "bold"), (f"  ({100 * low:.0f}–{100 * high:.0f} %)", "$text-muted")
    )


def verdict(retention: Retention, wanted: float) -> Content:
    """Whether the interval holds what is wanted."""
    if retention.high is not None and retention.high < wanted:
        return Content.styled(f"below the wanted {percent(wanted)}", "$text-warning")
    if retention.low is not None and retention.low > wanted:
        return Content.styled(f"above the wanted {percent(wanted)}", "$text-success")
    return Content.styled(f"as wanted: {percent(wanted)}", "$text-success")


def render_retention_panel(stats: Statistics, width: int) -> Content:
    """True retention of each period against the desired one and the expected one."""
    wanted = stats.desired_retention
    line, bottom = _line_of(width), _bottom(each for _, each in stats.periods)
    rows = [_heading("", line, bottom)]
    for days, each in stats.periods:
        share = render_share(each.seen)
        label = Content.styled(f"{period_name(days):<{_LABEL}}", MUTED)
        if share is None:
            few = f"too few to judge ({plural(each.seen.n, 'review')})"
            rows.append(label + Content.styled(few, MUTED))
        else:
            rows.append(_against(label, each, share, wanted, line, bottom))
    rows.append(Content(""))
    month = dict(stats.periods)[30].seen
    if month.n >= ENOUGH:
        said = [verdict(month, wanted), *_graded(month)]
        rows.append(Content("in 30 days ") + Content(" · ").join(said))
    return in_rows([*rows, _legend(wanted)], width)


def render_trend_panel(stats: Statistics, unit: Unit, width: int) -> Content:
    """True retention day by day, week by week or month by month, the latest first."""
    stretches = stats.retention_by(unit)[::-1]
    if not stretches:
        return Content.styled("no known card came up for review yet", MUTED)
    line, bottom = _line_of(width), _bottom(stretches[:MOST_STRETCHES])
    rows = [_heading(unit, line, bottom)]
    for each in stretches[:MOST_STRETCHES]:
        share = render_share(each.seen)
        label = Content.styled(f"{stretch_name(each, unit, stats.today):<{_LABEL}}", MUTED)
        if share is None:
            few = f"{each.seen.remembered} of {plural(each.seen.n, 'review')}"
            rows.append(label + Content.styled(few, MUTED))
        else:
            wanted = stats.desired_retention
            rows.append(_against(label, each, share, wanted, line, bottom))
    if len(stretches) > MOST_STRETCHES:
        rows.append(Content.styled("earlier ones: `studykit stats`", MUTED))
    return in_rows(rows, width)


def stretch_name(each: Stretch, unit: Unit, today: date) -> str:
    """``16 Nov``, of a month ``Nov 2026``."""
    return f"{each.begin:%b %Y}" if unit == "month" else short_day(each.begin, today)


def _line_of(width: int) -> int:
    """Columns of the line of retention, beside what stands left and right of it."""
    return max(10, min(40, width - _LABEL - _SHARE - _BESIDE - 3))


def _bottom(stretches: Iterable[Stretch]) -> float:
    judged = (each.seen for each in stretches if each.seen.n >= ENOUGH)
    return _BOTTOM if all((seen.low or 0.0) >= _BOTTOM for seen in judged) else _LOWEST


def _heading(title: str, line: int, bottom: float) -> Content:
    scale = render_scale(bottom, line)
    beside = Content.styled(f" {'seen':<{_SHARE}}{'FSRS':>6}{'graded':>8}", MUTED)
    return Content.styled(f"{title:<{_LABEL}}", MUTED) + scale + beside


def _against(
    label: Content, each: Stretch, share: Content, wanted: float, line: int, bottom: float
) -> Content:
    expected = "–" if each.expected is None else percent(each.expected)
    graded = percent(each.seen.right / each.seen.graded) if each.seen.graded else "–"
    flattering = "$text-warning" if each.seen.is_flattering else MUTED
    return Content.assemble(
        label,
        render_interval(each.seen, wanted, bottom, line),
        "   ",
        share.truncate(_SHARE, pad=True),
        (f"{expected:>6}", MUTED),
        (f"{graded:>8}", flattering),
    )


def _legend(wanted: float) -> Content:
    told = f"┊ wanted {100 * wanted:.0f} %  ├●┤ seen (95 % interval)  FSRS: expected"
    return Content.styled(told, MUTED)


def period_name(days: int | None) -> str:
    """``30 days``, ``1 year``; of the whole log ``all``."""
    if days is None:
        return "all"
    return "1 year" if days == 365 else f"{days} days"


def render_forecast_panel(stats: Statistics, width: int) -> Content:
    """Known cards by the day that they fall due, for 30 days."""
    days, numbers = zip(*stats.forecast, strict=True)
    today = days[0]
    most = max(numbers)
    if not most:
        return Content.styled("nothing is scheduled: no card is known yet", MUTED)
    gutter = len(str(most)) + 1
    thick = max(1, (width - gutter) // len(days))
    picture = render_columns(numbers, _FORECAST_ROWS, thick)
    rows = [
        Content.assemble(
            (f"{most if place == 0 else '':>{gutter - 1}} ", MUTED), (row, "$text-primary")
        )
        for place, row in enumerate(picture)
    ]
    first, last = "today", short_day(days[-1], today)
    room = thick * len(days) - len(first) - len(last)
    rows.append(Content.styled(" " * gutter + first + " " * room + last, MUTED))
    peak = days[numbers.index(most)]
    when = "today" if peak == today else f"on {short_day(peak, today)}"
    overdue = f", {stats.overdue} of them overdue" if stats.overdue else ""
    rows.append(
        Content(
            f"today {numbers[0]}{overdue} · {sum(numbers) / len(numbers):.1f} a day · "
            f"most {most}, {when}"
        )
    )
    return in_rows(rows, width)


def render_mastery_panel(stats: Statistics, width: int) -> Content:
    """Each topic with the share of its cards expected to be recalled today."""
    head = (
        f"you would recall {percent(stats.mastery)} of {plural(stats.maturity.cards, 'card')} today"
    )
    return in_rows([Content(head), *(_topic(topic, width) for topic in stats.topics)], width)


def _topic(topic: TopicProgress, width: int) -> Content:
    bar = max(8, width // 6)
    tail = Content.assemble(
        render_bar(topic.mastery, bar),
        f"{100 * topic.mastery:4.0f} %",
        (f"{f'{topic.cards - topic.unseen}/{topic.cards}':>9} met", MUTED),
    )
    title = Content.assemble((f"{topic.number:<4} ", MUTED), clean(topic.title))
    room = max(10, width - tail.cell_length - 2)
    return title.truncate(room, ellipsis=True, pad=True) + Content("  ") + tail


def in_rows(rows: list[Content], width: int) -> Content:
    """One below the other, each cut to the width."""
    return Content("\n").join(row.truncate(width, ellipsis=True) for row in rows)
