"""Which functions run between a key and what is seen of it: ``python -m tests.tui.paths``.

Two paths are walked, those that docs/paths.md tells of, on the small courses of the tests. A
function counts once, however often it runs; classes, lambdas and comprehensions do not count.
The labs' process is another one and is not looked into.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import CO_NEWLOCALS
from pathlib import Path
from types import FrameType
from unittest.mock import patch

from textual.pilot import Pilot

import studykit
from studykit.tui.app import StudykitApp
from studykit.tui.screens import asking
from studykit.tui.screens.lab import LabScreen
from studykit.tui.screens.review import ReviewScreen
from tests.tui.coin_course import build_services
from tests.tui.conftest import build_idle_services, open_review, text_of, until

PACKAGE = Path(studykit.__file__).parent
N_RATED = 3
"""Cards rated; what runs for each of them is the path."""

Functions = set[tuple[str, str]]
"""File below `PACKAGE`, qualified name."""


@contextmanager
def recording() -> Iterator[Functions]:
    """The functions of studykit that run meanwhile, in this thread and in new ones."""
    found: Functions = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        is_function = code.co_flags & CO_NEWLOCALS and not code.co_name.startswith("<")
        if event == "call" and is_function and code.co_filename.startswith(str(PACKAGE)):
            file = Path(code.co_filename).relative_to(PACKAGE).as_posix()
            found.add((file, code.co_qualname))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


async def rate_a_card(folder: Path) -> Functions:
    """From the key that rates a card to the next one on the screen."""
    services = build_idle_services(folder, "recall", "numeric", "choice", "match")
    paths = []
    no_tick = patch.object(asking, "TICK_SECONDS", 3600.0)
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        with no_tick:
            await open_review(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, ReviewScreen)
        for _ in range(N_RATED):
            screen._sitting.take(None)
            await screen.show_answer()
            await pilot.pause(0.3)
            paths.append(await _press_good(pilot))
    return set.intersection(*paths)


async def _press_good(pilot: Pilot[None]) -> Functions:
    """What runs until the next card stands and nothing more is to be done for it."""
    with recording() as path:
        await pilot.press("3")
        await until(pilot, lambda: ("tui/pace.py", "collect_young") in path)
    return path


async def run_an_experiment(folder: Path) -> Functions:
    """From the key that opens a card's lab to the verdict of its run."""
    services = build_services(folder)
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.pause(0.3)
        with recording() as path:
            await pilot.press("x")
            screen = pilot.app.screen
            assert isinstance(screen, LabScreen)
            await pilot.press("enter", "a", "enter")
            assert screen.phase not in ("knobs", "predict")
            await until(pilot, lambda: "✓ saved" in text_of(pilot.app))
    return path


WALKS = {"Rating a card": rate_a_card, "An experiment": run_an_experiment}
"""Section of docs/paths.md -> what walks its path, in an empty folder."""


def main() -> None:
    """Print both paths, file by file."""
    for title, walk in WALKS.items():
        with tempfile.TemporaryDirectory() as folder:
            functions = asyncio.run(walk(Path(folder)))
        by_file = defaultdict(list)
        for file, name in sorted(functions):
            by_file[file].append(name)
        print(f"{title}: {len(by_file)} files, {len(functions)} functions")
        for file, names in by_file.items():
            print(f"  {file}: {', '.join(names)}")


if __name__ == "__main__":
    main()
