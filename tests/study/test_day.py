"""One definition of what is due today, wherever it is counted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from studykit.clock import FixedClock
from studykit.review.schedule import Rating
from studykit.settings import ReviewSettings, Settings
from studykit.study.day import read_day
from studykit.study.finding import build_entries, find
from studykit.study.learner_stats import read_home_stats
from studykit.study.overview import build_overview
from studykit.study.reporting import write_report
from studykit.study.statistics import read_statistics
from studykit.study.words import held_back
from tests.tui.conftest import build_idle_services
from tests.tui.past import study


def test_all_that_counts_what_is_due_today_counts_the_same(tmp_path: Path) -> None:
    """Two siblings are due, and of them only one is asked today."""
    services = build_idle_services(tmp_path, "recall", "cloze", "numeric")
    decks = services.course.root / "decks"
    deck = next(decks.glob("1-*.yaml"))
    deck.write_text(
        deck.read_text(encoding="utf-8")
        .replace("- id: stacks-recall", "- id: stacks-recall\n        note: pair")
        .replace("- id: stacks-cloze", "- id: stacks-cloze\n        note: pair"),
        encoding="utf-8",
    )
    services.reload_decks()
    services.open()
    clock = services.clock
    assert isinstance(clock, FixedClock)
    for _ in range(2):  # the second of the pair is new on the next day
        session = services.open_session()
        while session.current is not None:
            session.reveal()
            session.rate(Rating.EASY)
        clock.advance(timedelta(days=1))
    clock.advance(timedelta(days=60))

    day = read_day(services, services.progress)
    assert (day.queue.counts.review, len(day.queue.siblings)) == (2, 1)
    overview = build_overview(services)
    assert (overview.n_due, overview.n_siblings, overview.backlog) == (2, 1, "")
    assert read_home_stats(services).week[0][1] == 2
    assert read_home_stats(services).week[1][1] == 1
    assert read_statistics(services, services.progress, ()).forecast[0][1] == 2
    entries = build_entries(services.course, day.memories, day.asked)
    assert len(find(entries, "s:due", day.marks, services.today).entries) == 2
    report = write_report(services).read_text(encoding="utf-8")
    assert "Due today: 2 (2 of them overdue); within 7 days: 3;" in report


def test_what_an_exam_makes_due_is_found_as_due(tmp_path: Path) -> None:
    """The last round before an exam asks cards whose own day comes after it."""
    services = build_idle_services(tmp_path, "recall", "cloze", "numeric", "choice")
    clock = services.clock
    assert isinstance(clock, FixedClock)
    study(services, [(card_id, ago, Rating.EASY) for ago in (20, 12) for card_id in services.cards])
    exam = services.today + timedelta(days=9)
    services.settings = Settings(ReviewSettings(exams={services.course.id: exam}))
    services.open()
    n_found = []
    while services.today < exam:
        day = read_day(services, services.progress)
        entries = build_entries(services.course, day.memories, day.asked)
        found = find(entries, "s:due", day.marks, services.today).entries
        assert {entry.card.id for entry in found} == set(day.queue.reviews)
        n_found.append(len(found))
        clock.advance(timedelta(days=1))
    assert n_found[0] == 0
    assert n_found[-1] == len(services.cards)


def test_what_is_held_back_is_said() -> None:
    assert held_back(0) == ""
    assert held_back(1) == "1 held back until tomorrow (sibling)"
    assert held_back(0, "30 beyond today's limit") == "30 beyond today's limit"
    assert held_back(2, "30 wait") == "2 held back until tomorrow (sibling); 30 wait"
