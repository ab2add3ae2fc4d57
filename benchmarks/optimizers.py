"""Two packages that fit weights of FSRS, beside each other: ``python -m benchmarks.optimizers``.

Each fits the older four fifths of a simulated log in a process of its own, and both are held
against the newest fifth and against the truth that the simulation knows. The optimizer of `fsrs`
needs torch, pandas and tqdm; where they are missing its rows are left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.simulated_log import LEARNERS, Answer, history_of, simulate
from studykit.review.fitting import HELD_OUT, Dataset, losses
from studykit.review.schedule import DEFAULT_WEIGHTS

PACKAGES = ("fsrs-rs-python", "fsrs-rs-python, gamma 4", "fsrs")
FIT_ENDED = 600.0
"""Seconds that a fit may take."""


def fit_fsrs_rs(answers: Sequence[Answer], gamma: float = 1.0) -> list[float]:
    """As its example does: one item for each review on a later day."""
    from fsrs_rs_python import FSRS, TrainingConfig

    dataset = Dataset(history_of([*answers]))
    found: list[float] = FSRS([]).compute_parameters(
        dataset.items, training_config=TrainingConfig(gamma=gamma)
    )
    return found


def fit_fsrs(answers: Sequence[Answer]) -> list[float]:
    """As its documentation does: review logs in, weights out."""
    from fsrs import Rating, ReviewLog
    from fsrs.optimizer import Optimizer

    logs = [ReviewLog(a.card, Rating(a.rating), a.at, None) for a in answers]
    return list(Optimizer(logs).compute_optimal_parameters())


def one_fit(package: str, learner: str, n_reviews: int, seed: int) -> dict[str, Any]:
    """Seconds, memory and weights of one fit; its imports and the log are there before."""
    answers = simulate(LEARNERS[learner], n_reviews, seed)
    older = answers[: first_held(answers)]
    fits: dict[str, Callable[[Sequence[Answer]], list[float]]] = {
        PACKAGES[0]: fit_fsrs_rs,
        PACKAGES[1]: partial(fit_fsrs_rs, gamma=4.0),
        PACKAGES[2]: fit_fsrs,
    }
    if package == "fsrs":
        import fsrs.optimizer
        import torch  # noqa: F401

        if not hasattr(fsrs.optimizer, "pd"):
            raise SystemExit("fsrs needs torch, pandas and tqdm to fit")
    else:
        import fsrs_rs_python  # noqa: F401
    before_mb, begin = _reset_peak_mb(), time.process_time()
    weights = fits[package](older)
    seconds = time.process_time() - begin
    return {"seconds": seconds, "mb": _peak_mb() - before_mb, "weights": weights}


def first_held(answers: Sequence[Answer]) -> int:
    """Answers before the first that is held out."""
    last: dict[int, Any] = {}
    later = []
    for n, answer in enumerate(answers):
        if answer.card in last and answer.at.date() > last[answer.card]:
            later.append(n)
        last[answer.card] = answer.at.date()
    return later[len(later) - len(later) // HELD_OUT]


def held_out_loss(
    weights: Sequence[float], answers: Sequence[Answer], first: int
) -> tuple[float, float]:
    """Mean log loss on the answers from `first` on: as they were, and as they were to be expected.

    The second is the excess over the true weights, free of the luck of so few answers.
    """
    n_before = len(Dataset(history_of([*answers[:first]])).items)
    dataset = Dataset(history_of([*answers]))
    predicted = dataset.predicted(weights, n_before)
    recall = np.array([answers[n].recall for n in dataset.rows[n_before:]])
    seen = losses(predicted, np.array(dataset.recalled[n_before:]))
    excess = recall * np.log(recall / predicted)
    excess += (1 - recall) * np.log((1 - recall) / (1 - predicted))
    return float(seen.mean()), float(excess.mean())


def _reset_peak_mb() -> float:
    """Forget what the simulation needed; what is in use now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak_mb()


def _peak_mb() -> float:
    """The most memory since the last reset, by Linux."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _fit_apart(package: str, learner: str, n: int, seed: int) -> dict[str, Any] | None:
    command = [sys.executable, "-m", "benchmarks.optimizers", "--fit", package, learner]
    command += [str(n), str(seed)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, timeout=FIT_ENDED, check=True, text=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", nargs=4, metavar=("PACKAGE", "LEARNER", "N", "SEED"))
    parser.add_argument("--sizes", default="1000,3000,10000", help="reviews of a log")
    parser.add_argument("--packages", default=";".join(PACKAGES))
    parser.add_argument("--seeds", type=int, default=3)
    wanted = parser.parse_args()
    if wanted.fit:
        package, learner, n, seed = wanted.fit
        print(json.dumps(one_fit(package, learner, int(n), int(seed))))
        return
    print("| learner | reviews | weights of | s | MB | held-out log loss | excess | excess kept |")
    print("|---|---|---|---|---|---|---|---|")
    for n in map(int, wanted.sizes.split(",")):
        for learner in LEARNERS:
            logs = [simulate(LEARNERS[learner], n, seed) for seed in range(wanted.seeds)]
            usual = [held_out_loss(DEFAULT_WEIGHTS, log, first_held(log)) for log in logs]
            _row(learner, n, "the defaults", usual, usual)
            for package in wanted.packages.split(";"):
                fits = [_fit_apart(package, learner, n, seed) for seed in range(wanted.seeds)]
                found = [fit for fit in fits if fit is not None]
                if len(found) == len(logs):
                    losses_of = [
                        held_out_loss(fit["weights"], log, first_held(log))
                        for fit, log in zip(found, logs, strict=True)
                    ]
                    _row(learner, n, package, losses_of, usual, found)


def _row(
    learner: str,
    n: int,
    name: str,
    scores: Sequence[tuple[float, float]],
    usual: Sequence[tuple[float, float]],
    fits: Sequence[dict[str, Any]] = (),
) -> None:
    """One line, means over the seeds; `usual` are the scores of the defaults.

    Its last column is of what `studykit optimize` keeps: the fit where it loses less than the
    defaults on the held-out answers, and else the defaults.
    """
    seen, excess = np.mean(scores, axis=0)
    kept = np.mean([min(pair)[1] for pair in zip(scores, usual, strict=True)])
    cost = " | "
    if fits:
        cost = " | ".join(f"{np.mean([fit[key] for fit in fits]):.3g}" for key in ("seconds", "mb"))
    line = f"| {learner} | {n:,} | {name} | {cost} | {seen:.4f} | {excess:.4f} | {kept:.4f} |"
    print(line, flush=True)


if __name__ == "__main__":
    main()
