"""Where the program begins: the screens at once, any other command line through its parser.

The parser and its commands take a tenth as long to load as the screens, every morning.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path

OBJECTS_UNTIL_GARBAGE = 500_000
"""As many more than there were, before Python looks for garbage; it looks after 700."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one command line."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not _wants_screens(arguments):
        # Among a hundred thousand cards and memories there is none, and Python looks at them all.
        gc.set_threshold(OBJECTS_UNTIL_GARBAGE)
        from studykit.cli import main as parse

        return parse(arguments)
    from studykit.commands.endings import exit_code_of
    from studykit.commands.environment import build_environment
    from studykit.commands.screens import open_screens

    course = Path(arguments[1]) if arguments else None
    return exit_code_of(lambda: open_screens(build_environment(course)))


def _wants_screens(arguments: Sequence[str]) -> bool:
    """``studykit`` alone, or with nothing but the folder of a course."""
    match arguments:
        case []:
            return True
        case ["--course", path]:
            return not path.startswith("-")
        case _:
            return False
