"""One command on a long log, timed, or the log itself in the schema of a build; prints JSON.

It runs in a process of its own with the ``studykit`` of the checkout that PYTHONPATH names, so that
two builds are measured by the same means. It therefore imports nothing else of this folder.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

TABLES = ("reviews", "memories")


def lift_limits() -> None:
    """Let this build read a course of 60,000 cards, which is more than earlier ones took."""
    from studykit.course import cache, decks

    decks.MOST_CARDS = max(decks.MOST_CARDS, 60_000)
    for names in (vars(cache), vars(decks)):
        names["MOST_DECK_BYTES"] = max(names["MOST_DECK_BYTES"], 80 * 1024**2)


def take_over(source: Path) -> None:
    """Make the progress of STUDYKIT_HOME, in this build's schema, with the log of `source`."""
    from studykit.progress.database import open_database
    from studykit.progress.store import Store
    from studykit.progress.tables import METADATA
    from studykit.settings import user_paths

    paths = user_paths()
    engine = open_database(paths.database, paths.backups_dir)
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")  # a database is attached outside a transaction
        connection.exec_driver_sql("ATTACH ? AS source", (str(source),))
        connection.exec_driver_sql("BEGIN")
        for table in TABLES:
            names = ", ".join(METADATA.tables[table].columns.keys())
            connection.exec_driver_sql(
                f"INSERT INTO {table} ({names}) SELECT {names} FROM source.{table} ORDER BY rowid"
            )
        connection.exec_driver_sql("COMMIT")
    engine.dispose()
    store = Store.open(paths.database, backups_dir=paths.backups_dir)
    latest = store.latest_answer_at()
    assert latest is not None, "the log has answers"
    store.back_up(latest.date())
    store.close()


def peak_mb() -> float:
    """The most memory that this process has had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return 1024 * int(peak) / 1e6


def main() -> None:
    out, action, *rest = sys.argv[1:]
    took: dict[str, float] = {}
    if action == "take-over":
        take_over(Path(*rest))
    else:
        lift_limits()
        from studykit.entry import main as studykit

        code = studykit(rest)
        sys.stdout.flush()
        took = {"code": code, "processor_s": time.process_time(), "peak_mb": peak_mb()}
    Path(out).write_text(json.dumps(took), encoding="utf-8")


if __name__ == "__main__":
    main()
