"""What an export costs, in processor time and memory, in every format; and the JSON's way back.

    python -m benchmarks.exports [--cards 50000] [--reviews 500000] [--record]

Each is made by the command itself, in a process of its own, of a course that was read before.
Beside it stands `studykit due`, which reads the same course and counts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, environment_of, report
from benchmarks.make_data import Data

RESULTS = Path(__file__).parent / "results" / "exports.json"
MOST_SECONDS, MOST_MB = 60, 500
FORMATS = {
    "apkg": "all.apkg",
    "json": "all.json",
    "markdown": "decks",
    "csv": "all.csv",
    "anki-text": "all.txt",
    "revlog": "revlog.csv",
}
"""Format -> the file that it goes to."""


def measure(data: Data, folder: Path, formats: Mapping[str, str] = FORMATS) -> Iterator[Figure]:
    """Processor time and memory of each format, and of the JSON's way back; files in `folder`."""
    _run(data, "due")  # the course is read, and kept
    due_s, due_mb = _run(data, "due")
    for name, file in formats.items():
        seconds, mb = _run(data, "export", "--to", str(folder / file), "--format", name)
        yield Figure(
            f"{name}: processor time", seconds, "s", "studykit due", due_s, below=MOST_SECONDS
        )
        yield Figure(f"{name}: memory", mb, "MB", "studykit due", due_mb, below=MOST_MB)
    fresh = Data(data.root, folder / "fresh")
    seconds, mb = _run(fresh, "import", str(folder / formats["json"]))
    yield Figure(
        "json taken back: processor time", seconds, "s", "studykit due", due_s, below=MOST_SECONDS
    )
    yield Figure("json taken back: memory", mb, "MB", "studykit due", due_mb, below=MOST_MB)


def _run(data: Data, *arguments: str) -> tuple[float, float]:
    """Seconds of processor time and the most memory, in MB, of a command on the course."""
    command = [sys.executable, "-m", "studykit", "--course", str(data.root), *arguments]
    process = subprocess.Popen(command, env=environment_of(data), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure exports.")
    parser.add_argument("--cards", type=int, default=50_000)
    parser.add_argument("--reviews", type=int, default=500_000)
    parser.add_argument("--record", action="store_true", help="keep the figures in results/")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="studykit-exports-") as folder:
        # In a process of its own: the most memory of a child counts what its parent had.
        sizes = (str(given.cards), str(given.reviews))
        subprocess.run([sys.executable, "-m", "benchmarks.make_data", folder, *sizes], check=True)
        data = Data(Path(folder, "course"), Path(folder, "home"))
        return report(
            measure(data, Path(folder)),
            RESULTS if given.record else None,
            n_cards=given.cards,
            n_reviews=given.reviews,
        )


if __name__ == "__main__":
    sys.exit(main())
