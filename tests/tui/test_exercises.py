"""Exercises on the screen: answered from the keyboard, graded, and drawn anew in a practice."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from studykit.review.exercises import Task
from studykit.review.schedule import Rating
from studykit.settings import ReviewSettings, ScreenSettings, Settings
from studykit.text import format_value
from studykit.tui.app import StudykitApp
from studykit.tui.screens.asking import AskingScreen
from studykit.tui.widgets.answer_match import LETTERS as SIDES
from studykit.tui.widgets.answer_options import LETTERS
from tests.tui.conftest import MakeServices, open_home, open_review, text_of, until
from tests.tui.past import daily, study

FORMS = ("rank", "pick", "place", "signs")
QUIET = Settings(
    ReviewSettings(new_per_day=20, ask_confidence=False), screen=ScreenSettings("studykit-dark")
)


def task_on(pilot: Pilot[None]) -> Task:
    screen = pilot.app.screen
    assert isinstance(screen, AskingScreen)
    shown = screen._sitting.shown
    assert shown is not None and shown.task is not None
    return shown.task


async def answer(pilot: Pilot[None], form: str, right: tuple[int, ...]) -> None:
    """Gives this answer by its keys, without the last Enter."""
    if form == "rank":
        order = list(range(len(right)))
        for place, item in enumerate(right):
            at = order.index(item)
            await pilot.press(*["k"] * len(order), *["j"] * at, *["K"] * (at - place))
            order.insert(place, order.pop(at))
    elif form == "pick":
        await pilot.press(*(LETTERS[place] for place in right))
    else:
        await pilot.press(*(SIDES[place] for place in right))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
@pytest.mark.parametrize("form", FORMS)
async def test_an_exercise_is_answered_and_its_values_shown(
    make_services: MakeServices, form: str, size: tuple[int, int]
) -> None:
    services = make_services(form, settings=QUIET)
    async with StudykitApp(services).run_test(size=size) as pilot:
        await open_review(pilot)
        task = task_on(pilot)
        screen = text_of(pilot.app)
        assert f"{task.group}, 8 layers:" in screen and "{group}" not in screen
        assert all(item in screen for item in task.items)
        assert not any(
            format_value(value) in screen for value in task.values if not isinstance(value, str)
        )
        await answer(pilot, form, task.right)
        await pilot.press("enter")
        screen = text_of(pilot.app)
        assert "✓ Right" in screen
        assert f"measured with seed {task.seed} of the recorded run" in screen
        if form != "place":
            for item, value in zip(task.items, task.values, strict=True):
                rows = [line for line in screen.splitlines() if item in line]
                told = sum(row.count(format_value(float(value))) for row in rows)
                # Beside a wide card its table stands, too, as the same seed measured it.
                assert told >= (1 if size[0] < 120 else 2)
        assert "▸ 3 Good ◂" in screen
        await pilot.press("enter")
        (review,) = services.progress.reviews()
        assert (review.kind, review.rating, review.correct) == ("exercise", Rating.GOOD, True)
        assert review.given.startswith(f"{task.group}: ")


@pytest.mark.parametrize("form", FORMS)
async def test_a_wrong_answer_suggests_again(make_services: MakeServices, form: str) -> None:
    services = make_services(form, settings=QUIET)
    async with StudykitApp(services).run_test(size=(80, 30)) as pilot:
        await open_review(pilot)
        task = task_on(pilot)
        n = len(task.items)
        wrong = {
            "rank": tuple(reversed(task.right)),
            "pick": tuple(place for place in range(n) if place not in task.right)[:2],
        }.get(form, tuple((place + 1) % max(1, len(task.places)) for place in task.right))
        await answer(pilot, form, wrong)
        await pilot.press("enter")
        screen = text_of(pilot.app)
        assert "✗ Wrong" in screen and "yours" in screen and "▸ 1 Again ◂" in screen
        told = "rank correlation -1.00, 0.8 needed" if form == "rank" else "0 of "
        assert told in screen


async def test_an_incomplete_pick_is_not_taken(make_services: MakeServices) -> None:
    """Space and letters pick and let go; what is short or too much is told."""
    services = make_services("pick", settings=QUIET)
    async with StudykitApp(services).run_test(size=(80, 30)) as pilot:
        await open_review(pilot)
        assert "Find those with the largest values: 2 of 5" in text_of(pilot.app)
        await pilot.press("enter")
        assert "pick 2 options; none picked so far" in text_of(pilot.app)
        await pilot.press("space", "j", "space", "c")
        assert text_of(pilot.app).count("●") == 3
        await pilot.press("enter")
        assert "pick 2 options; 3 picked so far" in text_of(pilot.app)
        await pilot.press("c", "enter")
        assert "3 Good" in text_of(pilot.app) and "← yours" in text_of(pilot.app)


async def test_an_answer_is_held_for_its_confidence_and_can_be_changed(
    make_services: MakeServices,
) -> None:
    services = make_services("pick")
    async with StudykitApp(services).run_test(size=(80, 30)) as pilot:
        await open_review(pilot)
        await pilot.press("a", "b", "enter")
        assert "How sure" in text_of(pilot.app) and "measured" not in text_of(pilot.app)
        await pilot.press("escape", "b", "c", "enter", "4")
        screen = text_of(pilot.app)
        assert "measured with seed" in screen
        assert text_of(pilot.app).count("yours") == 2


async def test_a_review_draws_the_same_rows_after_an_undo_and_others_the_next_time(
    make_services: MakeServices,
) -> None:
    services = make_services("rank", settings=QUIET)
    async with StudykitApp(services).run_test(size=(80, 30)) as pilot:
        await open_review(pilot)
        first = task_on(pilot)
        await pilot.press("enter", "1")
        assert task_on(pilot) != first
        await pilot.press("u")
        assert task_on(pilot) == first


async def test_a_practice_draws_other_rows(make_services: MakeServices) -> None:
    """N before and after the answer; n before it is "don't know", and goes on after it."""
    services = make_services("rank", settings=QUIET)
    study(services, daily("stacks-rank", 24))
    async with StudykitApp(services).run_test(size=(120, 40)) as pilot:
        await open_home(pilot)
        await pilot.press("c")
        await until(pilot, lambda: "What to practise" in text_of(pilot.app))
        for _ in range(12):
            if "▸ Cram" in text_of(pilot.app):
                break
            await pilot.press("j")
        await pilot.press("enter")
        await until(pilot, lambda: "cram · schedule untouched" in text_of(pilot.app))
        first = task_on(pilot)
        assert "N another" in text_of(pilot.app)
        await pilot.press("N")
        second = task_on(pilot)
        assert second != first and "Drawn anew" in text_of(pilot.app)
        await pilot.press("n")
        assert "Not answered" in text_of(pilot.app) and task_on(pilot) == second
        assert services.progress.practised() == []
        await pilot.press("n")
        assert task_on(pilot) != second and "your answer is kept" in text_of(pilot.app)
        assert [each.correct for each in services.progress.practised()] == [False]
        await pilot.press("u")
        assert task_on(pilot) == second
        assert services.progress.practised() == []


async def test_browse_and_the_card_show_an_example(make_services: MakeServices) -> None:
    services = make_services("signs")
    async with StudykitApp(services).run_test(size=(120, 40)) as pilot:
        await open_home(pilot)
        await pilot.press("slash")
        await until(pilot, lambda: "1 of 1 card" in text_of(pilot.app))
        assert "…, 8 layers: is the model" in text_of(pilot.app)
        assert "-norm, 8 layers: is the model" in text_of(pilot.app)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "For example, cost, measured with seed" in text_of(pilot.app))
        assert "→ worse" in text_of(pilot.app)


async def test_an_exercise_without_a_table_says_what_to_do(
    make_services: MakeServices, tmp_path: Path
) -> None:
    services = make_services("rank", settings=QUIET)
    for path in (tmp_path / "course" / "data").rglob("*.json"):
        path.unlink()
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        assert "Not measured yet: x runs the lab" in text_of(pilot.app)
        assert "…, 8 layers: rank these parts" in text_of(pilot.app)
        await pilot.press("n")
        assert "Not judged: the lab has not measured it yet" in text_of(pilot.app)
