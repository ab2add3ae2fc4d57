"""What the Lab screen shows beside the run: heat maps, walks, code, past runs; at any size."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from textual.pilot import Pilot

from studykit.lab.collect import SeedSoFar
from studykit.lab.events import Curve, Event, HeatMap, Step, Walk
from studykit.lab.process import Finished, SeedEvent, Started
from studykit.lab.results import Prediction, RunResult
from studykit.study.lab_run import LabRun
from studykit.study.services import Services
from studykit.tui.screens.lab import LabScreen
from studykit.tui.screens.lab_runs import LabRunsScreen, PastRunScreen
from studykit.tui.screens.lab_source import LabSourceScreen
from tests.tui.conftest import MakeServices, app_of, come_to_rest, open_home, text_of, until
from tests.tui.screen_course import LAB_ID, build_result

WEIGHTS = HeatMap(
    "Weights", ("The", "transformer"), ("The", "transformer"), ((1.0, None), (0.25, 0.75)), "weight"
)
BAD = HeatMap("Scores", ("a",), ("b", "c"), ((math.nan, -3.0),))
SUMS = Walk(
    "Sums",
    ("row 1", "row 2"),
    ("column 1", "column 2"),
    ("what", "sum"),
    (
        Step((0, 0), "Two and two are added.", (("total", 4.0),)),
        Step((1, 0), "Three more come in.", (("total", 7.0),)),
        Step((1, 1), "And one.", (("total", 8.0),)),
    ),
    ("sum",),
)
LOSS = Curve("Loss", "base", (0.0, 1.0, 2.0), (3.0, 2.0, 1.0), y_label="nats")


@pytest.fixture
def services(make_services: MakeServices) -> Services:
    return make_services("recall", "predict")


def shows(pilot: Pilot[None], text: str) -> bool:
    return text in text_of(pilot.app)


def result_of(services: Services, n_layers: int = 8) -> RunResult:
    """A run with a chart and two heat maps."""
    result = build_result(services.course.root, n_layers=n_layers)
    seeds = (replace(seed, events=(LOSS, WEIGHTS, BAD)) for seed in result.seeds)
    return replace(result, seeds=tuple(seeds))


@asynccontextmanager
async def opened(
    services: Services,
    *extra: Event,
    is_over: bool = True,
    size: tuple[int, int] = (80, 24),
) -> AsyncIterator[Pilot[None]]:
    """The app with the lab on the screen: after a run, or in the middle of one."""
    app = app_of(services)
    async with app.run_test(size=size) as pilot:
        await open_home(pilot)
        header = services.course.labs[LAB_ID]
        card = services.cards["stacks-recall"]
        result = result_of(services)
        run = LabRun(header, {}, card, None)
        services.labs.add(run)
        run.take(Started("cpu", "a machine", {}))
        for seed in result.seeds:
            events: list[Event] = [LOSS, WEIGHTS, BAD, *extra, *seed.measurements.values()]
            so_far = SeedSoFar(seed.seed)
            for event in events:
                so_far.add(event)
                run.take(SeedEvent(so_far, event))
        if is_over:
            run.take(Finished(result))
            run.state = "finished"
        screen = LabScreen(header, {}, card)
        await app.push_screen(screen)
        phase = "outcome" if is_over else "run"
        await until(pilot, lambda: screen.phase == phase)
        yield pilot


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_heat_maps_take_turns_with_the_charts(
    services: Services, size: tuple[int, int]
) -> None:
    """Tab goes from the charts to the maps; the keys that move then move in the map."""
    async with opened(services, size=size) as pilot:
        await pilot.press("shift+tab", "shift+tab")
        while "map 2/3 · seed 1" not in text_of(pilot.app):
            await pilot.press("tab")
        assert "The → The  1 weight" in text_of(pilot.app)
        await pilot.press("j", "l")
        assert "transformer → transformer  0.750 weight" in text_of(pilot.app)
        await pilot.press("k")
        assert "The → transformer  masked" in text_of(pilot.app)
        assert "log y" not in text_of(pilot.app)
        await pilot.press("tab")
        assert "a → b  diverged" in text_of(pilot.app)
        await pilot.press("shift+tab")
        assert "The → transformer  masked" in text_of(pilot.app)


async def test_on_a_broad_screen_the_outcome_stands_beside_the_figures(
    services: Services,
) -> None:
    """Also on one that was narrow before, with a figure in the outcome's place."""
    async with opened(services) as pilot:
        await pilot.press("tab")
        assert "chart 1/3" in text_of(pilot.app) and "confirmed" not in text_of(pilot.app)
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: "confirmed" in text_of(pilot.app))
        rows = text_of(pilot.app).splitlines()
        assert not any("┃" in row and "confirmed" in row for row in rows)
        await pilot.resize_terminal(200, 50)
        await until(
            pilot,
            lambda: any(
                "┃" in row and "confirmed" in row for row in text_of(pilot.app).splitlines()
            ),
        )
        assert "chart 1/3" in text_of(pilot.app)


async def test_below_a_heat_map_the_outcome_scrolls_by_pages(services: Services) -> None:
    """Where both are seen, h j k l belong to the map."""
    async with opened(services, size=(120, 24)) as pilot:
        await pilot.press("tab")
        assert "map 2/3" in text_of(pilot.app)
        results = pilot.app.screen.query_one("#results")
        assert results.max_scroll_y > 0
        await pilot.press("j")
        assert results.scroll_y == 0
        assert "transformer → The" in text_of(pilot.app)
        await pilot.press("pagedown")
        assert results.scroll_y > 0


async def test_maps_of_a_run_that_goes_on(services: Services) -> None:
    """The chart that grows is shown; a map comes when it is asked for."""
    async with opened(services, is_over=False) as pilot:
        assert "chart 1/3" in text_of(pilot.app)
        await pilot.press("tab")
        assert "map 2/3" in text_of(pilot.app)


async def test_a_window_resized_loses_nothing(services: Services) -> None:
    """Below the minimum one line says so; grown again, cursor, figure and outcome are there."""
    async with opened(services) as pilot:
        await pilot.press("tab", "tab", "j")
        before = text_of(pilot.app)
        assert "transformer → The  0.250 weight" in before
        for size, seen in (
            ((40, 10), "60x18 needed, have 40x10"),
            ((120, 40), "transformer → The  0.250 weight"),
            ((60, 18), "transformer → The  0.250 weight"),
            ((40, 10), "60x18 needed, have 40x10"),
        ):
            await pilot.resize_terminal(*size)
            await until(pilot, partial(shows, pilot, seen))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: text_of(pilot.app) == before)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_walk_is_gone_through_step_by_step(
    services: Services, size: tuple[int, int]
) -> None:
    """Caption first, then its numbers; the footer says what the next key does."""
    async with opened(services, SUMS, size=size) as pilot:
        await pilot.press("shift+tab")
        while "walk 4/4 · seed 0" not in text_of(pilot.app):
            await pilot.press("tab")
        text = text_of(pilot.app)
        assert "Step 1 of 3  row 1 → column 1  ? guess first" in text
        assert "Two and two are added." in text
        assert "Space show it" in text.splitlines()[-1]
        assert "total    4" not in text
        await pilot.press("space")
        assert "total    4" in text_of(pilot.app)
        assert "Space next step" in text_of(pilot.app).splitlines()[-1]
        await pilot.press("l", "right")
        assert "total    7" in text_of(pilot.app)
        await pilot.press("h")
        assert "total    4" in text_of(pilot.app)
        await pilot.press("end", "l")
        assert "total    8" in text_of(pilot.app)
        assert "Space" not in text_of(pilot.app).splitlines()[-1]
        await pilot.press("left", "home")
        assert "Step 1 of 3" in text_of(pilot.app)
        await pilot.press("tab", "space", "home", "shift+tab")
        assert "Step 1 of 3" in text_of(pilot.app)


async def test_a_walk_can_be_begun_while_the_run_goes_on(services: Services) -> None:
    """And is not changed by the seeds that follow."""
    async with opened(services, SUMS, is_over=False) as pilot:
        await pilot.press("shift+tab", "space", "space")
        assert "Step 2 of 3" in text_of(pilot.app)
        run = services.labs.latest
        assert run is not None
        later = replace(SUMS, steps=(Step((0, 0), "Of another seed.", (("total", 1.0),)),))
        third = SeedSoFar(2)
        third.add(later)
        run.take(SeedEvent(third, later))
        await pilot.pause(0.5)
        assert "Step 2 of 3" in text_of(pilot.app)
        assert "walk 4/4 · seed 0" in text_of(pilot.app)


async def test_knobs_and_bet_survive_a_resize(services: Services) -> None:
    app = app_of(services)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_home(pilot)
        card = services.cards["stacks-predict"]
        await app.push_screen(LabScreen(services.course.labs[LAB_ID], card.knobs, card))
        await pilot.press("h", "enter", "j", "j")
        for size in ((40, 10), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.1)
        text = text_of(app)

        assert "Here with n_layers 2." in " ".join(text.split())
        assert "▸ b  " in text
        assert "▸ PREDICT" in text


async def test_o_shows_the_code_from_where_it_runs(services: Services) -> None:
    """Read only: a control character is made visible, nothing is executed; q goes back."""
    header = services.course.labs[LAB_ID]
    with header.path.open("a", encoding="utf-8") as file:
        file.write("# \x1b]52;c;x [b]\n")
    async with opened(services) as pilot:
        await pilot.press("o")
        assert isinstance(pilot.app.screen, LabSourceScreen)
        await until(pilot, lambda: "def run(*, n_layers" in text_of(pilot.app))
        lines = text_of(pilot.app).splitlines()
        assert lines[0].endswith("labs/core/stacks.py")
        n_run = (
            header.path.read_text(encoding="utf-8")
            .split("\n")
            .index("def run(*, n_layers, norm, seed, device):")
        )
        assert f"{n_run + 1}  def run(*, n_layers" in text_of(pilot.app)
        await pilot.press("G")
        assert "# ␛]52;c;x [b]" in text_of(pilot.app)
        await pilot.press("g")
        assert ' 1  """Residual connections' in text_of(pilot.app)
        await pilot.press("q")
        assert isinstance(pilot.app.screen, LabScreen)


async def test_code_that_is_gone_is_told(services: Services) -> None:
    async with opened(services, is_over=False) as pilot:
        services.course.labs[LAB_ID].path.unlink()
        await pilot.press("o")
        await pilot.pause()
        assert "does not exist" in " ".join(text_of(pilot.app).split())


async def test_past_runs_side_by_side(services: Services) -> None:
    """The latest beside the one at the cursor; Space compares with another; all of it by keys."""
    async with opened(services) as pilot:
        for n_layers in (2, 16):
            result = result_of(services, n_layers)
            said = Prediction("It holds", "stuck", correct=True)
            services.record_run(result, services.cards["stacks-recall"], said)
        await pilot.press("p")
        assert isinstance(pilot.app.screen, LabRunsScreen)
        text = text_of(pilot.app)
        assert "2 of yours, 1 recorded" in text
        assert "✓ right" in text
        assert "recorded" in text
        assert "B − A" in text
        await pilot.press("j")
        lines = text_of(pilot.app).splitlines()
        assert any(line.strip().startswith("▸ B  recorded") for line in lines)
        await pilot.press("space", "k")
        lines = text_of(pilot.app).splitlines()
        assert any(line.strip().startswith("A  recorded") for line in lines)
        await pilot.press("q")
        assert isinstance(pilot.app.screen, LabScreen)


async def test_past_runs_come_to_rest_in_a_new_size(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(services) as pilot:
        await pilot.press("p")
        assert isinstance(pilot.app.screen, LabRunsScreen)
        await come_to_rest(pilot, monkeypatch)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_two_runs_stand_on_one_chart(services: Services, size: tuple[int, int]) -> None:
    """Beside their numbers, or in turn with them; whole runs are read for it."""
    async with opened(services, size=size) as pilot:
        for n_layers in (2, 8):
            services.record_run(result_of(services, n_layers), None, None)
        await pilot.press("p")
        is_wide = size == (120, 40)
        if is_wide:
            await until(pilot, partial(shows, pilot, "B faint"))
            assert "B − A" in text_of(pilot.app)
            assert "Tab charts" not in text_of(pilot.app)  # there is but one
        else:
            await until(pilot, partial(shows, pilot, "Tab charts"))
            assert "B faint" not in text_of(pilot.app)
            await pilot.press("tab")
            await until(pilot, partial(shows, pilot, "B faint"))
            assert "B − A" not in text_of(pilot.app)
            await pilot.press("tab")
            await until(pilot, partial(shows, pilot, "B − A"))


async def test_of_many_runs_the_latest_are_listed(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the title says of how many."""
    monkeypatch.setattr("studykit.tui.screens.lab_runs.N_LISTED", 2)
    async with opened(services) as pilot:
        for n_layers in (2, 16, 2):
            services.record_run(result_of(services, n_layers), None, None)
        await pilot.press("p")
        text = text_of(pilot.app)
        assert "the latest 2 of 3 of yours, 1 recorded" in text


async def test_a_run_whose_charts_gave_way_says_so(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers and claims stay."""
    monkeypatch.setattr("studykit.progress.runs.KEPT_EVENT_BYTES", 1)
    async with opened(services) as pilot:
        services.record_run(result_of(services, 2), None, None)
        await pilot.press("p", "k", "v")
        assert isinstance(pilot.app.screen, PastRunScreen)
        text = " ".join(text_of(pilot.app).split())
        assert "Its charts and maps gave way to newer runs" in text
        assert "DONE 2 seeds" in text


async def test_a_past_run_is_looked_at_as_when_it_had_ended(services: Services) -> None:
    """The learner's own and a recorded one: outcome first, then charts, maps and walks."""
    recorded = services.recorded(LAB_ID)[0]
    seeds = tuple(replace(seed, events=(*seed.events, SUMS)) for seed in recorded.seeds)
    services._recorded[LAB_ID] = (replace(recorded, seeds=seeds),)
    async with opened(services) as pilot:
        services.record_run(result_of(services, 2), None, None)
        await pilot.press("p", "k", "v")
        assert isinstance(pilot.app.screen, PastRunScreen)
        assert "20 Nov 11:00 · n_layers 2, norm pre" in text_of(pilot.app)
        assert "DONE  2 seeds in 24.6 s" in text_of(pilot.app)
        assert "WALK" not in text_of(pilot.app)
        assert "Test: " not in text_of(pilot.app)
        await pilot.press("t")
        assert "Test: |loss_without − unigram_entropy| ≤ 0.05" in text_of(pilot.app)
        assert "loss_without     2.870 nats" in text_of(pilot.app)
        await pilot.press("tab")
        assert "chart 1/3 · mean of 2 seeds" in text_of(pilot.app)
        await pilot.press("tab", "j")
        assert "transformer → The  0.250 weight" in text_of(pilot.app)
        await pilot.press("q", "j", "v")
        assert "WALK  Sums: 3 steps to go through, with Tab" in text_of(pilot.app)
        await pilot.press("tab", "space", "l", "l")
        text = text_of(pilot.app)
        assert "recorded · n_layers 8, norm pre" in text
        assert "recorded · seed 0" in text
        assert "total    7" in text
        await pilot.press("escape", "q")
        assert isinstance(pilot.app.screen, LabScreen)


async def test_a_lab_without_runs_says_so(services: Services) -> None:
    services._recorded[LAB_ID] = ()
    async with opened(services, is_over=False) as pilot:
        await pilot.press("p")
        assert "has not been run yet" in text_of(pilot.app)
        await pilot.press("space", "v", "pagedown", "q")
        assert isinstance(pilot.app.screen, LabScreen)
