"""The Sweep screen with real child processes: one key, all values of a knob, on the same seeds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from studykit.lab.process import LabRunner
from studykit.lab.trust import remember
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from studykit.tui.screens.dialogs import TrustScreen
from studykit.tui.screens.lab import LabScreen
from studykit.tui.screens.sweep import SweepScreen
from tests.commands.dice_course import edit
from tests.tui.coin_course import build_services
from tests.tui.conftest import open_home, text_of, until


def services_in(folder: Path, *, trusted: bool = True) -> Services:
    """Services with runners that import nothing; the labs may change and stay trusted."""
    services = build_services(folder, trusted=False)
    if trusted:
        remember(services.course.root, services.paths.data_dir, as_own=True)

    def build(threads: int = 0) -> LabRunner:
        return LabRunner(services.course.root, threads=threads, time_limit_s=60, preload=())

    services.__dict__["build_runner"] = build
    return services


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever cores and memory there are."""
    monkeypatch.setattr("studykit.tui.screens.sweep.n_by_default", lambda: 2)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return services_in(tmp_path)


@asynccontextmanager
async def opened(
    services: Services, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Pilot[None]]:
    """The app with the lab on the screen, the cursor on the coin's bias."""
    app = StudykitApp(services)
    async with app.run_test(size=size) as pilot:
        await open_home(pilot)
        header = services.course.labs["coins/toss"]
        await app.push_screen(LabScreen(header, header.defaults, None))
        await pilot.pause()
        yield pilot


async def swept(pilot: Pilot[None]) -> str:
    """The text of the screen once the sweep is over."""
    await until(pilot, lambda: "holds on" in text_of(pilot.app) and "about" not in told(pilot))
    screen = pilot.app.screen
    assert isinstance(screen, SweepScreen)
    await until(pilot, lambda: not screen.check_action("cancel", ()))
    screen._look()
    await pilot.pause()
    return text_of(pilot.app)


def told(pilot: Pilot[None]) -> str:
    return text_of(pilot.app).splitlines()[2]


def seeds_kept(services: Services) -> list[tuple[float, int]]:
    path = services.paths.sweeps_dir / "coins" / "coins" / "toss.json"
    runs = json.loads(path.read_text())["runs"]
    return [(run["knobs"]["bias"], len(run["seeds"])) for run in runs]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_one_key_sweeps_a_knob(services: Services, size: tuple[int, int]) -> None:
    async with opened(services, size) as pilot:
        assert "S sweep" in text_of(pilot.app)
        await pilot.press("S")
        text = await swept(pilot)
        lines = text.splitlines()
        assert "coins/toss along bias" in text
        assert "2 seeds each · mean ± half its 95 % interval" in text
        (low,) = (line for line in lines if line.strip().startswith("bias 0.01"))
        (high,) = (line for line in lines if line.strip().startswith("bias 0.5"))
        assert low.index("●") < high.index("●")
        assert "none  holds on bias 0.01: 2 of 2; bias 0.5: 0 of 2" in text
        assert seeds_kept(services) == [(0.01, 2), (0.5, 2)]
        await pilot.press("+")
        await until(pilot, lambda: "4 seeds each" in text_of(pilot.app))
        assert seeds_kept(services) == [(0.01, 4), (0.5, 4)]
        await pilot.press("q")
        assert isinstance(pilot.app.screen, LabScreen)


async def test_a_sweep_can_be_stopped_and_gone_on_with(services: Services) -> None:
    edit(services.course.root / "labs/coins/toss.py", "    heads = 0", SLOW_UNLESS_FLAG)
    async with opened(services) as pilot:
        await pilot.press("S")
        await until(pilot, lambda: "2 of 4 runs" in told(pilot))
        await pilot.press("c")
        await until(pilot, lambda: "r go on" in text_of(pilot.app))
        text = text_of(pilot.app)
        assert "Stopped; what is measured is kept" in text
        assert "2 of 4 runs" in told(pilot)
        (services.course.root / "flag").touch()
        await pilot.press("r")
        await until(pilot, lambda: "2 seeds each" in told(pilot) and "of 4" not in told(pilot))
        assert seeds_kept(services) == [(0.01, 2), (0.5, 2)]


SLOW_UNLESS_FLAG = """\
    heads = 0
    from pathlib import Path
    while bias == 0.5 and not (Path(__file__).parents[2] / "flag").exists():
        time.sleep(0.05)
"""


async def test_leaving_ends_the_processes(services: Services) -> None:
    edit(services.course.root / "labs/coins/toss.py", "    heads = 0", SLOW_UNLESS_FLAG)
    async with opened(services) as pilot:
        await pilot.press("S")
        await until(pilot, lambda: "2 of 4 runs" in told(pilot))
        screen = pilot.app.screen
        assert isinstance(screen, SweepScreen)
        pool = screen._pool
        assert pool is not None
        await pilot.press("q")
        assert isinstance(pilot.app.screen, LabScreen)
        await until(pilot, lambda: not pool._runners)
        assert seeds_kept(services) == [(0.01, 2)]


async def test_settings_that_fail_are_named(services: Services) -> None:
    async with opened(services) as pilot:
        edit(services.course.root / "labs/coins/toss.py", 'if mood == "slow"', 'if mood == "x"')
        await pilot.press("j", "S")
        await until(pilot, lambda: "! mood angry: failed: RuntimeError" in text_of(pilot.app))
        text = await swept(pilot)
        assert "mood calm" in text and "mood slow" in text


async def test_a_damaged_file_is_told(services: Services) -> None:
    path = services.paths.sweeps_dir / "coins" / "coins" / "toss.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    async with opened(services) as pilot:
        await pilot.press("S")
        await until(pilot, lambda: "!" in told(pilot))
        assert "move it elsewhere: a new one is begun" in " ".join(text_of(pilot.app).split())
        await pilot.press("r", "c", "+", "q")
        assert isinstance(pilot.app.screen, LabScreen)


async def test_a_foreign_course_is_asked_about_first(tmp_path: Path) -> None:
    async with opened(services_in(tmp_path, trusted=False)) as pilot:
        await pilot.press("S")
        await until(pilot, lambda: isinstance(pilot.app.screen, TrustScreen))
        await pilot.press("n")
        assert isinstance(pilot.app.screen, LabScreen)
        await pilot.press("S", "y")
        assert "coins/toss along bias" in await swept(pilot)
