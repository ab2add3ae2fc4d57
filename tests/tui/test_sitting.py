"""A sitting on the screen: saving, taking back, waiting, going to the lab and coming back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from textual.screen import Screen

from studykit.clock import FixedClock
from studykit.course.cards import Card, Choice, Knobs, LabHeader, Predict
from studykit.errors import StoreError
from studykit.lab.results import Prediction
from studykit.review.schedule import Memory, State
from studykit.settings import ReviewSettings, Settings
from studykit.study.lab_run import LabRun
from studykit.tui.app import StudykitApp
from studykit.tui.screens import asking
from studykit.tui.widgets.answer_order import OrderAnswer
from tests.progress.builders import make_review
from tests.tui.conftest import (
    NOW,
    IdleRunner,
    MakeServices,
    open_home,
    open_review,
    text_of,
    until,
)
from tests.tui.screen_course import build_result


async def test_undo_reaches_over_the_end_of_the_sitting(make_services: MakeServices) -> None:
    """u takes back the last rating, also where the sitting is over, and the card stands again."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("space", "4")
        screen = text_of(pilot.app)
        assert "Done for today" in screen and "1 answer in under a minute" in screen
        await pilot.press("u")
        screen = text_of(pilot.app)
        assert "Taken back: stacks-recall" in screen and "Answer in your head" in screen
        assert services.progress.reviews() == []


async def test_undo_goes_on_from_a_text_field(make_services: MakeServices) -> None:
    """There `u` is a letter, so the way further back is told."""
    services = make_services("recall", "numeric")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("space", "3", *"3.3", "enter", "enter", "1", "u")
        assert "Taken back: stacks-numeric" in text_of(pilot.app)
        assert "Esc u takes back more" in text_of(pilot.app)
        await pilot.press("escape", "u")
        assert "Taken back: stacks-recall" in text_of(pilot.app)
        assert "takes back more" not in text_of(pilot.app)
        assert services.progress.reviews() == []


async def test_a_rating_that_cannot_be_saved(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, the card stays, and the same key works once there is room again."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)

        def refuse(*_: object) -> None:
            raise StoreError("no space left on the disk", hint="make room")

        with monkeypatch.context() as full_disk:
            full_disk.setattr(services.progress, "record", refuse)
            await pilot.press("space", "4")
            screen = text_of(pilot.app)
            assert "! not saved: no space left on the disk" in screen and "4 Easy" in screen
        await pilot.press("4")
        assert len(services.progress.reviews()) == 1


async def test_an_answer_is_taken_back_before_its_outcome(make_services: MakeServices) -> None:
    """A slip of the finger costs nothing as long as nothing was shown; the last rating stands."""
    services = make_services("recall", "choice")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("space", "3", "2", "u")
        screen = text_of(pilot.app)
        assert "Your answer is taken back" in screen and "How sure are you?" not in screen
        assert len(services.progress.reviews()) == 1
        await pilot.press("1", "4")
        assert "1 Again" in text_of(pilot.app)
        await pilot.press("u")
        assert "Taken back: stacks-recall" in text_of(pilot.app)


async def test_in_a_text_field_u_is_a_letter(make_services: MakeServices) -> None:
    """So what was rated before says that Esc comes first."""
    async with StudykitApp(make_services("recall", "cloze")).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("space", "3")
        assert "again in 10 min — Esc u undoes it" in text_of(pilot.app)
        await pilot.press("escape", "u")
        assert "Taken back: stacks-recall" in text_of(pilot.app)


class StubLab(Screen[None]):
    """Stands where the lab does: r stores a run, p predicts first, q goes back."""

    BINDINGS = [("r", "run", "run"), ("p", "bet", "bet"), ("q", "back", "back")]  # noqa: RUF012
    n_layers = 8
    seen: Prediction | None = None

    def __init__(
        self,
        header: LabHeader,
        knobs: Knobs,
        card: Card,
        prediction: Prediction | None,
        *,
        is_answered: bool,
        run: None,
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
        if (run := services.labs.latest) is not None:
            run.stored = result

    def action_bet(self) -> None:
        services = cast("StudykitApp", self.app).services
        header = services.lab_of(self._card)
        assert header is not None and isinstance(self._card.body, Predict | Choice)
        option = self._card.body.options[0]
        bet = Prediction(option.text, option.claim or self._card.claim)
        services.labs.add(LabRun(header, self._knobs, self._card, bet))
        self.action_run()

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
        await until(pilot, lambda: "is kept; it stands with the answer" in text_of(pilot.app))
        assert pilot.app.screen.query_one(OrderAnswer).rows == before
        await pilot.press("J", "enter")  # nobody asks how sure one is of what one has seen
        assert "your run of 23 Nov 08:58" in text_of(pilot.app)


async def test_an_answer_stands_once_the_lab_was_open(
    make_services: MakeServices, stub_lab: type[StubLab]
) -> None:
    """Its outcome may have been seen there: nobody is asked how sure they were of it."""
    async with StudykitApp(make_services("choice")).run_test(size=(80, 40)) as pilot:
        await open_review(pilot)
        await pilot.press("1")
        assert "How sure are you?" in text_of(pilot.app)
        await pilot.press("x", "q", "u")
        screen = text_of(pilot.app)
        assert "Nothing rated today is left" in screen and "1 Again" in screen
        assert "How sure are you?" not in screen


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
        assert "● 2.9 nats  ← yours" in screen and "MEASURED" not in screen
        await pilot.press("x", "r", "q")
        await until(pilot, lambda: "✓ Right" in text_of(pilot.app))
        assert "answer  2.870 nats" in text_of(pilot.app)
    assert stub_lab.seen == Prediction("2.9", "", value=2.9)


@pytest.mark.parametrize("kind", ["predict", "choice"])
@pytest.mark.parametrize("asks_confidence", [True, False])
async def test_a_prediction_made_in_the_lab_is_the_cards_answer(
    make_services: MakeServices, stub_lab: type[StubLab], kind: str, asks_confidence: bool
) -> None:
    """Who predicts in the lab has seen the outcome: the card asks nothing more."""
    settings = Settings(review=ReviewSettings(ask_confidence=asks_confidence))
    services = make_services(kind, settings=settings)
    async with StudykitApp(services).run_test(size=(80, 40)) as pilot:
        await open_review(pilot)
        await pilot.press("x", "p", "q")
        await until(pilot, lambda: "1 Again" in text_of(pilot.app))
        body = services.cards[f"stacks-{kind}"].body
        assert isinstance(body, Predict | Choice)
        chosen = next(line for line in text_of(pilot.app).splitlines() if "← yours" in line)
        assert body.options[0].text in chosen


async def test_a_learning_step_is_waited_for(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing else left the screen counts down, and the card comes by itself."""
    monkeypatch.setattr(asking, "TICK_SECONDS", 0.05)
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


async def test_cards_are_put_aside_and_brought_back(make_services: MakeServices) -> None:
    """s for good, b until tomorrow; neither is an answer, and u takes both back in turn."""
    services = make_services("recall", "cloze", "numeric")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("s")
        assert "stacks-recall is suspended — Esc u undoes it" in text_of(pilot.app)
        cast("FixedClock", services.clock).advance(timedelta(seconds=2))
        await pilot.press("escape", "b")
        assert "stacks-cloze waits until tomorrow" in text_of(pilot.app)
        assert "1 new" in text_of(pilot.app)
        await pilot.press("escape", "q")
        assert "1 due" in text_of(pilot.app)
        marks = services.progress.marks(services.today)
        assert (marks.suspended, marks.buried) == (
            frozenset({"stacks-recall"}),
            frozenset({"stacks-cloze"}),
        )
        await pilot.press("enter", "escape", "u", "escape", "u")
        assert "Taken back: stacks-recall" in text_of(pilot.app)
        assert services.progress.marks(services.today).hidden == frozenset()
        assert services.progress.reviews() == []


async def test_a_flag_stands_with_the_card(make_services: MakeServices) -> None:
    """f sets it and takes it off; beside three options it is no option's letter."""
    services = make_services("choice")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("f")
        assert "⚑ flagged · 1 new" in text_of(pilot.app)
        assert services.progress.marks(services.today).flagged == {"stacks-choice"}
        await pilot.press("f")
        assert "⚑" not in text_of(pilot.app)
        assert services.progress.marks(services.today).flagged == frozenset()


async def test_a_mark_that_cannot_be_saved(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, and the card stays."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)

        def refuse(_: object) -> None:
            raise StoreError("no space left on the disk")

        monkeypatch.setattr(services.progress, "mark", refuse)
        for key in ("s", "b", "f"):
            await pilot.press("y", key)
            screen = text_of(pilot.app)
            assert "! not saved: no space left" in screen and "Answer in your head" in screen


async def test_a_leech_is_called_one(make_services: MakeServices) -> None:
    """At its eighth lapse the status line says so, and from then on the card itself."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(80, 40)) as pilot:
        await open_home(pilot)
        memory = Memory(
            State.REVIEW, None, 3.0, 9.0, None, services.today, None, services.today, 20, 7
        )
        memory = replace(memory, last_review_at=NOW - timedelta(days=3))
        services.progress.record(replace(make_review("stacks-recall", at=NOW), after=memory))
        await pilot.press("r", "enter", "space")
        assert "Leech" not in text_of(pilot.app)
        await pilot.press("1")
        assert "! leech: 8 lapses" in text_of(pilot.app)
        await pilot.press("space")
        assert "Leech: forgotten 8 times" in text_of(pilot.app)
