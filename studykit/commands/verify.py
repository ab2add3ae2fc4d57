"""``studykit verify``: does the course still tell the truth? Every lab, run as its cards run it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studykit.commands.crews import JobsOption, build_pool, run_crew
from studykit.commands.environment import environment
from studykit.commands.labs import TrustOption, complete_lab
from studykit.commands.runs import find_lab, lacks_right_files
from studykit.commands.terminal import say, say_json, say_table, warn
from studykit.course.cards import Card, Course, Exercise, KnobValue, LabHeader, Predict
from studykit.errors import UsageError
from studykit.lab.verdicts import judge_again
from studykit.review.exercises import trouble_with
from studykit.text import clean, format_value, plural

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.lab.pool import Job
    from studykit.lab.results import RunResult
    from studykit.lab.unfinished import Unfinished


@dataclass(frozen=True)
class Trial:
    """One run to be made: a lab, every knob, and what it decides."""

    header: LabHeader
    knobs: dict[str, KnobValue]
    predictions: dict[str, Predict]
    """Predict card -> what it asks."""
    exercises: dict[str, Exercise] = field(default_factory=dict)
    """Exercise -> what it is drawn from."""

    @property
    def name(self) -> str:
        """The lab, and the knobs that are not at their defaults."""
        from studykit.study.evidence_words import render_knobs
        from studykit.study.run_history import changed_knobs

        return f"{self.header.id}  {render_knobs(changed_knobs(self.header, self.knobs))}".strip()


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
    is_kept: bool = False
    """It was run earlier, by a command that was stopped."""

    def agreement(self, claim: str) -> str:
        """Whether the verdict of a claim is the recorded one, in a word or two."""
        if self.result.status == "skipped":
            return "skipped"
        if self.recorded is None:
            return "not recorded"
        is_same = self.result.verdicts.get(claim) == self.recorded.verdicts.get(claim)
        return "agrees" if is_same else "differs"


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
    jobs: JobsOption = None,
    afresh: Annotated[
        bool,
        typer.Option("--afresh", help="Do not go on with a verify that was stopped: run all."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")] = False,
    trust: TrustOption = False,
) -> None:
    """Run the labs as the cards use them and compare.

    Each verdict is set beside the recorded one, each predict card beside its answer. Exit code 1
    if a lab fails, a verdict differs, a predict card has not exactly one right answer or an
    exercise cannot be drawn. Stopped, the same command goes on where it was.
    """
    env = environment(ctx)
    trials = plan(env.reader.course, decks or [], None if lab is None else find_lab(env, lab))
    if trials:  # a course without labs has no programs to trust
        env.require_trust(trusted=trust)
    unfinished = _unfinished(env, trials)
    if afresh:
        unfinished.discard()
    started = time.monotonic()
    outcomes = _run_all(env, trials, unfinished, jobs, (lambda _: None) if json else _say_outcome)
    seconds = time.monotonic() - started
    unfinished.discard()
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    if lab is not None:  # among all labs it is skipped like one whose model is not there
        problems += _unmended(env, outcomes)
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
        _say_claims(outcomes)
        found = plural(len(problems), "problem")
        say(f"{plural(len(outcomes), 'run')} in {seconds:.0f} s: {found}")
    if problems:
        raise typer.Exit(1)


def _unmended(env: Environment, outcomes: Sequence[Outcome]) -> list[str]:
    """The runs that were skipped because a model's files are not those that were measured."""
    return [
        f"{outcome.trial.name}: {outcome.result.message}"
        for outcome in outcomes
        if lacks_right_files(env, outcome.trial.header, outcome.result)
    ]


def _unfinished(env: Environment, trials: Sequence[Trial]) -> Unfinished:
    """The runs of a command that asked for the same and was stopped, by the code of now."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from studykit.lab.trust import course_hash
    from studykit.lab.unfinished import Unfinished

    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    conditions = {
        "course": str(env.root.resolve()),
        "labs": course_hash(env.root),
        "runs": repr([(trial.header.id, trial.knobs) for trial in trials]),
        "device": env.settings.lab.device,
        "python": platform.python_version(),
        "torch": torch,
    }
    return Unfinished(env.paths.unfinished_dir, conditions)


def _run_all(
    env: Environment,
    trials: Sequence[Trial],
    unfinished: Unfinished,
    n_at_once: int | None,
    tell: Callable[[Outcome], object],
) -> list[Outcome]:
    """The outcome of each trial; `tell` gets it as soon as it is there.

    What is `unfinished` is not run again, and what is run is kept there, if it can be. Raises
    `KeyboardInterrupt` if it was stopped.
    """
    from studykit.lab.pool import Job
    from studykit.lab.recorded import load_recorded

    kept = unfinished.load()
    outcomes: dict[int, Outcome] = {}
    waiting: dict[Job, int] = {}
    for number, trial in enumerate(trials):
        known = (run for run in kept if (run.lab, run.knobs) == (trial.header.id, trial.knobs))
        if (run := next(known, None)) is not None:
            recorded = load_recorded(env.root, trial.header.id)
            run = judge_again(run, trial.header)
            outcomes[number] = judge_trial(trial, run, recorded, is_kept=True)
        else:
            waiting[Job(trial.header, trial.knobs, range(trial.header.seeds))] = number
    if outcomes:
        began = min(outcome.result.started_at for outcome in outcomes.values())
        since = f"{began.astimezone(env.clock.now().tzinfo):%d %b %H:%M}"
        warn(
            f"going on with what was stopped: {len(outcomes)} of {plural(len(trials), 'run')} "
            f"{'is' if len(outcomes) == 1 else 'are'} there, since {since} (--afresh runs all)"
        )
        for outcome in outcomes.values():
            tell(outcome)

    n_lost = 0

    def keep(result: RunResult) -> None:
        nonlocal n_lost
        try:
            unfinished.add(result)
        except OSError as error:
            n_lost += 1
            if n_lost == 1:
                where = clean(str(error.filename))
                warn(f"{where}: {error.strerror}; if this is stopped, it cannot go on later")

    def take(job: Job, result: RunResult) -> None:
        if result.status == "cancelled":
            return
        trial = trials[waiting[job]]
        if result.status == "done":
            keep(result)
        outcome = judge_trial(trial, result, load_recorded(env.root, trial.header.id))
        outcomes[waiting[job]] = outcome
        tell(outcome)

    pool = build_pool(env, n_at_once)
    run_crew(pool, [*waiting], env.settings.lab.device, take, n_before=len(outcomes))
    if len(outcomes) < len(trials):
        n = plural(len(outcomes) - n_lost, "run")
        warn(f"stopped: {n} of {len(trials)} kept, and the same command goes on")
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
        if isinstance(card.body, Exercise):
            trial.exercises[card.id] = card.body
    return trials


def judge_trial(
    trial: Trial, result: RunResult, recorded: Sequence[RunResult], *, is_kept: bool = False
) -> Outcome:
    """`result` beside the recorded run with the same knobs, on the same device if there is one.

    Both are judged by the lab's tests of today.
    """
    same = [judge_again(run, trial.header) for run in recorded if run.knobs == result.knobs]
    base = max(same, key=lambda run: run.device == result.device, default=None)
    where = " ".join([trial.header.id, *(f"{k}={v}" for k, v in trial.knobs.items())])
    if result.status == "skipped":
        return Outcome(trial, result, base, {}, [], is_kept)
    if result.status != "done":
        failure = f"{where}: {result.status}: {result.message}"
        return Outcome(trial, result, base, {}, [failure], is_kept)
    answers = {card_id: _answers(body, result) for card_id, body in trial.predictions.items()}
    problems = [] if base is None else _differences(trial, result, base)
    for card_id, body in trial.predictions.items():
        n_right = len(answers[card_id])
        if body.options and n_right != 1:
            problems.append(f"{card_id} has {n_right} right options, it needs one")
        if body.measurement and n_right == 0:
            problems.append(f"{card_id} asks for {body.measurement}, not measured")
    for card_id, exercise in trial.exercises.items():
        if trouble := trouble_with(exercise, result):
            problems.append(f"{card_id}: {trouble[0]}")
    told = [f"{where}: {problem}" for problem in problems]
    return Outcome(trial, result, base, answers, told, is_kept)


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
    """One line as soon as a run is over, and what is wrong with it."""
    result = outcome.result
    mark = "✗" if outcome.problems else "–" if result.status == "skipped" else "✓"
    how = f"{result.status} on {result.device}, {result.seconds:.1f} s"
    say(f"{mark} {outcome.trial.name}  {how}{' (earlier)' if outcome.is_kept else ''}")
    if result.message:
        say(f"  {result.message}")
    for card_id, answers in outcome.answers.items():
        say(f"  → {card_id}: {' · '.join(answers) or 'no answer'}")
    for problem in outcome.problems:
        say(f"  problem: {problem}")


def _say_claims(outcomes: Iterable[Outcome]) -> None:
    """Every claim of every run: the verdict here, the recorded one, whether they agree."""
    from studykit.lab.results import VERDICT_MARKS

    rows = []
    for outcome in outcomes:
        rows.append([outcome.trial.name])
        recorded = outcome.recorded.verdicts if outcome.recorded else {}
        for claim, verdict in outcome.result.verdicts.items():
            here = f"{VERDICT_MARKS[verdict]} {verdict}"
            told = recorded.get(claim, "–"), outcome.agreement(claim)
            rows.append([f"  {claim}", here, *told])
    if rows:
        say()
        say_table(["lab and claims", "here", "recorded", ""], rows, numbers=0, wrapped=0)
        say()


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
        "kept": outcome.is_kept,
        "cards": outcome.answers,
        "problems": outcome.problems,
    }
