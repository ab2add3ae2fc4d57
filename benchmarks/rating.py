"""From the key that rates a card to the next card on the screen, the write to the disk included.

The program itself in a terminal, its bytes read as a terminal reads them. What is compared with:
such a row written and committed by `sqlite3` alone, to a copy of the database, between the ratings.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

from benchmarks.figures import Figure, copy_of, environment_of, ms
from benchmarks.make_data import NOW, Data, clock, kind_of, opening
from benchmarks.terminal import LARGE, SMALL, Terminal
from studykit.course.cards import Kind
from studykit.course.decks import load_course
from studykit.progress.store import Store
from studykit.review.schedule import Rating
from studykit.settings_file import load_settings
from studykit.study.services import Services
from studykit.tui.pace import SEEN_SECONDS

SETTINGS = "[review]\nreviews_per_day = 9999\nask_confidence = false\n"
GIVES_UP: dict[Kind, str] = {"recall": " ", "numeric": "1\r", "cloze": "a\r"}
"""Keys that lead to the answer; n for the other kinds."""
READ_S = SEEN_SECONDS + 0.05
"""A key that comes sooner after a card, or its answer, is not about it."""
HEEDED_WITHIN_S = 5.0
SETTLED_S = 6.0
"""The labs' process has imported torch by then."""


def measure(data: Data, n_ratings: int) -> Iterator[Figure]:
    """Median and 99th percentile of `n_ratings` in a terminal of each size."""
    with copy_of(data) as own:
        own.paths.settings_file.write_text(SETTINGS, encoding="utf-8")
        numbers = cards_in_order(own, n_ratings + 1)
    for size in (SMALL, LARGE):
        yield from _measure(data, numbers, size)


def _measure(data: Data, numbers: list[int], size: tuple[int, int]) -> Iterator[Figure]:
    n_ratings = len(numbers) - 1
    with copy_of(data) as own, copy_of(data) as other:
        own.paths.settings_file.write_text(SETTINGS, encoding="utf-8")
        seconds, baseline = [], []
        command = [sys.executable, "-m", "studykit", "--course", str(own.root)]
        with (
            Terminal(command, environment_of(own), size) as terminal,
            closing(_connect(other.paths.database)) as connection,
        ):
            terminal.wait_for("goes on with the review")
            terminal.press("\r")
            terminal.wait_for(opening(numbers[0]))
            time.sleep(SETTLED_S if n_ratings > 10 else 0.0)
            for number, following in pairwise(numbers):
                press_when_seen(terminal, GIVES_UP.get(kind_of(number), "n"), "Easy")
                seconds.append(press_when_seen(terminal, "3", opening(following)))
                baseline.append(_bare_write(connection))
        n_rows = _n_rows(own.paths.database)
    assert n_rows >= n_ratings, "a rating is missing in the database"
    what = "rating key to next card, {}x{}".format(*size)
    against = "insert and commit by sqlite3 alone"
    yield Figure(f"{what}, median", ms(seconds), "ms", against, ms(baseline), below=16.0)
    yield Figure(f"{what}, p99", ms(seconds, 0.99), "ms", against, ms(baseline, 0.99), below=50.0)


def press_when_seen(terminal: Terminal, keys: str, text: str) -> float:
    """Seconds from the press of `keys`, what they are about having been seen, to `text`."""
    while True:
        time.sleep(READ_S)
        pressed = terminal.press(keys)
        with suppress(TimeoutError):  # on a busy machine the picture was there later than its bytes
            return terminal.wait_for(text, patience_s=HEEDED_WITHIN_S) - pressed


def cards_in_order(data: Data, n_cards: int) -> list[int]:
    """Numbers of the first cards that are asked when each is rated Good."""
    paths = data.paths
    services = Services(
        load_course(data.root),
        load_settings(paths.settings_file),
        paths,
        clock(),
        lambda: Store.open(paths.database, backups_dir=paths.backups_dir),
    )
    services.open()
    session = services.open_session()
    numbers: list[int] = []
    while len(numbers) < n_cards and session.current is not None:
        numbers.append(int(session.current.id.removeprefix("card-")))
        session.reveal()
        session.rate(Rating.GOOD)
    services.progress.close()
    return numbers


def _connect(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, timeout=10, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _bare_write(connection: sqlite3.Connection) -> float:
    """Seconds to write the newest row again, and to take it out."""
    names = [name for _, name, *_ in connection.execute("PRAGMA table_info(reviews)")]
    columns = ", ".join(name for name in names if name != "id")
    newest = "FROM reviews ORDER BY id DESC LIMIT 1"
    (card_id,) = connection.execute(f"SELECT card_id {newest}").fetchone()
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    row = connection.execute(f"INSERT INTO reviews ({columns}) SELECT {columns} {newest}").lastrowid
    connection.execute("UPDATE memories SET reps = reps + 1 WHERE card_id = ?", (card_id,))
    connection.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.execute("DELETE FROM reviews WHERE id = ?", (row,))
    return seconds


def _n_rows(database: Path) -> int:
    with closing(_connect(database)) as connection:
        query = "SELECT count(*) FROM reviews WHERE day = ?"
        return int(connection.execute(query, (NOW.date().isoformat(),)).fetchone()[0])


def main(data: Data) -> Iterator[Figure]:
    yield from measure(data, 300)
