"""The process that fits weights: a pickled request on stdin, pickled messages on stdout."""

from __future__ import annotations

import pickle
import sys

from studykit.errors import StudykitError
from studykit.review.fitting import fit

TOLD, FITTED, REFUSED = "told", "fitted", "refused"
"""The kinds of messages: what goes on, the `Fit` at the end, or why there is none."""


def main() -> None:
    """Fit, and say what goes on."""

    def send(kind: str, value: object) -> None:
        pickle.dump((kind, value), sys.stdout.buffer)
        sys.stdout.buffer.flush()

    history, in_use, n_relearning_steps = pickle.load(sys.stdin.buffer)
    try:
        send(FITTED, fit(history, in_use, n_relearning_steps, lambda text: send(TOLD, text)))
    except StudykitError as error:
        send(REFUSED, error.what)


if __name__ == "__main__":
    main()
