"""What the learner's progress gives to report, read from the store, and the report of a screen."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studykit.progress.report_data import PeriodStats
    from studykit.progress.stats import ReportSums
    from studykit.progress.store import Store
    from studykit.study.services import Services


def read_period(
    services: Services, store: Store | None, since: date | None
) -> tuple[PeriodStats, ReportSums]:
    """The numbers of the study days from `since` (None: the first) to today, and their sums.

    Raises `StoreError` when the progress cannot be read.
    """
    from studykit.progress.report_data import period_stats
    from studykit.progress.stats import NO_REPORT_SUMS
    from studykit.study.day import read_day

    today = services.today
    practised = [] if store is None else store.practised()
    pretested = {each.card_id for each in practised if each.mode == "pretest"}
    sums = NO_REPORT_SUMS if store is None else store.report_sums(since, today, pretested)
    day = read_day(services, store)
    stats = period_stats(
        sums,
        () if store is None else store.each_run(),
        services.contents,
        day.memories,
        since,
        today,
        services.scheduler,
        practised,
        day.asked,
        services.plan,
    )
    return stats, sums


def write_report(services: Services) -> Path:
    """Write the report of the whole progress into the data folder; returns where it lies.

    Raises `OSError`, and an earlier report of the day stays whole.
    """
    from studykit.files import replace_file
    from studykit.progress.report import render_markdown

    stats, _ = read_period(services, services.progress, None)
    path = services.paths.data_dir / f"report-{services.today.isoformat()}.md"
    replace_file(path, render_markdown(stats))
    return path
