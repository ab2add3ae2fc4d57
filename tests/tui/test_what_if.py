"""The what-if bench: two models set up, a prediction, a run before one's eyes, an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from studykit.clock import FixedClock
from studykit.course.decks import load_course
from studykit.course.own import add_own_card
from studykit.lab.results import Prediction
from studykit.progress.store import Store
from studykit.review.grading import right_option
from studykit.review.offers import Wish
from studykit.review.schedule import NEW_MEMORY
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from studykit.tui.messages import OpenCard
from studykit.tui.screens.home import HomeScreen
from studykit.tui.screens.lab import LabScreen
from studykit.tui.screens.sweep import SweepScreen
from studykit.tui.widgets.lab_stage import LabStage
from studykit.tui.widgets.part_rows import PartRows
from tests.study.what_if_course import BENCH, OTHER, build_services
from tests.tui.conftest import NOW, open_home, text_of, until


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_services(tmp_path, FixedClock(NOW))


@asynccontextmanager
async def opened(
    services: Services, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Pilot[None]]:
    """The app with the bench on the screen, as the key on Home opens it."""
    app = StudykitApp(services)
    async with app.run_test(size=size) as pilot:
        await open_home(pilot)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        yield pilot


def screen_of(pilot: Pilot[None]) -> LabScreen:
    screen = pilot.app.screen
    assert isinstance(screen, LabScreen)
    return screen


async def finished(pilot: Pilot[None]) -> str:
    await until(pilot, lambda: screen_of(pilot).phase == "outcome")
    return text_of(pilot.app)


def row_of(pilot: Pilot[None], name: str) -> str:
    """The row of the screen that sets `name`."""
    lines = text_of(pilot.app).splitlines()
    return " ".join(next(line for line in lines if line.lstrip("▸ ").startswith(name)).split())


@pytest.mark.parametrize(("asked", "shown"), [("", BENCH), (OTHER, OTHER)])
async def test_the_command_line_opens_the_bench_that_it_names(
    services: Services, asked: str, shown: str
) -> None:
    app = StudykitApp(services, Wish("whatif", asked))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        assert screen_of(pilot).header_id == shown


async def test_from_the_question_to_the_outcome_in_the_progress(services: Services) -> None:
    """The whole way, with the keys that the screen names."""
    async with opened(services) as pilot:
        assert row_of(pilot, "damper") == "▸ damper on off ≠ on [off]"
        await pilot.press("enter")
        assert "What does the change do?" in text_of(pilot.app)
        await pilot.press("a", "l", "l", "l")
        assert "[sure]" in text_of(pilot.app)
        await pilot.press("enter")
        text = await finished(pilot)

        assert "YOU SAID  “The changed spring swings more than 0.05 farther.”" in text
        assert "75 % sure ✓ right" in " ".join(text.split())
        assert "CHANGED LESS BASE" in text
        assert "95 % interval +0.9" in text and "separable with 3 seeds" in text
        assert f"studykit whatif --lab {BENCH} --family car damper=off" in text
        (stored,) = services.progress.runs(BENCH)
        assert stored.prediction == Prediction(
            "The changed spring swings more than 0.05 farther.",
            "worse",
            confidence=75,
            correct=True,
        )
        assert stored.result.knobs["change"] == "damper=off"


async def test_a_run_that_ends_while_it_is_drawn_is_drawn_again(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = LabStage.look

    async def slow_look(stage: LabStage) -> None:
        await look(stage)
        while (run := screen_of(pilot).shown_run) is not None and run.is_going:
            await asyncio.sleep(0.01)

    async with opened(services) as pilot:
        monkeypatch.setattr(LabStage, "look", slow_look)
        monkeypatch.setattr("studykit.tui.screens.lab.LOOKS_PER_DRAWING", 1)
        monkeypatch.setattr("studykit.tui.screens.lab.LOOKS_PER_SECOND", 100.0)
        await pilot.press("s")
        await finished(pilot)
        assert pilot.app.screen.query_one(LabStage).has_class("-over")


async def test_parts_are_turned_in_either_model(services: Services) -> None:
    async with opened(services) as pilot:
        await pilot.press("h")
        assert row_of(pilot, "damper") == "▸ damper on on [on] off"
        await pilot.press("j", "l")
        assert row_of(pilot, "coil") == "▸ coil wide narrow ≠ wide [narrow] none"
        assert "no difference" not in text_of(pilot.app)
        await pilot.press("tab", "l")
        assert row_of(pilot, "coil") == "▸ coil narrow narrow wide [narrow] none"
        await pilot.press("l")  # what both have is turned in both
        assert row_of(pilot, "coil") == "▸ coil none none wide narrow [none]"
        await pilot.press("k", "k")
        assert row_of(pilot, "family") == "▸ family [car] bed"
        await pilot.press("l")
        assert "hook" not in text_of(pilot.app)
        await pilot.press("d")
        assert row_of(pilot, "damper") == "damper on off ≠ remove the damper"


async def test_a_part_is_swept_over_its_values_in_the_model_that_is_turned(
    services: Services,
) -> None:
    async with opened(services) as pilot:
        await pilot.press("j", "S")
        await until(pilot, lambda: isinstance(pilot.app.screen, SweepScreen))
        screen = pilot.app.screen
        assert isinstance(screen, SweepScreen)
        changes = [knobs["change"] for knobs in screen._plan.settings]
        assert changes == ["damper=off", "damper=off, coil=narrow", "damper=off, coil=none"]
        assert screen._plan.varied == ("change",)
        await pilot.press("q", "d", "h")
        while "▸ seeds" not in text_of(pilot.app):
            await pilot.press("j")
        assert not screen_of(pilot).check_action("sweep", ())  # more seeds are no other setting


async def test_where_a_part_has_more_values_than_room_it_is_said_which_of_how_many(
    services: Services,
) -> None:
    async with opened(services, (60, 18)) as pilot:
        await pilot.press("j", "l", "l")
        assert row_of(pilot, "coil").endswith("wide narrow [none]")
        rows = pilot.app.screen.query_one(PartRows)
        (row,) = rows._blocks(50)[rows.cursor]
        assert " ".join(row.plain.split()) == "▸ coil wide none ≠ [none] 3 of 3"


async def test_the_number_of_seeds_is_chosen(services: Services) -> None:
    async with opened(services) as pilot:
        while "▸ seeds" not in text_of(pilot.app):
            await pilot.press("j")
        await pilot.press("l")
        assert "A run takes 5 seeds" in text_of(pilot.app)
        await pilot.press("equals_sign", *"200", "enter")
        assert "seeds must be a whole number from 1 to 100" in text_of(pilot.app)
        await pilot.press("ctrl+u", *"4", "enter", "s")
        text = await finished(pilot)

        assert "--seeds 4" in text
        (stored,) = services.progress.runs(BENCH)
        assert stored.result.seed_numbers == (0, 1, 2, 3)


async def test_the_key_leads_from_one_bench_to_the_next(services: Services) -> None:
    async with opened(services) as pilot:
        assert BENCH in text_of(pilot.app)
        await pilot.press("w")
        await until(pilot, lambda: OTHER in text_of(pilot.app))
        await pilot.press("w")
        await until(pilot, lambda: BENCH in text_of(pilot.app))
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(pilot.app.screen, LabScreen))


@pytest.mark.parametrize("size", [(60, 18), (80, 24), (120, 40), (200, 50)])
async def test_every_row_can_be_reached_at_every_size(
    services: Services, size: tuple[int, int]
) -> None:
    async with opened(services, size) as pilot:
        await pilot.press(*"kkk")
        for name in ("family", "damper", "coil", "hook", "n_steps", "seeds"):
            assert f"▸ {name}" in text_of(pilot.app)
            await pilot.press("j")


async def asked(pilot: Pilot[None], *keys: str) -> None:
    """Run the bench as it is set up, without a prediction, and wait for the outcome."""
    await pilot.press(*keys, "s")
    await finished(pilot)


async def test_the_palette_knows_a_question_in_words(services: Services) -> None:
    app = StudykitApp(services)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_home(pilot)
        await pilot.press("colon", *"remove coil bed")
        await until(pilot, lambda: "what if, bed: remove the coil" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        assert row_of(pilot, "coil").startswith("▸ coil narrow none ≠ wide narrow [none]")
        assert row_of(pilot, "family").startswith("family car [bed]")


async def test_an_outcome_is_pinned_to_a_card_and_stands_beside_its_answer(
    services: Services,
) -> None:
    async with opened(services, (120, 40)) as pilot:
        app = pilot.app
        await asked(pilot)
        await pilot.press("n")
        await until(pilot, lambda: "What does a damper do" in text_of(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        await until(pilot, lambda: "pinned to springs-damper" in text_of(app))
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(app.screen, LabScreen))
        await pilot.press("enter")
        await until(pilot, lambda: "show answer" in text_of(app))
        await pilot.press("space")
        await until(pilot, lambda: "PINNED" in text_of(app))
        (told,) = services.pinned(services.cards["springs-damper"])
        assert told.startswith("car: remove the damper: swing, changed less base +1.002 cm (mean)")
        assert told.endswith(f"studykit whatif --lab {BENCH} --family car damper=off")
        assert "PINNED  car: remove the damper" in text_of(app)


async def test_a_card_is_made_of_the_question_and_asked(services: Services) -> None:
    async with opened(services) as pilot:
        await asked(pilot, "j", "l", "l", "k", "h")  # the coil alone is taken out
        await pilot.press("m")
        assert "card mine-coil-none-1 is in your own deck" in text_of(pilot.app)
        card = services.cards["mine-coil-none-1"]
        assert card.question == "car: remove the coil. What does the change do?"
        assert dict(card.knobs) == {"change": "coil=none"}
        evidence = services.evidence(card)
        assert evidence is not None and not evidence.recorded
        assert right_option(card, evidence) == [*services.course.labs[BENCH].claims].index("better")
        await pilot.press("m")
        assert "no card was made: mine-coil-none-1 asks it already" in text_of(pilot.app)

    again = Services(
        load_course(services.course.root),
        services.settings,
        services.paths,
        services.clock,
        lambda: Store.open(services.paths.database, backups_dir=services.paths.backups_dir),
    )
    assert again.course.decks[-1].title == "My own cards"
    assert again.cover.decks[-1].n_cards == 1


async def test_a_broken_own_deck_is_told_where_it_is_seen(services: Services) -> None:
    """Home at 80x24 has its list of problems below the fold."""
    folder = services.paths.own_decks_dir
    folder.mkdir(parents=True)
    (folder / "springs.yaml").write_text("format: 1\n")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await until(pilot, lambda: "! in your own deck, springs.yaml:1:1: " in text_of(pilot.app))


async def test_another_bench_is_offered_where_there_is_one(services: Services) -> None:
    async with opened(services) as pilot:
        assert "Tab turns the other model · w another bench" in text_of(pilot.app)
    (services.course.root / "labs" / f"{OTHER}.py").unlink()
    services.reload_decks()
    async with opened(services) as pilot:
        assert "Tab turns the other model" in text_of(pilot.app)
        assert "another bench" not in text_of(pilot.app)


async def test_beside_the_outcome_stands_the_chart_that_was_bet_on(services: Services) -> None:
    """The lab draws another one later."""
    async with opened(services, (120, 40)) as pilot:
        await asked(pilot)
        await until(pilot, lambda: "chart 1/2 · mean of 3 seeds" in text_of(pilot.app))
        await pilot.press("tab")
        await until(pilot, lambda: "chart 2/2" in text_of(pilot.app))


async def test_a_run_with_fewer_seeds_makes_no_card(services: Services) -> None:
    async with opened(services) as pilot:
        while "▸ seeds" not in text_of(pilot.app):
            await pilot.press("j")
        await asked(pilot, "h")
        await pilot.press("m")
        assert "no card was made: a card rests on a run with the lab's own 3 seeds" in text_of(
            pilot.app
        )
        assert not services.paths.own_decks_dir.exists()


async def test_the_card_from_which_the_bench_was_opened_is_offered_first(
    services: Services,
) -> None:
    services.reload_decks()
    add_own_card(
        services.course,
        services.paths.own_decks_dir,
        stem="x",
        question="And now?",
        options={"worse": "It swings farther.", "better": "It swings less far."},
        lab=BENCH,
        knobs={},
        explain="It does.",
    )
    services.reload_decks()
    app = StudykitApp(services)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_home(pilot)
        home = app.screen
        assert isinstance(home, HomeScreen)
        home.post_message(OpenCard(home, services.cards["mine-x-1"], NEW_MEMORY))
        await until(pilot, lambda: "And now?" in text_of(app))
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        await asked(pilot)
        await pilot.press("n")
        await until(pilot, lambda: "Pin to which card" in text_of(app))
        await until(pilot, lambda: "mine-x-1" in text_of(app))
        text = text_of(app)
        assert text.index("mine-x-1") < text.index("springs-damper")
