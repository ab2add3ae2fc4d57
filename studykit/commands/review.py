"""``studykit review``: today's cards, on the screens or line by line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from studykit.commands.environment import environment
from studykit.errors import UsageError

if TYPE_CHECKING:
    from studykit.commands.environment import Environment


def review(
    ctx: typer.Context,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Line by line, for screen readers, dumb terminals and pipes."),
    ] = False,
) -> None:
    """Review the cards that are due.

    Without --plain this opens the screens, as studykit alone does.
    """
    env = environment(ctx)
    if plain:
        from studykit.commands.review_plain import review_line_by_line

        raise typer.Exit(review_line_by_line(env.services))
    open_screens(env)


def open_screens(env: Environment) -> None:
    """The screens, until they are left; raises `UsageError` where there is no terminal."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not is_terminal or os.environ.get("TERM", "dumb") == "dumb":
        raise UsageError(
            "the screens need a terminal",
            hint="studykit review --plain goes line by line; studykit --help lists the commands",
        )
    from studykit.tui.app import run_app

    raise typer.Exit(run_app(env.services))
