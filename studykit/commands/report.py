"""``studykit report``: what was studied, as Markdown, HTML, CSV or JSON."""

from __future__ import annotations

import enum
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studykit.commands.environment import environment
from studykit.errors import UsageError

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.progress.report_data import PeriodStats
    from studykit.review.session import Review


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
    from studykit.files import replace_file
    from studykit.progress.report_data import period_stats
    from studykit.study.day import read_day

    env = environment(ctx)
    services = env.services
    first_day = None if since is None else since.date()
    if first_day is not None and first_day > services.today:
        raise UsageError(f"--since {first_day} lies ahead", hint=f"today is {services.today}")
    with env.existing_store() as store:
        reviews = [] if store is None else store.reviews()
        day = read_day(services, store)
        practised = [] if store is None else store.practised()
        numbers = period_stats(
            reviews,
            () if store is None else store.each_run(),
            env.course,
            day.memories,
            first_day,
            services.today,
            services.scheduler,
            practised,
            day.asked,
        )
    text = _render(format, numbers, reviews, env)
    if output is None:
        typer.echo(text.rstrip("\n"))
        return
    try:
        if output.is_file():
            replace_file(output.resolve(), text)  # a full disk must not cost the last report
        else:
            output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output {output}: {error.strerror}") from None


def _render(format: Format, summary: PeriodStats, reviews: list[Review], env: Environment) -> str:  # noqa: A002
    """The report as text; only what its format needs is imported."""
    match format:
        case Format.MARKDOWN | Format.MD:
            from studykit.progress.report import render_markdown

            return render_markdown(summary)
        case Format.HTML:
            from studykit.progress.html_report import render_html
            from studykit.progress.report_data import build_trends

            desired = env.settings.review.desired_retention
            return render_html(summary, build_trends(reviews, summary, desired))
        case Format.CSV:
            from studykit.progress.csv_report import render_csv

            return render_csv(reviews, env.course, summary.since, summary.today)
        case Format.JSON:
            from studykit.progress.report import render_json

            return render_json(summary)
