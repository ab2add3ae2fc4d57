"""The report as a file: what the key on Home writes."""

from __future__ import annotations

from pathlib import Path

from studykit.progress.report import render_markdown
from studykit.progress.stats import summary
from studykit.tui.services import Services


def write_report(services: Services) -> Path:
    """Write the report of the whole progress into the data folder; returns where it lies."""
    reviews = services.progress.reviews()
    today = services.today
    since = min((review.day for review in reviews), default=today)
    runs = services.progress.runs(None)
    memories = services.progress.memories()
    text = render_markdown(
        summary(reviews, runs, services.course, memories, since, today, services.scheduler)
    )
    path = services.paths.data_dir / f"report-{today.isoformat()}.md"
    path.write_text(text, encoding="utf-8")
    return path
