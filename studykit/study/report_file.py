"""The report as a file: what the key on Home writes."""

from __future__ import annotations

from pathlib import Path

from studykit.files import replace_file
from studykit.progress.report import render_markdown
from studykit.progress.stats import summary
from studykit.study.services import Services


def write_report(services: Services) -> Path:
    """Write the report of the whole progress into the data folder; returns where it lies.

    Raises `OSError`, and an earlier report of the day stays whole.
    """
    reviews = services.progress.reviews()
    today = services.today
    practised = services.progress.practised()
    days = [review.day for review in reviews] + [each.day for each in practised]
    since = min(days, default=today)
    runs = services.progress.runs(None)
    memories = services.progress.memories()
    text = render_markdown(
        summary(
            reviews,
            runs,
            services.course,
            memories,
            since,
            today,
            services.scheduler,
            practised,
        )
    )
    path = services.paths.data_dir / f"report-{today.isoformat()}.md"
    replace_file(path, text)
    return path
