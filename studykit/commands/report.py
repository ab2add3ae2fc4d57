"""``studykit report``: what was studied, as Markdown, HTML, CSV or JSON."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studykit.commands.environment import environment
from studykit.errors import UsageError

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.progress.store import Store


class Format(enum.StrEnum):
    """How a report is written."""

    MARKDOWN = "markdown"
    MD = "md"
    HTML = "html"
    CSV = "csv"
    JSON = "json"


def report(
    ctx: typer.Context,
    format: Annotated[  # noqa: A002, the option's name
        Format,
        typer.Option(
            help="A page of Markdown or HTML, the log of reviews as CSV, or JSON (docs/report.md)."
        ),
    ] = Format.MARKDOWN,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write there instead of to stdout."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First study day; default: the first ever."),
    ] = None,
) -> None:
    """Report what was studied.

    Retention, topics, forecast, labs with predictions and verdicts; in HTML with charts. CSV has
    one row a review.
    """
    from studykit.files import drafted

    env = environment(ctx)
    first_day = None if since is None else since.date()
    if first_day is not None and first_day > env.services.today:
        raise UsageError(f"--since {first_day} lies ahead", hint=f"today is {env.services.today}")
    with env.existing_store() as store:
        parts = _render(format, env, store, first_day)
        if output is None:
            for part in parts:
                typer.echo(part, nl=False)
            return
        try:
            if output.exists() and not output.is_file():  # a pipe, a device
                with output.open("w", encoding="utf-8") as file:
                    file.writelines(parts)
                return
            with (
                drafted(output.resolve()) as draft,  # a full disk must not cost the last report
                draft.open("x", encoding="utf-8", newline="") as file,
            ):
                file.writelines(parts)
        except OSError as error:
            raise UsageError(f"--output {output}: {error.strerror}") from None


def _render(
    format: Format,  # noqa: A002
    env: Environment,
    store: Store | None,
    since: date | None,
) -> Iterator[str]:
    """The report in parts that follow each other; only what its format needs is imported."""
    from studykit.study.reporting import read_period

    if format is Format.CSV:
        from studykit.progress.csv_report import FIELDS, render_csv

        period = since or date.min, env.services.today
        rows = iter(()) if store is None else store.log_columns(FIELDS, *period)
        yield from render_csv(rows, env.contents)
        return
    stats, sums = read_period(env.services, store, since)
    match format:
        case Format.HTML:
            from studykit.progress.html_report import render_html
            from studykit.progress.report_data import build_trends

            yield render_html(stats, build_trends(sums, stats, env.services.desired_retention))
        case Format.JSON:
            from studykit.progress.report import render_json

            yield render_json(stats)
        case _:
            from studykit.progress.report import render_markdown

            yield render_markdown(stats)
