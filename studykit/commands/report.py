"""``studykit report``: what was studied, as Markdown or JSON."""

from __future__ import annotations

import enum
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from studykit.commands.environment import environment
from studykit.errors import UsageError


class Format(enum.StrEnum):
    """How a report is written."""

    MARKDOWN = "markdown"
    JSON = "json"


def report(
    ctx: typer.Context,
    format: Annotated[  # noqa: A002, the option's name
        Format, typer.Option(help="Markdown for people, JSON for programs (docs/json.md).")
    ] = Format.MARKDOWN,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write there instead of to stdout.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First study day; default: the first ever."),
    ] = None,
) -> None:
    """Report what was studied, in Markdown or JSON.

    Retention, topics, forecast, labs with predictions and verdicts.
    """
    from studykit.progress.report import render_json, render_markdown
    from studykit.progress.stats import summary

    env = environment(ctx)
    services = env.services
    first_day = None if since is None else since.date()
    if first_day is not None and first_day > services.today:
        raise UsageError(f"--since {first_day} lies ahead", hint=f"today is {services.today}")
    with env.existing_store() as store:
        reviews = [] if store is None else store.reviews()
        runs = [] if store is None else store.runs(None)
        memories = {} if store is None else store.memories()
    numbers = summary(
        reviews, runs, env.course, memories, first_day, services.today, services.scheduler
    )
    text = render_json(numbers) if format is Format.JSON else render_markdown(numbers)
    if output is None:
        typer.echo(text.rstrip("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output {output}: {error.strerror}") from None
