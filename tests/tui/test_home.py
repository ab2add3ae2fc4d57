"""Home, and the app around the screens: start, trouble, sizes, keys."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from studykit.clock import FixedClock
from studykit.errors import StoreError
from studykit.review.schedule import Rating
from studykit.settings import ReviewSettings, Settings
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from studykit.tui.screens import home
from studykit.tui.screens.home import HomeScreen
from studykit.tui.screens.review import ReviewScreen
from tests.tui.conftest import (
    NOW,
    MakeServices,
    come_to_rest,
    open_home,
    open_review,
    text_of,
    until,
)
from tests.tui.past import daily, study


async def open_with_stats(pilot: Pilot[None]) -> None:
    """Wait until Home has the numbers that come after those of the day."""
    await until(pilot, lambda: "TRUE RETENTION" in text_of(pilot.app))


async def test_home_shows_what_is_due_and_what_to_do(make_services: MakeServices) -> None:
    """A new learner reads how many cards wait, deck by deck, and which key begins."""
    async with StudykitApp(make_services()).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        screen = text_of(pilot.app)
        assert "8 due · ≈ 5 min   8 new" in screen
        assert "Welcome! Enter asks the first cards" in screen
        deck_row = next(line for line in screen.splitlines() if "%" in line)
        assert deck_row.split()[-5:] == ["0", "%", "8", "–", "–"]
        assert " P plan " in screen.splitlines()[-1]


async def test_home_shows_the_longer_run(make_services: MakeServices) -> None:
    """Streak, mastery, the week ahead, retention with its interval, the lab that waits."""
    services = make_services("recall", "cloze", "predict")
    study(services, [*daily("stacks-recall", 24), *daily("stacks-cloze", 1)])
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_with_stats(pilot)
        screen = text_of(pilot.app)
        assert "24 days in a row" in screen
        row = next(line for line in screen.splitlines() if "Core transformer" in line)
        # One of three cards is known, one is in its steps, one was never seen.
        assert row.split()[-5:] == ["33", "%", "1", "1", "–"]
        assert "100.0 %  (85–100 %)" in screen and "22 reviews of known cards" in screen
        assert "as wanted: 90 %" in screen
        assert "2 due · under a minute   1 new · 1 learning" in screen
        assert "1 lab waits for your prediction: What if I remove" in screen
        days = next(line for line in screen.splitlines() if "today" in line and "Tue" in line)
        numbers = screen.splitlines()[screen.splitlines().index(days) + 1].split()
        assert days.split()[:7] == ["today", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
        assert numbers[0] == "1"


async def test_the_title_of_a_deck_is_whole_where_there_is_room(
    make_services: MakeServices,
) -> None:
    """It takes from the weakest topic what it needs."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(200, 50)) as pilot:
        await open_home(pilot)
        row = next(line for line in text_of(pilot.app).splitlines() if "─ " in line)
        assert f"{services.cover.decks[0].title}  ─" in row


async def test_few_reviews_are_not_judged(make_services: MakeServices) -> None:
    services = make_services("recall")
    study(services, daily("stacks-recall", 4))
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_with_stats(pilot)
        assert "too few to judge" in text_of(pilot.app)
        assert "2 reviews of known cards" in text_of(pilot.app)


async def test_the_calendar_has_a_cursor_only_with_the_focus(make_services: MakeServices) -> None:
    """Tab gives it the keys, Esc takes them; at 80 columns and 24 rows there is no calendar."""
    services = make_services("recall")
    study(services, daily("stacks-recall", 3))
    async with StudykitApp(services).run_test(size=(120, 40)) as pilot:
        await open_with_stats(pilot)
        assert "today: no answer" in text_of(pilot.app)
        await pilot.press("h", "k")
        assert "today: no answer" in text_of(pilot.app)
        await pilot.press("tab", "k")
        assert "today: no answer" not in text_of(pilot.app)
        assert "yesterday: 1 answer" in text_of(pilot.app)
        assert re.search(r"Sun .*\[■\]", text_of(pilot.app))
        await pilot.press("h", "l", "l", "escape")
        assert "yesterday: 1 answer" in text_of(pilot.app) and "[■]" not in text_of(pilot.app)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "yesterday" not in text_of(pilot.app))


async def test_the_calendar_needs_no_colour(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More answers are a denser shade."""
    monkeypatch.setenv("NO_COLOR", "1")
    services = make_services("recall", "cloze")
    study(services, [*daily("stacks-recall", 3), *[("stacks-cloze", 2, Rating.GOOD)] * 6])
    async with StudykitApp(services).run_test(size=(120, 40)) as pilot:
        await open_with_stats(pilot)
        screen = text_of(pilot.app)
        assert re.search(r"Fri .*░ *\n.* █ *\n", screen)
        assert "1 ░ ▒ ▓ █ 7" in screen and "■" not in screen


async def test_home_is_painted_before_the_progress_is_open(make_services: MakeServices) -> None:
    """The decks stand there while the database opens; an early Enter is not lost."""
    services = make_services("recall")
    gate = threading.Event()
    open_store = services._open_store

    def open_late() -> Any:
        gate.wait(10)
        return open_store()

    services._open_store = open_late
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        screen = text_of(pilot.app)
        assert "Opening the progress" in screen and "Core transformer architecture" in screen
        await pilot.press("enter")
        gate.set()
        await until(pilot, lambda: "What does a residual connection add" in text_of(pilot.app))


async def test_nothing_due_says_what_comes(make_services: MakeServices) -> None:
    """Without a card left, Enter does nothing and Home says when the next ones come."""
    settings = Settings(review=ReviewSettings(new_per_day=1, learning_steps_minutes=()))
    services = make_services("recall", "cloze", settings=settings)
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("space", "3", "q")
        screen = text_of(pilot.app)
        assert "Done for today   1 answer today" in screen
        assert "Next: 1 card on 25 Nov; 1 new card still to meet" in screen
        await pilot.press("enter")
        assert text_of(pilot.app) == screen


async def test_a_key_typed_ahead_opens_nothing_twice(make_services: MakeServices) -> None:
    """Home hears a second Enter before the review stands on it; leaving that leads Home."""
    services = make_services("recall", "numeric")
    async with StudykitApp(services).run_test() as pilot:
        await open_home(pilot)
        home = pilot.app.screen
        assert isinstance(home, HomeScreen)
        home.action_review()
        home.action_review()
        home.action_practise()
        await until(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen))
        assert len(pilot.app.screen_stack) == 2
        await pilot.press("q")
        assert pilot.app.screen is home


async def test_undo_on_home(make_services: MakeServices) -> None:
    """The last rating of the day can be taken back where no card stands any more."""
    async with StudykitApp(make_services("recall", "cloze")).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("space", "4", "escape", "q")
        assert "1 due · ≈ 1 min   1 new   1 answer today" in text_of(pilot.app)
        await pilot.press("u")
        screen = text_of(pilot.app)
        assert "2 due · ≈ 1 min   2 new" in screen and "Taken back: stacks-recall" in screen


async def test_report_is_written(make_services: MakeServices) -> None:
    """r writes the report into the data folder and says where."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(120, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("r")
        await until(pilot, lambda: "report written" in text_of(pilot.app))
    report = services.paths.data_dir / "report-2026-11-23.md"
    assert report.read_text(encoding="utf-8").startswith("# Study report")


async def test_problems_of_the_course_are_shown(make_services: MakeServices) -> None:
    """Three problems have a line each, the others are counted; control characters are visible."""
    services = make_services("recall")
    problems = tuple(f"decks/{n}.yaml:1:1: \x1b[31mwrong" for n in range(5))
    services.course = replace(services.course, problems=problems)
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        screen = text_of(pilot.app)
        assert "! decks/2.yaml:1:1: ␛[31mwrong" in screen
        assert "decks/3.yaml" not in screen and "and 2 more" in screen


async def test_unusable_progress(make_services: MakeServices) -> None:
    """A database that cannot be used is said in full, with what to do; q leaves with code 1."""
    services = make_services("recall")

    def refuse() -> Any:
        raise StoreError("the database is from a newer version", hint="update studykit")

    services._open_store = refuse
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "cannot be used" in text_of(app))
        screen = text_of(app)
        assert "the database is from a newer version" in screen and "update studykit" in screen
        await pilot.press("q")
    assert app.return_code == 1


async def test_too_small_a_terminal(make_services: MakeServices) -> None:
    """Below 60x18 there is one clear line, and the screen is back when there is room."""
    async with StudykitApp(make_services("recall")).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        before = text_of(pilot.app)
        await pilot.resize_terminal(52, 12)
        await until(pilot, lambda: "needed" in text_of(pilot.app))
        assert text_of(pilot.app).split() == ["60x18", "needed,", "have", "52x12"]
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: text_of(pilot.app) == before)


async def test_keys_can_be_remapped(make_services: MakeServices) -> None:
    """A key of the settings replaces the default one, in action, hint and help."""
    settings = Settings(keys={"labs": "e"})
    app = StudykitApp(make_services("recall", settings=settings))
    async with app.run_test(size=(100, 30)) as pilot:
        await open_home(pilot)
        await pilot.press("x")
        assert "e labs" in text_of(pilot.app)
        await pilot.press("e")
        assert "What if I remove the residual connections?" in text_of(pilot.app)


async def test_a_remapped_key_that_does_not_exist_is_named(make_services: MakeServices) -> None:
    """A misspelt id in the settings is said, not ignored."""
    settings = Settings(keys={"rate-god": "e"})
    async with StudykitApp(make_services("recall", settings=settings)).run_test() as pilot:
        await open_home(pilot)
        await until(pilot, lambda: "no key is called rate-god" in text_of(pilot.app))


async def test_ctrl_c_twice_quits(make_services: MakeServices) -> None:
    """Once only says so, so that a slip does not end the sitting."""
    app = StudykitApp(make_services("recall"))
    async with app.run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("ctrl+c")
        assert "ctrl+c again to quit" in text_of(app)
        assert app.is_running
        await pilot.press("ctrl+c")
    assert app.return_code == 0


def test_a_crash_ends_in_one_line_and_a_log(
    make_services: MakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nobody foresaw shows no local variables on the terminal; the trace is in a file."""
    services = make_services("recall")
    app = StudykitApp(services)

    async def crash(pilot: Pilot[object]) -> None:
        secret = "text of a card"

        def boom() -> None:
            raise RuntimeError(f"boom {len(secret)}")

        pilot.app.call_later(boom)
        await pilot.pause(0.2)

    asyncio.run(app.run_async(headless=True, auto_pilot=crash))
    log = services.paths.data_dir / "last-error.log"
    assert "unexpected RuntimeError: boom 14" in app.last_words and str(log) in app.last_words
    printed = "".join(capsys.readouterr())
    assert "text of a card" not in printed and "Traceback" not in printed
    assert "RuntimeError: boom" in log.read_text(encoding="utf-8")
    assert app.return_code == 1


PAINT = """
import asyncio, sys
from pathlib import Path
from studykit.clock import SystemClock
from studykit.course.decks import load_course
from studykit.settings import Paths, Settings
from studykit.tui.app import StudykitApp
from studykit.study.services import Services
home = Path(sys.argv[2])
def open_store():
    raise SystemExit
class Frozen(Services):
    def open(self):
        import time
        time.sleep(5)
services = Frozen(
    load_course(Path(sys.argv[1])), Settings(), Paths(home, home / "s"), SystemClock(), open_store
)
async def main():
    app = StudykitApp(services)
    async with app.run_test() as pilot:
        await pilot.pause()
        print(*sorted(sys.modules))
        sys.stdout.flush()
        import os
        os._exit(0)
asyncio.run(main())
"""


def test_first_paint_loads_nothing_heavy(make_services: MakeServices, tmp_path: Path) -> None:
    """Neither torch nor what the progress, the schedule and the charts need."""
    services: Services = make_services("recall")
    done = subprocess.run(
        [sys.executable, "-c", PAINT, str(services.course.root), str(tmp_path / "h")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    modules = set(done.stdout.split())
    assert "textual.app" in modules, done.stderr
    heavy = {"torch", "numpy", "sqlmodel", "sqlalchemy", "alembic", "fsrs", "textual_plot"}
    assert modules & heavy == set()


async def test_a_copy_that_fails_is_a_warning_and_the_study_goes_on(
    make_services: MakeServices,
) -> None:
    """Home names the folder that cannot be written; the cards are due all the same."""
    services = make_services("recall")
    services.paths.data_dir.mkdir(parents=True)
    services.paths.backups_dir.write_text("a file where the folder of copies should be")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)

        assert "no copy of the progress was made" in text_of(pilot.app)
        assert "1 due" in text_of(pilot.app)


async def test_a_clock_that_stands_before_the_last_answer_is_asked_about(
    make_services: MakeServices,
) -> None:
    """The study goes on: what was answered is kept, and nothing is handed out twice."""
    services = make_services("recall", "choice")
    study(services, [("stacks-recall", 0, Rating.GOOD)])
    services.clock = FixedClock(NOW - timedelta(hours=3))
    async with StudykitApp(services).run_test(size=(100, 24)) as pilot:
        await open_home(pilot)

        assert "! the clock stands before the last answer, of 23 Nov 2026 08:00" in text_of(
            pilot.app
        )
        assert "1 learning" in text_of(pilot.app)


async def test_home_left_open_takes_up_the_new_day(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enter would else ask nothing in the morning, and the day would have no copy."""
    monkeypatch.setattr(home, "LOOK_SECONDS", 0.05)
    services = make_services("recall")
    study(services, [("stacks-recall", 0, Rating.GOOD), ("stacks-recall", 0, Rating.GOOD)])
    clock = services.clock
    assert isinstance(clock, FixedClock)
    async with StudykitApp(services).run_test(size=(100, 24)) as pilot:
        await open_home(pilot)
        assert "Done for today" in text_of(pilot.app)
        clock.advance(timedelta(days=30))
        await until(pilot, lambda: "1 due" in text_of(pilot.app))
        assert "23 Dec 2026" in text_of(pilot.app)
        copy = services.paths.backups_dir / "progress-2026-12-23.sqlite3"
        await until(pilot, copy.exists)
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ReviewScreen)


async def test_home_takes_up_what_another_window_answers(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "LOOK_SECONDS", 0.05)
    services = make_services("recall", "choice")
    async with StudykitApp(services).run_test(size=(100, 24)) as pilot:
        await open_home(pilot)
        assert "2 due" in text_of(pilot.app)
        study(services, [("stacks-recall", 0, Rating.EASY)])
        await until(pilot, lambda: "1 due" in text_of(pilot.app))


async def test_home_takes_up_settings_that_are_changed_elsewhere(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an editor or by another window's Plan; wrong ones change nothing."""
    monkeypatch.setattr(home, "LOOK_SECONDS", 0.05)
    services = make_services("recall", "choice")
    file = services.paths.settings_file
    async with StudykitApp(services).run_test(size=(100, 24)) as pilot:
        await open_home(pilot)
        assert "2 due" in text_of(pilot.app)
        file.write_text("[review]\nnew_per_day = 1\n", encoding="utf-8")
        await until(pilot, lambda: "1 due" in text_of(pilot.app))
        file.write_text("[review]\nnew_per_day = many\n", encoding="utf-8")
        await until(pilot, lambda: "the changed settings are not taken over" in text_of(pilot.app))
        assert "1 due" in text_of(pilot.app)
        file.unlink()
        await until(pilot, lambda: "2 due" in text_of(pilot.app))


async def test_two_sizes_at_once_come_to_rest(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with StudykitApp(make_services("recall")).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await come_to_rest(pilot, monkeypatch)
