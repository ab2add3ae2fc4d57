"""The plan's lines, and what it leads to, as text."""

from __future__ import annotations

from datetime import date

from textual.content import Content

from studykit.study.exams import describe_exam, describe_readiness
from studykit.study.plan_outlook import PlanOutlook
from studykit.study.planning import PlanLine
from studykit.study.workload import Outlook
from studykit.text import clean, percent, plural
from studykit.tui.widgets.card_text import wrap
from studykit.tui.widgets.gauges import render_bar
from studykit.tui.widgets.rows import Row

HEAD = "bold $text-accent"
MUTED = "$text-muted"
_LABEL = 18
"""Columns of what a line sets."""
_NUMBERS = 30
"""Columns of a retention's numbers; the bar has the rest."""
_HEADER = "wanted   min a day  remembered"
_SHORT_HEADER = "wanted  min kept"
"""Where a small terminal has no room for the long one; `?` says what the numbers are."""
_NARROWEST_BAR = 6


def plan_row(line: PlanLine) -> Row:
    """A line of the list."""
    label = Content(clean(line.label)).truncate(_LABEL, ellipsis=True)
    value = Content.styled(clean(line.value), "bold $text-accent" if line.is_own else "")
    return Row("", value, before=label.pad_right(_LABEL + 2 - label.cell_length))


def render_outlook(outlook: PlanOutlook, today: date, width: int) -> Content:
    """The year at each desired retention, and the exams."""
    cards = plural(outlook.new_per_day, "new card")
    rows = [
        Content.assemble(("A YEAR AHEAD", HEAD), (f"  with {cards} a day", MUTED)),
        Content.styled(_HEADER if width >= _NUMBERS else _SHORT_HEADER, MUTED),
    ]
    closest = min(outlook.outlooks, key=lambda o: abs(o.retention - outlook.desired_retention))
    most = max(each.minutes_a_day for each in outlook.outlooks)
    rows += [_outlook_row(each, most, width, is_set=each is closest) for each in outlook.outlooks]
    about = (
        f"Means of a year in which each card is answered when it is due; {outlook.n_cards:,} "
        f"cards, on average {percent(outlook.desired_retention)} wanted."
    )
    rows += [line.stylize(MUTED) for line in wrap(Content(about), width)]
    if outlook.exams:
        rows += [Content(""), Content.styled("EXAMS", HEAD)]
    for exam, ready in outlook.exams:
        is_late = exam.new_needed > exam.new_planned
        head = Content(clean(describe_exam(exam, today)))
        rows += wrap(head.stylize("$text-warning") if is_late else head, width)
        told = Content(f"  {describe_readiness(exam, ready)}")
        rows += [line.stylize(MUTED) for line in wrap(told, width)]
    return Content("\n").join(rows)


def _outlook_row(each: Outlook, most: float, width: int, *, is_set: bool) -> Content:
    mark = "▸" if is_set else " "
    spent = f"{each.minutes_a_day:.{1 if most < 20 else 0}f}"
    wanted = f"{mark}{100 * each.retention:3.0f} %"
    if width < _NUMBERS:
        n = each.remembered
        kept = f"{n:.0f}" if n < 10_000 else f"{n / 1000:.0f}k"
        return Content.styled(f"{wanted}{spent:>5}{kept:>5}", "bold" if is_set else "")
    numbers = f"{wanted}  {spent:>9}  {each.remembered:10,.0f} "
    row = Content.styled(f"{numbers:<{_NUMBERS}}", "bold" if is_set else "")
    room = min(24, width - _NUMBERS)
    if room >= _NARROWEST_BAR:
        row += render_bar(each.minutes_a_day / most if most else 0.0, room, "$rule")
    return row
