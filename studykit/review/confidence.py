"""How sure the learner was of an answer before its outcome was shown."""

from __future__ import annotations

from enum import IntEnum


class Confidence(IntEnum):
    """The four words to choose from; the value is the chance of being right, in percent."""

    GUESS = 25
    UNSURE = 50
    SURE = 75
    CERTAIN = 95


def is_confident_error(correct: bool | None, percent: int | None) -> bool:
    """True if the answer was wrong and the learner had been at least sure of it."""
    return correct is False and percent is not None and percent >= Confidence.SURE
