"""A run as a state machine: what the runner's messages make of it, and of the prediction."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from studykit.lab.collect import Collector, Ending, SeedSoFar
from studykit.lab.events import Curve, Event, Measurement, Progress
from studykit.lab.process import Finished, LabMessage, SeedEvent, SeedJudged, Started
from studykit.lab.protocol import event_to_document
from studykit.lab.results import Prediction, RunResult, SeedResult, Status
from studykit.study.lab_run import LabRun, has_quick_look
from studykit.study.prediction import FAILS, HOLDS, score
from studykit.study.services import Services
from tests.tui.coin_course import build_services
from tests.tui.conftest import NOW


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_services(tmp_path)


@pytest.fixture
def run(services: Services) -> LabRun:
    now = iter(range(100))
    header = services.course.labs["coins/toss"]
    return LabRun(header, {"bias": 0.01}, None, None, timer=lambda: float(next(now)))


def tell(run: LabRun, seed: SeedSoFar, event: Event) -> None:
    """Let the run hear of an event of the seed, as its runner does."""
    seed.add(event)
    run.take(SeedEvent(seed, event))


def test_a_quick_look_needs_something_that_a_run_has_more_of(services: Services) -> None:
    """Training, or a second seed of what is shown of a text; which model it is, is no text."""
    trains = services.course.labs["coins/toss"]
    exact = replace(trains, takes_budget=False)
    of_texts = replace(exact, text_knobs=("sentence",))

    assert has_quick_look(trains) and has_quick_look(of_texts)
    for header in (exact, replace(of_texts, seeds=1), replace(exact, text_knobs=("model",))):
        assert not has_quick_look(header)


def test_a_run_tells_how_far_it_is(run: LabRun) -> None:
    """Progress of a seed counts for its share of the run, whatever nonsense a lab yields."""
    assert (run.state, run.elapsed_s) == ("waiting", 0.0)
    run.begin()
    assert run.state == "starting"
    assert run.knobs == {"bias": 0.01, "mood": "calm"}
    run.take(Started("cpu", "machine", {"torch": "2.13"}))
    assert run.device == "cpu"
    first, second = SeedSoFar(0), SeedSoFar(1)
    for event, fraction in (
        (Progress(1, 4), 0.125),
        (Progress(5, 4), 0.5),
        (Progress(-1, 4), 0.0),
        (Progress(1, 0), 0.0),
        (Progress(math.nan, 4), 0.0),
    ):
        tell(run, first, event)
        assert run.fraction == fraction
    tell(run, second, Progress(2, 4))
    assert run.fraction == 0.75
    assert run.elapsed_s == 1.0


def test_curves_grow_and_measurements_replace(run: LabRun) -> None:
    one, other = SeedSoFar(0), SeedSoFar(1)
    for step in range(3):
        tell(run, one, Curve("loss", "base", [step], [1.0 / (step + 1)]))
        tell(run, one, Measurement("loss", 1.0 / (step + 1)))
    tell(run, other, Curve("other", "base", [0], [0.0]))
    one.claims = {"half": True}
    run.take(SeedJudged(one))

    first, second = run.seeds
    assert list(first.all(Curve)[0].xs) == [0, 1, 2]
    assert first.measurements["loss"].value == pytest.approx(1 / 3)
    assert (first.claims, second.claims) == ({"half": True}, {})
    assert run.latest_chart == "other"


def test_what_the_runner_gathers_is_not_gathered_again(run: LabRun) -> None:
    """A long run would be held twice, and what a cancel cuts off would be in one of the two."""
    collector = Collector(run.header, run.knobs, 1.0, [0], "cpu", NOW)
    for step in range(3):
        curve = event_to_document(Curve("loss", "base", [step], [1.0 / (step + 1)]))
        message = collector.take({"type": "event", "seed": 0, "event": curve})
        assert message is not None
        run.take(message)

    ((seed,), (shown,)) = collector.result(Ending("done"), 1.0).seeds, run.seeds
    assert len(shown.all(Curve)[0].xs) == 3
    assert shown.all(Curve)[0] is seed.all(Curve)[0]


def result_of(run: LabRun, share: float) -> RunResult:
    return RunResult(
        lab=run.header.id,
        knobs=run.header.defaults,
        device="cpu",
        machine="",
        versions={},
        code_hash="",
        started_at=NOW,
        seconds=1.0,
        status="done",
        seeds=(SeedResult(0, {"share": Measurement("share", share)}, {}),),
        verdicts={"half": "confirmed", "none": "depends"},
    )


async def finish(run: LabRun, result: RunResult, store: Callable[..., object]) -> None:
    async def messages() -> AsyncIterator[LabMessage]:
        yield Finished(result)

    await run.follow(messages(), store)


async def test_a_run_that_cannot_be_stored_says_so(run: LabRun, services: Services) -> None:
    """The outcome is still shown; the reason stands beside it."""

    def refuse(result: RunResult, *_: object) -> None:
        services.record_run(result, None, None)  # the progress is not open

    result = result_of(run, 0.5)
    await finish(run, result, refuse)
    assert run.is_over
    assert run.result == result
    assert run.stored is None
    assert "not open" in run.problem


@pytest.mark.parametrize(
    ("status", "n_seeds", "kept"),
    [
        ("done", 1, True), ("cancelled", 1, True), ("cancelled", 0, False),
        ("skipped", 0, False), ("failed", 0, True), ("killed", 1, True),
    ],
)  # fmt: skip
async def test_what_measured_nothing_by_wish_is_not_kept(
    run: LabRun, status: Status, n_seeds: int, kept: bool
) -> None:
    """Broken-off runs are stored as such; a cancel before the first seed leaves no trace."""
    result = result_of(run, 0.5)
    stored: list[RunResult] = []
    broken_off = replace(result, status=status, seeds=result.seeds[:n_seeds])
    await finish(run, broken_off, lambda result, *_: stored.append(result))

    assert stored == ([broken_off] if kept else [])


def test_predictions_are_scored_by_the_result(run: LabRun, services: Services) -> None:
    """A bet by its claim's verdict, a number by the card's tolerance at the card's knobs."""
    card = services.cards["coin-number"]
    near, far = result_of(run, 0.45), result_of(run, 0.9)

    def right(prediction: Prediction, result: RunResult = near) -> bool | None:
        return score(prediction, run.header, card, result).correct

    assert right(Prediction(HOLDS, "half")) is True
    assert right(Prediction(FAILS, "half")) is False
    assert right(Prediction(HOLDS, "none")) is None
    assert right(Prediction("0.5", "", value=0.5)) is True
    assert right(Prediction("0.5", "", value=0.5), far) is False
    elsewhere = replace(near, knobs={"bias": 0.01, "mood": "calm"})
    assert right(Prediction("0.5", "", value=0.5), elsewhere) is None
    broken_off = replace(near, status="cancelled")
    assert right(Prediction(HOLDS, "half"), broken_off) is None
