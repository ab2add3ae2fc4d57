"""``studykit verify``: does the course still tell the truth? Every lab, run as its cards run it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studykit.commands import runs
from studykit.commands.environment import environment
from studykit.commands.labs import TrustOption, complete_lab
from studykit.commands.runs import ProgressLine, build_runner, find_lab
from studykit.commands.terminal import say, say_json
from studykit.course.cards import Card, Course, KnobValue, LabHeader, Predict
from studykit.errors import UsageError
from studykit.lab.verdicts import judge_again
from studykit.text import format_value, plural

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.lab.process import LabRunner
    from studykit.lab.results import RunResult


@dataclass(frozen=True)
class Trial:
    """One run to be made: a lab, every knob, and what it decides."""

    header: LabHeader
    knobs: dict[str, KnobValue]
    predictions: dict[str, Predict]
    """Predict card -> what it asks."""


@dataclass(frozen=True)
class Outcome:
    """A trial that was run, beside what the course recorded."""

    trial: Trial
    result: RunResult
    recorded: RunResult | None
    answers: dict[str, list[str]]
    """Predict card -> what the run confirms: the texts of options, or the measured values."""
    problems: list[str]
    """Why the course does not hold here; empty for a lab that this machine must skip."""


def verify(
    ctx: typer.Context,
    lab: Annotated[
        str | None,
        typer.Argument(
            metavar="[LAB]", help="Only this lab; default: all.", autocompletion=complete_lab
        ),
    ] = None,
    decks: Annotated[
        list[str] | None,
        typer.Option(
            "--deck",
            metavar="DECK",
            help="Only the labs behind this deck's cards; may be repeated.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")] = False,
    trust: TrustOption = False,
) -> None:
    """Run the labs as the cards use them and compare.

    Each verdict is set beside the recorded one, each predict card beside its answer. Exit code 1
    if a lab fails, a verdict differs or a predict card has not exactly one right answer.
    """
    env = environment(ctx)
    trials = plan(env.course, decks or [], None if lab is None else find_lab(env, lab))
    env.require_trust(trusted=trust)
    started = time.monotonic()
    outcomes = _run_all(env, trials, (lambda _: None) if json else _say_outcome)
    seconds = time.monotonic() - started
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    if json:
        say_json(
            {
                "format": 1,
                "seconds": round(seconds, 1),
                "runs": [_document(outcome) for outcome in outcomes],
                "problems": problems,
            }
        )
    else:
        found = plural(len(problems), "problem")
        say(f"{plural(len(outcomes), 'run')} in {seconds:.0f} s: {found}")
    if problems:
        raise typer.Exit(1)


def _run_all(
    env: Environment, trials: Sequence[Trial], tell: Callable[[Outcome], object]
) -> list[Outcome]:
    """The outcome of each trial; `tell` gets it as soon as it is there.

    Labs that train run side by side, two at a time; all others alone, because they may time
    something. Raises `KeyboardInterrupt` if a run was cancelled.
    """
    import asyncio

    from studykit.lab.process import follow, interruptible
    from studykit.lab.recorded import load_recorded

    outcomes: dict[int, Outcome] = {}
    # The longest first, so that the last two end at about the same time.
    numbered = sorted(enumerate(trials), key=lambda each: -each[1].header.seconds.get("cpu", 0))
    training = deque(each for each in numbered if each[1].header.takes_budget)
    others = deque(each for each in numbered if not each[1].header.takes_budget)

    async def work(runner: LabRunner, waiting: deque[tuple[int, Trial]]) -> None:
        while waiting:
            number, trial = waiting.popleft()
            header = trial.header
            with ProgressLine(header.id, header.seeds) as line:
                result = await follow(
                    runner,
                    header,
                    knobs=trial.knobs,
                    seeds=range(header.seeds),
                    device=env.settings.lab.device,
                    on_message=line.show,
                )
            if result.status == "cancelled":
                training.clear()
                others.clear()
                return
            outcomes[number] = judge_trial(trial, result, load_recorded(env.root, header.id))
            tell(outcomes[number])

    async def run() -> None:
        first, second = (build_runner(env, runs.PRELOAD) for _ in range(2))
        async with interruptible(first, second):
            await asyncio.gather(work(first, training), work(second, training))
            await second.close()
            await work(first, others)

    asyncio.run(run())
    if len(outcomes) < len(trials):
        raise KeyboardInterrupt
    return [outcomes[number] for number in range(len(trials))]


def plan(course: Course, deck_ids: Sequence[str], only: LabHeader | None) -> list[Trial]:
    """The runs that the cards rest on: each lab at its defaults and at every card's knobs.

    Those of the decks, if some are named, and of the lab `only`, if there is one.
    """
    decks = {deck.id: deck for deck in course.decks}
    for deck_id in deck_ids:
        if deck_id not in decks:
            raise UsageError(f"there is no deck {deck_id!r}", hint=f"decks: {', '.join(decks)}")
    wanted = [decks[deck_id] for deck_id in dict.fromkeys(deck_ids)] or [*decks.values()]
    cards = [card for deck in wanted for card in deck.cards]
    used = {card.lab for card in cards}
    trials = []
    for header in course.labs.values():
        if (not deck_ids or header.id in used) and only in (None, header):
            trials += _trials(header, [card for card in cards if card.lab == header.id])
    return trials


def _trials(header: LabHeader, cards: Sequence[Card]) -> list[Trial]:
    trials = [Trial(header, header.defaults, {})]
    for card in cards:
        knobs = header.defaults | dict(card.knobs)
        trial = next((each for each in trials if each.knobs == knobs), None)
        if trial is None:
            trial = Trial(header, knobs, {})
            trials.append(trial)
        if isinstance(card.body, Predict):
            trial.predictions[card.id] = card.body
    return trials


def judge_trial(trial: Trial, result: RunResult, recorded: Sequence[RunResult]) -> Outcome:
    """`result` beside the recorded run with the same knobs, on the same device if there is one.

    Both are judged by the lab's tests of today.
    """
    same = [judge_again(run, trial.header) for run in recorded if run.knobs == result.knobs]
    base = max(same, key=lambda run: run.device == result.device, default=None)
    where = " ".join([trial.header.id, *(f"{k}={v}" for k, v in trial.knobs.items())])
    if result.status == "skipped":
        return Outcome(trial, result, base, {}, [])
    if result.status != "done":
        return Outcome(trial, result, base, {}, [f"{where}: {result.status}: {result.message}"])
    answers = {card_id: _answers(body, result) for card_id, body in trial.predictions.items()}
    problems = [] if base is None else _differences(trial, result, base)
    for card_id, body in trial.predictions.items():
        n_right = len(answers[card_id])
        if body.options and n_right != 1:
            problems.append(f"{card_id} has {n_right} right options, it needs one")
        if body.measurement and n_right == 0:
            problems.append(f"{card_id} asks for {body.measurement}, not measured")
    return Outcome(trial, result, base, answers, [f"{where}: {problem}" for problem in problems])


def _differences(trial: Trial, result: RunResult, base: RunResult) -> list[str]:
    """Claims of which `result` says something else than the recorded run `base`."""
    is_same_code = base.code_hash == trial.header.code_hash
    by = "" if is_same_code else ", by an earlier version of the lab"
    found = []
    for claim, verdict in result.verdicts.items():
        expected = base.verdicts.get(claim, "not judged")
        if verdict != expected:
            then = f"recorded as {expected} ({base.device}, {base.machine}{by})"
            found.append(f"{claim} is {verdict} here, {then}")
    return found


def _answers(body: Predict, result: RunResult) -> list[str]:
    if body.options:
        verdicts = result.verdicts
        return [option.text for option in body.options if verdicts.get(option.claim) == "confirmed"]
    return [
        f"{format_value(value)} {body.unit}".strip() for value in result.values(body.measurement)
    ]


def _say_outcome(outcome: Outcome) -> None:
    from studykit.lab.results import VERDICT_MARKS

    result = outcome.result
    knobs = " ".join(f"{name}={value}" for name, value in outcome.trial.knobs.items())
    say(f"{result.lab}  {knobs}  {result.status} on {result.device}, {result.seconds:.1f} s")
    if result.message:
        say(f"  {result.message}")
    recorded = outcome.recorded.verdicts if outcome.recorded else {}
    for claim, verdict in result.verdicts.items():
        was = recorded.get(claim, "never")
        say(f"  {VERDICT_MARKS[verdict]} {claim}: {verdict} (recorded: {was})")
    for card_id, answers in outcome.answers.items():
        say(f"  → {card_id}: {' · '.join(answers) or 'no answer'}")
    for problem in outcome.problems:
        say(f"  problem: {problem}")


def _document(outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    recorded = outcome.recorded.verdicts if outcome.recorded else {}
    return {
        "lab": result.lab,
        "knobs": outcome.trial.knobs,
        "status": result.status,
        "message": result.message,
        "device": result.device,
        "seconds": round(result.seconds, 1),
        "verdicts": dict(result.verdicts),
        "recorded": dict(recorded) if outcome.recorded else None,
        "cards": outcome.answers,
        "problems": outcome.problems,
    }
