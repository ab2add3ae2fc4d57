"""How long a backlog takes, and how it is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from studykit.clock import FixedClock
from studykit.review.plan import Plan
from studykit.review.schedule import Memory, Rating, Scheduler, ScheduleSettings, State
from studykit.review.study_queue import Limits
from studykit.settings import ReviewSettings, Settings
from studykit.study.backlog import Backlog, days_to_clear, describe_backlog, read_backlog
from studykit.study.day import read_day
from studykit.study.overview import build_overview
from tests.review.helpers import MONDAY
from tests.tui.conftest import build_idle_services
from tests.tui.past import study

DAY = MONDAY.date()
SCHEDULER = Scheduler(ScheduleSettings())


def overdue(days: int, stability: float) -> Memory:
    return Memory(
        State.REVIEW,
        stability_days=stability,
        difficulty=5.0,
        due_day=DAY - timedelta(days=days),
        last_review_at=MONDAY,
        last_review_day=DAY - timedelta(days=days + round(stability)),
        reps=3,
    )


def clear(
    n_waiting: int,
    per_day: int,
    stability: float = 400.0,
    coming: dict[date, int] | None = None,
    plan: Plan | None = None,
    new_per_day: int = 0,
    n_unseen: int = 1000,
    n_asked: int = 0,
) -> int | None:
    return days_to_clear(
        [overdue(3, stability)] * n_waiting,
        [overdue(3, stability)] * n_asked,
        Counter(coming or {}),
        n_unseen=n_unseen,
        today=DAY,
        limits=Limits(new_per_day, per_day),
        plan=plan or Plan(),
        scheduler=SCHEDULER,
    )


def test_cards_that_stay_away_for_a_year_are_cleared_one_by_one() -> None:
    """At the cap, and no day more. One in ten is forgotten, and comes again meanwhile."""
    assert clear(1, 10) == 1
    n_days = clear(100, 10)
    assert n_days is not None
    assert 10 <= n_days <= 13


def test_what_comes_meanwhile_takes_its_places() -> None:
    n_days = clear(100, 10, coming={DAY + timedelta(days=n): 5 for n in range(1, 60)})
    assert n_days is not None
    assert 20 <= n_days <= 27


def test_cards_that_come_again_soon_may_never_be_cleared() -> None:
    assert clear(500, 3, stability=1.0) is None
    assert clear(10, 0) is None


def test_new_cards_lengthen_it_and_so_do_days_off() -> None:
    usual = clear(100, 10)
    with_new = clear(100, 10, new_per_day=4)
    with_weekends = clear(100, 10, plan=Plan(easy_days={5: 0.0, 6: 0.0}))
    assert usual is not None
    assert with_new is None or with_new > usual
    assert with_weekends is not None
    assert usual + 2 <= with_weekends <= usual + 6


def test_new_cards_lengthen_it_until_all_are_met() -> None:
    few, many = (clear(100, 10, new_per_day=4, n_unseen=n) for n in (8, 1000))
    assert few is not None
    assert many is not None
    assert few < many


def test_what_is_asked_today_comes_again_meanwhile() -> None:
    n_days, with_today = clear(100, 10, 30.0), clear(100, 10, 30.0, n_asked=50)
    assert n_days is not None
    assert with_today is None or with_today > n_days


@pytest.mark.parametrize(
    ("n_cards", "longest", "difficulty", "longest_wait", "accuracy"),
    [(300, 60, 5.0, 30, 0.25), (200, 12, 9.9, 5, 0.45)],
    ids=["usual", "hard, as a backlog is that has come back often"],
)
def test_the_reckoning_agrees_with_a_simulation_card_by_card(
    n_cards: int, longest: float, difficulty: float, longest_wait: int, accuracy: float
) -> None:
    """Each card with its own memory, recalled as often as FSRS expects.

    The intervals of hard cards are short at first, but grow: with the first for good, they would
    never be cleared.
    """
    from random import Random

    random = Random(0)
    scheduler = Scheduler(ScheduleSettings(relearning_steps=()))
    memories = {
        f"c{n}": replace(
            overdue(random.randrange(longest_wait), random.uniform(longest / 12, longest)),
            difficulty=difficulty,
        )
        for n in range(n_cards)
    }
    reckoned = days_to_clear(
        [*memories.values()],
        [],
        {},
        n_unseen=0,
        today=DAY,
        limits=Limits(0, n_cards // 10),
        plan=Plan(),
        scheduler=scheduler,
    )
    n_days = 0
    while True:
        n_days += 1
        at = MONDAY + timedelta(days=n_days)
        due = [id_ for id_, m in memories.items() if m.due_day and m.due_day <= at.date()]
        due.sort(key=lambda id_: scheduler.fading(memories[id_], at.date()))
        for id_ in due[: n_cards // 10]:
            is_recalled = random.random() < scheduler.retrievability(memories[id_], at.date())
            rating = Rating.GOOD if is_recalled else Rating.AGAIN
            memories[id_] = scheduler.review(id_, memories[id_], rating, at)
        if len(due) <= n_cards // 10:
            break
    assert reckoned == pytest.approx(n_days, rel=accuracy)


@pytest.mark.parametrize(
    ("backlog", "told"),
    [
        (None, ""),
        (
            Backlog(340, 50, 12, None, pauses_new=True),
            "340 beyond today's limit, cleared in about 12 days, no new cards until then",
        ),
        (Backlog(3, 50, 1, None, False), "3 beyond today's limit, cleared in about 1 day"),
        (Backlog(900, 5, None, None, False), "900 beyond today's limit, over a year at 5 a day"),
        (Backlog(900, 0, None, None, False), "900 beyond today's limit, none is asked"),
        (
            Backlog(4, 50, 3, DAY + timedelta(days=3), False),
            "a day off: 4 cards wait until 26 Nov",
        ),
        (
            Backlog(400, 50, 11, DAY + timedelta(days=3), False),
            "a day off: 400 cards wait until 26 Nov, cleared in about 11 days",
        ),
    ],
)
def test_how_a_backlog_is_told(backlog: Backlog | None, told: str) -> None:
    assert describe_backlog(backlog, DAY) == told


def test_a_backlog_and_a_day_off_are_told_on_home(tmp_path: Path) -> None:
    services = build_idle_services(tmp_path, "recall", "cloze", "numeric")
    services.open()
    clock = services.clock
    assert isinstance(clock, FixedClock)
    session = services.open_session()
    while session.current is not None:
        session.reveal()
        session.rate(Rating.EASY)
    clock.advance(timedelta(days=60))
    services.settings = type(services.settings)(review=ReviewSettings(backlog_per_day=1))
    overview = build_overview(services)
    assert (overview.n_review, overview.n_new) == (1, 0)
    assert overview.backlog.startswith("2 beyond today's limit, cleared in about 2 days")
    services.settings = type(services.settings)(
        review=ReviewSettings(holidays=((services.today, services.today),))
    )
    overview = build_overview(services)
    assert overview.n_due == 0
    assert overview.backlog.startswith("a day off: 3 cards wait until")
    assert overview.coming is not None
    assert overview.coming[1] == 3


def test_cards_that_are_not_due_yet_lengthen_a_backlog(tmp_path: Path) -> None:
    """They come due while it is worked off, and take places."""

    def days(n_coming: int) -> int:
        settings = Settings(ReviewSettings(reviews_per_day=1, new_per_day=0))
        services = build_idle_services(tmp_path / str(n_coming), settings=settings)
        overdue, coming = list(services.cards)[:4], list(services.cards)[4 : 4 + n_coming]
        study(services, [(id_, 60, Rating.EASY) for id_ in overdue])
        study(services, [(id_, 5, Rating.EASY) for id_ in coming])
        services.open()
        found = read_backlog(read_day(services, services.store), services)
        assert found is not None
        assert found.n_cards == 3
        assert found.days is not None
        return found.days

    assert days(0) < days(2) < days(4)


def test_cards_that_were_all_met_bring_no_new_ones(tmp_path: Path) -> None:
    """On a day off, too, the backlog is reckoned by the limits of the days that follow."""
    services = build_idle_services(tmp_path)
    ids = list(services.cards)
    study(services, [(card_id, 60, Rating.EASY) for card_id in ids])
    services.open()
    limits = ReviewSettings(reviews_per_day=1, new_per_day=20)

    def backlog(review: ReviewSettings) -> Backlog:
        services.settings = Settings(review)
        found = read_backlog(read_day(services, services.store), services)
        assert found is not None
        return found

    usual = backlog(limits)
    assert (usual.n_cards, usual.per_day, usual.pauses_new) == (len(ids) - 1, 1, False)
    assert usual.days is not None
    assert len(ids) - 1 <= usual.days <= len(ids) + 2
    holidays = ((services.today, services.today),)
    off = backlog(replace(limits, holidays=holidays))
    assert (off.n_cards, off.per_day) == (len(ids), 1)
    assert off.days is not None
    assert len(ids) <= off.days <= len(ids) + 3
    small = backlog(ReviewSettings(backlog_per_day=2, holidays=holidays))
    assert (small.per_day, small.pauses_new) == (2, True)
