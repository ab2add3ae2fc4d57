"""Kills a program that records answers, again and again, each time at another moment.

Run as ``python kill_trials.py FOLDER SEED N``. Each trial forks a child that opens the store and
acknowledges each answer once it is recorded, then kills it by SIGKILL. Prints one JSON object a
trial: its database, the answers acknowledged, and what is wrong with the database afterwards.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

from tests.progress.builders import make_review, open_store

TRIALS_PER_DATABASE = 10
LONGEST_WAIT_S = 0.004
"""After the last acknowledgement that is waited for: about as long as recording takes."""
LONGEST_START_S = 0.05
"""In the first trial of a database: about as long as the child takes to make it."""


def record_for_ever(folder: Path, trial: int, acknowledge: int) -> None:
    """The child: an answer is recorded, then acknowledged, then comes the next."""
    store = open_store(folder)
    n = 0
    while True:
        name = f"{trial}-{n}"
        store.record(make_review(card_id=f"card-{n % 7}", given=name))
        os.write(acknowledge, f"{name}\n".encode())
        n += 1


def run_trial(folder: Path, trial: int, rng: random.Random) -> list[str]:
    """The answers acknowledged by a child that was killed."""
    is_first = trial % TRIALS_PER_DATABASE == 0
    n_awaited = 0 if is_first else rng.randrange(1, 9)
    wait_s = rng.uniform(0, LONGEST_START_S if is_first else LONGEST_WAIT_S)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            record_for_ever(folder, trial, writer)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        acknowledged = [pipe.readline().strip() for _ in range(n_awaited)]
        time.sleep(wait_s)
        os.kill(child, signal.SIGKILL)
        acknowledged += [line.strip() for line in pipe]
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, "the child must live until it is killed"
    return acknowledged


def main(root: Path, seed: int, n_trials: int) -> None:
    rng = random.Random(seed)
    for trial in range(n_trials):
        folder = root / str(trial // TRIALS_PER_DATABASE)
        acknowledged = run_trial(folder, trial, rng)
        with closing(open_store(folder)) as store:
            stored = [review.given for review in store.reviews()]
            document = {
                "folder": folder.name,
                "acknowledged": acknowledged,
                "stored": [name for name in stored if name.startswith(f"{trial}-")],
                "problems": store.check(),
            }
        print(json.dumps(document), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
