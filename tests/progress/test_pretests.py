"""Practice in the report: what was right before and is now, and no other number changed by it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from studykit.progress.html_report import render_html
from studykit.progress.report import render_json, render_markdown
from studykit.progress.report_data import PeriodStats, build_trends, period_stats
from studykit.progress.stats import PretestScore, pretest_scores
from studykit.review.practice import Mode, Practised
from tests.progress.builders import MONDAY, make_card, make_course, make_review, sums_of
from tests.progress.history import COURSE, MEMORIES, REVIEWS, RUNS, SCHEDULER, TODAY

TOY = make_course({"Norms": (make_card("a"), make_card("b")), "Heads": (make_card("c"),)})


def practised(
    card_id: str, correct: bool | None, *, mode: Mode = "pretest", days_ago: int = 0
) -> Practised:
    at = MONDAY - timedelta(days=days_ago)
    return Practised(card_id, mode, at, at.date(), "choice", correct, "", None, 1000)


def test_then_and_now_are_of_the_same_cards() -> None:
    """The last judged review counts; what was not judged, crammed or is gone does not."""
    answers = [
        practised("a", False, days_ago=2),
        practised("b", True, days_ago=1),
        practised("c", None),
        practised("gone", True),
        practised("c", True, mode="cram"),
    ]
    reviews = [
        make_review("a", correct=False),
        make_review("a", correct=True),
        make_review("a", correct=None),
        make_review("c", correct=True),
    ]
    day = (MONDAY - timedelta(days=1)).date()
    since = sums_of(reviews).latest_grades
    assert pretest_scores(answers, since, TOY) == (PretestScore("1.1", "Norms", day, 2, 1, 1, 1),)


def whole(*answers: Practised) -> PeriodStats:
    return period_stats(sums_of(REVIEWS), RUNS, COURSE, MEMORIES, None, TODAY, SCHEDULER, answers)


def test_no_other_number_counts_practice() -> None:
    with_practice = whole(practised("a", True), practised("b", False, mode="ahead"))
    assert with_practice.practised == 2
    assert replace(with_practice, practised=0, pretests=()) == whole()


def test_the_period_holds_for_practice_too() -> None:
    """It begins with the first practice, if that is the first of all."""
    answers = [practised("a", True, days_ago=9), practised("b", True)]
    assert whole(*answers).since == (MONDAY - timedelta(days=9)).date()
    sums = sums_of(REVIEWS, TODAY)
    late = period_stats(sums, RUNS, COURSE, MEMORIES, TODAY, TODAY, SCHEDULER, answers)
    assert (late.practised, late.pretests[0].judged) == (1, 1)


def test_every_format_tells_it() -> None:
    told = whole(practised("a", False), practised("b", True), practised("b", True, mode="cram"))
    (score,) = told.pretests
    document = json.loads(render_json(told))["practice"]
    assert document["answers"] == 3
    assert [document["pretests"][0][key] for key in ("judged", "right")] == [2, 1]
    text = render_markdown(told)
    assert "3 answers beside the schedule; nothing above counts them." in text
    assert f"1 of 2 | {score.right_since} of {score.judged_since}" in " ".join(text.split())
    page = render_html(told, build_trends(sums_of(REVIEWS), told, 0.9))
    assert "<h2>Practice</h2>" in page and "3 answers beside the schedule" in page


def test_without_practice_there_is_no_section() -> None:
    assert "Practice" not in render_markdown(whole())
    assert "Practice" not in render_html(whole(), build_trends(sums_of(REVIEWS), whole(), 0.9))


def test_practice_without_a_pretest_is_a_line() -> None:
    told = whole(practised("a", True, mode="cram"))
    assert "1 answer beside the schedule" in render_markdown(told)
    assert "Right then" not in render_markdown(told)
    assert "Right then" not in render_html(told, build_trends(sums_of(REVIEWS), told, 0.9))
