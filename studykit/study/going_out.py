"""A course and its learner's progress as what leaves for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from studykit.course.cards import Card, Choice, Cloze
from studykit.exchange.circumstances import Tell
from studykit.exchange.outgoing import OutCard, Outgoing
from studykit.review.grading import EXAMPLE, Shown, grade, present
from studykit.review.marks import Mark, Marks
from studykit.review.schedule import NEW_MEMORY, Memory

if TYPE_CHECKING:
    from studykit.progress.store import Store
    from studykit.study.services import Services


MARKS: tuple[Mark, ...] = get_args(Mark)


def outgoing(services: Services, store: Store | None, tell: Tell) -> Outgoing:
    """All cards of the course with what `store` knows of them; before the first answer, nothing.

    A prediction's answer is what the card's evidence shows, an exercise goes out with one draw.
    """
    today = services.today
    if store is not None:
        services.use_weights(store)
    memories = {} if store is None else store.memories()
    marks = Marks() if store is None else store.marks(today)
    return Outgoing(
        title=services.course.title,
        n_cards=len(services.cards),
        cards=_cards(services, memories, marks),
        n_reviews=0 if store is None else store.n_reviews(),
        log=(lambda: iter(())) if store is None else store.log_rows,
        now=services.clock.now(),
        today=today,
        settings=services.scheduler.settings,
        tell=tell,
    )


def _cards(services: Services, memories: dict[str, Memory], marks: Marks) -> Iterator[OutCard]:
    plan, usual = services.plan, services.scheduler.settings.desired_retention
    for deck in services.course.decks:
        changed_at_s = _changed_at_s(deck.path)
        wanted = plan.retention_of(deck.id) or usual
        for topic in deck.topics:
            for card in topic.cards:
                shown = _shown(services, card)
                yield OutCard(
                    id=card.id,
                    course=services.course.id,
                    deck=deck.title,
                    topic=topic.title,
                    path=(deck.id, topic.id),
                    kind=card.kind,
                    question="\n".join([shown.question, *_offered(shown)]),
                    answer=_answer(services, shown),
                    explain="\n".join([card.explain, *_refuted(card)]).strip("\n"),
                    source=card.source,
                    lab=card.lab,
                    hidden=card.body.answer if isinstance(card.body, Cloze) else "",
                    memory=memories.get(card.id, NEW_MEMORY),
                    marks=frozenset(m for m in MARKS if card.id in getattr(marks, m)),
                    desired_retention=wanted,
                    changed_at_s=changed_at_s,
                )


def _changed_at_s(path: Path) -> int:
    try:
        return int(path.stat().st_mtime)
    except OSError:  # it was read a moment ago
        return 0


def _shown(services: Services, card: Card) -> Shown:
    """The card as nobody is asked by it: what is drawn stays the same at each export."""
    runs = services.runs_of(card) if card.kind == "exercise" else ()
    return present(card, EXAMPLE, runs)


def _offered(shown: Shown) -> Iterator[str]:
    """The lines below a question: what can be chosen."""
    lines = [f"{name}{'.' if name.isdigit() else ')'} {text}" for name, text in shown.offered]
    yield from ["", *lines] if lines else ()


def _answer(services: Services, shown: Shown) -> str:
    card = shown.card
    evidence = services.evidence(card) if card.kind == "predict" else None
    told = grade(shown, None, evidence)
    if not told.answer:
        return f"What the lab {card.lab} measures."
    return f"{told.answer} ({told.tolerance})" if told.tolerance else told.answer


def _refuted(card: Card) -> Iterator[str]:
    """Why each wrong option is wrong, where the deck says so."""
    options = card.body.options if isinstance(card.body, Choice) else ()
    for option in options:
        if option.misconception:
            yield f"\nNot “{option.text}”: {option.misconception}"
