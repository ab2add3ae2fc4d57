"""The review log as CSV, one row a review, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from studykit.course.cards import Course
from studykit.progress.stats import states_before
from studykit.review.session import Review
from studykit.text import clean

COLUMNS = (
    *("at", "day", "card", "deck", "topic", "kind", "rating", "correct", "suggested", "given"),
    *("confidence", "seconds", "state_before", "state", "reps", "lapses", "stability_days"),
    *("difficulty", "due_day", "due_at", "scheduler", "parameters", "content_hash"),
)
"""In this order; described in docs/report.md. One may be added at the end, none removed."""

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠|%]")
_NUMBER = re.compile(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", re.IGNORECASE)


def render_csv(reviews: Iterable[Review], course: Course, since: date, today: date) -> str:
    """The reviews from `since` to `today` in the order of the answers, under a header.

    `reviews` is the whole log: the state of a card before a review is that after the last one.
    """
    reviews = list(reviews)
    topics = {
        card.id: (deck.id, topic.number)
        for deck in course.decks
        for topic in deck.topics
        for card in topic.cards
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for review, before in zip(reviews, states_before(reviews), strict=True):
        if not since <= review.day <= today:
            continue
        after = review.after
        cells = (
            review.at.isoformat(),
            review.day,
            guard(review.card_id),
            *map(guard, topics.get(review.card_id, ("", ""))),
            review.kind,
            int(review.rating),
            {True: "true", False: "false", None: ""}[review.correct],
            "" if review.suggested is None else int(review.suggested),
            guard(review.given),
            review.confidence,
            review.taken_ms / 1000,
            "" if before is None else before.name.lower(),
            after.state.name.lower(),
            after.reps,
            after.lapses,
            after.stability_days,
            after.difficulty,
            after.due_day,
            "" if after.due_at is None else after.due_at.isoformat(),
            guard(review.scheduler),
            guard(review.parameters_id),
            guard(review.content_hash),
        )
        writer.writerow(cells)
    return text.getvalue()


@lru_cache(maxsize=4096)  # a log says the same few things many times
def guard(text: str) -> str:
    """`text` on one line, which no spreadsheet takes for a formula; numbers stay numbers."""
    line = " ".join(clean(text).split())
    is_formula = _FORMULA.match(line) and not _NUMBER.fullmatch(line)
    return f"'{line}" if is_formula else line
