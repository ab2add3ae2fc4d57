"""Whether the recorded runs settle what the cards ask, by the tests that the labs have now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from studykit.course.cards import Card, Course, Exercise, Knobs, LabHeader, Predict
from studykit.course.holds import parse_test
from studykit.course.lab_file import LabFile
from studykit.course.source import card_error
from studykit.errors import CourseError, Place
from studykit.lab.recorded import is_regular, load_recorded, results_path
from studykit.lab.results import RunResult
from studykit.lab.stability import (
    load_samples,
    patience_notes,
    samples_or_none,
    stability_path,
)
from studykit.lab.verdicts import judge_again
from studykit.review.exercises import trouble_with


def evidence_errors(course: Course) -> Iterator[CourseError]:
    """Labs without a recorded default run, tests that none can judge, predictions not settled,
    exercises that it cannot serve."""
    for lab in course.labs.values():
        try:
            recorded = load_recorded(course.root, lab.id)
        except CourseError as error:
            yield error
            continue
        try:
            load_samples(course.root, lab.id)
        except CourseError as error:
            yield error
        runs = [judge_again(run, lab) for run in recorded if is_regular(run, lab)]
        if not _with_knobs(runs, lab.defaults):
            what = f"lab {lab.id} has no recorded run with its default knobs"
            place = Place(results_path(course.root, lab.id))
            yield CourseError(what, place=place, hint=f"studykit lab run {lab.id} --record")
        yield from _unmeasured_names(lab, runs)
        for card in course.cards.values():
            if card.lab == lab.id and isinstance(card.body, Predict | Exercise):
                knobs = lab.defaults | dict(card.knobs)
                there = _with_knobs(runs, knobs)
                if not there:
                    settings = ", ".join(f"{name}={value}" for name, value in knobs.items())
                    yield card_error(card, f"no recorded run with {settings}", "record one")
                elif isinstance(card.body, Predict):
                    yield from _prediction_errors(card, card.body, there)
                else:
                    troubles = (trouble_with(card.body, run) for run in there)
                    for what, hint in filter(None, troubles):
                        yield card_error(card, what, hint)
                        break


def evidence_notes(course: Course) -> Iterator[CourseError]:
    """What is no fault, but to be known: cards on claims that patience turns, stale fresh seeds."""
    for lab in course.labs.values():
        samples = samples_or_none(course.root, lab.id)
        if samples and all(sample.code_hash != lab.code_hash for sample in samples):
            place = Place(stability_path(course.root, lab.id))
            hint = f"studykit lab stability {lab.id}"
            yield CourseError("measured with an older version of the lab", place=place, hint=hint)
        for card in course.cards.values() if samples else ():
            if card.lab == lab.id and not _NAMES_BUDGET.search(card.question):
                notes = patience_notes(lab, samples, card.knobs)
                for claim in card.claims:
                    if claim in notes:
                        what = f"claim {claim} {notes[claim]}"
                        yield card_error(card, what, "say in the question how long it trains")


_NAMES_BUDGET = re.compile(r"\b(steps?|budgets?)\b", re.IGNORECASE)
"""A question that says how long the models train asks for what patience cannot turn."""


def _unmeasured_names(lab: LabHeader, runs: Sequence[RunResult]) -> Iterator[CourseError]:
    """Names in tests that some seed of a recorded run did not measure."""
    measured = [seed.measurements.keys() for run in runs for seed in run.seeds]
    known = sorted(set.intersection(*map(set, measured))) if measured else []
    for claim, test in lab.holds_if.items():
        for name, column in parse_test(test).names.items() if runs else ():
            if name not in known:
                file = LabFile(lab.path)
                entries = file.mapping("HOLDS_IF")
                what = f"no recorded run measured {name}"
                near = " or ".join(get_close_matches(name, known))
                hint = f"record again, or did you mean {near}?" if near else "record again"
                place = file.place_in_text(entries[claim][1], column)
                yield CourseError(what, place=place, hint=hint)


def _prediction_errors(
    card: Card, body: Predict, runs: Sequence[RunResult]
) -> Iterator[CourseError]:
    if body.measurement:
        names = [seed.measurements.keys() for run in runs for seed in run.seeds]
        if any(body.measurement not in measured for measured in names):
            known = ", ".join(sorted(names[0])) or "none"
            yield card_error(
                card, f"no measurement is called {body.measurement}", f"there are {known}"
            )
        return
    claims = [option.claim for option in body.options]
    for run in runs:
        confirmed = [claim for claim in claims if run.verdicts.get(claim) == "confirmed"]
        if len(confirmed) != 1:
            found = ", ".join(f"{claim}: {run.verdicts.get(claim)}" for claim in claims)
            what = f"the recorded run confirms {len(confirmed)} options, not one"
            yield card_error(card, what, found)
            return
        for option in body.options:
            if option.claim != confirmed[0] and not option.misconception:
                what = f"option {option.claim}, which the recorded run does not confirm,"
                yield card_error(card, f"{what} has no misconception", "say why it is wrong")


def _with_knobs(runs: Sequence[RunResult], knobs: Knobs) -> list[RunResult]:
    return [run for run in runs if run.knobs == knobs]
