"""Progress: pages of four panels, one row at a time where there is little room, what they open."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from studykit.lab.results import Prediction
from studykit.progress.long_run import NO_SUMS
from studykit.progress.stats import KnownCounts
from studykit.review.schedule import Rating
from studykit.study.definitions import DEFINITIONS
from studykit.study.services import Services
from studykit.study.statistics import read_statistics
from studykit.tui.app import StudykitApp
from studykit.tui.messages import StatisticsRead
from studykit.tui.widgets.progress_text import render_retention_panel
from tests.progress.history import TODAY
from tests.study.test_statistics import stand
from tests.tui.conftest import MakeServices, open_home, text_of, until
from tests.tui.past import daily, study
from tests.tui.screen_course import build_result

PAGES = (
    (
        "True retention ─",
        "True retention by week",
        "FSRS: expected and remembered",
        "Confidence: said and right",
    ),
    ("Mastery by topic", "Maturity", "Confidently wrong", "Hardest cards"),
    ("Due in the next 30 days", "─ Time ─", "By kind of card", "Labs and predictions"),
)
TITLES = [title for page in PAGES for title in page]


async def open_progress(pilot: Pilot[None]) -> None:
    """Home, then Progress with its numbers."""
    await open_home(pilot)
    await pilot.press("p")
    await until(pilot, lambda: "Progress" in text_of(pilot.app))
    await until(pilot, lambda: "Counting" not in text_of(pilot.app))


@pytest.fixture
def learner(make_services: MakeServices) -> Services:
    """Who knows one card for weeks and forgot another twice."""
    services = make_services()
    lapses = [
        ("stacks-cloze", n, Rating.AGAIN if n in (9, 4) else Rating.GOOD) for n in range(12, 3, -1)
    ]
    study(services, [*daily("stacks-recall", 24), *lapses], confidence=75)
    return services


async def test_a_page_at_once_where_there_is_room(learner: Services) -> None:
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_progress(pilot)
        screen = text_of(pilot.app)
        assert [title for title in TITLES if title in screen] == list(PAGES[0])
        assert "in 30 days as wanted: 90 %" in screen
        assert re.search(r"7 days +too few to judge \(9 reviews\)", screen)
        assert re.search(r"30 days .*├.*●.*┤ +92\.9 %  \(77–98 %\) +9\d % +93 %", screen)
        assert re.search(r"9 Nov +8 of 9 reviews", screen)
        assert "75 %" in screen and "right  94 % of 33" in screen
        assert re.search(r"expected 99 %, remembered 93 % · error 6\.\d points", screen)

        await pilot.press("l")
        screen = text_of(pilot.app)
        assert [title for title in TITLES if title in screen] == list(PAGES[1])
        assert "2/8 met" in screen
        assert re.search(r"mature .* 1 +12 %", screen)
        assert "!  1.4  Before each branch of a pre-norm block" in screen
        assert "2×, last 75 % sure on 19 Nov · not asked since" in screen
        assert "1 card, 0 mended" in screen
        assert "2×  1.4  Before each branch of a pre-norm block" in screen

        await pilot.press("right")
        screen = text_of(pilot.app)
        assert [title for title in TITLES if title in screen] == list(PAGES[2])
        assert re.search(r"a day +under a minute on 24 days of the last 30", screen)
        assert re.search(r"an answer +6 s", screen)
        assert re.search(r"cloze +9 +78 % +6 s", screen)
        assert re.search(
            r"–  What if I remove the residual connections\? .*\n.* not run yet", screen
        )
        assert "0 of 1 lab run" in screen
        await pilot.press("right")
        assert PAGES[0][0] in text_of(pilot.app)
        await pilot.press("left")
        assert PAGES[2][0] in text_of(pilot.app)


async def test_one_row_at_a_time_at_80_columns(learner: Services) -> None:
    """Tab goes through all of them and around; the title names those out of sight."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_progress(pilot)
        for row in (0, 2, 4, 6, 8, 10, 0):
            screen = text_of(pilot.app)
            shown = [title for title in TITLES if title in screen]
            assert shown == TITLES[row : row + 2]
            assert "Progress   Memory Cards Work   " in screen
            await pilot.press("tab", "tab")
        assert "retention · trend · prediction · confidence" in text_of(pilot.app)
        await pilot.press("shift+tab", "shift+tab", "shift+tab")
        assert TITLES[-1] in text_of(pilot.app)
        assert "forecast · time · kinds · labs" in text_of(pilot.app)


async def test_a_page_is_gone_through_at_60_columns(learner: Services) -> None:
    """Most of it is out of sight there; the name of the screen gives way to those of the panels."""
    async with StudykitApp(learner).run_test(size=(60, 20)) as pilot:
        await open_home(pilot)
        await pilot.press("p")
        await until(pilot, lambda: "True retention" in text_of(pilot.app))
        title = text_of(pilot.app).splitlines()[0]
        names = ["retention", "trend", "prediction", "confidence"]
        assert title.split() == ["Memory", "Cards", "Work", *names]


async def test_retention_is_told_by_day_week_and_month(learner: Services) -> None:
    """The key leads to where it is told; without a review there is nothing to tell of a day."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_progress(pilot)
        await pilot.press("b")
        assert "True retention by month" in text_of(pilot.app)
        assert re.search(r"Nov 2026 .* 93 %", text_of(pilot.app))
        await pilot.press("b")
        assert "True retention by day" in text_of(pilot.app)
        assert re.search(r"22 Nov +1 of 1 review", text_of(pilot.app))
        await pilot.press("tab", "b")
        assert "True retention by week" in text_of(pilot.app)


async def test_the_span_of_calibration_is_chosen(learner: Services) -> None:
    """Thirty days hold fewer answers than the year that is told of at first."""
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_progress(pilot)
        assert "Confidence: said and right · 1 year" in text_of(pilot.app)
        await pilot.press("s")
        await until(pilot, lambda: "said and right ─" in text_of(pilot.app))
        assert "of the whole log" in text_of(pilot.app)
        await pilot.press("s")
        await until(pilot, lambda: "said and right · 30 days" in text_of(pilot.app))


async def test_what_was_counted_of_another_span_comes_too_late(
    make_services: MakeServices,
) -> None:
    services = make_services()
    study(services, daily("stacks-recall", 60), confidence=75)
    async with StudykitApp(services).run_test(size=(120, 40)) as pilot:
        await open_progress(pilot)
        await pilot.press("s", "s")
        await until(pilot, lambda: "right 100 % of 29" in text_of(pilot.app))
        pilot.app.screen.post_message(
            StatisticsRead(read_statistics(services, services.progress, ()))
        )
        await pilot.pause()
        assert "right 100 % of 29" in text_of(pilot.app)


async def test_help_defines_every_figure(learner: Services) -> None:
    """Those of the panel in use come first, before the keys."""
    async with StudykitApp(learner).run_test(size=(200, 100)) as pilot:
        await open_progress(pilot)
        await pilot.press("l", "question_mark")
        await until(pilot, lambda: "FIGURES" in text_of(pilot.app))
        _, mine, others = text_of(pilot.app).split("FIGURES")
        assert "Mastery  The share of a topic's cards" in mine
        for name, each in DEFINITIONS.items():
            where = mine if name == "mastery" else others
            assert f"{each.figure.capitalize()}  {each.meaning.split()[0]}" in where
        await pilot.press("q", "q", "question_mark")
        await until(pilot, lambda: "FIGURES" in text_of(pilot.app))
        assert "True retention  Of the reviews of known cards" in text_of(pilot.app)


async def test_a_mistake_opens_its_card(learner: Services) -> None:
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_progress(pilot)
        await pilot.press("l", "tab", "tab", "enter")
        await until(pilot, lambda: "stacks-cloze  cloze" in text_of(pilot.app))


async def test_hardest_cards_open_to_read(learner: Services) -> None:
    """With the answer; q comes back to the list."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_progress(pilot)
        await pilot.press("l", "tab", "tab", "tab", "enter")
        await until(pilot, lambda: "stacks-cloze  cloze" in text_of(pilot.app))
        screen = text_of(pilot.app)
        assert "norm (also: layer norm, LayerNorm)" in screen and "MEASURED" in screen
        assert "2 lapses" in screen
        await pilot.press("q")
        await until(pilot, lambda: "Hardest cards" in text_of(pilot.app))


async def test_labs_tell_what_was_predicted_and_open(learner: Services) -> None:
    """A wrong prediction has its mark and its count."""
    bet = Prediction("It stays", claim="stuck", confidence=95, correct=False)
    store = learner._open_store()
    root: Path = learner.course.root
    store.record_run(build_result(root, n_layers=8), card_id=None, prediction=bet)
    store.close()
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_progress(pilot)
        await pilot.press("shift+tab")
        assert "✗  What if I remove" in text_of(pilot.app)
        assert "0 of 1 prediction right" in text_of(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: "n_layers" in text_of(pilot.app))


async def test_the_mark_of_a_lab_is_that_of_the_latest_prediction(learner: Services) -> None:
    """On Home and in Progress alike; the count tells the rest."""
    store = learner._open_store()
    for correct in (True, True, False):
        bet = Prediction("It stays", claim="stuck", confidence=95, correct=correct)
        store.record_run(
            build_result(learner.course.root, n_layers=8), card_id=None, prediction=bet
        )
    store.close()
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_home(pilot)
        await until(pilot, lambda: "✗ last predicted wrong" in text_of(pilot.app))
        await pilot.press("p", "h")
        await until(pilot, lambda: "2 of 3 predictions right (21–94 %)" in text_of(pilot.app))
        assert "✗  What if I remove" in text_of(pilot.app)


async def test_a_new_learner_reads_that_there_is_nothing_yet(make_services: MakeServices) -> None:
    async with StudykitApp(make_services("recall")).run_test(size=(120, 40)) as pilot:
        await open_progress(pilot)
        screen = text_of(pilot.app)
        assert screen.count("too few to judge (0 reviews)") == 5
        assert "no known card came up for review yet" in screen
        assert "no review of a known card yet" in screen
        assert "no answers with a confidence yet" in screen
        await pilot.press("l")
        assert "no card was forgotten yet" in text_of(pilot.app)
        await pilot.press("l")
        screen = text_of(pilot.app)
        assert "nothing is scheduled" in screen
        assert screen.count("nothing answered yet") == 2
        await pilot.press("q")
        await until(pilot, lambda: "Welcome!" in text_of(pilot.app))


@pytest.mark.parametrize(("remembered", "scale"), [(95, "70"), (60, "50"), (0, "50")])
def test_the_line_of_retention_begins_where_no_interval_is_cut(remembered: int, scale: str) -> None:
    """At 70 %, for who forgets much at 50 %; what is lower still stands at that end."""
    known = {TODAY: KnownCounts(100, remembered, 0, 0)}
    stats = stand(replace(NO_SUMS, known=known))

    told = render_retention_panel(stats, 60).plain.splitlines()
    assert told[0].split()[0] == scale
    assert ("├" in told[1] or "●" in told[1]) and f"{remembered}.0 %" in told[1]
    assert all(len(line) <= 60 for line in told)
