"""What Home tells beside the day's cards: counted by hand from `history`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from studykit.course.cards import Predict
from studykit.progress.stats import KnownCounts, Retention, retention_since
from studykit.progress.store import Store
from studykit.review.schedule import Rating, State
from studykit.review.study_queue import Counts
from studykit.study.learner_stats import (
    DEFAULT_ANSWER_SECONDS,
    ENOUGH_TIMED,
    HomeStats,
    answer_seconds,
    build_home_stats,
    expected_time,
    waiting_labs,
)
from studykit.tui.widgets.progress_text import render_retention
from tests.progress.builders import (
    MONDAY,
    make_card,
    make_course,
    make_memory,
    make_review,
    with_befores,
)
from tests.progress.history import COURSE, MEMORIES, REVIEWS, SCHEDULER, TODAY, whole_summary


def stand(store: Store, today: date = TODAY) -> HomeStats:
    """The stats of the four days of `history`, counted by the database."""
    for review in REVIEWS:
        store.record(review)
    memories = {id_: memory for id_, memory in MEMORIES.items() if id_ in COURSE.cards}
    known = store.known_by_day(today - timedelta(days=40))
    answers = store.answers_by_day()
    return build_home_stats(answers, known, memories, memories, COURSE, today, SCHEDULER)


def test_it_agrees_with_the_summary_of_the_whole_log(store: Store) -> None:
    """The same numbers, though the log is never read."""
    stats, whole = stand(store), whole_summary()

    assert stats.streak_days == whole.streak_days == 4
    assert stats.retention == whole.retention
    assert stats.week == whole.forecast[:7]
    assert [topic.mastery for topic in stats.topics] == [t.mastery for t in whole.topics]


def test_what_is_put_aside_is_not_ahead() -> None:
    """It still counts for mastery."""
    memories = {id_: memory for id_, memory in MEMORIES.items() if id_ in COURSE.cards}

    stats = build_home_stats({}, {}, memories, {}, COURSE, TODAY, SCHEDULER)

    assert sum(n for _, n in stats.week) == 0
    assert stats.mastery("core") > 0


def test_the_calendar_ends_today_and_begins_on_a_monday(store: Store) -> None:
    stats = stand(store)

    days = [day for day, _ in stats.calendar]
    assert (days[0], days[-1]) == (date(2026, 6, 1), TODAY)
    assert [n for _, n in stats.calendar[-4:]] == [3, 2, 3, 1]
    assert sum(n for _, n in stats.calendar) == 9


def test_mastery_of_a_deck_weighs_its_topics_by_cards(store: Store) -> None:
    """Three cards of which two are known, two of which none is."""
    stats = stand(store)

    recalled = [SCHEDULER.retrievability(MEMORIES[card], TODAY) for card in "ab"]
    assert stats.mastery("core") == pytest.approx(sum(recalled) / 5)
    assert stats.mastery("another") == 0.0


def test_the_weakest_topic_is_one_that_was_begun(store: Store) -> None:
    stats = stand(store)
    unseen = replace(stats.topics[1], unseen=2, learning=0)

    weakest = stats.weakest("core")
    assert weakest is not None and weakest.title == "Residuals"
    weakest = replace(stats, topics=(stats.topics[0], unseen)).weakest("core")
    assert weakest is not None and weakest.title == "Why norms | matter"
    assert replace(stats, topics=(unseen,)).weakest("core") is None


def test_a_day_outside_the_thirty_does_not_count() -> None:
    known = {
        TODAY - timedelta(days=30): KnownCounts(10, 0, 0, 0),
        TODAY - timedelta(days=29): KnownCounts(4, 3, 0, 0),
    }

    retention = retention_since(known, TODAY - timedelta(days=29))

    assert (retention.n, retention.remembered) == (4, 3)
    assert retention_since({}, TODAY) == Retention(0, 0, None, None)


def test_the_time_of_an_answer_is_the_learners_own_once_it_is_known() -> None:
    """Half an hour away from the keyboard changes nothing."""
    few = [9_000] * (ENOUGH_TIMED - 1)

    assert answer_seconds(few) == DEFAULT_ANSWER_SECONDS
    assert answer_seconds([*few, 1_800_000]) == 9.0


def test_the_expected_time_counts_the_steps_of_new_cards() -> None:
    left = [Counts(new=3, learning=1), Counts(review=10)]

    assert expected_time(left, 2, 6.0) == timedelta(seconds=6 * (3 * 2 + 1 + 10))
    assert expected_time(left, 0, 6.0) == timedelta(seconds=6 * 14)
    assert expected_time([], 2, 6.0) == timedelta()


def test_a_lab_waits_until_it_was_run() -> None:
    """Only where a card asks to predict it, and the course has it."""
    bet = replace(make_card("bet"), kind="predict", body=Predict(measurement="loss"), claim="stuck")
    course = make_course({"Bets": (bet, replace(bet, id="gone", lab="core/gone"))})

    assert waiting_labs(course, []) == ("core/residuals",)
    assert waiting_labs(course, ["core/residuals"]) == ()
    assert waiting_labs(COURSE, []) == ()


def test_the_store_counts_without_reading_the_log(store: Store) -> None:
    """Times newest first; confidence only where the answer was judged and the learner asked."""
    for n, (confidence, correct) in enumerate(
        [(75, True), (75, False), (75, None), (95, True), (None, True)]
    ):
        review = make_review(f"card-{n}", correct=correct, taken_ms=1000 * n)
        store.record(replace(review, confidence=confidence))

    assert store.latest_taken_ms(2) == [4000, 3000]
    assert store.sums(TODAY).told == {75: (2, 1), 95: (1, 1)}
    assert store.sums(TODAY + timedelta(days=1)).told == {}
    assert store.answers_by_day() == {TODAY: 5}
    assert store.known_by_day(TODAY) == {}


def test_the_store_counts_what_was_remembered_of_known_cards(store: Store) -> None:
    """Three of four on one day; the answers before, in steps, say nothing."""
    log = [
        make_review("a", at=at, rating=Rating[rating], after=make_memory(at=at))
        for rating, day in [("GOOD", 0), ("GOOD", 1), ("HARD", 1), ("AGAIN", 1), ("EASY", 1)]
        for at in [MONDAY + timedelta(days=day)]
    ]
    for review in with_befores(log):
        store.record(review)

    assert store.known_by_day(TODAY) == {TODAY + timedelta(days=1): (4, 3, 4, 4, 0.0, 0)}
    assert store.known_by_day(TODAY + timedelta(days=2)) == {}


def test_wrong_answers_rated_as_known_do_not_pass_for_remembered(store: Store) -> None:
    """Ratings say nine in ten, the grades three in ten: both are told, and that they differ."""
    for n in range(40):
        card, memory = f"card-{n}", make_memory(at=MONDAY)
        store.record(make_review(card, at=MONDAY, after=memory))
        rating = Rating.AGAIN if n < 4 else Rating.GOOD
        at = MONDAY + timedelta(days=3)
        store.record(
            make_review(
                card, at=at, rating=rating, correct=n >= 28, after=memory, before=State.REVIEW
            )
        )

    seen = retention_since(store.known_by_day(TODAY), TODAY)
    assert (seen.n, seen.remembered, seen.graded, seen.right) == (40, 36, 40, 12)
    assert seen.is_flattering
    assert "! only 30 % graded right" in render_retention(seen, 0.9).plain
    honest = replace(seen, right=35)
    assert not honest.is_flattering
    assert "88 % graded right" in render_retention(honest, 0.9).plain
    assert not replace(seen, graded=9, right=0).is_flattering
