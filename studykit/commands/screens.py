"""The screens as a command opens them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from studykit.errors import UsageError

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.review.offers import Wish


def open_screens(env: Environment, wish: Wish | None = None) -> int:
    """The exit code of the screens; raises `UsageError` where there is no terminal.

    `wish`: what they begin with, in place of Home.
    """
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not is_terminal or os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError(
            "the screens need a terminal",
            hint="studykit review --plain goes line by line; studykit --help lists the commands",
        )
    from studykit.tui.pace import tune_process

    tune_process()
    from studykit.tui.app import run_app

    return run_app(env.services, wish)


def problems_of_keys(env: Environment) -> list[str]:
    """What is wrong with the learner's own keys; the screens are loaded only if there are any."""
    keys = env.settings.keys
    if not keys:
        return []
    from studykit.tui.keymap import key_problems

    return key_problems(keys)
