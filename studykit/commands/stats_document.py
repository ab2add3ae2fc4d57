"""What ``studykit stats --json`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studykit.text import clean

if TYPE_CHECKING:
    from studykit.progress.long_run import Pace, Stretch
    from studykit.progress.stats import Retention
    from studykit.study.statistics import Statistics


def statistics_document(told: Statistics) -> dict[str, Any]:
    """Every figure, as docs/json.md describes it; shares are from 0 to 1."""
    since, errors, stand, foresight = told.since, told.errors, told.maturity, told.foresight
    return {
        "format": 1,
        "today": told.today.isoformat(),
        "since": None if since is None else since.isoformat(),
        "desired_retention": round(told.desired_retention, 6),
        "retention": {
            "periods": [{"days": days, **_stretch(each)} for days, each in told.periods],
            "by_day": [_stretch(each) for each in told.retention_by("day", since)],
            "by_week": [_stretch(each) for each in told.retention_by("week", since)],
            "by_month": [_stretch(each) for each in told.retention_by("month", since)],
        },
        "predictions": {
            "expected": foresight.mean,
            "error": foresight.error,
            **_seen(foresight.seen),
            "bins": [
                {"from": each.low, "to": each.high, "expected": each.mean, **_seen(each.seen)}
                for each in foresight.bins
            ],
        },
        "confidence": [
            {"said": each.stated / 100, **_judged(each.outcome)} for each in told.calibration
        ],
        "confident_errors": {
            "cards": errors.cards,
            "mended": errors.mended,
            "list": [
                {
                    "card": each.card.id,
                    "topic": each.topic_number,
                    "question": clean(each.card.headline),
                    "errors": each.error.n,
                    "last": each.error.day.isoformat(),
                    "said": each.error.confidence / 100,
                    "right_since": each.error.right_since,
                }
                for each in told.mistakes
            ],
        },
        "time": {
            "answers": told.time.answers,
            "seconds": told.time.seconds,
            "cards": told.time.cards,
            "latest": _answers(told.time.latest),
            "by_state": [
                {"state": state.name.lower(), **_answers(each)}
                for state, each in told.time.by_state
            ],
            "by_kind": [{"kind": kind, **_answers(each)} for kind, each in told.time.by_kind],
            "days": [
                {
                    "day": day.isoformat(),
                    "answers": work.n,
                    "new": work.new,
                    "again": work.again,
                    "seconds": work.taken_ms / 1000,
                }
                for day, work in told.time.days
                if since is None or day >= since
            ],
        },
        "maturity": {
            "cards": stand.cards,
            "unseen": stand.unseen,
            "learning": stand.learning,
            "relearning": stand.relearning,
            "young": stand.young,
            "mature": stand.mature,
            "suspended": stand.suspended,
            "stability_days": stand.stability_days,
        },
        "mastery": {
            "all": told.mastery,
            "topics": [
                {
                    "deck": topic.deck_id,
                    "number": topic.number,
                    "title": clean(topic.title),
                    "cards": topic.cards,
                    "met": topic.cards - topic.unseen,
                    "mastery": topic.mastery,
                }
                for topic in told.topics
            ],
        },
        "labs": {
            "labs": len(told.labs),
            "run": told.n_labs_run,
            "predictions": _judged(told.predictions),
            "list": [
                {
                    "lab": record.header.id,
                    "runs": record.n_runs,
                    "judged": record.n_judged,
                    "right": record.n_right,
                }
                for record in told.labs
            ],
        },
    }


def _stretch(each: Stretch) -> dict[str, Any]:
    return {
        "begin": each.begin.isoformat(),
        **_seen(each.seen),
        "expected": each.expected,
        "graded": each.seen.graded,
        "right": each.seen.right,
    }


def _seen(seen: Retention) -> dict[str, Any]:
    return {"n": seen.n, "remembered": seen.remembered, **_interval(seen)}


def _judged(seen: Retention) -> dict[str, Any]:
    return {"n": seen.n, "right": seen.remembered, **_interval(seen)}


def _interval(seen: Retention) -> dict[str, float | None]:
    return {"share": seen.share, "low": seen.low, "high": seen.high}


def _answers(each: Pace) -> dict[str, Any]:
    return {"n": each.n, "median_seconds": each.seconds, "graded": each.graded, "right": each.right}
