"""``studykit whatif``: what a change does to a model, asked in words or by its settings."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studykit.commands.environment import environment
from studykit.commands.labs import Device, JsonOption, SetOption, TrustOption, complete_lab
from studykit.commands.runs import (
    find_lab,
    lacks_right_files,
    parse_knobs,
    require_budget,
    run_with_progress,
    say_differences,
    say_run,
)
from studykit.commands.terminal import say, say_beside, say_json
from studykit.course.parts import BASE_KNOB, CHANGE_KNOB, FAMILY_KNOB, SETTING_KNOBS
from studykit.errors import UsageError

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.course.cards import LabHeader
    from studykit.lab.results import Prediction, RunResult
    from studykit.study.what_if import Question

LEAST_SHARE = 0.5
"""Of the words of a question: where the likeliest setting has fewer, nothing is guessed."""
N_OTHERS = 3
"""Other settings that are named where words may mean several."""


def what_if(
    ctx: typer.Context,
    question: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUESTION",
            help="In words (remove the residual connections) or as settings (residual=off).",
        ),
    ] = None,
    lab: Annotated[
        str | None,
        typer.Option(
            metavar="LAB",
            help="On which bench; default: the course's first that knows the question.",
            autocompletion=complete_lab,
        ),
    ] = None,
    family: Annotated[
        str | None, typer.Option(metavar="FAMILY", help="What both models start from.")
    ] = None,
    base: Annotated[
        str,
        typer.Option(metavar="SETTINGS", help="What the base has otherwise: norm=post, heads=1."),
    ] = "",
    settings: SetOption = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=100, help="How many seeds; default: the lab's.")
    ] = None,
    budget: Annotated[
        float, typer.Option(min=0.01, max=100, help="Times the lab's training steps.")
    ] = 1.0,
    expect: Annotated[
        str | None, typer.Option(metavar="CLAIM", help="What you predict, by the claim's name.")
    ] = None,
    sure: Annotated[
        int | None, typer.Option(min=0, max=100, help="How sure you are of it, in per cent.")
    ] = None,
    device: Annotated[
        Device | None, typer.Option(help="Where to run; default: the setting lab.device.")
    ] = None,
    json: JsonOption = False,
    trust: TrustOption = False,
) -> None:
    """Run two models that differ in one thing, and say what the change does.

    Without a question the bench opens on the screen.
    """
    from studykit.course.designs import render_change, replay_command
    from studykit.study.what_if import benches, is_bench

    env = environment(ctx)
    labs = benches(env.course) if lab is None else (find_lab(env, lab, takes_own=True),)
    if not labs or not all(map(is_bench, labs)):
        what = f"{lab} compares no models" if lab else "this course has no bench"
        known = ", ".join(header.id for header in benches(env.course))
        raise UsageError(what, hint=f"one of {known}" if known else "a bench is a lab with PARTS")
    asked = " ".join(question or ()).strip()
    if not asked:
        options = (question, base, family, settings, expect, seeds, device, json)
        if any(options) or sure is not None or budget != 1:
            raise UsageError("there is no question", hint='like "remove the residual connections"')
        raise typer.Exit(_open_bench(env, "" if lab is None else labs[0].id))
    header, family_asked, change, others = _understand(labs, asked, family, base)
    chosen = {FAMILY_KNOB: family or family_asked, BASE_KNOB: base, CHANGE_KNOB: change}
    given = settings or []
    if reserved := [
        each for each in given if each.partition("=")[0] in (FAMILY_KNOB, *SETTING_KNOBS)
    ]:
        raise UsageError(f"--set {reserved[0]}", hint="--family, --base and the question say it")
    knobs = parse_knobs(header, [*given, *(f"{name}={value}" for name, value in chosen.items())])
    require_budget(header, budget)
    said = _prediction(header, expect, sure)
    n_seeds = seeds or header.seeds
    env.require_trust(trusted=trust)
    if not json:
        say(f"{header.id} · {render_change(header, knobs)}")
        for other in others:
            say_beside("it may also mean  ", f"{other.part}={other.value}: {other.phrase}")
    where = env.settings.lab.device if device is None else device.value
    result = run_with_progress(env, header, knobs, range(n_seeds), where, budget)
    said = _scored(said, header, result)
    try:
        _keep(env, result, said)
    finally:
        command = replay_command(header, knobs, n_seeds, budget)
        if json:
            say_json(_document(header, result, said, command))
        else:
            _say_outcome(header, result, said, command)
    if result.status == "cancelled":
        raise KeyboardInterrupt
    if result.status not in ("done", "skipped") or lacks_right_files(env, header, result):
        raise typer.Exit(1)


def _open_bench(env: Environment, lab_id: str) -> int:
    """The screens, on the bench of that id; empty: on the course's first."""
    from studykit.commands.screens import open_screens
    from studykit.review.offers import Wish

    return open_screens(env, Wish("whatif", lab_id))


def _understand(
    labs: Sequence[LabHeader], asked: str, family: str | None, base: str
) -> tuple[LabHeader, str, str, list[Question]]:
    """The bench, the family and the change that are meant, and what else may be meant.

    Raises `UsageError` if that is nothing.
    """
    from studykit.study.what_if import find_questions

    if "=" in asked:
        change = asked.replace(" ", ",") if "," not in asked else asked
        return *_find_bench(labs, family, base, change), change, []
    words = f"{family or ''} {asked}"
    meant = find_questions(labs, words)
    if base and meant and f"{meant[0].part}={meant[0].value}" in _settings(base):
        what = f"the base has {meant[0].part}={meant[0].value} already"
        raise UsageError(what, hint="ask for another change")
    # Where no model can have the base, what is wrong with it is said as of settings.
    found = find_questions(labs, words, base) or meant
    if family is not None:
        families = dict.fromkeys(name for lab in labs for name in lab.families)
        if family not in families:
            hint = f"one of {', '.join(families)}"
            raise UsageError(f"there is no family {family!r}", hint=hint)
        found = [each for each in found if each.family == family]
    if not found or found[0].share < LEAST_SHARE:
        phrases = [words[0] for words in labs[0].words.values()][:3]
        raise UsageError(f"no setting is called {asked!r}", hint=f"like {', '.join(phrases)}")
    first = found[0]
    rest = {
        f"{each.part}={each.value}": each
        for each in reversed(found)
        if each.header is first.header and (each.part, each.value) != (first.part, first.value)
    }
    others = [*reversed(rest.values())][:N_OTHERS]
    return first.header, first.family, f"{first.part}={first.value}", others


def _settings(text: str) -> list[str]:
    return ["".join(each.split()).casefold() for each in text.split(",")]


def _find_bench(
    labs: Sequence[LabHeader], family: str | None, base: str, change: str
) -> tuple[LabHeader, str]:
    """The first bench and family in which the settings `change` make a difference.

    Where there is none, the first bench that has all of the parts, for it to say what is wrong.
    """
    from studykit.study.what_if import families_in_order

    for header in labs:
        for each in families_in_order(header) if family is None else [family]:
            design = {FAMILY_KNOB: each, BASE_KNOB: base, CHANGE_KNOB: change}
            with suppress(KeyError, ValueError):  # no such family here, or no such part or value
                before, after = header.models_of(design)
                if before != after:
                    return header, each
    named = {each.partition("=")[0].strip() for each in change.split(",")}
    header = next((lab for lab in labs if named <= lab.parts.keys()), labs[0])
    return header, family or families_in_order(header)[0]


def _prediction(header: LabHeader, claim: str | None, sure: int | None) -> Prediction | None:
    from studykit.lab.results import Prediction

    if claim is None:
        if sure is not None:
            raise UsageError("--sure without --expect", hint="say of what you are sure")
        return None
    if claim not in header.claims:
        hint = f"one of {', '.join(header.claims)}"
        raise UsageError(f"{header.id} makes no claim {claim!r}", hint=hint)
    return Prediction(header.claims[claim], claim, confidence=sure)


def _scored(said: Prediction | None, header: LabHeader, result: RunResult) -> Prediction | None:
    from studykit.study.prediction import score

    return None if said is None else score(said, header, None, result)


def _keep(env: Environment, result: RunResult, said: Prediction | None) -> None:
    from contextlib import closing

    from studykit.study.lab_run import is_worth_keeping

    if is_worth_keeping(result):
        with closing(env.open_store()) as store:
            store.record_run(result, card_id=None, prediction=said)


def _say_outcome(
    header: LabHeader, result: RunResult, said: Prediction | None, command: str
) -> None:
    say_differences(header, result)
    if said is not None:
        outcome = {True: "right", False: "wrong", None: "not decided"}[said.correct]
        sure = "" if said.confidence is None else f", {said.confidence} % sure"
        say_beside("you said  ", f"“{said.text}”{sure}: {outcome}")
    say()
    say_run(header, result)
    say_beside("\nagain  ", command)


def _document(
    header: LabHeader, result: RunResult, said: Prediction | None, command: str
) -> dict[str, Any]:
    from studykit.lab.differences import design_document
    from studykit.lab.results import result_to_json

    return {
        "format": 1,
        "lab": header.id,
        "command": command,
        **design_document(header, result),
        "prediction": None if said is None else asdict(said),
        "result": result_to_json(result),
    }
