"""The card in hand: what is held of it, and when it lets go."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from studykit.lab.events import Event
from studykit.lab.results import Prediction
from studykit.review.grading import AnswerError, Confidence
from studykit.review.schedule import Rating
from studykit.review.session import Session
from studykit.study.lab_run import LabRun
from studykit.study.services import Services
from studykit.study.sitting import Sitting
from tests.tui.conftest import NOW, build_idle_services
from tests.tui.screen_course import build_costs, build_result


def sit(services: Services) -> Sitting[Session]:
    """A sitting on today's cards; the progress is opened."""
    services.open()
    return Sitting(services, services.open_session())


def run_lab(
    services: Services, *, n_layers: int, minutes: int = 1, events: tuple[Event, ...] = ()
) -> None:
    """Store a run of the learner's, some minutes from now; each seed yielded `events`."""
    at = NOW + timedelta(minutes=minutes)
    result = build_result(services.course.root, n_layers=n_layers, at=at)
    seeds = tuple(replace(seed, events=events) for seed in result.seeds)
    services.record_run(replace(result, seeds=seeds), None, None)


def test_an_answer_is_held_until_it_is_said_how_sure_it_is(tmp_path: Path) -> None:
    """Until then it can be taken back; what cannot be an answer changes nothing."""
    sitting = sit(build_idle_services(tmp_path, "numeric"))
    with pytest.raises(AnswerError):
        sitting.take("many")
    assert (sitting.phase, sitting.given) == ("asked", None)
    sitting.take("3.3")
    assert (sitting.phase, sitting.given) == ("answered", "3.3")
    assert sitting.asks_confidence and sitting.can_let_go
    sitting.let_go()
    assert (sitting.phase, sitting.given) == ("asked", None)
    sitting.take("3.3")
    sitting.confide(Confidence.SURE)
    sitting.show_result()
    assert sitting.phase == "revealed" and sitting.grade is not None
    assert (sitting.given, sitting.confidence) == ("3.3", Confidence.SURE)


def test_the_next_card_comes_with_an_empty_hand(tmp_path: Path) -> None:
    """And so does the same one, taken back: nothing has to announce it."""
    sitting = sit(build_idle_services(tmp_path, "numeric", "cloze"))
    sitting.take("3.3")
    sitting.confide(Confidence.SURE)
    sitting.show_result()
    sitting.lab_was_open()
    sitting.asking.rate(Rating.GOOD)
    assert (sitting.phase, sitting.given, sitting.confidence) == ("asked", None, None)
    sitting.asking.undo()
    assert (sitting.phase, sitting.given, sitting.confidence) == ("asked", None, None)
    sitting.take("3.3")
    assert sitting.can_let_go


def test_a_run_at_the_cards_knobs_is_taken_up_once(tmp_path: Path) -> None:
    """A run at others is no evidence for it."""
    services = build_idle_services(tmp_path, "predict")
    sitting = sit(services)
    assert sitting.evidence is not None and sitting.evidence.recorded
    assert not sitting.refresh_evidence()
    run_lab(services, n_layers=2)
    assert not sitting.refresh_evidence()
    run_lab(services, n_layers=8, minutes=2)
    assert sitting.refresh_evidence()
    assert sitting.evidence == services.result_of(services.runs[-1])
    assert not sitting.refresh_evidence()


def test_a_held_prediction_is_revealed_by_a_run(tmp_path: Path) -> None:
    """The learner has bet and has seen the outcome."""
    services = build_idle_services(tmp_path, "predict")
    sitting = sit(services)
    sitting.take(0)
    assert (sitting.phase, sitting.given) == ("predicted", 0)
    run_lab(services, n_layers=8)
    assert sitting.refresh_evidence()
    assert sitting.phase == "revealed"


@pytest.mark.parametrize("kind", ["predict", "choice"])
def test_nobody_is_asked_how_sure_they_are_of_what_they_have_seen(
    tmp_path: Path, kind: str
) -> None:
    """A prediction made in the lab is graded, also if its run was taken up meanwhile."""
    services = build_idle_services(tmp_path, kind)
    sitting = sit(services)
    assert sitting.card is not None and sitting.shown is not None
    header = services.lab_of(sitting.card)
    assert header is not None
    option = sitting.shown.options[0]
    bet = Prediction(option.text, option.claim or sitting.card.claim)
    run = LabRun(header, dict(sitting.card.knobs), sitting.card, bet)
    services.labs.add(run)
    run_lab(services, n_layers=8)
    assert sitting.refresh_evidence() and sitting.is_asked
    run.stored = services.result_of(services.runs[-1])
    sitting.lab_was_open()
    assert (sitting.phase, sitting.given, sitting.confidence) == ("revealed", 0, None)
    assert sitting.evidence == run.stored


def test_an_answer_that_is_held_is_revealed_by_the_lab(tmp_path: Path) -> None:
    """Whether a run ended there or not."""
    sitting = sit(build_idle_services(tmp_path, "numeric"))
    sitting.take("3.3")
    assert sitting.asks_confidence
    sitting.lab_was_open()
    assert (sitting.phase, sitting.given, sitting.confidence) == ("revealed", "3.3", None)


def test_an_answer_after_the_lab_is_revealed_at_once(tmp_path: Path) -> None:
    sitting = sit(build_idle_services(tmp_path, "numeric"))
    sitting.lab_was_open()
    assert sitting.is_asked
    sitting.take("3.3")
    assert (sitting.phase, sitting.given) == ("revealed", "3.3")


def test_runs_from_before_the_card_are_not_news(tmp_path: Path) -> None:
    """Though they are what it is judged by."""
    services = build_idle_services(tmp_path, "predict")
    services.open()
    run_lab(services, n_layers=8)
    sitting = Sitting(services, services.open_session())
    assert not sitting.refresh_evidence()
    assert sitting.evidence == services.result_of(services.runs[-1])


def test_a_run_that_cannot_be_read_leaves_the_recorded_one(tmp_path: Path) -> None:
    """As where the file has gone meanwhile: the card goes on with what else is known."""
    services = build_idle_services(tmp_path, "predict")
    services.open()
    run_lab(services, n_layers=8)
    services._results.clear()
    assert services.store is not None
    services.store.close()
    services.paths.database.rename(tmp_path / "elsewhere")
    evidence = services.evidence(services.cards["stacks-predict"])
    assert evidence is not None and evidence.recorded


def test_an_exercise_is_graded_by_the_rows_that_were_drawn(tmp_path: Path) -> None:
    """Whatever was run since; the next asking draws from the learner's run if that can serve."""
    services = build_idle_services(tmp_path, "rank")
    sitting = sit(services)
    shown = sitting.shown
    assert shown is not None and shown.task is not None and shown.task.is_recorded
    run_lab(services, n_layers=8)
    assert sitting.refresh_evidence()
    assert sitting.shown is shown
    sitting.take(shown.task.right)
    sitting.show_result()
    assert sitting.grade is not None and sitting.grade.correct


def test_an_exercise_that_could_not_be_drawn_is_drawn_from_a_run(tmp_path: Path) -> None:
    """Before: nothing to answer, and giving up is not wrong."""
    services = build_idle_services(tmp_path, "rank")
    for path in (tmp_path / "course" / "data").rglob("*.json"):
        path.unlink()
    sitting = sit(services)
    assert sitting.shown is not None and sitting.shown.task is None
    sitting.take(None)
    assert sitting.grade is not None and sitting.grade.correct is None
    run_lab(services, n_layers=8, events=(build_costs(0),))
    assert sitting.refresh_evidence()
    assert sitting.is_asked and sitting.shown.task is not None
    assert not sitting.shown.task.is_recorded
