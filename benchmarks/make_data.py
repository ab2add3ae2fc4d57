"""A large course and a long log, the same on every machine: ``python -m benchmarks.make_data``.

Decks and the lab are written as an author writes them, the rows of the log are made by the
program's own scheduler and mapping, and only their insertion is in bulk.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from studykit.clock import FixedClock
from studykit.course.cards import KINDS, Card, Course, Kind
from studykit.course.decks import MOST_TOPICS, load_course
from studykit.settings import Paths

if TYPE_CHECKING:
    from studykit.review.schedule import Scheduler

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=timezone(timedelta(hours=1)))
"""When the measured sittings take place."""
TITLE = "A course of many cards"
CARDS_A_TOPIC = 50
CARDS_A_DECK = 1250
"""A deck of this size is 1 MB; a file may hold 8 MiB."""
N_HISTORIES = 200
"""Different histories that the cards of a log share, each on days of its own."""
N_AT_ONCE = 5_000
"""Rows of the log that are made before they are stored."""
MS_A_DAY = 86_400_000
LONGEST_INTERVAL_DAYS = 60
"""Of the simulated learner: about a sixtieth of the known cards is due on a day."""

_LAB = '''\
"""What a deep stack loses.

The lab of every card of this course.
"""

from studykit.lab.events import Measurement

QUESTION = "What does a deep stack lose?"
POINTS = ("1.1.1",)
CLAIMS = {"stuck": "It gets stuck.", "slower": "It is slower.", "alike": "Tokens become alike."}
HOLDS_IF = {"stuck": "loss > 2", "slower": "loss > 3", "alike": "loss > 1"}
KNOBS = {"n_layers": (8, 2)}
SEEDS = 1
SECONDS = {"cpu": 1}


def run(*, n_layers, seed, device):
    yield Measurement("loss", 2.87, "nats")
'''

_TEXT = """
a residual stream carries every token past attention while each norm keeps its scale and the
gradient reaches the first layer of a deep stack without scores that grow too large for the softmax
whose weights then become nearly uniform or one-hot before training has begun
"""
_WORDS = _TEXT.split()


@dataclass(frozen=True, slots=True)
class Data:
    """Where the data of one size lie."""

    root: Path
    """The course."""
    home: Path
    """What STUDYKIT_HOME is set to."""

    @property
    def paths(self) -> Paths:
        return Paths(self.home, self.home / "settings.toml")


def make_data(folder: Path, n_cards: int, n_reviews: int) -> Data:
    """A course of `n_cards` below `folder`, and progress of `n_reviews` on all but a twentieth."""
    data = Data(folder / "course", folder / "home")
    write_course(data.root, n_cards)
    if n_reviews:
        course = load_course(data.root)
        assert course.problems == ()
        fill_log(data.paths, course, n_reviews)
    return data


# --- the course ---


def write_course(root: Path, n_cards: int) -> None:
    """Decks of all kinds of cards, as long as those of the bundled course, and their lab."""
    files = {
        "labs/__init__.py": "",
        "labs/core/__init__.py": "",
        "labs/core/stacks.py": _LAB,
    }
    names, sections = [], []
    for number, first in enumerate(range(0, n_cards, CARDS_A_DECK), start=1):
        cards = range(first, min(first + CARDS_A_DECK, n_cards))
        names.append(f"{number}-deck.yaml")
        files[f"decks/{names[-1]}"] = _deck(number, cards)
        sections.append(_section(number, math.ceil(len(cards) / CARDS_A_TOPIC)))
    files["decks/course.yaml"] = (
        f"format: 1\ncourse: many\ntitle: {TITLE}\ndecks: [{', '.join(names)}]\noutline:\n"
        # As many as an outline takes.
        + "".join(sections[: MOST_TOPICS * CARDS_A_TOPIC // CARDS_A_DECK])
    )
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _section(number: int, n_topics: int) -> str:
    """The deck's part of the outline."""
    topics = ", ".join(
        f'{{number: "{number}.{topic}", title: Topic {topic}, points: 1}}'
        for topic in range(1, n_topics + 1)
    )
    return f"  - {{number: {number}, title: Deck {number}, topics: [{topics}]}}\n"


def _deck(number: int, numbers: range) -> str:
    parts = [f"format: 1\ndeck: deck-{number}\ntitle: Deck {number}\ntopics:\n"]
    for n in numbers:
        topic, within = divmod(n - numbers.start, CARDS_A_TOPIC)
        if not within:
            point = f"{number}.{topic + 1}"
            parts.append(
                f'  - id: topic-{number}-{topic}\n    number: "{point}"\n'
                f"    title: Topic {topic} of deck {number}\n"
                f"    points:\n      {point}.1: {_sentence(n, 14)}\n    cards:\n"
            )
        parts.append(_card(n, f"{number}.{topic + 1}.1"))
    return "".join(parts)


def kind_of(n: int) -> Kind:
    """Of the card number `n`: any but an exercise, which needs a table that a lab recorded."""
    kinds = [kind for kind in KINDS if kind != "exercise"]
    return kinds[n % len(kinds)]


def _card(n: int, point: str) -> str:
    kind = kind_of(n)
    hole = " ___" if kind == "cloze" else ""
    claim = "" if kind == "predict" else "        claim: stuck\n"
    return (
        f"      - id: card-{n:05}\n        kind: {kind}\n        points: [{point}]\n"
        f"        question: >-\n          {_sentence(n, 14)},\n"
        f"          {_sentence(n + 5, 12)}{hole}?\n"
        f"{_body(kind, n)}"
        f"        lab: core/stacks\n{claim}"
        f"        explain: >-\n          {_sentence(n + 1, 15)},\n"
        f"          {_sentence(n + 2, 15)}.\n          {_sentence(n + 3, 15)}.\n\n"
    )


def _body(kind: Kind, n: int) -> str:
    pad = "        "
    match kind:
        case "predict":
            options = "".join(
                f"{pad}  - text: {_sentence(n + at, 7)}\n{pad}    claim: {claim}\n"
                f"{pad}    misconception: >-\n{pad}      {_sentence(n + at, 14)},\n"
                f"{pad}      {_sentence(n - at, 12)}.\n"
                for at, claim in enumerate(("stuck", "slower", "alike"))
            )
            return f"{pad}options:\n{options}{pad}knobs: {{n_layers: 2}}\n"
        case "choice":
            wrong = "".join(
                f"{pad}  - text: {_sentence(n + at, 7)}\n{pad}    misconception: >-\n"
                f"{pad}      {_sentence(n + at, 14)},\n{pad}      {_sentence(n - at, 12)}.\n"
                for at in (1, 2)
            )
            return f"{pad}options:\n{pad}  - {{text: {_sentence(n, 7)}, correct: true}}\n{wrong}"
        case "numeric":
            return f"{pad}answer: {n / 8}\n{pad}unit: nats\n{pad}tolerance: 2%\n"
        case "order":
            steps = ", ".join(_sentence(n + at, 5) for at in range(4))
            return f"{pad}steps: [{steps}]\n"
        case "match":
            pairs = "".join(
                f"{pad}  - {{left: {_sentence(n + at, 3)}, right: {_sentence(n + at, 5)}}}\n"
                for at in range(3)
            )
            return f"{pad}pairs:\n{pairs}"
        case "recall":
            return f"{pad}answer: >-\n{pad}  {_sentence(n, 12)}\n{pad}note: note-{n // 14}\n"
        case _:
            return f"{pad}answer: {_sentence(n, 2)}\n"


def opening(n: int) -> str:
    """How the text of card number `n`, and of no other, begins."""
    return f"in case {n} "


def _sentence(start: int, n_words: int) -> str:
    """Words that differ from card to card."""
    words = (_WORDS[(start * 7 + n) % len(_WORDS)] for n in range(n_words))
    return opening(start) + " ".join(words)


# --- the log ---


def fill_log(paths: Paths, course: Course, n_reviews: int) -> None:
    """Progress of `n_reviews` answers before `NOW`; every twentieth card was never asked.

    However long the log is, a few thousand of its rows are in memory at a time.
    """
    from sqlalchemy import insert

    from studykit.progress.database import open_database
    from studykit.progress.store import Store
    from studykit.progress.tables import METADATA

    # Made the way the program makes it, with its first copy: what is measured is not day one.
    store = Store.open(paths.database, backups_dir=paths.backups_dir)
    store.keep_schedule(_scheduler())
    store.close()
    cards = [card for n, card in enumerate(course.cards.values()) if n % 20]
    engine = open_database(paths.database, paths.backups_dir)
    rows = _rows(cards, n_reviews)
    names = ", ".join(METADATA.tables["memories"].columns.keys())
    with engine.begin() as connection:
        while some := list(islice(rows, N_AT_ONCE)):
            connection.execute(insert(METADATA.tables["reviews"]), some)
        connection.exec_driver_sql(
            f"INSERT INTO memories ({names}) SELECT {names} FROM reviews"
            " WHERE id IN (SELECT max(id) FROM reviews GROUP BY card_id)"
        )
    engine.dispose()
    store = Store.open(paths.database, backups_dir=paths.backups_dir)
    store.back_up(NOW.date())
    store.close()


def _rows(cards: list[Card], n_reviews: int) -> Iterator[dict[str, Any]]:
    """The log in its order: each answer is a card, a row of its history, and days between both."""
    rng = random.Random(0)
    shares = [n_reviews // len(cards) + (n < n_reviews % len(cards)) for n in range(len(cards))]
    histories = [_history(random.Random(n), max(shares)) for n in range(N_HISTORIES)]
    days_later = [
        _days_later(histories[n % N_HISTORIES], share, rng) for n, share in enumerate(shares)
    ]
    at_ms = np.concatenate(
        [
            np.array([row["at_ms"] for row in histories[n % N_HISTORIES][:share]], np.int64)
            + days_later[n] * MS_A_DAY
            for n, share in enumerate(shares)
        ]
    )
    of_card = np.repeat(np.arange(len(cards)), shares)
    of_history = np.concatenate([np.arange(share) for share in shares])
    for at in np.argsort(at_ms, kind="stable"):
        n = int(of_card[at])
        row = histories[n % N_HISTORIES][int(of_history[at])]
        yield _moved(row, cards[n], days_later[n])


def _days_later(history: list[dict[str, Any]], n_answers: int, rng: random.Random) -> int:
    """Days by which the first answers of a history move, for its card to be due soon."""
    if not n_answers:
        return 0
    last = history[n_answers - 1]
    due = date.fromisoformat(last["due_day"])
    interval = (due - date.fromisoformat(last["day"])).days
    wanted = NOW.date() + timedelta(days=rng.randrange(interval) if interval else -1)
    return (wanted - due).days


def _scheduler() -> Scheduler:
    from studykit.review.schedule import Scheduler, ScheduleSettings

    return Scheduler(ScheduleSettings(maximum_interval_days=LONGEST_INTERVAL_DAYS))


def _history(rng: random.Random, n_reviews: int) -> list[dict[str, Any]]:
    """What the log holds of one card that is answered `n_reviews` times when it is due."""
    from studykit.progress.rows import review_row
    from studykit.review.schedule import NEW_MEMORY, Rating
    from studykit.review.session import Review

    scheduler = _scheduler()
    at, memory, rows = NOW, NEW_MEMORY, []
    for n in range(n_reviews):
        # Known at the end: nobody leaves a thousand cards in their learning steps.
        is_end = n >= n_reviews - 3
        rating = Rating.GOOD if is_end else rng.choices([*Rating], weights=(12, 10, 70, 8))[0]
        before, memory = memory, scheduler.review("history", memory, rating, at)
        correct = rating is not Rating.AGAIN
        review = Review(
            card_id="",
            at=at,
            day=scheduler.study_day(at),
            rating=rating,
            kind="choice",
            correct=correct,
            suggested=Rating.GOOD if correct else Rating.AGAIN,
            given="the second option",
            confidence=rng.choice((50, 70, 90)),
            taken_ms=rng.randrange(2_000, 40_000),
            scheduler=scheduler.version,
            parameters_id=scheduler.parameters_id,
            content_hash="",
            after=memory,
            before=before.state,
            predicted=scheduler.predicted(before, scheduler.study_day(at)),
        )
        rows.append(review_row(review, None).model_dump(exclude={"id"}))
        if memory.due_at is not None:
            at = memory.due_at
        else:
            assert memory.due_day is not None
            at = at.replace(
                year=memory.due_day.year, month=memory.due_day.month, day=memory.due_day.day
            )
    return rows


def _moved(row: dict[str, Any], card: Card, n_days: int) -> dict[str, Any]:
    """The row of another card, `n_days` later."""
    moved = {**row, "card_id": card.id, "kind": card.kind, "content_hash": card.content_hash}
    for name in ("at_ms", "due_at_ms", "last_review_at_ms"):
        if moved[name] is not None:
            moved[name] += n_days * MS_A_DAY
    for name in ("day", "due_day", "last_review_day"):
        if moved[name] is not None:
            moved[name] = (date.fromisoformat(moved[name]) + timedelta(days=n_days)).isoformat()
    return moved


def clock() -> FixedClock:
    """A clock that stands at `NOW`."""
    return FixedClock(NOW)


if __name__ == "__main__":
    folder, n_cards, n_reviews = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    made = make_data(folder, n_cards, n_reviews)
    print(f"studykit --course {made.root}, with STUDYKIT_HOME={made.home}")
