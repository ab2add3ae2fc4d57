"""What a start costs with thousands of stored runs: ``python -m benchmarks.runs [N_RUNS]``.

Two homes that differ in nothing but the learner's runs, each of 1 MB. All of them are complete, of
the lab and at the knobs of the cards, so that any may be what a card shows; they are inserted in
bulk and beyond the bounds that recording keeps, as an older program may have left them. In turn:
from the start of ``studykit`` to the first card in a terminal, then to its answer, which
shows the latest run.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, copy_of, environment_of, in_turn, report
from benchmarks.make_data import NOW, Data, kind_of, make_data, opening
from benchmarks.rating import GIVES_UP, cards_in_order, press_when_seen
from benchmarks.terminal import Terminal
from studykit.clock import to_ms
from studykit.course.decks import load_course
from studykit.lab.events import Curve, Measurement
from studykit.lab.results import RunResult, SeedResult, result_to_json

N_RUNS = 5_000
N_CARDS, N_REVIEWS = 500, 10_000
N_ROUNDS = 5
RUN_BYTES = 1_000_000
SETTINGS = "[review]\nask_confidence = false\n"
SETTLED_S = 3.0
"""What is loaded behind the first card has been loaded by then."""

_RUN = """\
INSERT INTO runs (lab, started_at_ms, offset_min, seconds, status, device, machine, code_hash,
    knobs, seeds, budget)
VALUES (?, ?, 60, 1.0, 'done', 'cpu', 'a machine', ?, ?, '[0]', 1.0)
"""
_OUTCOME = "INSERT INTO outcomes (run_id, n_bytes, numbers, events) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Start:
    """What one start took until the first card was answered."""

    card_s: float
    """Processor time until the first card stood."""
    answer_s: float
    """Processor time until its answer stood."""
    peak_bytes: int


def add_runs(data: Data, n_runs: int) -> None:
    """So many runs of 1 MB, before `NOW`, half of them at each of the lab's two settings."""
    header = load_course(data.root).labs["core/stacks"]
    n_points = RUN_BYTES // 32
    xs = tuple(map(float, range(n_points)))
    curve = Curve("loss", "loss", xs, tuple(1 / (7 + x) for x in xs))
    seed = SeedResult(0, {"loss": Measurement("loss", 2.87, "nats")}, {"stuck": True}, (curve,))
    with closing(sqlite3.connect(data.paths.database)) as connection, connection:
        for number in range(n_runs):
            at_ms = to_ms(NOW) - 60_000 * (n_runs - number)
            knobs = {"n_layers": 8 if number % 2 else 2}
            result = RunResult(
                header.id,
                knobs,
                "cpu",
                "a machine",
                {},
                header.code_hash,
                NOW,
                1.0,
                "done",
                (seed,),
            )
            if number < 2:
                document = result_to_json(result)
                events = json.dumps([each.pop("events") for each in document["seeds"]])
            numbers = json.dumps(result_to_json(replace(result, seeds=(replace(seed, events=()),))))
            values = (header.id, at_ms, header.code_hash, json.dumps(knobs))
            run_id = connection.execute(_RUN, values).lastrowid
            connection.execute(_OUTCOME, (run_id, len(events), numbers, events))


def measure(data: Data, n_runs: int, n_rounds: int) -> Iterator[Figure]:
    """Medians of `n_rounds`, after one that fills the caches."""
    with copy_of(data) as own:  # its cards are rated
        (first,) = cards_in_order(own, 1)
    with copy_of(data) as without, copy_of(data) as with_runs:
        add_runs(with_runs, n_runs)
        starts: dict[str, list[Start]] = {"without": [], "with": []}

        def start(own: Data, name: str) -> Callable[[], float]:
            def measured() -> float:
                starts[name].append(_start(own, first))
                return 0.0

            return measured

        measures = start(without, "without"), start(with_runs, "with")
        in_turn(1, *measures)
        for each in starts.values():
            each.clear()
        in_turn(n_rounds, *measures)
    against = "the same without a run"
    told = f"with {n_runs:,} runs of 1 MB"
    kinds: tuple[tuple[str, str, float | None, Callable[[Start], float]], ...] = (
        ("processor time to the first card", "ms", 1.2, lambda start: 1000 * start.card_s),
        ("memory at most", "MB", 1.2, lambda start: start.peak_bytes / 1e6),
        ("processor time to its answer", "ms", None, lambda start: 1000 * start.answer_s),
    )
    for what, unit, limit, value in kinds:
        beside, found = (median(map(value, starts[name])) for name in ("without", "with"))
        yield Figure(f"{what}, {told}", found, unit, against, beside, ratio_below=limit)


def _start(data: Data, first: int) -> Start:
    """Of the program whose first card has the number `first`."""
    data.paths.settings_file.write_text(SETTINGS, encoding="utf-8")
    command = [sys.executable, "-m", "studykit", "--course", str(data.root)]
    with Terminal(command, environment_of(data)) as terminal:
        terminal.wait_for("goes on with the review")
        terminal.press("\r")
        terminal.wait_for(opening(first))
        card_s = _processor_s(terminal.pid)
        time.sleep(SETTLED_S)
        before_s = _processor_s(terminal.pid)
        press_when_seen(terminal, GIVES_UP.get(kind_of(first), "n"), "Easy")
        answer_s = _processor_s(terminal.pid) - before_s
        status = Path(f"/proc/{terminal.pid}/status").read_text(encoding="ascii")
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return Start(card_s, answer_s, 1024 * int(peak))


def _processor_s(pid: int) -> float:
    """Of all threads of the program, without the labs' process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Print the table; exit code 1 if a figure is missed."""
    n_runs = int(sys.argv[1]) if sys.argv[1:] else N_RUNS
    with tempfile.TemporaryDirectory() as folder:
        return report(measure(make_data(Path(folder), N_CARDS, N_REVIEWS), n_runs, N_ROUNDS))


if __name__ == "__main__":
    sys.exit(main())
