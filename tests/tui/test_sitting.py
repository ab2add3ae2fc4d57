"""A sitting on the screen: saving, taking back, waiting, going to the lab and coming back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from textual.screen import Screen

from studykit.clock import FixedClock
from studykit.course.cards import Card, Knobs, LabHeader
from studykit.errors import StoreError
from studykit.lab.results import Prediction
from studykit.settings import ReviewSettings, Settings
from studykit.tui.app import StudykitApp
from studykit.tui.screens import review
from studykit.tui.widgets.answer_order import OrderAnswer
from tests.tui.conftest import IdleRunner, MakeServices, open_review, text_of, until
from tests.tui.screen_course import build_result


async def test_undo_reaches_over_the_end_of_the_sitting(make_services: MakeServices) -> None:
    """u takes back the last rating, also where the sitting is over, and the card stands again."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("space", "4")
        screen = text_of(pilot.app)
        assert "Done for today" in screen and "1 card in under a minute, 0 again (0%)" in screen
        await pilot.press("u")
        screen = text_of(pilot.app)
        assert "Taken back: stacks-recall" in screen and "Answer in your head" in screen
        assert services.progress.reviews() == []


async def test_a_rating_that_cannot_be_saved(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, the card stays, and the same key works once there is room again."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)

        def refuse(_: object) -> None:
            raise StoreError("no space left on the disk", hint="make room")

        with monkeypatch.context() as full_disk:
            full_disk.setattr(services.progress, "record", refuse)
            await pilot.press("space", "4")
            screen = text_of(pilot.app)
            assert "! not saved: no space left on the disk" in screen and "4 Easy" in screen
        await pilot.press("4")
        assert len(services.progress.reviews()) == 1


class StubLab(Screen[None]):
    """Stands where the lab does: r stores a run, q goes back."""

    BINDINGS = [("r", "run", "run"), ("q", "back", "back")]  # noqa: RUF012
    n_layers = 8
    seen: Prediction | None = None

    def __init__(
        self, header: LabHeader, knobs: Knobs, card: Card, prediction: Prediction | None
    ) -> None:
        super().__init__()
        self._knobs = {**header.defaults, **knobs}
        self._card = card
        type(self).seen = prediction

    def action_run(self) -> None:
        services = cast("StudykitApp", self.app).services
        at = datetime(2026, 11, 23, 7, 58, tzinfo=UTC)
        n_layers = cast("int", self._knobs["n_layers"])
        result = build_result(services.course.root, n_layers=n_layers, at=at)
        services.record_run(result, self._card, type(self).seen)

    def action_back(self) -> None:
        self.dismiss()


@pytest.fixture
def stub_lab(monkeypatch: pytest.MonkeyPatch) -> type[StubLab]:
    monkeypatch.setattr("studykit.tui.screens.lab.LabScreen", StubLab)
    monkeypatch.setattr(StubLab, "seen", None)
    return StubLab


async def test_the_lab_returns_to_the_card_as_it_was(
    make_services: MakeServices, stub_lab: type[StubLab]
) -> None:
    """A half-sorted order card is as it was left, and its answer has the learner's own run."""
    async with StudykitApp(make_services("order")).run_test(size=(80, 40)) as pilot:
        await open_review(pilot)
        await pilot.press("J")
        before = pilot.app.screen.query_one(OrderAnswer).rows
        await pilot.press("x", "r", "q")
        await until(pilot, lambda: "Your run is kept" in text_of(pilot.app))
        assert pilot.app.screen.query_one(OrderAnswer).rows == before
        await pilot.press("J", "enter")
        assert "your run of 23 Nov 08:58" in text_of(pilot.app)


async def test_a_prediction_is_proved_by_the_lab(
    make_services: MakeServices, stub_lab: type[StubLab]
) -> None:
    """Without evidence only the lab answers; it gets the prediction, and its run judges it."""
    async with StudykitApp(make_services("guess")).run_test(size=(80, 40)) as pilot:
        await open_review(pilot)
        await pilot.press("m", "enter")
        assert "! 'm' is not a number" in text_of(pilot.app)
        await pilot.press("backspace", "2", ".", "9", "enter", "enter")
        screen = text_of(pilot.app)
        assert "● 2.9 nats  ← your prediction" in screen and "MEASURED" not in screen
        await pilot.press("x", "r", "q")
        await until(pilot, lambda: "✓ Right" in text_of(pilot.app))
        assert "answer  2.87 nats" in text_of(pilot.app)
    assert stub_lab.seen == Prediction("2.9", "", value=2.9)


async def test_a_learning_step_is_waited_for(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing else left the screen counts down, and the card comes by itself."""
    monkeypatch.setattr(review, "TICK_SECONDS", 0.05)
    settings = Settings(review=ReviewSettings(learning_steps_minutes=(30.0,)))
    services = make_services("recall", settings=settings)
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("space", "1")
        # Of a step of 30 minutes the last 20 are not waited for.
        assert "The next card comes in 10 min, at 09:10" in text_of(pilot.app)
        cast("FixedClock", services.clock).advance(timedelta(minutes=10))
        await until(pilot, lambda: "Answer in your head" in text_of(pilot.app))


async def test_the_labs_process_is_warmed_once(make_services: MakeServices) -> None:
    """While the first card is read it loads; later cards do not start it again."""
    services = make_services("recall", "cloze")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("space", "3")
        await pilot.pause()
        assert cast("IdleRunner", services.runner).n_warm == 1
