"""How long an import from Anki takes, and how much memory.

    python -m benchmarks.anki_import [--cards 50000] [--reviews 500000]

A package of so many cards is made and imported by the command itself, into a fresh course and a
fresh log, in a process of its own; then again, when nothing is new. Figures of
[README.md](README.md) were measured with the defaults.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE = Path(__file__).parent.parent / "tests" / "exchange" / "packages" / "legacy2.apkg"
"""Written by Anki; its note types and settings are used, not its notes."""
DAY_S = 86_400
WORDS = (
    *("attention", "residual", "norm", "softmax", "query", "key", "value", "head"),
    *("layer", "loss", "gradient", "token"),
)


def make_package(path: Path, n_cards: int, n_reviews: int, seed: int = 0) -> None:
    """A package of Legacy 2: basic notes in fifty decks, reviews over three years."""
    rng = random.Random(seed)
    with zipfile.ZipFile(PACKAGE) as source:
        data = source.read("collection.anki21")
    with TemporaryDirectory() as folder:
        database = Path(folder, "db")
        database.write_bytes(data)
        with closing(sqlite3.connect(database)) as connection:
            _fill(connection, n_cards, n_reviews, rng)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            target.write(database, "collection.anki21")
            target.writestr("media", "{}")


def _fill(connection: sqlite3.Connection, n_cards: int, n_reviews: int, rng: random.Random) -> None:
    import json

    do = connection.execute
    created, models, decks = do("SELECT crt, models, decks FROM col").fetchone()
    basic = next(int(id_) for id_, m in json.loads(models).items() if m["name"] == "Basic")
    known = json.loads(decks)
    pattern = next(deck for deck in known.values() if deck["name"] == "Facts")
    for n in range(50):
        known[str(1000 + n)] = pattern | {"id": 1000 + n, "name": f"Big::Deck {n:02d}"}
    first_s = created - 3 * 365 * DAY_S
    do("UPDATE col SET decks = ?, crt = ?", (json.dumps(known), first_s))
    for table in ("notes", "cards", "revlog"):
        do(f"DELETE FROM {table}")
    note = "INSERT INTO notes VALUES (?,?,?,0,-1,?,?,0,0,0,'')"
    card = "INSERT INTO cards VALUES (?,?,?,0,0,-1,2,2,?,?,2500,?,0,0,0,0,0,'')"
    log = "INSERT INTO revlog VALUES (?,?,-1,?,?,0,0,?,?)"
    each = n_reviews // n_cards
    for n in range(n_cards):
        text = " ".join(rng.choices(WORDS, k=12))
        fields = f"{n}: <b>{text}</b>?\x1f{text}<br>{' '.join(rng.choices(WORDS, k=20))}"
        do(note, (n + 1, f"guid{n}", basic, f" {rng.choice(WORDS)} ", fields))
        at_day = interval = 0
        for rating, gap, interval, kind in _history(each, rng):
            at_day = min(at_day + gap, 3 * 365 - 1)
            at_ms = (first_s + at_day * DAY_S) * 1000 + n * 500 + rng.randrange(500)
            while True:
                try:
                    do(log, (at_ms, n + 1, rating, interval, rng.randrange(2000, 30_000), kind))
                    break
                except sqlite3.IntegrityError:
                    at_ms += 1
        due = at_day + max(1, interval)
        do(card, (n + 1, n + 1, 1000 + n % 50, due, max(1, interval), each))
    connection.commit()


def _history(n: int, rng: random.Random) -> Iterator[tuple[int, int, int, int]]:
    """Rating, days since the one before, interval, kind."""
    yield 3, rng.randrange(300), -600, 0
    interval = 3
    yield 3, 0, interval, 0
    for _ in range(n - 2):
        gap = max(1, interval)
        if rng.random() < 0.1:
            interval = 1
            yield 1, gap, interval, 1
        else:
            interval = min(120, interval * 2)
            yield 3, gap, interval, 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Time an import from Anki.")
    parser.add_argument("--cards", type=int, default=50_000)
    parser.add_argument("--reviews", type=int, default=500_000)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="studykit-anki-") as folder:
        package = Path(folder, "big.apkg")
        make_package(package, given.cards, given.reviews)
        size = package.stat().st_size / 1e6
        print(f"{given.cards:,} cards, {given.reviews:,} reviews, {size:.1f} MB")
        env = os.environ | {"STUDYKIT_HOME": str(Path(folder, "home"))}
        command = [sys.executable, "-m", "studykit", "import", str(package)]
        command += ["--into", str(Path(folder, "course"))]
        for what in ("into nothing", "again"):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            start = time.perf_counter()
            done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
            wall = time.perf_counter() - start
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            told = done.stdout.splitlines()[-2]
            print(f"{what}: {wall:.1f} s, {cpu:.1f} s of processor time; {told}")
        print(f"largest: {after.ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
