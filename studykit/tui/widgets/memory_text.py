"""What is known of the memory of a card, in one line."""

from __future__ import annotations

from datetime import date, timedelta

from textual.content import Content

from studykit.review.schedule import Memory, Scheduler, State
from studykit.study.words import short_day
from studykit.text import plural

STATES = {
    State.NEW: "new",
    State.LEARNING: "learning",
    State.REVIEW: "review",
    State.RELEARNING: "relearning",
}


def render_due(memory: Memory, today: date) -> str:
    """``today``, ``tomorrow``, ``in 9 d``, ``2 d late``; empty for a card never reviewed."""
    if memory.due_day is None:
        return ""
    days = (memory.due_day - today).days
    if days < 0:
        return f"{-days} d late"
    if days == 0:
        return "today"
    return "tomorrow" if memory.due_day == today + timedelta(days=1) else f"in {days} d"


def render_memory(memory: Memory, scheduler: Scheduler, today: date) -> Content:
    """State, due day, probability of recall, what the model knows, answers and lapses."""
    if memory.state is State.NEW or memory.due_day is None:
        return Content.styled("new: never asked", "$text-muted")
    parts = [STATES[memory.state]]
    due = render_due(memory, today)
    parts.append(f"due {due} ({short_day(memory.due_day, today)})")
    parts.append(f"recall {100 * scheduler.retrievability(memory, today):.0f} %")
    if memory.stability_days is not None and memory.difficulty is not None:
        parts.append(f"stability {memory.stability_days:.1f} d")
        parts.append(f"difficulty {memory.difficulty:.1f}")
    parts.append(plural(memory.reps, "answer"))
    parts.append(plural(memory.lapses, "lapse"))
    return Content.styled(" · ".join(parts), "$text-muted")
