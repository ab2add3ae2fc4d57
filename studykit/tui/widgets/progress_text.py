"""What the progress screen tells, panel by panel, each laid out to a width."""

from __future__ import annotations

from textual.content import Content

from studykit.progress.markdown import shorten
from studykit.progress.stats import ENOUGH, HardCard, Retention, TopicProgress
from studykit.study.learner_stats import LabRecord, ProgressStats
from studykit.study.words import short_day
from studykit.text import clean, percent, plural
from studykit.tui.widgets.gauges import render_bar, render_columns, render_interval, render_scale
from studykit.tui.widgets.rows import Row

MUTED = "$text-muted"
LOWEST_RETENTION = 0.5
"""The left end of the line of retention; what is lower stands at it."""
_FORECAST_ROWS = 4
LONGEST_QUESTION = 80
"""Characters of a question that a list shows."""


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


def render_retention_panel(stats: ProgressStats, width: int) -> Content:
    """True retention of each period against the desired one."""
    wanted = stats.desired_retention
    line = max(12, min(40, width - 32))
    rows = [Content(" " * 9) + render_scale(LOWEST_RETENTION, line)]
    for days, seen in stats.periods:
        label = Content.styled(f"{_period(days):<9}", MUTED)
        share = render_share(seen)
        if share is None:
            few = f"too few to judge ({plural(seen.n, 'review')})"
            rows.append(label + Content.styled(few, MUTED))
            continue
        track = render_interval(seen, wanted, LOWEST_RETENTION, line)
        rows.append(Content.assemble(label, track, "  ", share))
    rows.append(Content(""))
    month = dict(stats.periods).get(30)
    if month is not None and month.n >= ENOUGH:
        said = [verdict(month, wanted), *_graded(month)]
        rows.append(Content("in 30 days ") + Content(" · ").join(said))
    legend = f"┊ wanted {100 * wanted:.0f} %   ├●┤ seen (95 % interval)"
    rows.append(Content.styled(legend, MUTED))
    return _lines(rows, width)


def _period(days: int) -> str:
    return "1 year" if days == 365 else f"{days} days"


def render_forecast_panel(stats: ProgressStats, width: int) -> Content:
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
    return _lines(rows, width)


def render_mastery_panel(stats: ProgressStats, width: int) -> Content:
    """Each topic with the share of its cards expected to be recalled today."""
    return _lines([_topic(topic, width) for topic in stats.topics], width)


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


def render_calibration_panel(stats: ProgressStats, width: int) -> Content:
    """How often the answers were right that were given with each confidence."""
    if not stats.calibration:
        return Content.styled("no answers with a confidence yet", MUTED)
    line = max(12, min(36, width - 38))
    rows = [Content.styled("said".rjust(6) + "   ", MUTED) + render_scale(0.0, line)]
    for sure in stats.calibration:
        seen = sure.outcome
        label = f"{sure.stated:4.0f} %   "
        if seen.n < ENOUGH or seen.share is None:
            few = f"{seen.remembered} of {seen.n} right: too few to judge"
            rows.append(Content(label) + Content.styled(few, MUTED))
            continue
        track = render_interval(seen, sure.stated / 100, 0.0, line)
        told = (f"  right {100 * seen.share:3.0f} %", "bold")
        rows.append(Content.assemble(label, track, told, (f" of {seen.n}", MUTED)))
    rows.append(Content(""))
    rows.append(Content.styled("┊ as often as you said   ├●┤ right (95 % interval)", MUTED))
    return _lines(rows, width)


def hard_row(card: HardCard) -> Row:
    """A card that was forgotten, as an entry of a list."""
    question = shorten(clean(card.question), LONGEST_QUESTION)
    leech = "leech  " if card.is_leech else ""
    return Row(
        f"{card.lapses:2}×",
        Content.assemble((f"{card.topic_number}  ", MUTED), (leech, "$text-warning"), question),
    )


def lab_row(record: LabRecord) -> Row:
    """A lab with what the learner did, as an entry of a list."""
    said, mark = "not run yet", "–"
    if record.n_runs:
        said, mark = f"{plural(record.n_runs, 'run')}, nothing predicted", "●"
    if record.n_judged:
        said = f"{record.n_right} of {plural(record.n_judged, 'prediction')} right"
        mark = "✓" if record.is_latest_right else "✗"
    return Row(mark, Content.assemble(clean(record.header.question), (f"\n{said}", MUTED)))


def _lines(rows: list[Content], width: int) -> Content:
    return Content("\n").join(row.truncate(width, ellipsis=True) for row in rows)
