"""Packages for the real Anki, and what it should find in them: ``python -m …sent_to_anki FOLDER``.

Cards in every state and 4,000 reviews; `into_anki.py` opens them in Anki's own environment.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.make_data import make_data
from studykit.clock import FixedClock, SystemClock, to_ms
from studykit.course.decks import load_course
from studykit.exchange.anki_writer import guid_of, write_apkg
from studykit.exchange.outgoing import OutCard, Outgoing
from studykit.exchange.tables_out import write_anki_text
from studykit.progress.store import Store
from studykit.review.marks import Mark, Marking
from studykit.review.schedule import Rating
from studykit.settings import Settings
from studykit.study.going_out import outgoing
from studykit.study.services import Services

N_CARDS, N_REVIEWS = 400, 4000


def main(folder: Path) -> None:
    """Write ``out.apkg``, ``corrected.apkg`` with one text changed, ``out.txt``, ``sent.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    data = make_data(folder / "made", N_CARDS, N_REVIEWS)
    now = SystemClock().now()
    course = load_course(data.root)

    def open_store() -> Store:
        return Store.open(data.paths.database, backups_dir=data.paths.backups_dir)

    clock = FixedClock(now - timedelta(minutes=15))
    services = Services(course, Settings(), data.paths, clock, open_store)
    services.open()
    with closing(services.progress):
        _study(services, clock)
        clock.at = now
        cards = [*services.cards]
        marks: list[tuple[Mark, slice]] = [
            ("suspended", slice(0, 3)),
            ("buried", slice(3, 5)),
            ("flagged", slice(5, 9)),
        ]
        for mark, places in marks:
            for card_id in cards[places]:
                services.progress.mark(Marking(card_id, mark, now, services.today))
        out = outgoing(services, services.progress, lambda *_: None)
        sent = [*out.cards]
        write_apkg(replace(out, cards=sent), folder / "out.apkg")
        first, *rest = sent
        corrected = replace(
            first, answer="A corrected answer", changed_at_s=first.changed_at_s + 60
        )
        write_apkg(replace(out, cards=[corrected, *rest]), folder / "corrected.apkg")
        write_anki_text(replace(out, cards=sent), folder / "out.txt")
        document = {"cards": [_told(card, out) for card in sent], "log": [*map(list, out.log())]}
        (folder / "sent.json").write_text(json.dumps(document), encoding="utf-8")


def _study(services: Services, clock: FixedClock) -> None:
    """Answers of today: some cards are in learning now, others learned again."""
    session = services.open_session(n_more_new=20)
    for n in range(60):
        if session.current is None:
            break
        session.answer(None, None)
        session.rate(Rating.AGAIN if n % 3 == 0 else Rating.GOOD)
        clock.advance(timedelta(seconds=9))
    session.end()


def _told(card: OutCard, out: Outgoing) -> dict[str, Any]:
    memory = card.memory
    return {
        "id": card.id,
        "guid": guid_of(card),
        "deck": f"{out.title}::{card.deck}",
        "tag": "::".join((card.course, *card.path)),
        "question": card.question,
        "answer": card.answer,
        "explain": card.explain,
        "state": int(memory.state),
        "due_in_days": (memory.due_day - out.today).days if memory.due_day else None,
        "due_at_s": to_ms(memory.due_at) // 1000 if memory.due_at else None,
        "interval": (memory.due_day - memory.last_review_day).days
        if memory.due_day and memory.last_review_day
        else None,
        "reps": memory.reps,
        "lapses": memory.lapses,
        "stability": memory.stability_days,
        "difficulty": memory.difficulty,
        "marks": sorted(card.marks),
    }


if __name__ == "__main__":
    os.environ.pop("STUDYKIT_NOW", None)
    main(Path(sys.argv[1]))
