"""The app on a small course, without a lab process and on a clock that stands still."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from textual import events
from textual.app import App
from textual.geometry import Size
from textual.pilot import Pilot

from studykit.clock import FixedClock
from studykit.course.decks import load_course
from studykit.lab.process import LabRunner
from studykit.progress.store import Store
from studykit.settings import Paths, ReviewSettings, ScreenSettings, Settings
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from tests.tui.screen_course import write_course

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=timezone(timedelta(hours=1)))

MakeServices = Callable[..., Services]


class IdleRunner:
    """Stands where labs are run, and counts how often it was told to warm up."""

    def __init__(self) -> None:
        self.n_warm = 0

    async def warm(self) -> None:
        self.n_warm += 1

    async def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and colours do not depend on where the tests run."""
    for name in ("NO_COLOR", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def closed_stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every progress that a test opened, whether it goes on to close it or not."""
    opened: list[Store] = []
    open_progress = Services.open

    def noted(services: Services) -> None:
        open_progress(services)
        opened.append(services.progress)

    monkeypatch.setattr(Services, "open", noted)
    yield
    for store in opened:
        store.close()


FEW_CARDS = ReviewSettings(new_per_day=20)
"""All of the few cards of the tests' course may be met on one day."""


def build_idle_services(folder: Path, *names: str, settings: Settings | None = None) -> Services:
    """Services on the course of `screen_course`, with the cards of these names; no lab runs."""
    course = load_course(write_course(folder / "course", *names))
    assert course.problems == ()
    paths = Paths(folder / "home", folder / "home" / "settings.toml")
    services = Services(
        course,
        settings or Settings(FEW_CARDS, screen=ScreenSettings(theme="studykit-dark")),
        paths,
        FixedClock(NOW),
        lambda: Store.open(paths.database, backups_dir=paths.backups_dir),
    )
    # `runner` is made when first asked for; here it is there already.
    services.__dict__["runner"] = cast("LabRunner", IdleRunner())
    return services


@pytest.fixture
def make_services(tmp_path: Path) -> MakeServices:
    """`build_idle_services` in a folder of its own."""
    return partial(build_idle_services, tmp_path)


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait for what a worker or a timer brings about; fails after half a minute."""
    async with asyncio.timeout(30):
        while not condition():
            await pilot.pause(0.02)
    await pilot.pause()


async def come_to_rest(pilot: Pilot[None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the screen take up two sizes that come at once; fails if it takes them up in turns."""
    screen = pilot.app.screen
    sizes: list[Size] = []
    layout = screen._screen_resized

    def resized(size: Size) -> None:
        sizes.append(size)
        if len(sizes) < 40:  # or it would never end
            layout(size)

    monkeypatch.setattr(screen, "_screen_resized", resized)
    here = screen.size
    for size in (Size(here.width, here.height + 1), here):
        screen.post_message(events.Resize(size, size))
        screen.call_later(lambda: None)
    await asyncio.sleep(0.2)
    assert len(sizes) < 40
    assert sizes[-1] == screen.size


async def open_home(pilot: Pilot[None]) -> None:
    """Wait until Home has its numbers."""
    await until(pilot, lambda: "Opening" not in text_of(pilot.app))


async def open_review(pilot: Pilot[None]) -> None:
    """Home, then the first card."""
    await open_home(pilot)
    await pilot.press("enter")
    await pilot.pause()


def app_of(services: Services) -> StudykitApp:
    """The app, not running yet."""
    return StudykitApp(services)


def text_of(app: App[None]) -> str:
    """What stands on the screen, row by row."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


EDITOR = """\
import sys
from pathlib import Path
deck = Path(sys.argv[-1])
deck.write_text(deck.read_text().replace(sys.argv[1], sys.argv[2]))
"""


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that replaces text in the file that it is given; the terminal is lent to it."""
    monkeypatch.setattr(StudykitApp, "suspend", lambda _: nullcontext())
    script = tmp_path / "editor.py"
    script.write_text(EDITOR)
    return script


def will_replace(monkeypatch: pytest.MonkeyPatch, editor: Path, old: str, new: str) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} {editor} '{old}' '{new}'")
