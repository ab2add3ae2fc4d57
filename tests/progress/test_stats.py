"""Each number of a summary, counted by hand from `history`."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.progress.report_data import period_stats
from studykit.progress.runs import StoredRun
from studykit.progress.stats import (
    FORECAST_DAYS,
    N_HARDEST,
    NO_REPORT_SUMS,
    Tally,
    streak,
    wilson_interval,
)
from studykit.review.plan import Plan
from studykit.review.schedule import Rating, State
from tests.progress.builders import MONDAY, make_card, make_course, make_memory, make_run, sums_of
from tests.progress.history import (
    COURSE,
    MEMORIES,
    REVIEWS,
    RUNS,
    SCHEDULER,
    TODAY,
    answer,
    whole_summary,
)


def test_totals_count_every_answer_of_the_period() -> None:
    whole = whole_summary()

    assert (whole.since, whole.today) == (date(2026, 11, 20), TODAY)
    assert whole.total == Tally(reviews=9, new=3, again=2, seconds=90.0)
    assert whole.cards == 3
    assert (whole.judged, whole.right) == (8, 6)
    assert whole.elsewhere == 1


def test_days_are_counted_one_by_one() -> None:
    assert whole_summary().days == (
        (date(2026, 11, 20), Tally(3, 2, 1, 30.0)),
        (date(2026, 11, 21), Tally(2, 0, 0, 20.0)),
        (date(2026, 11, 22), Tally(3, 1, 1, 30.0)),
        (date(2026, 11, 23), Tally(1, 0, 0, 10.0)),
    )


def test_true_retention_counts_only_cards_that_were_known() -> None:
    """Card a was forgotten once, card b remembered once; steps say nothing about retention."""
    retention = whole_summary().retention

    assert (retention.n, retention.remembered, retention.share) == (2, 1, 0.5)
    assert retention.low == pytest.approx(0.0945, abs=1e-4)
    assert retention.high == pytest.approx(0.9055, abs=1e-4)


def test_a_period_knows_the_states_from_before_it() -> None:
    """The state before a period's first review of a card comes from the log before the period."""
    sums = sums_of(REVIEWS, TODAY)
    today_only = period_stats(sums, RUNS, COURSE, MEMORIES, TODAY, TODAY, SCHEDULER)

    assert today_only.total.reviews == 1
    assert (today_only.retention.n, today_only.retention.remembered) == (1, 1)
    assert today_only.streak_days == 4
    assert [run.lab for run in today_only.runs] == ["core/residuals", "core/gone"]


def test_topics_say_how_far_they_are_learned() -> None:
    norms, residuals = whole_summary().topics

    assert (norms.number, norms.title) == ("1.1", "Why norms | matter")
    assert (norms.cards, norms.unseen, norms.learning, norms.known) == (3, 1, 0, 2)
    assert norms.studied == Tally(reviews=8, new=2, again=2, seconds=80.0)
    recalled = [SCHEDULER.retrievability(MEMORIES[card], TODAY) for card in "ab"]
    assert recalled[0] < recalled[1] == 1.0
    assert norms.mastery == pytest.approx(sum(recalled) / 3)
    assert (residuals.cards, residuals.unseen, residuals.learning, residuals.known) == (2, 1, 1, 0)
    assert residuals.mastery == 0.0
    assert residuals.studied == Tally(0, 0, 0, 0.0)


def test_the_forecast_holds_known_cards_of_the_course_by_due_day() -> None:
    """Card d was due yesterday, a is due tomorrow, b in ten days; the card that is gone is not."""
    whole = whole_summary()

    due = {day: n for day, n in whole.forecast if n}
    assert due == {TODAY: 1, TODAY + timedelta(days=1): 1, TODAY + timedelta(days=10): 1}
    assert whole.overdue == 1
    assert len(whole.forecast) == FORECAST_DAYS


def test_runs_carry_verdicts_predictions_and_what_was_changed() -> None:
    first, second, gone = whole_summary().runs

    assert first.verdicts == {"stuck": "confirmed", "vanishes": "refuted"}
    assert first.prediction is not None
    assert first.prediction.correct is True
    assert (first.changed_knobs, first.is_outdated, first.card_id) == ({}, False, "a")
    assert second.changed_knobs == {"n_layers": 16, "norm": "post"}
    assert (second.status, second.is_outdated) == ("cancelled", True)
    assert (gone.title, gone.is_outdated) == ("", True)


def test_a_run_of_an_own_version_is_named_as_such() -> None:
    """It changes of itself, so it is not out of date; its verdicts are those of its own tests."""
    run = make_run("mine/core/residuals", verdicts={"stuck": "depends"}, code_hash="mine")
    stored = [StoredRun(1, run, None, None)]
    (own,) = period_stats(NO_REPORT_SUMS, stored, COURSE, {}, None, TODAY, SCHEDULER).runs

    assert own.title == f"{COURSE.labs['core/residuals'].title} A version of your own."
    assert own.verdicts == {"stuck": "depends"}
    assert not own.is_outdated
    assert own.changed_knobs == {}


def test_the_hardest_cards_are_those_forgotten_most() -> None:
    """At equal lapses the one with fewer reviews is harder; the list has an end."""
    cards = tuple(make_card(f"card-{n:02}") for n in range(20))
    memories = {card.id: make_memory(reps=20 - n, lapses=n // 2) for n, card in enumerate(cards)}
    course = make_course({"Hard": cards})

    hardest = period_stats(NO_REPORT_SUMS, [], course, memories, None, TODAY, SCHEDULER).hardest

    assert [card.card_id for card in hardest[:3]] == ["card-19", "card-18", "card-17"]
    assert (hardest[0].lapses, hardest[0].reviews, hardest[0].topic_number) == (9, 1, "1.1")
    assert len(hardest) == N_HARDEST
    assert [card.is_leech for card in hardest] == [card.lapses >= 8 for card in hardest]
    assert hardest[0].is_leech and not hardest[-1].is_leech
    assert [card.card_id for card in whole_summary().hardest] == ["a"]


def test_a_streak_goes_on_over_days_off() -> None:
    """Neither does a day off count that has no answer; one that has, does."""

    def on(*days_ago: int) -> set[date]:
        return {TODAY - timedelta(days=n) for n in days_ago}

    off = Plan(holidays=((TODAY - timedelta(days=4), TODAY - timedelta(days=2)),))
    assert streak(on(0, 1, 5, 6), TODAY, off) == 4
    assert streak(on(0, 1, 3, 5), TODAY, off) == 4
    assert streak(on(0, 1, 6), TODAY, off) == 2
    assert streak(on(0, 1, 5, 6), TODAY) == 2
    weekly = Plan(easy_days={TODAY.weekday(): 0.0})
    assert streak(on(*range(1, 7), *range(8, 14)), TODAY, weekly) == 12
    assert streak(set(), TODAY, weekly) == 0


@pytest.mark.parametrize(
    ("days_ago", "n_days"),
    [([], 0), ([0], 1), ([1], 1), ([2], 0), ([0, 1, 2, 4], 3), ([1, 2], 2)],
)
def test_a_streak_lasts_until_a_day_without_review(days_ago: list[int], n_days: int) -> None:
    """Today does not break it: it is not over yet."""
    reviews = [answer(n, "a", Rating.GOOD, State.REVIEW, 1) for n in sorted(days_ago)[::-1]]

    told = period_stats(sums_of(reviews), [], COURSE, {}, None, TODAY, SCHEDULER)
    assert told.streak_days == n_days


def test_nothing_studied_is_a_summary_of_zeros() -> None:
    empty = period_stats(NO_REPORT_SUMS, [], COURSE, {}, None, TODAY, SCHEDULER)

    assert empty.since == TODAY
    assert empty.total == Tally(0, 0, 0, 0.0)
    assert empty.retention.share is None
    assert (empty.retention.low, empty.retention.high) == (None, None)
    assert [topic.mastery for topic in empty.topics] == [0.0, 0.0]
    assert sum(n for _, n in empty.forecast) == 0


def test_a_run_before_the_rollover_counts_for_the_day_before() -> None:
    """As an answer at that hour does."""
    night = make_run(at=MONDAY.replace(hour=3))
    (run,) = period_stats(
        NO_REPORT_SUMS, [StoredRun(1, night, None, None)], COURSE, {}, None, TODAY, SCHEDULER
    ).runs

    assert run.day == TODAY - timedelta(days=1)


def test_wilson_interval_is_the_published_one() -> None:
    """45 of 50: 0.786 to 0.957."""
    low, high = wilson_interval(45, 50)

    assert (round(low, 3), round(high, 3)) == (0.786, 0.957)
    assert wilson_interval(0, 5)[0] == 0.0
    assert wilson_interval(5, 5)[1] == 1.0


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_contains_the_share(k_of_n: tuple[int, int]) -> None:
    k, n = k_of_n
    low, high = wilson_interval(k, n)

    assert 0.0 <= low <= k / n <= high <= 1.0
