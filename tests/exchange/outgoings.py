"""Small things to send out: cards of every state, a log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from studykit.exchange.outgoing import OutCard, Outgoing
from studykit.progress.log_rows import LogRow
from studykit.review.schedule import Memory, ScheduleSettings, State

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TODAY = NOW.date()


def make_card(
    id_: str = "a", question: str = "Why?", answer: str = "So.", **more: object
) -> OutCard:
    """A new card of the deck "Core" in the course "notes"."""
    card = OutCard(
        id=id_,
        course="notes",
        deck="Core",
        topic="Norms",
        path=("core", "norms"),
        kind="recall",
        question=question,
        answer=answer,
        explain="",
        source="",
        lab="",
        changed_at_s=1_795_000_000,
    )
    return replace(card, **more)  # type: ignore[arg-type]


def make_memory(state: State, *, days: int = 7, minutes: int = 10, ago: int = 3) -> Memory:
    """A memory of a review `ago` days before `NOW`, due `days` or `minutes` after it."""
    at = NOW - timedelta(days=ago)
    in_steps = state is not State.REVIEW
    return Memory(
        state=state,
        step=0 if in_steps else None,
        stability_days=12.5,
        difficulty=5.5,
        due_at=at + timedelta(minutes=minutes) if in_steps else None,
        due_day=(at + timedelta(minutes=minutes)).date()
        if in_steps
        else at.date() + timedelta(days=days),
        last_review_at=at,
        last_review_day=at.date(),
        reps=4,
        lapses=1,
    )


def make_row(card_id: str = "a", at_ms: int = 1_795_000_000_000, **more: object) -> LogRow:
    """A Good answer in Review that leads to an interval of a week."""
    day = datetime.fromtimestamp(at_ms / 1000, tz=UTC).date()
    row = LogRow(
        card_id=card_id,
        at_ms=at_ms,
        day=day.isoformat(),
        rating=3,
        taken_ms=8000,
        state_before=2,
        state=2,
        difficulty=5.5,
        due_day=(day + timedelta(days=7)).isoformat(),
        due_at_ms=None,
    )
    return row._replace(**more)  # type: ignore[arg-type]


def make_outgoing(cards: Sequence[OutCard], log: Iterable[LogRow] = ()) -> Outgoing:
    """The cards as a course "Notes", sent out at `NOW`."""
    rows = list(log)
    return Outgoing(
        title="Notes",
        n_cards=len(cards),
        cards=iter(cards),
        n_reviews=len(rows),
        log=lambda: iter(rows),
        now=NOW,
        today=TODAY,
        settings=ScheduleSettings(),
    )
