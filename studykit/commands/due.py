"""``studykit due``: what there is to study today, for a prompt or a script."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studykit.commands.environment import environment
from studykit.commands.terminal import say, say_json, say_table
from studykit.text import plural

if TYPE_CHECKING:
    from studykit.review.study_queue import Counts
    from studykit.study.backlog import Backlog
    from studykit.study.exams import Exam


def due(
    ctx: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")] = False,
) -> None:
    """Count the cards to study today, by deck."""
    from studykit.review.study_queue import Counts, next_due
    from studykit.study.backlog import describe_backlog, read_backlog
    from studykit.study.day import read_day
    from studykit.study.exams import describe_exam, exams_ahead
    from studykit.study.words import held_back

    env = environment(ctx)
    with env.existing_store() as store:
        day = read_day(env.services, store)
    backlog = read_backlog(day, env.services)
    new_per_day = env.settings.review.new_per_day
    exams = exams_ahead(
        env.contents,
        day.memories,
        env.services.plan,
        new_per_day,
        day.day,
        day.marks.suspended,
    )
    now = env.clock.now()
    counts = [(deck, day.decks.get(deck.id, Counts())) for deck in env.contents.decks]
    total = day.queue.counts
    waiting = {
        card_id: memory
        for card_id, memory in day.asked.items()
        if memory.due_at is None or memory.due_at > now  # else it is counted above
    }
    upcoming = next_due(waiting, day.day)
    if json:
        say_json(
            {
                "format": 1,
                "day": day.day.isoformat(),
                "decks": [
                    {"deck": deck.id, "title": deck.title, **_document(each)}
                    for deck, each in counts
                ],
                "total": _document(total),
                "held_back": {
                    "siblings": len(day.queue.siblings),
                    "beyond_limit": len(day.queue.beyond),
                },
                "backlog": None if backlog is None else _backlog_document(backlog),
                "exams": [_exam_document(exam) for exam in exams],
                "next": None if upcoming is None else _next_document(*upcoming),
            }
        )
        return
    rows = [_row(deck.title, each) for deck, each in counts]
    header = ["deck", "new", "learning", "review", "total"]
    say_table(header, [*rows, _row("all", total)], numbers=4)
    if held := held_back(len(day.queue.siblings), describe_backlog(backlog, day.day)):
        say(held)
    for exam in exams:
        say(f"exam: {describe_exam(exam, day.day)}")
    if upcoming is not None:
        when, n_cards = upcoming
        say(f"next: {plural(n_cards, 'card')} {_when(when, now)}")


def _row(title: str, counts: Counts) -> list[str]:
    return [title, *map(str, (counts.new, counts.learning, counts.review, counts.total))]


def _when(when: date | datetime, now: datetime) -> str:
    if isinstance(when, datetime):
        return f"at {when.astimezone(now.tzinfo):%H:%M}"
    return f"on {when:%A %d %B}"


def _document(counts: Counts) -> dict[str, int]:
    return {
        "new": counts.new,
        "learning": counts.learning,
        "review": counts.review,
        "total": counts.total,
    }


def _backlog_document(backlog: Backlog) -> dict[str, Any]:
    resumes = backlog.resumes
    return {
        "per_day": backlog.per_day,
        "days": backlog.days,
        "new_cards_wait": backlog.pauses_new,
        "resumes": None if resumes is None else resumes.isoformat(),
    }


def _exam_document(exam: Exam) -> dict[str, Any]:
    return {
        "name": exam.name,
        "on": exam.day.isoformat(),
        "cards": exam.n_cards,
        "unseen": exam.n_unseen,
        "new_per_day_needed": exam.new_needed,
        "met": exam.n_met,
    }


def _next_document(when: date | datetime, n_cards: int) -> dict[str, Any]:
    return {"at": when.isoformat(), "cards": n_cards}
