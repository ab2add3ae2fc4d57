"""What we read of a package beside what Anki says of the same cards, in `truth.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from studykit.course.cards import HOLE, Cloze, Recall
from studykit.exchange.anki_reader import read_anki
from studykit.exchange.circumstances import Circumstances
from studykit.exchange.collection import Collection, SourceCard, SourceNote
from studykit.exchange.plain_text import to_text
from studykit.text import unmarked

PACKAGES = Path(__file__).parent / "packages"


@dataclass(frozen=True, slots=True)
class Pair:
    """One card, as it was read and as Anki has it."""

    path: tuple[str, ...]
    note: SourceNote
    card: SourceCard
    truth: dict[str, Any]
    today: date
    """Anki's, when it wrote the package."""


def read(path: Path) -> Collection:
    """The package as read in the time zone in which it was made."""
    cutoff = json.loads((path.parent / "truth.json").read_text())["day_cutoff"]
    return read_anki(path, Circumstances(datetime.fromtimestamp(cutoff - 3600, UTC), 4))


def pairs(path: Path) -> Iterator[Pair]:
    """Each card that was read, with Anki's word for it."""
    told = json.loads((path.parent / "truth.json").read_text())
    known = {(row["guid"], str(row["ord"] + 1)): row for row in told["cards"]}
    today = datetime.fromtimestamp(told["day_cutoff"] - 86_400, UTC).date()
    for deck in read(path).decks:
        for note in deck.notes:
            for card in note.cards:
                yield Pair(deck.path, note, card, known[note.key, card.key], today)


def words(text: str) -> list[str]:
    """The words of a text, without marks, gaps, hints and the room for a typed answer."""
    plain = re.sub(r"\[[^\]]*\]|\([^)]*\)|_{3,}|…", " ", unmarked(text))
    return re.findall(r"\w+", plain)


def _answer_of(pair: Pair) -> list[str]:
    """What Anki's back shows below its line, or, of a cloze, what is not on the front."""
    html = pair.truth["answer"].rpartition("<hr id=answer>")[2]
    return words(to_text(html))


def has_answer(pair: Pair) -> bool:
    """Whether every word of our answer stands on Anki's back, and of a plain card every of its."""
    body = pair.card.body
    assert isinstance(body, Recall | Cloze)
    ours = words(body.answer) + words(pair.card.explain)
    theirs = _answer_of(pair)
    if isinstance(body, Recall) and "[…]" not in pair.card.question:
        return ours == theirs or set(ours) == set(theirs) - set(words(pair.card.question))
    return set(ours) <= set(theirs) or pair.card.question.endswith(HOLE)


def is_due_as_in_anki(pair: Pair) -> bool:
    """The same day, of a card in review."""
    in_days = pair.truth["due_in_days"]
    if in_days is None:
        return True
    memory = pair.card.memory
    return memory is not None and memory.due_day == pair.today + timedelta(days=in_days)


CHECKS: dict[str, Callable[[Pair], bool]] = {
    "deck": lambda pair: "::".join(pair.path) == pair.truth["deck"],
    "tags": lambda pair: list(pair.note.tags) == pair.truth["tags"],
    "words of the front": lambda pair: (
        words(pair.card.question) == words(to_text(pair.truth["question"]))
    ),
    "words of the back": has_answer,
    "suspended": lambda pair: ("suspended" in pair.card.marks) == pair.truth["suspended"],
    "buried": lambda pair: ("buried" in pair.card.marks) == pair.truth["buried"],
    "flag": lambda pair: ("flagged" in pair.card.marks) == bool(pair.truth["flag"]),
    "new or begun": lambda pair: (pair.card.memory is None) == (pair.truth["type"] == 0),
    "state": lambda pair: (
        pair.card.memory is None or int(pair.card.memory.state) == pair.truth["type"]
    ),
    "due day": is_due_as_in_anki,
}
"""What is compared of each card."""
