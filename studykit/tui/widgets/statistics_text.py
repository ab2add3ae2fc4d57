"""Calibration, time, maturity and lists of the progress screen, each laid out to a width."""

from __future__ import annotations

from datetime import date, timedelta

from textual.content import Content

from studykit.progress.long_run import MATURE_DAYS
from studykit.progress.markdown import duration, shorten
from studykit.progress.stats import ENOUGH, HardCard
from studykit.review.schedule import State
from studykit.study.statistics import LabRecord, Mistake, Statistics
from studykit.study.words import minutes, short_day
from studykit.text import clean, percent, plural
from studykit.tui.widgets.gauges import render_bar, render_columns, render_interval, render_scale
from studykit.tui.widgets.progress_text import MUTED, in_rows
from studykit.tui.widgets.rows import Row

LONGEST_QUESTION = 80
"""Characters of a question that a list shows."""
N_WEEKS = 26
"""Weeks whose time is drawn."""
_GUTTER = 10
"""Columns left of the weeks."""
_STATES = {
    State.NEW: "new",
    State.LEARNING: "learning",
    State.REVIEW: "known",
    State.RELEARNING: "relearning",
}


def render_prediction_panel(stats: Statistics, width: int) -> Content:
    """What the schedule expected, and what was remembered."""
    foresight = stats.foresight
    if foresight.mean is None or foresight.error is None or foresight.seen.share is None:
        return Content.styled("no review of a known card yet", MUTED)
    line = max(12, min(36, width - 34))
    bottom = 0.5 if all(each.low >= 0.5 for each in foresight.bins) else 0.0
    rows = [Content.styled(f"{'expected':<12}", MUTED) + render_scale(bottom, line)]
    for each in foresight.bins:
        label = f"{f'{100 * each.low:.0f}–{percent(each.high)}':<12}"
        if each.seen.n < ENOUGH or each.seen.share is None:
            few = f"{each.seen.remembered} of {each.seen.n}: too few to judge"
            rows.append(Content(label) + Content.styled(few, MUTED))
            continue
        told = (f"  {100 * each.seen.share:3.0f} %", "bold")
        track = render_interval(each.seen, each.mean, bottom, line)
        rows.append(Content.assemble(label, track, told, (f" of {each.seen.n}", MUTED)))
    rows += [
        Content(""),
        Content(
            f"expected {percent(foresight.mean)}, remembered {percent(foresight.seen.share)} · "
            f"error {100 * foresight.error:.1f} points"
        ),
        Content.styled("┊ as expected   ├●┤ remembered (95 % interval)", MUTED),
    ]
    return in_rows(rows, width)


def render_confidence_panel(stats: Statistics, width: int) -> Content:
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
    return in_rows(rows, width)


def render_maturity_panel(stats: Statistics, width: int) -> Content:
    """The course's cards by how far they have come."""
    stand = stats.maturity
    classes = [
        ("unseen", stand.unseen),
        ("learning", stand.learning),
        ("relearning", stand.relearning),
        ("young", stand.young),
        ("mature", stand.mature),
    ]
    bar = max(8, min(40, width - 30))
    rows = [
        Content.assemble(
            (f"{name:<12}", MUTED),
            render_bar(n / max(1, stand.cards), bar),
            f"{n:>7}",
            (f"{percent(n / max(1, stand.cards)):>7}", MUTED),
        )
        for name, n in classes
    ]
    rows.append(Content(""))
    if stand.stability_days is not None:
        rows.append(Content(f"median stability {stand.stability_days:.0f} days"))
    if stand.suspended:
        rows.append(Content(f"{plural(stand.suspended, 'card')} of these suspended"))
    rows.append(Content.styled(f"mature: interval of {MATURE_DAYS} days or more", MUTED))
    return in_rows(rows, width)


def render_time_panel(stats: Statistics, width: int) -> Content:
    """What studying takes: by the week, by the day, by the card, by the answer."""
    time = stats.time
    a_card = time.seconds_a_card()
    if not time.days or a_card is None:
        return Content.styled("nothing answered yet", MUTED)
    weeks = time.weeks(stats.today, N_WEEKS)
    most = max(seconds for _, seconds in weeks)
    thick = max(1, min(3, (width - _GUTTER) // N_WEEKS))
    rows = [
        Content.assemble(
            (f"{duration(most) if place == 0 else '':>7} ", MUTED), (row, "$text-primary")
        )
        for place, row in enumerate(
            render_columns([round(seconds) for _, seconds in weeks], 3, thick)
        )
    ]
    first, last = short_day(weeks[0][0], stats.today), "this week"
    room = thick * N_WEEKS - len(first) - len(last)
    rows.append(Content.styled(" " * _GUTTER + first + " " * max(1, room) + last, MUTED))
    month = [work for day, work in time.days if day > stats.today - timedelta(days=30)]
    if month:
        a_day = timedelta(milliseconds=sum(work.taken_ms for work in month) / len(month))
        said = f"{minutes(a_day)} on {plural(len(month), 'day')} of the last 30"
        rows.append(_fact("a day", said))
    rows += [
        _fact("a card", f"{duration(a_card)} and {time.answers / time.cards:.1f} answers so far"),
        _fact("in all", f"{duration(time.seconds)}, {plural(time.answers, 'answer')}"),
        _fact("an answer", duration(time.latest.seconds)),
    ]
    rows += [
        _fact(f"  {_STATES[state]}", duration(answers.seconds)) for state, answers in time.by_state
    ]
    return in_rows(rows, width)


def render_kinds_panel(stats: Statistics, width: int) -> Content:
    """The latest answers by kind of card: how many were right, how long one takes."""
    kinds = stats.time.by_kind
    if not kinds:
        return Content.styled("nothing answered yet", MUTED)
    rows = [Content.styled(f"{'':<12}{'answers':>9}{'right':>8}{'time':>9}", MUTED)]
    for kind, answers in kinds:
        right = percent(answers.right / answers.graded) if answers.graded else "–"
        told = f"{clean(kind):<12}{answers.n:>9}{right:>8}{duration(answers.seconds):>9}"
        rows.append(Content(told))
    rows += [
        Content(""),
        Content.styled(f"of the latest {plural(stats.time.latest.n, 'answer')}", MUTED),
    ]
    return in_rows(rows, width)


def _fact(name: str, said: str) -> Content:
    return Content.assemble((f"{name:<14}", MUTED), said)


def mistake_row(mistake: Mistake, today: date) -> Row:
    """A card that was answered wrongly though the learner was sure, as an entry of a list."""
    error = mistake.error
    since = {
        True: "right since",
        False: "wrong again since",
        None: "not asked since",
    }[error.right_since]
    times = f"{error.n}×, last " if error.n > 1 else ""
    said = f"{times}{error.confidence} % sure on {short_day(error.day, today)} · {since}"
    question = shorten(clean(mistake.card.headline), LONGEST_QUESTION)
    style = "$text-success" if error.is_mended else "$text-warning"
    return Row(
        "✓" if error.is_mended else "!",
        Content.assemble((f"{mistake.topic_number}  ", MUTED), question, (f"\n{said}", style)),
    )


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
