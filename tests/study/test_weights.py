"""Weights in use: everything that schedules goes by them."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from studykit.clock import FixedClock
from studykit.review.schedule import DEFAULT_WEIGHTS, NEW_MEMORY, Rating
from studykit.review.weights import WeightsEntry
from studykit.study.day import read_day
from tests.tui.conftest import build_idle_services

LONGER = (*(4 * w for w in DEFAULT_WEIGHTS[:4]), *DEFAULT_WEIGHTS[4:])
"""Of a learner who remembers four times as long."""


def adopted(at_hours: int, clock: FixedClock) -> WeightsEntry:
    at = clock.now() + timedelta(hours=at_hours)
    return WeightsEntry(at, LONGER, "a fitter", 400, None, is_adopted=True)


def test_sittings_schedule_by_the_weights_in_use(tmp_path: Path) -> None:
    """From the next sitting on, also where another window has adopted them."""
    services = build_idle_services(tmp_path, "recall", "cloze")
    clock = services.clock
    assert isinstance(clock, FixedClock)
    assert services.scheduler.settings.parameters == DEFAULT_WEIGHTS
    services.open()
    first = services.open_session()
    first.reveal()
    usual = first.previews[Rating.EASY].stability_days or 0.0
    services.progress.add_weights(adopted(0, clock))

    second = services.open_session()
    second.reveal()
    assert second.previews[Rating.EASY].stability_days == 4 * usual
    review = second.rate(Rating.EASY)
    assert review.parameters_id == services.scheduler.parameters_id
    assert services.scheduler.settings.parameters == LONGER


def test_they_are_in_use_from_the_start(tmp_path: Path) -> None:
    """Of the app, and of a command that reads the day from a store of its own."""
    services = build_idle_services(tmp_path, "recall")
    clock = services.clock
    assert isinstance(clock, FixedClock)
    services.open()
    services.progress.add_weights(adopted(-1, clock))
    again = build_idle_services(tmp_path, "recall")
    with closing(services._open_store()) as store:
        read_day(again, store)
    assert again.scheduler.settings.parameters == LONGER
    opened = build_idle_services(tmp_path, "recall")
    opened.open()
    assert opened.scheduler.settings.parameters == LONGER


def test_a_scheduler_is_made_once_for_the_same_settings(tmp_path: Path) -> None:
    services = build_idle_services(tmp_path, "recall")
    services.open()
    assert services.scheduler is services.scheduler
    services.use_weights(services.progress)
    memory = services.scheduler.review("a", NEW_MEMORY, Rating.GOOD, services.clock.now())
    assert services.scheduler.retrievability(memory, services.today) == 1.0
