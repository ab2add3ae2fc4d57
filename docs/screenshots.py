"""Pictures of the screens for README.md: ``python docs/screenshots.py`` (needs Chromium).

Drives the bundled course on a clock that stands still, in a temporary home, and runs the lab of
the first card for real, which takes as long as the lab takes.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from textual.pilot import Pilot

from studykit.clock import FixedClock
from studykit.course.decks import load_course
from studykit.progress.store import Store
from studykit.settings import Paths, Settings, bundled_course_root
from studykit.tui.app import StudykitApp
from studykit.tui.services import Services

IMAGES = Path(__file__).parent / "images"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=timezone(timedelta(hours=1)))
SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
PIXELS = {"80x24": (1000, 640), "120x40": (1480, 1030)}
"""Window of the browser that draws the SVG: its own size and a margin."""


def main() -> None:
    """Write one picture of each screen in each size."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise SystemExit("screenshots need Chromium: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    for name, size in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_visit(Path(folder), name, size))
            for svg in sorted(Path(folder).glob("*.svg")):
                _draw(browser, svg, IMAGES / f"{svg.stem}.png", PIXELS[name])


async def _visit(folder: Path, name: str, size: tuple[int, int]) -> None:
    """Go through the screens as a learner would, and take a picture of each."""
    paths = Paths(folder / "home", folder / "home" / "settings.toml")
    app = StudykitApp(
        Services(
            load_course(bundled_course_root()),
            Settings(),
            paths,
            FixedClock(NOW),
            lambda: Store.open(paths.database, backups_dir=paths.backups_dir),
        )
    )
    async with app.run_test(size=size) as pilot:

        async def shoot(screen: str) -> None:
            await pilot.pause(0.3)
            app.save_screenshot(f"{screen}-{name}.svg", path=str(folder))

        await _until(pilot, lambda: app.services.store is not None)
        await shoot("home")
        await pilot.press("enter")
        await shoot("question")
        await pilot.press("1")
        await pilot.press("x")
        await shoot("lab-knobs")
        await pilot.press("enter")
        await _until(pilot, lambda: _fraction(app) > 0.4)
        await shoot("lab-running")
        await _until(pilot, lambda: _fraction(app) >= 1)
        await pilot.pause(1)
        await shoot("lab-outcome")
        await pilot.press("q")
        await shoot("answer")
        await pilot.press("question_mark")
        await shoot("help")


def _fraction(app: StudykitApp) -> float:
    """How far the lab's run is, 1 when it is over."""
    run = app.services.lab_run
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
