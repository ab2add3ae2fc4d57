"""Damages databases row by row and byte by byte, and sees what the commands make of them.

Run as ``python -m tests.commands.damage_trials N [SEED]``. Of every second database one value is
replaced by one that no studykit has written, of the others bytes, pages or the end of the file.
In every fourth the newest copy is damaged, too. Each of the three commands that bring it back
has its turn. Prints a line for each trial that went wrong, and
a summary; exit code 1 if any did.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from studykit.cli import main
from studykit.exchange.backup import write_backup
from studykit.lab.results import Prediction
from studykit.progress.store import Store
from studykit.review.marks import Marking
from studykit.review.practice import Practised
from studykit.settings import Paths
from tests.commands.dice_course import LAB, open_store, write_course
from tests.progress.builders import MONDAY, make_review, make_run

DAYS = 4
ANSWERS_A_DAY = 15
PAGE = 4096
COMMANDS = (
    ("due",),
    ("stats",),
    ("report", "--format", "json"),
    ("report", "--format", "html"),
    ("lab", "show", LAB),
    ("review", "--plain"),
    ("review", "--plain", "--cram", "wrong"),
    ("doctor",),
)

HOSTILE: dict[str, tuple[object, ...]] = {
    "day": ("2026-99-99", "2026-11-2x", "", b"\xff\xfe", 20261123, "9999-12-31", "20261123"),
    "offset_min": (1440, -(2**60), "noon", 1.5),
    "at_ms": (2**62, -(2**62), 10**17, "now", b"\x00"),
    "state": (7, -1, "two", 2**40),
    "due_day": ("2026-02-30", "later", b"\xc3\x28"),
    "stability_days": (-1.0, 0.0, 1e308, float("inf"), "long"),
    "difficulty": (1e300, -5.0, "hard"),
    "reps": (-3, "many", 2**62),
    "caps_left": (9, -1),
    "rating": (0, 5, "good"),
    "state_before": (9, -1, "known"),
    "predicted": (1.5, -1.0, float("inf"), "likely"),
    "confidence": (101, -1, "sure"),
    "given": (b"\xff\xfe\x00",),
    "taken_ms": ("long", 2**62),
    "card_id": (b"\xf0\x28\x8c\x28",),
    "mark": ("lost", b"\xff"),
    "mode": ("nap", 3),
}
"""Column -> values that break its rule."""
HOSTILE_RUNS: dict[str, tuple[object, ...]] = {
    "numbers": ("[" * 100_000, "{}", "[]", "null", b"\xff", '{"seeds": 3}'),
    "events": ("[" * 100_000, "[[{}]]", "7", b"\xfe"),
    "knobs": ("[1]", "{", "[" * 100_000),
    "seeds": ("7", '["a"]', "{"),
    "prediction": ("{}", "[]", '{"text": 1, "claim": 2}'),
    "status": ("lost", b"\xff"),
    "started_at_ms": (2**62, "noon"),
}


@dataclass
class Tally:
    """What came of the trials."""

    n_trials: int = 0
    faults: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)


def fill(home: Path) -> None:
    """Progress of some days, with a copy of each morning."""
    with closing(open_store(home)) as store:
        for day in range(DAYS):
            morning = MONDAY + timedelta(days=day)
            store.back_up(morning.date())
            paths = Paths(home, home / "settings.toml")
            write_backup(paths, home / f"{day}.zip", morning)
            store.begin_sitting(morning, morning.date())
            for n in range(ANSWERS_A_DAY):
                store.record(
                    make_review(
                        f"card-{n % 7}" if n % 5 else "dice-probability",
                        at=morning + timedelta(minutes=n),
                        given="x" * 700,
                        correct=bool(n % 2),
                    )
                )
            store.mark(Marking(f"card-{day}", "flagged", morning, morning.date()))
            store.record_practised(
                Practised(
                    "dice-highest", "cram", morning, morning.date(), "predict", False, "?", 50, 9
                )
            )
            bet = Prediction("3", claim="", value=3.0, confidence=50, correct=True)
            store.record_run(make_run(LAB, at=morning), card_id=None, prediction=bet)
            store.end_sitting(morning + timedelta(hours=1))


def damage_row(path: Path, rng: random.Random) -> str:
    """Give one value of one row another that breaks its rule; ``row 7 of reviews`` is returned."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        columns = {
            table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            for table in ("reviews", "memories", "practised", "marks", "runs", "outcomes")
        }
        table = rng.choice([*columns, "reviews", "reviews"])
        hostile = HOSTILE_RUNS if table in ("runs", "outcomes") else HOSTILE
        column = rng.choice([name for name in columns[table] if name in hostile])
        ids = [id_ for (id_,) in connection.execute(f"SELECT rowid FROM {table}")]
        row_id = rng.choice(ids)
        value = rng.choice(hostile[column])
        # A strict table takes no value of another type while its schema says so.
        connection.execute("PRAGMA writable_schema = ON")
        (sql,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = ?", (table,)
        ).fetchone()
        loose = sql.replace(" STRICT", "")
        _set_schema(connection, table, loose)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, row_id))
        connection.execute("PRAGMA writable_schema = ON")
        _set_schema(connection, table, sql)
    what = "run" if table in ("runs", "outcomes") else "row"
    return f"run {row_id} of" if what == "run" else f"row {row_id} of {table}"


def _set_schema(connection: sqlite3.Connection, table: str, sql: str) -> None:
    connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, table))
    connection.commit()


def damage_bytes(path: Path, rng: random.Random) -> str:
    """Flip bytes, lose, double or swap pages, or cut the end off; what was done."""
    content = bytearray(path.read_bytes())
    n_pages = len(content) // PAGE
    how = rng.choice(["flip", "flip", "header", "zero", "swap", "cut", "noise"])
    at, other = (PAGE * rng.randrange(n_pages) for _ in range(2))
    match how:
        case "flip":
            for _ in range(rng.choice([1, 3, 30])):
                content[rng.randrange(len(content))] = rng.randrange(256)
        case "header":
            content[rng.randrange(100)] = rng.randrange(256)
        case "zero":
            content[at : at + PAGE] = bytes(PAGE)
        case "noise":
            content[at : at + PAGE] = rng.randbytes(PAGE)
        case "swap":
            one, two = content[at : at + PAGE], content[other : other + PAGE]
            content[at : at + PAGE], content[other : other + PAGE] = two, one
        case "cut":
            del content[rng.randrange(len(content)) :]
    path.write_bytes(content)
    return how


def run_command(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        _typed("q\n"),
    ):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def _typed(text: str) -> Iterator[None]:
    before, sys.stdin = sys.stdin, io.StringIO(text)
    try:
        yield
    finally:
        sys.stdin = before


def answers(path: Path) -> set[tuple[str, int]]:
    """Card and time of every answer of a sound database."""
    with closing(Store.open_for_reading(path, backups_dir=path.parent / "none")) as store:
        return {(review.card_id, round(review.at.timestamp())) for review in store.reviews()}


def run_trial(folder: Path, course: Path, number: int, rng: random.Random, tally: Tally) -> None:
    """Damage the progress in `folder`, call every command, go back to a copy, look again."""
    path, backups = folder / "progress.sqlite3", sorted((folder / "backups").iterdir())
    newest_good, archive = backups[-1], folder / f"{DAYS - 1}.zip"
    if number % 4 == 3:
        damage_row(newest_good, rng)
        newest_good = backups[-2]
    is_row = number % 2 == 0
    all_answers = answers(path)
    # A copy with an unreadable run or memory is mended, so that it may be the newest good one.
    kept = answers(newest_good)
    done = damage_row(path, rng) if is_row else damage_bytes(path, rng)
    tally.n_trials += 1
    tally.kinds["row" if is_row else done] += 1

    def fault(text: str) -> None:
        tally.faults.append(f"trial {number} ({done}): {text}")

    def call(*arguments: str) -> tuple[int, str]:
        code, out, err = run_command("--course", str(course), *arguments)
        for word in ("unexpected", "Traceback"):
            if word in out + err:
                fault(f"{' '.join(arguments)}: {err}{out if word in out else ''}")
        if len(err.splitlines()) > 2:
            fault(f"{' '.join(arguments)} says {len(err.splitlines())} lines on stderr")
        return code, out

    for command in COMMANDS:
        if path.exists():
            code, out = call(*command)
            if command == ("doctor",) and is_row:
                named = done if "memories" not in done else "memory of"
                if code != 1 or named not in out:
                    fault(f"doctor does not name {done}: {out}")
    way_back = (("doctor", "--restore", "newest"), ("restore",), ("restore", str(archive)))
    code, out = call(*way_back[number % 3])
    if code != 0:
        fault(f"{' '.join(way_back[number % 3])} ends with {code}: {out}")
        return
    restored = answers(path)
    if not kept <= restored:
        fault(f"{len(kept - restored)} answers of the newest good copy are gone")
    lost = all_answers - restored
    tally.kinds["answers given since the copy"] += len(all_answers - kept)
    tally.kinds["of them lost"] += len(lost - kept)
    if is_row and len(lost) > 1:
        fault(f"{len(lost)} answers lost by one bad row")
    code, out = call("doctor")
    if code != 0:
        fault(f"doctor after --restore: {out}")


def run_trials(folder: Path, n_trials: int, seed: int) -> Tally:
    """So many trials below `folder`, the same ones for the same seed."""
    os.environ["STUDYKIT_NOW"] = (MONDAY + timedelta(days=DAYS)).isoformat()
    course = write_course(folder / "course")
    os.environ["STUDYKIT_HOME"] = str(folder / "author")
    record = ("--course", str(course), "lab", "run", LAB, "--record", "--trust")
    for extra in ((), ("--set", "sides=6")):
        code, _, err = run_command(*record, *extra)
        assert code == 0, err
    fill(folder / "origin")
    tally = Tally()
    for number in range(n_trials):
        home = folder / "home"
        shutil.copytree(folder / "origin", home)
        os.environ["STUDYKIT_HOME"] = str(home)
        run_trial(home, course, number, random.Random(f"{seed} {number}"), tally)
        shutil.rmtree(home)
    return tally


if __name__ == "__main__":
    n_wanted, seed_wanted = int(sys.argv[1]), int((sys.argv[2:] or ["2026"])[0])
    with tempfile.TemporaryDirectory() as name:
        result = run_trials(Path(name), n_wanted, seed_wanted)
    for line in result.faults:
        print(line)
    kinds = ", ".join(f"{kind} {n}" for kind, n in result.kinds.items())
    print(f"{result.n_trials} databases damaged ({kinds}): {len(result.faults)} faults")
    sys.exit(bool(result.faults))
