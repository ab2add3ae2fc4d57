"""How fast labs are, beside another build: ``python -m benchmarks.labs --base PATH [LAB ...]``.

Both builds are measured in one run, in turn. `--record` keeps the figures in results/labs.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figures import Figure, report
from studykit.course.labs import find_labs, lab_id, load_lab_header

HERE = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results" / "labs.json"
HALVED = ("core/residuals", "core/heads", "core/normalisation", "core/encoder_decoder")
"""Labs that must take at most half of what they took."""
QUICK_LOOK = 0.25


def probe(checkout: Path, course: Path, lab: str, *options: str) -> dict[str, float]:
    """What `lab_probe` says of a lab of `course`, run by the build in `checkout`."""
    script = Path(__file__).with_name("lab_probe.py")
    done = subprocess.run(
        [sys.executable, "-P", str(script), str(course), lab, *options],
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        check=True,
    )
    took: dict[str, float] = json.loads(done.stdout)
    return took


def measure(
    lab: str, base: Path, n_rounds: int, *, courses: tuple[Path, Path], options: Sequence[str] = ()
) -> Iterator[Figure]:
    """Figures of one lab: of this build's course, and of the other one's by the other build."""
    ours, theirs = courses
    header = load_lab_header(ours / "labs" / f"{lab}.py", ours)
    has_base = (theirs / "labs" / f"{lab}.py").exists()
    now, then, quick = [], [], []
    for _ in range(n_rounds):
        if has_base:
            then.append(probe(base, theirs, lab, *options))
        now.append(probe(HERE, ours, lab, *options))
        if header.takes_budget:
            quick.append(probe(HERE, ours, lab, "--budget", str(QUICK_LOOK), *options))

    def median(runs: list[dict[str, float]], key: str) -> float | None:
        return statistics.median(run[key] for run in runs) if runs else None

    limit = 0.5 if lab in HALVED else None
    for key, what, below, ratio_below in (
        ("processor_s", "a default run, processor time", None, limit),
        ("wall_s", "a default run, wall time", None, limit),
        ("first_verdict_s", "warm child, first verdict", 5.0, None),
    ):
        value = median(now, key)
        assert value is not None
        yield Figure(
            f"{lab}: {what}", value, "s", "the other build", median(then, key), below, ratio_below
        )
    if quick:
        value = median(quick, "wall_s")
        assert value is not None
        first = median(then, "first_verdict_s")
        against = "the other build's first verdict"
        yield Figure(f"{lab}: quick look", value, "s", against, first, below=3.0)


def main() -> int:
    """Print the table; exit code 1 if a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labs", description=__doc__)
    parser.add_argument("labs", nargs="*", metavar="LAB", help="default: every lab")
    parser.add_argument("--base", type=Path, required=True, help="checkout of the other build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--record", action="store_true", help="keep the figures in results/")
    wanted = parser.parse_args()
    base = wanted.base.resolve()
    labs = wanted.labs or [lab_id(path, HERE) for path in find_labs(HERE)]

    def measure_all() -> Iterator[Figure]:
        for lab in labs:
            yield from measure(lab, base, wanted.rounds, courses=(HERE, base))

    return report(measure_all(), RESULTS if wanted.record else None)


if __name__ == "__main__":
    sys.exit(main())
