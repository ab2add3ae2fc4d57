"""Pictures of every screen, in docs/images: ``python -m docs.screenshots`` (needs Chromium).

Drives the bundled course on a clock that stands still, in a temporary home with the progress of
an invented learner, and runs four labs for real, which takes as long as the labs take.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

from textual.pilot import Pilot

from docs.simulated_learner import study
from studykit.clock import Clock, FixedClock
from studykit.course.decks import load_course
from studykit.progress.store import Store
from studykit.settings import Paths, ReviewSettings, Settings, bundled_course_root
from studykit.study.services import Services
from studykit.tui.app import StudykitApp

IMAGES = Path(__file__).parent / "images"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=timezone(timedelta(hours=1)))
BEGAN = NOW - timedelta(days=75)
"""When the invented learner began."""
NEW_PER_DAY = 1
"""So slowly that there is still something new."""
LAB_CARD = "core-residuals-removed"
"""Its lab is run."""
WALK_LAB = "flash/softmax_decomposition"
"""Its walk is gone through."""
MODEL_LAB = "bert/sink_tokens"
"""Its maps of a sentence are looked at; it needs the model minilm."""
SENTENCE = "The trophy would not fit into the suitcase because it was too big."
SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
PIXELS = {"80x24": (1000, 640), "120x40": (1480, 1030)}
"""Window of the browser that draws the SVG: its own size and a margin."""


def main() -> None:
    """Write one picture of each screen in each size."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise SystemExit("screenshots need Chromium: apt-get install chromium")
    # Pictures have all colours, whatever terminal they are taken in.
    os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    os.environ.pop("NO_COLOR", None)
    IMAGES.mkdir(exist_ok=True)
    for name, size in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_first_card(Path(folder), name, size))
            asyncio.run(_after_weeks(Path(folder), name, size))
            asyncio.run(_walk(Path(folder), name, size))
            asyncio.run(_sentence(Path(folder), name, size))
            asyncio.run(_bench(Path(folder), name, size))
            for svg in sorted(Path(folder).glob("*.svg")):
                _draw(browser, svg, IMAGES / f"{svg.stem}.png", PIXELS[name])


async def _first_card(folder: Path, name: str, size: tuple[int, int]) -> None:
    """A new learner predicts, runs the lab and comes back to the card."""
    services = _services(folder / "new", FixedClock(NOW), Settings())
    services.cards = {LAB_CARD: services.cards[LAB_CARD]}
    app = StudykitApp(services)
    async with app.run_test(size=size) as pilot:
        shoot = partial(_shoot, pilot, folder, name)
        await _until(pilot, lambda: services.store is not None)
        await pilot.press("enter")
        await shoot("question")
        await pilot.press("1")
        await pilot.press("3", "x")
        await shoot("lab-knobs")
        await pilot.press("enter")
        await _until(pilot, lambda: _fraction(services) > 0.4)
        await shoot("lab-running")
        await _until(pilot, lambda: _fraction(services) >= 1)
        await pilot.pause(1)
        await shoot("lab-outcome")
        await pilot.press("q")
        await _until(pilot, lambda: "1 Again" in _text(app))
        await shoot("answer")
        await pilot.press("question_mark")
        await shoot("help")


async def _after_weeks(folder: Path, name: str, size: tuple[int, int]) -> None:
    """A learner of some weeks looks around."""
    clock = FixedClock(BEGAN)
    services = _services(
        folder / "known", clock, Settings(review=ReviewSettings(new_per_day=NEW_PER_DAY))
    )
    study(services, clock, NOW, seed=7)
    clock.at = NOW
    app = StudykitApp(services)
    async with app.run_test(size=size) as pilot:
        shoot = partial(_shoot, pilot, folder, name)
        await _until(pilot, lambda: "in a row" in _text(app))  # counted last
        await shoot("home")
        await pilot.press("p")
        await _until(pilot, lambda: "Counting" not in _text(app))
        await shoot("progress")
        await pilot.press("q", "P")
        await _until(pilot, lambda: "A YEAR AHEAD" in _text(app))
        await shoot("plan")
        await pilot.press("q", "slash", *"s:rev")
        await shoot("browse")
        await pilot.press("enter", "enter")
        await shoot("card")
        await pilot.press("q", "q", "c")
        await shoot("practise")
        await pilot.press("q", "x")
        await shoot("labs")
        await pilot.press("enter", "s")
        await _until(pilot, lambda: _fraction(services) >= 1)
        await pilot.pause(1)
        await pilot.press("tab")
        await shoot("lab-heat-map")
        await pilot.press("p")
        await shoot("lab-runs")
        await pilot.press("q", "o")
        await shoot("lab-code")


async def _walk(folder: Path, name: str, size: tuple[int, int]) -> None:
    """A new learner goes some steps through a computation."""
    services = _services(folder / "walk", FixedClock(NOW), Settings())
    app = StudykitApp(services)
    async with app.run_test(size=size) as pilot:
        await _until(pilot, lambda: services.store is not None)
        await pilot.press("x", *["j"] * [*services.course.labs].index(WALK_LAB), "enter", "s")
        await _until(pilot, lambda: _fraction(services) >= 1)
        await pilot.pause(1)
        while "Step 1 of" not in _text(app):
            await pilot.press("tab")
        while "Step 5 of" not in _text(app):
            await pilot.press("l")
        await _shoot(pilot, folder, name, "lab-walk")


async def _sentence(folder: Path, name: str, size: tuple[int, int]) -> None:
    """A new learner looks at a trained model's attention for a sentence of their own."""
    services = _services(folder / "sentence", FixedClock(NOW), Settings())
    app = StudykitApp(services)
    async with app.run_test(size=size) as pilot:
        await _until(pilot, lambda: services.store is not None)
        await pilot.press("x", *["j"] * [*services.course.labs].index(MODEL_LAB), "enter")
        await pilot.press("equals_sign", *SENTENCE)
        await _shoot(pilot, folder, name, "lab-sentence")
        await pilot.press("enter", "s")
        await _until(pilot, lambda: _fraction(services) >= 1)
        await pilot.pause(1)
        while "layer 5" not in _text(app):
            await pilot.press("tab")
        await _shoot(pilot, folder, name, "lab-attention")


def _services(home: Path, clock: Clock, settings: Settings) -> Services:
    paths = Paths(home, home / "settings.toml")
    return Services(
        load_course(bundled_course_root()),
        settings,
        paths,
        clock,
        lambda: Store.open(paths.database, backups_dir=paths.backups_dir),
    )


async def _bench(folder: Path, name: str, size: tuple[int, int]) -> None:
    """A what-if question is asked, predicted and answered."""
    services = _services(folder / "bench", FixedClock(NOW), Settings())
    app = StudykitApp(services)
    async with app.run_test(size=size) as pilot:
        shoot = partial(_shoot, pilot, folder, name)
        await _until(pilot, lambda: services.store is not None)
        await pilot.press("w")
        await _until(pilot, lambda: "changed" in _text(app))
        await shoot("whatif-models")
        await pilot.press("enter", "a", "l", "l", "l", "enter")
        await _until(pilot, lambda: _fraction(services) > 0.5)
        await shoot("whatif-running")
        await _until(pilot, lambda: "✓ saved" in _text(app))
        await shoot("whatif-outcome")


async def _shoot(pilot: Pilot[None], folder: Path, size: str, screen: str) -> None:
    await pilot.pause(0.5)
    pilot.app.save_screenshot(f"{screen}-{size}.svg", path=str(folder))


def _text(app: StudykitApp) -> str:
    """What stands on the screen."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def _fraction(services: Services) -> float:
    """How far the lab's run is, 1 when it is over."""
    run = services.labs.latest
    if run is None:
        return 0.0
    return 1.0 if run.is_over else run.fraction


async def _until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(600):
        while not condition():
            await pilot.pause(0.1)


def _draw(browser: str, svg: Path, png: Path, window: tuple[int, int]) -> None:
    """The picture as Chromium draws it; other tools lose leading spaces."""
    subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-background-networking",
            f"--window-size={window[0]},{window[1]}",
            f"--screenshot={png}",
            svg.as_uri(),
        ],
        check=True,
        capture_output=True,
    )


if __name__ == "__main__":
    main()
