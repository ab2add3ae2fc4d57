"""The numbers of a period as one HTML page with no script, font or picture from outside.

It reads on a phone and prints; whatever the course or a lab says is text in it, never markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from studykit.course.designs import DESIGN
from studykit.lab.differences import describe_mean, describe_verdict
from studykit.lab.results import VERDICT_MARKS, Prediction
from studykit.progress.charts import (
    calendar_chart,
    calibration_chart,
    forecast_chart,
    retention_chart,
    share_bar,
    text_of,
)
from studykit.progress.markdown import duration, shorten
from studykit.progress.report import describe_graded
from studykit.progress.report_data import PeriodStats, RunSummary, Trends, count_runs
from studykit.progress.stats import CALENDAR_WEEKS, ENOUGH, Retention, TopicProgress
from studykit.text import percent, plural

N_RUNS = 40
"""Runs of labs that the page describes, the latest."""

_LONGEST_QUESTION = 160

# The last resort: were anything in the page markup after all, it could neither run nor load.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render_html(stats: PeriodStats, trends: Trends) -> str:
    """The page."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    title = f"Study report: {text_of(stats.course_title)}"
    n_days = (stats.today - stats.since).days + 1
    period = f"{stats.since} to {stats.today}, {plural(max(0, n_days), 'day')}"
    main = "\n".join(
        [
            _calendar(trends),
            _retention(stats, trends),
            _forecast(stats),
            _calibration(trends),
            _topics(stats.topics),
            _labs(stats.runs),
            *_hardest(stats),
            *_practice(stats),
            _days(stats),
        ]
    )
    head = f'<h1>{title}</h1>\n<p class="muted">{period}</p>\n{_figures(stats, trends)}'
    body = f"<header>\n{head}\n</header>\n<main>\n{main}\n</main>"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body.replace(" %", "&nbsp;%")}
</body>
</html>
"""


def _section(title: str, *blocks: str, name: str = "") -> str:
    own = f' class="{name}"' if name else ""
    return f"<section{own}>\n<h2>{title}</h2>\n" + "\n".join(blocks) + "\n</section>"


def _figure(chart: str, caption: str) -> str:
    return f"<figure>{chart}<figcaption>{caption}</figcaption></figure>"


def _figures(stats: PeriodStats, trends: Trends) -> str:
    """The numbers at the head of the page."""
    total = stats.total
    right = f"{percent(stats.right / stats.judged)} right" if stats.judged else "none judged"
    figures = [
        ("Reviews", total.reviews, f"{plural(stats.cards, 'card')}, {total.new} new"),
        ("Time", duration(total.seconds), f"{plural(len(stats.days), 'day')} with a review"),
        ("Judged answers", stats.judged, right),
        ("True retention", *_retained(stats.retention, trends.desired_retention)),
        ("Due today", stats.forecast[0][1], f"{stats.overdue} overdue"),
        ("In a row", plural(stats.streak_days, "day"), "with a review"),
    ]
    rows = (f"<div><dt>{a}</dt><dd>{b}<small>{c}</small></dd></div>" for a, b, c in figures)
    return f"<dl>{''.join(rows)}</dl>"


def _retained(seen: Retention, desired: float) -> tuple[str, str]:
    if seen.share is None or seen.n < ENOUGH:
        return "–", f"{plural(seen.n, 'review')} of known cards: too few to judge"
    return percent(seen.share), f"desired {percent(desired)}"


def _calendar(trends: Trends) -> str:
    studied = [n for _, n in trends.calendar if n]
    text = f"{len(studied)} of the last {len(trends.calendar)} days with a review"
    if studied:
        text += f"; {plural(round(sum(studied) / len(studied)), 'review')} on such a day"
    caption = (
        f"Reviews a day in the last {CALENDAR_WEEKS} weeks; the stronger the colour, the more."
    )
    return _section(
        "Calendar", f"<p>{text}.</p>", _figure(calendar_chart(trends.calendar), caption)
    )


def _retention(stats: PeriodStats, trends: Trends) -> str:
    seen = stats.retention
    if seen.low is None or seen.high is None or seen.share is None:
        return _section("True retention", "<p>No known card came up for review.</p>")
    text = f"{seen.remembered} of {plural(seen.n, 'review')} of known cards were remembered"
    if seen.n < ENOUGH:
        text += ": too few to judge"
    else:
        interval = f"{100 * seen.low:.0f} to {percent(seen.high)}"
        text += f": <strong>{percent(seen.share)}</strong>, 95 % interval {interval}"
    if graded := describe_graded(seen):
        text += f". {graded}"
    caption = (
        "By week, with its 95 % interval. Remembered: not rated Again. Dashed: the"
        f" {percent(trends.desired_retention)} that the schedule aims at."
    )
    chart = retention_chart(trends.weeks, trends.desired_retention)
    return _section("True retention", f"<p>{text}.</p>", _figure(chart, caption))


def _forecast(stats: PeriodStats) -> str:
    caption = (
        "Known cards by the day they are due; overdue ones are hatched. Not counted: new cards, and"
        " cards that come again."
    )
    chart = forecast_chart(stats.forecast, stats.overdue)
    week = sum(due for _, due in stats.forecast[:7])
    month = sum(due for _, due in stats.forecast)
    text = f"{week} due within 7 days, {month} within {len(stats.forecast)}."
    return _section("Forecast", f"<p>{text}</p>", _figure(chart, caption))


def _calibration(trends: Trends) -> str:
    outcomes = [each.outcome for each in trends.calibration]
    n = sum(outcome.n for outcome in outcomes)
    if not n:
        return _section("Calibration", "<p>No answer was given with a confidence.</p>")
    stated = sum(each.stated * each.outcome.n for each in trends.calibration) / n
    right = sum(outcome.remembered for outcome in outcomes) / n
    text = f"In {plural(n, 'answer')} you were {stated:.0f} % sure on average, and right in"
    caption = "Share of right answers over the confidence stated; on the dashed line both agree."
    return _section(
        "Calibration",
        f"<p>{text} {percent(right)}.</p>",
        _figure(calibration_chart(trends.calibration), caption),
    )


def _topics(topics: Sequence[TopicProgress]) -> str:
    if not topics:
        return _section("Mastery by topic", "<p>The course has no cards.</p>", name="wide")
    caption = (
        '<p class="muted">Mastery: the share of a topic\'s cards that you would be expected to'
        " recall today. In a bar, from the left: expected to be recalled, known but faded, in"
        " learning steps, not seen yet.</p>"
    )
    return _section("Mastery by topic", caption, *map(_topic, topics), name="wide long")


def _topic(topic: TopicProgress) -> str:
    words = (
        f"{plural(topic.cards, 'card')}: {topic.known} known, {topic.learning} learning,"
        f" {topic.unseen} not seen yet"
    )
    faded = max(0.0, topic.known / topic.cards - topic.mastery)
    parts = [
        ("known", topic.mastery),
        ("fading", faded),
        ("learning", topic.learning / topic.cards),
    ]
    bar = share_bar(parts, f"Mastery {percent(topic.mastery)}")
    studied = f"{plural(topic.studied.reviews, 'review')}, {topic.studied.again} again"
    return (
        f'<div class="topic"><div class="head"><h3>{text_of(topic.number)} {text_of(topic.title)}'
        f"</h3><span>{percent(topic.mastery)}</span></div>{bar}"
        f'<div class="muted">{words} · {studied}</div></div>'
    )


def _labs(runs: Sequence[RunSummary]) -> str:
    if not runs:
        return _section("Labs", "<p>No lab was run in this period.</p>", name="wide")
    predicted = [run.prediction for run in runs if run.prediction is not None]
    judged = [item.correct for item in predicted if item.correct is not None]
    text = f"{count_runs(runs)}, {plural(len(predicted), 'prediction')}"
    if judged:
        text += f", {sum(judged)} of {len(judged)} judged right"
    if len(runs) > N_RUNS:
        text += f"; the last {N_RUNS} runs"
    latest = [_run(run) for run in reversed(runs[-N_RUNS:])]
    return _section("Labs and predictions", f"<p>{text}.</p>", *latest, name="wide long")


def _run(run: RunSummary) -> str:
    told = {k: v for k, v in run.changed_knobs.items() if not (run.question and k in DESIGN)}
    knobs = ", ".join(f"{name} = {value}" for name, value in told.items())
    how = [
        f"{run.at:%Y-%m-%d %H:%M}",
        run.status,
        run.device,
        run.machine,
        duration(run.seconds),
        knobs or "default knobs",
    ]
    if run.budget != 1:
        how.append(f"{run.budget:g} × the training")
    if run.is_outdated and run.title:
        how.append("the lab has been changed since")
    verdicts = "".join(
        f'<li><span class="{verdict}">{VERDICT_MARKS[verdict]} {verdict}</span>'
        f"<span>{text_of(run.claims.get(claim, claim))}</span></li>"
        for claim, verdict in run.verdicts.items()
    )
    title = run.title or "a lab that this course does not have"
    return (
        f'<div class="run"><h3>{text_of(title)}</h3>'
        f'<div class="muted">{text_of(run.lab)} · {text_of(" · ".join(how))}</div>'
        f"{_differences(run)}{_prediction(run.prediction)}"
        + (f'<ul class="verdicts">{verdicts}</ul>' if verdicts else "")
        + "</div>"
    )


def _differences(run: RunSummary) -> str:
    """What was changed on a bench, and what that did."""
    rows = [
        f"{text_of(row.label)} <strong>{text_of(describe_mean(row))}</strong>;"
        f" {describe_verdict(row)}"
        for row in run.differences
    ]
    told = [f"What if, {text_of(run.question)}"] if run.question else []
    return "".join(f'<p class="said">{each}</p>' for each in [*told, *rows])


def _prediction(prediction: Prediction | None) -> str:
    if prediction is None:
        return ""
    sure = "" if prediction.confidence is None else f", {prediction.confidence} % sure"
    name, outcome = {
        True: ("right", "✓ right"),
        False: ("wrong", "✗ wrong"),
        None: ("undecided", "? not judged"),
    }[prediction.correct]
    said = f"Predicted “{text_of(prediction.text)}”{sure}"
    return f'<p class="said">{said}: <strong class="{name}">{outcome}</strong></p>'


def _hardest(stats: PeriodStats) -> list[str]:
    rows = [
        (
            card.topic_number,
            shorten(card.question, _LONGEST_QUESTION),
            f"{card.lapses}, leech" if card.is_leech else card.lapses,
            card.reviews,
        )
        for card in stats.hardest
    ]
    if not rows:
        return []
    head = ("Topic", "Question", "Lapses", "Reviews")
    return [_section("Hardest cards", _table(head, rows), name="wide long")]


def _practice(stats: PeriodStats) -> list[str]:
    if not stats.practised:
        return []
    told = f"{plural(stats.practised, 'answer')} beside the schedule; nothing else counts them."
    rows = [
        (
            f"{score.topic_number} {score.title}",
            score.day,
            score.right,
            score.judged,
            score.right_since,
            score.judged_since,
        )
        for score in stats.pretests
    ]
    if not rows:
        return [_section("Practice", f"<p>{told}</p>")]
    head = ("Topic", "Pretest", "Right then", "of", "Right now", "of")
    told += " Right now: the last judged reviews of the same cards."
    return [_section("Practice", f"<p>{told}</p>", _table(head, rows), name="wide")]


def _days(stats: PeriodStats) -> str:
    if not stats.days:
        return _section("Days", "<p>No reviews in this period.</p>", name="wide")
    rows = [
        (day, tally.reviews, tally.new, tally.again, duration(tally.seconds))
        for day, tally in reversed(stats.days)
    ]
    table = _table(("Day", "Reviews", "New", "Again", "Time"), rows)
    shown = f"<details><summary>{plural(len(rows), 'day')}</summary>{table}</details>"
    return _section("Days", shown, name="wide long")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Numbers, and what follows the first of them, are aligned to the right."""
    rows = list(rows)
    first_number = next(i for i, cell in enumerate(rows[0]) if isinstance(cell, int))
    names = ["" if i < first_number else ' class="n"' for i in range(len(head))]
    heads = "".join(f"<th{n}>{text_of(cell)}</th>" for cell, n in zip(head, names, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{n}>{text_of(c)}</td>' for c, n in zip(row, names, strict=True))}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
