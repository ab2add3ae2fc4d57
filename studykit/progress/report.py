"""The numbers of a period written down: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from studykit.course.designs import DESIGN
from studykit.lab.differences import describe_mean, describe_verdict, difference_document
from studykit.lab.protocol import encode
from studykit.lab.results import Prediction
from studykit.progress.markdown import duration, escape, shorten, table
from studykit.progress.report_data import PeriodStats, RunSummary, count_runs
from studykit.progress.stats import ENOUGH, Retention, Tally
from studykit.text import clean, percent, plural

FORMAT = 1
"""Of the JSON report; a key may be added to it, none removed or given another meaning."""

N_DAYS = 14
"""Study days that the Markdown report lists one by one."""

N_RUNS = 20
"""Runs of labs that it describes."""

LONGEST_QUESTION = 80
"""Characters of a question that it prints."""


def render_json(stats: PeriodStats) -> str:
    """The report as JSON.

    ``course`` {id, title}, ``since``, ``today``, ``streak_days``;
    ``total`` {reviews, cards, new, again, seconds, judged, right, elsewhere};
    ``retention`` {n, remembered, share, low, high}, the last three null without a review;
    ``days`` [{day, reviews, new, again, seconds}];
    ``topics`` [{deck, number, title, cards, unseen, learning, known, mastery, reviews, new, again,
    seconds}], the last four of the period;
    ``forecast`` {overdue, next_7_days, next_30_days, days: [{day, due}]};
    ``labs`` {predictions, judged, right, runs: [{lab, title, at, day, status, device, machine,
    seconds, knobs, changed_knobs, verdicts, outdated, card, prediction, question, differences}]},
    where a prediction is null or {text, claim, value, confidence, correct}, and the last two are
    those of `design_document`;
    ``hardest`` [{card, topic, question, lapses, reviews, leech}];
    ``practice`` {answers, pretests: [{topic, title, day, judged, right, judged_since,
    right_since}]}.
    """
    predictions = _predictions(stats)
    document = {
        "format": FORMAT,
        "course": {"id": stats.course_id, "title": stats.course_title},
        "since": stats.since,
        "today": stats.today,
        "streak_days": stats.streak_days,
        "total": asdict(stats.total)
        | {
            "cards": stats.cards,
            "judged": stats.judged,
            "right": stats.right,
            "elsewhere": stats.elsewhere,
        },
        "retention": asdict(stats.retention) | {"share": stats.retention.share},
        "days": [{"day": day} | asdict(tally) for day, tally in stats.days],
        "topics": [
            {
                "deck": topic.deck_id,
                "number": topic.number,
                "title": topic.title,
                "cards": topic.cards,
                "unseen": topic.unseen,
                "learning": topic.learning,
                "known": topic.known,
                "mastery": topic.mastery,
            }
            | asdict(topic.studied)
            for topic in stats.topics
        ],
        "forecast": {
            "overdue": stats.overdue,
            "next_7_days": _due_within(stats, 7),
            "next_30_days": _due_within(stats, 30),
            "days": [{"day": day, "due": due} for day, due in stats.forecast],
        },
        "labs": {
            "predictions": len(predictions),
            "judged": sum(item.correct is not None for item in predictions),
            "right": sum(item.correct is True for item in predictions),
            "runs": [_run_document(run) for run in stats.runs],
        },
        "hardest": [
            {
                "card": card.card_id,
                "topic": card.topic_number,
                "question": card.question,
                "lapses": card.lapses,
                "reviews": card.reviews,
                "leech": card.is_leech,
            }
            for card in stats.hardest
        ],
        "practice": {
            "answers": stats.practised,
            "pretests": [
                {
                    "topic": score.topic_number,
                    "title": score.title,
                    "day": score.day,
                    "judged": score.judged,
                    "right": score.right,
                    "judged_since": score.judged_since,
                    "right_since": score.right_since,
                }
                for score in stats.pretests
            ],
        },
    }
    return json.dumps(_plain(document), ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def render_markdown(stats: PeriodStats) -> str:
    """The report as Markdown whose tables are aligned when read as plain text, too."""
    blocks = [
        f"# Study report: {escape(stats.course_title)}",
        _period(stats),
        *_section("Retention", [_retention(stats.retention)]),
        *_section("Topics", _topics(stats)),
        *_section("Days", _days(stats)),
        *_section("Forecast", _forecast(stats)),
        *_section("Labs", _labs(stats)),
        *_section("Hardest cards", _hardest(stats)),
        *_section("Practice", _practice(stats)),
    ]
    return "\n\n".join(blocks) + "\n"


def _section(title: str, blocks: Sequence[str]) -> list[str]:
    return [f"## {title}", *blocks] if blocks else []


def _period(stats: PeriodStats) -> str:
    total = stats.total
    n_days = max(0, (stats.today - stats.since).days + 1)
    lines = [
        f"{stats.since} to {stats.today}, {plural(n_days, 'day')}.",
        "",
        f"- {plural(total.reviews, 'review')} of {plural(stats.cards, 'card')}"
        f" in {duration(total.seconds)}: {total.new} new, {total.again} rated Again",
    ]
    if stats.judged:
        share = percent(stats.right / stats.judged)
        lines.append(f"- {stats.right} of {plural(stats.judged, 'judged answer')} right ({share})")
    if stats.elsewhere:
        n = plural(stats.elsewhere, "review")
        lines.append(f"- {n} of cards that this course does not have")
    lines.append(f"- {plural(stats.streak_days, 'day')} in a row with a review")
    return "\n".join(lines)


def _retention(retention: Retention) -> str:
    if retention.share is None or retention.low is None or retention.high is None:
        return "No known card came up for review."
    seen = (
        f"{retention.remembered} of {plural(retention.n, 'review')} of known cards"
        " were remembered (not rated Again)"
    )
    graded = f" {said}." if (said := describe_graded(retention)) else ""
    if retention.n < ENOUGH:
        return f"{seen}: too few to judge.{graded}"
    interval = f"{100 * retention.low:.0f} to {percent(retention.high)}"
    return f"{seen}: **{percent(retention.share)}**, 95 % interval {interval}.{graded}"


def describe_graded(retention: Retention) -> str:
    """How many of the answers were right by their grade, beside what they were rated."""
    if not retention.graded:
        return ""
    share = percent(retention.right / retention.graded)
    said = f"Graded right: {retention.right} of {plural(retention.graded, 'answer')} ({share})"
    return f"{said}; wrong answers were rated as known" if retention.is_flattering else said


def _topics(stats: PeriodStats) -> list[str]:
    if not stats.topics:
        return ["The course has no cards."]
    rows = [
        (
            f"{topic.number} {escape(topic.title)}",
            *map(str, (topic.cards, topic.unseen, topic.learning, topic.known)),
            percent(topic.mastery),
            str(topic.studied.reviews),
            str(topic.studied.again),
        )
        for topic in stats.topics
    ]
    header = ("Topic", "Cards", "Unseen", "Learning", "Known", "Mastery", "Reviews", "Again")
    return [
        table(header, rows),
        "Mastery: the share of a topic's cards that you would be expected to recall today; cards"
        " not yet out of their learning steps count as not recalled. Reviews and Again: of the"
        " period.",
    ]


def _days(stats: PeriodStats) -> list[str]:
    if not stats.days:
        return ["No reviews in this period."]
    earlier, listed = stats.days[:-N_DAYS], stats.days[-N_DAYS:]
    rows = [_day_row(str(day), [tally]) for day, tally in listed]
    if earlier:
        label = f"{plural(len(earlier), 'earlier day')}"
        rows.insert(0, _day_row(label, [tally for _, tally in earlier]))
    return [table(("Day", "Reviews", "New", "Again", "Time"), rows)]


def _day_row(label: str, tallies: Sequence[Tally]) -> tuple[str, ...]:
    return (
        label,
        str(sum(tally.reviews for tally in tallies)),
        str(sum(tally.new for tally in tallies)),
        str(sum(tally.again for tally in tallies)),
        duration(sum(tally.seconds for tally in tallies)),
    )


def _forecast(stats: PeriodStats) -> list[str]:
    today = stats.forecast[0][1]
    overdue = f" ({stats.overdue} of them overdue)" if stats.overdue else ""
    rows = [(str(day), str(due)) for day, due in stats.forecast[:7]]
    return [
        f"Due today: {today}{overdue}; within 7 days: {_due_within(stats, 7)}; within 30 days:"
        f" {_due_within(stats, 30)}. Not counted: new cards, and cards that come again.",
        table(("Day", "Due"), rows),
    ]


def _labs(stats: PeriodStats) -> list[str]:
    if not stats.runs:
        return ["No lab was run in this period."]
    predictions = _predictions(stats)
    judged = [item.correct for item in predictions if item.correct is not None]
    text = f"{count_runs(stats.runs)}, {plural(len(predictions), 'prediction')}"
    blocks = [f"{text}, {sum(judged)} of {len(judged)} judged right." if judged else f"{text}."]
    if len(stats.runs) > N_RUNS:
        blocks.append(f"The last {N_RUNS}:")
    for run in stats.runs[-N_RUNS:]:
        blocks += [f"### {escape(run.lab)}, {run.at:%Y-%m-%d %H:%M}", _run(run)]
    return blocks


def _run(run: RunSummary) -> str:
    told = {k: v for k, v in run.changed_knobs.items() if not (run.question and k in DESIGN)}
    knobs = ", ".join(f"{escape(k)} = {escape(str(v))}" for k, v in told.items())
    lines = [
        f"- {escape(run.title)}" if run.title else "- a lab that this course does not have",
        f"- {run.status} on {escape(run.device)} ({escape(run.machine)}) after"
        f" {duration(run.seconds)}, {knobs or 'default knobs'}"
        + (f", {run.budget:g} × the training" if run.budget != 1 else ""),
    ]
    if run.question:
        lines.append(f"- what if, {escape(run.question)}")
    if run.is_outdated and run.title:
        lines.append("- the lab has been changed since")
    if (prediction := run.prediction) is not None:
        sure = "" if prediction.confidence is None else f" ({prediction.confidence} % sure)"
        outcome = {True: "right", False: "wrong", None: "not judged"}[prediction.correct]
        lines.append(f"- predicted “{escape(prediction.text)}”{sure}: **{outcome}**")
    lines += [
        f"- {escape(row.label)}: **{describe_mean(row)}**; {describe_verdict(row)}"
        for row in run.differences
    ]
    lines += [
        f"- {verdict}: {escape(run.claims.get(claim, claim))}"
        for claim, verdict in run.verdicts.items()
    ]
    return "\n".join(lines)


def _hardest(stats: PeriodStats) -> list[str]:
    rows = [
        (
            escape(card.card_id),
            card.topic_number,
            f"{card.lapses}, leech" if card.is_leech else str(card.lapses),
            str(card.reviews),
            escape(shorten(card.question, LONGEST_QUESTION)),
        )
        for card in stats.hardest
    ]
    return [table(("Card", "Topic", "Lapses", "Reviews", "Question"), rows)] if rows else []


def _practice(stats: PeriodStats) -> list[str]:
    if not stats.practised:
        return []
    blocks = [
        f"{plural(stats.practised, 'answer')} beside the schedule; nothing above counts them."
    ]
    rows = [
        (
            f"{score.topic_number} {escape(score.title)}",
            str(score.day),
            f"{score.right} of {score.judged}",
            f"{score.right_since} of {score.judged_since}",
        )
        for score in stats.pretests
    ]
    if rows:
        blocks.append(table(("Topic", "Pretest", "Right then", "Right now"), rows))
        blocks.append("Right now: the last judged reviews of the same cards.")
    return blocks


def _run_document(run: RunSummary) -> dict[str, Any]:
    return {
        "lab": run.lab,
        "title": run.title,
        "at": run.at.isoformat(),
        "day": run.day,
        "status": run.status,
        "device": run.device,
        "machine": run.machine,
        "seconds": run.seconds,
        "knobs": run.knobs,
        "changed_knobs": run.changed_knobs,
        "budget": run.budget,
        "verdicts": run.verdicts,
        "outdated": run.is_outdated,
        "card": run.card_id,
        "prediction": None if run.prediction is None else asdict(run.prediction),
        "question": run.question,
        "differences": [difference_document(row) for row in run.differences],
    }


def _plain(value: Any) -> Any:
    """`value` as strict JSON has it: safe text, ISO days, NaN and infinity as in a stored run."""
    if isinstance(value, Mapping):
        return {clean(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, date):
        return value.isoformat()
    return encode(value)


def _predictions(stats: PeriodStats) -> list[Prediction]:
    return [run.prediction for run in stats.runs if run.prediction is not None]


def _due_within(stats: PeriodStats, n_days: int) -> int:
    return sum(due for _, due in stats.forecast[:n_days])
