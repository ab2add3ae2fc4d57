"""What goes wrong with a model's files, said in one line."""

from __future__ import annotations

from studykit.lab.events import UnmetNeedError

LONGEST_QUOTE = 60


class ModelError(UnmetNeedError):
    """A model's files are missing, damaged or of a kind that is not offered.

    The message is one line: which file, what is wrong with it, what to do.
    """


def quote(name: object) -> str:
    """A name out of a file, safe to print: control characters escaped, cut where it is long."""
    text = repr(name)
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
