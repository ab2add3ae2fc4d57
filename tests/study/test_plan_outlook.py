"""What the plan leads to, from what the progress says."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from studykit.review.marks import Marking
from studykit.review.schedule import Rating
from studykit.settings import ReviewSettings, Settings
from studykit.study.plan_outlook import reckon
from studykit.study.services import Services
from studykit.study.year_ahead import read_year_ahead
from tests.tui.conftest import NOW, build_idle_services
from tests.tui.past import daily, study

EXAM = date(2027, 2, 1)


@pytest.fixture
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Who knows one card and has put another one aside that is known, and one that is not."""
    monkeypatch.setattr("studykit.study.workload.N_NEW", 20)
    monkeypatch.setattr("studykit.study.workload.N_KNOWN", 20)
    services = build_idle_services(tmp_path)
    known, away, *unseen = services.cards
    study(services, [(known, 20, Rating.GOOD), (away, 20, Rating.AGAIN)])
    services.open()
    for card_id in (away, unseen[0]):
        services.progress.mark(Marking(card_id, "suspended", NOW, services.today))
    return services


def test_suspended_cards_are_in_no_year_and_in_no_exam(learner: Services) -> None:
    learner.settings = Settings(ReviewSettings(exams={learner.course.id: EXAM}))
    n_asked = len(learner.cards) - 2
    outlook = reckon(learner, None)
    ((exam, ready),) = outlook.exams
    assert (exam.n_cards, exam.n_unseen) == (n_asked, n_asked - 1)
    known = outlook.simulated.memories[next(iter(learner.cards))]
    assert ready.if_stopped == learner.scheduler.retrievability(known, EXAM)
    assert {each.n_met for each in outlook.outlooks} == {n_asked}


def test_what_is_wanted_of_decks_is_what_is_marked(learner: Services) -> None:
    (deck,) = learner.course.decks
    usual = reckon(learner, None)
    assert 0.83 not in [each.retention for each in usual.outlooks]
    learner.settings = Settings(ReviewSettings(retention={deck.id: 0.83}))
    outlook = reckon(learner, usual.simulated)
    assert outlook.desired_retention == pytest.approx(0.83)
    assert 0.83 in [each.retention for each in outlook.outlooks]


def test_the_minutes_are_those_of_the_learner(learner: Services) -> None:
    """Whose answers took six seconds each."""
    study(learner, daily(next(iter(learner.cards)), 19))
    seconds = []
    for store in (learner.store, None):
        (*_, each) = read_year_ahead(learner, store).ahead.outlooks(1)
        seconds.append(60 * each.minutes_a_day / each.answers_a_day)
    own, usual = seconds
    assert 6 < own < 0.9 * usual
