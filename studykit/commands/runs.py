"""Runs of a lab from the command line: what was asked for, their progress, their outcome."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import typer

from studykit.commands.terminal import cut, say, say_beside, say_table, say_verdicts, terminal_width
from studykit.course.cards import OWN_PREFIX
from studykit.errors import UsageError
from studykit.text import clean, format_value, plural

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.course.cards import Course, KnobValue, LabHeader
    from studykit.lab.events import Measurement
    from studykit.lab.process import LabMessage, LabRunner
    from studykit.lab.results import RunResult
    from studykit.study.bench import Bench


def find_lab(environment: Environment, lab_id: str, *, takes_own: bool = False) -> LabHeader:
    """The lab called `lab_id`; raises `UsageError` with the nearest name.

    `takes_own`: it may be the learner's own version of a lab.
    """
    labs = environment.course.labs
    original = lab_id.removeprefix(OWN_PREFIX)
    if original != lab_id and original in labs:
        if not takes_own:
            raise UsageError(f"{lab_id} is a version of your own", hint="name a lab of the course")
        bench = bench_of(environment)
        if not bench.has(original):
            what = f"there is no version of your own of {original}"
            raise UsageError(what, hint=f"studykit lab edit {original} makes one")
        return bench.load(original)
    if lab_id in labs:
        return labs[lab_id]
    near = difflib.get_close_matches(lab_id, labs, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else "studykit lab list shows them"
    raise UsageError(f"there is no lab {lab_id!r}", hint=hint)


def bench_of(environment: Environment) -> Bench:
    """The learner's own versions of the course's labs."""
    from studykit.study.bench import Bench

    return Bench(environment.course, environment.paths.bench_dir)


def parse_knobs(header: LabHeader, settings: Sequence[str]) -> dict[str, KnobValue]:
    """Every knob of the lab: its default, or what ``KNOB=VALUE`` in `settings` says."""
    from studykit.study.knob_values import parse_knob

    knobs = header.defaults
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting} has no value", hint="write --set KNOB=VALUE")
        if name not in header.knobs:
            known = ", ".join(header.knobs) or "none"
            raise UsageError(f"{header.id} has no knob {name!r}", hint=f"its knobs: {known}")
        try:
            knobs[name] = parse_knob(header, name, text)
        except ValueError as error:
            raise UsageError(f"{name} cannot be {text!r}", hint=f"it may be {error}") from None
    if header.parts:
        try:
            header.models_of(knobs)
        except ValueError as error:
            what, _, hint = str(error).partition(": ")
            raise UsageError(f"{header.id}: {what}", hint=hint) from None
    return knobs


def require_budget(header: LabHeader, budget: float) -> None:
    """Raise `UsageError` if the lab cannot be given `budget`."""
    if math.isnan(budget):  # which no range keeps out
        raise UsageError("a budget of nan", hint="a number from 0.01 to 100")
    if budget != 1 and not header.takes_budget:
        raise UsageError(f"{header.id} takes no budget", hint="it trains nothing: no --budget")


PRELOAD = ("torch",)
"""What a process imports once that runs many labs."""


def used_settings(course: Course, header: LabHeader) -> list[dict[str, KnobValue]]:
    """The knobs that the course rests on: the defaults, and those of each card, once each."""
    settings = [header.defaults]
    for deck in course.decks:
        for card in deck.cards:
            knobs = header.defaults | dict(card.knobs)
            if card.lab == header.id and knobs not in settings:
                settings.append(knobs)
    return settings


def build_runner(environment: Environment, preload: Sequence[str], threads: int = 0) -> LabRunner:
    """Runs labs of the course as the settings want it, with `threads` if they name no number."""
    from studykit.lab.process import LabRunner

    lab = environment.settings.lab
    return LabRunner(
        environment.root,
        threads=lab.threads or threads,
        time_limit_s=lab.time_limit_seconds,
        clock=environment.clock,
        preload=preload,
    )


def run_with_progress(
    environment: Environment,
    header: LabHeader,
    knobs: Mapping[str, KnobValue],
    seeds: Sequence[int],
    device: str,
    budget: float = 1.0,
) -> RunResult:
    """The result of a run in the lab's own process; a terminal sees its progress on stderr."""
    import asyncio

    from studykit.lab.process import follow, interruptible

    async def run() -> RunResult:
        # The lab imports what it needs, and nothing before it is known.
        runner = build_runner(environment, ())
        with ProgressLine(header.id, len(seeds)) as line:
            async with interruptible(runner):
                return await follow(
                    runner,
                    header,
                    knobs=knobs,
                    seeds=seeds,
                    device=device,
                    budget=budget,
                    on_message=line.show,
                )

    return asyncio.run(run())


def lacks_right_files(environment: Environment, header: LabHeader, result: RunResult) -> bool:
    """Whether a run was skipped though its models are installed: their files are other ones.

    A machine without them may do without the lab; one whose files changed is to be mended.
    """
    from studykit.course.models import models_or_none
    from studykit.lab.shelf import damaged

    if result.status != "skipped":
        return False
    return bool(damaged(models_or_none(environment.root), header, result.knobs))


class StatusLine:
    """One line on stderr that is written over; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        self._shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the line away, for what is printed for good."""
        if self._shown:
            self.write("")

    def write(self, text: str) -> None:
        """Show `text` in place of what stands there."""
        text = cut(clean(text).replace("\n", " "), terminal_width() - 1)
        if text != self._shown and sys.stderr.isatty():
            self._shown = text
            # Back to the first column and clear to the end of the line.
            typer.echo(f"\r\x1b[K{text}", nl=False, err=True)


class ProgressLine(StatusLine):
    """How far one run is. Of `n_seeds` seeds `n_before` were measured before."""

    def __init__(self, label: str, n_seeds: int, n_before: int = 0) -> None:
        super().__init__()
        self._label = label
        self._n_seeds = n_seeds
        self._n_judged = n_before

    def show(self, message: LabMessage) -> None:
        """Write what `message` tells of the run's progress."""
        from studykit.lab.events import Progress
        from studykit.lab.process import SeedEvent, SeedJudged, Started
        from studykit.study.evidence_words import render_seed

        if isinstance(message, SeedEvent):
            n = min(self._n_judged + 1, self._n_seeds)
            where = render_seed(message.seed.number, n, self._n_seeds)
        else:
            where = plural(self._n_seeds, "seed")
        if isinstance(message, Started):
            self.write(f"{self._label}  {where}  on {message.device}")
        elif isinstance(message, SeedJudged):
            self._n_judged += 1
        elif isinstance(message, SeedEvent) and isinstance(message.event, Progress):
            progress = message.event
            percent = 100 * progress.done / progress.total if progress.total > 0 else 0.0
            self.write(f"{self._label}  {where}  {percent:3.0f} %  {progress.note}")


def say_run(header: LabHeader, result: RunResult) -> None:
    """Print how the run was made, its verdicts, its measurements and what it printed itself."""
    from studykit.lab.events import Printed
    from studykit.lab.results import invitations

    knobs = " ".join(f"{name}={value}" for name, value in result.knobs.items())
    seeds = " ".join(str(seed.seed) for seed in result.seeds) or "none"
    versions = " ".join(f"{name} {version}" for name, version in result.versions.items())
    origin = "recorded" if result.recorded else "own run"
    say(f"{origin} of {result.started_at:%Y-%m-%d %H:%M}, {result.status}: {result.seconds:.1f} s")
    made = [knobs or "no knobs", f"seeds {seeds}", result.device, result.machine, versions]
    if result.budget != 1:
        made.insert(1, f"budget {result.budget:g}")
    say(" · ".join(filter(None, made)))  # a lab that was skipped has seen no machine
    if result.message:
        say(result.message)
    if not result.seeds and result.status in ("failed", "cancelled"):
        return  # no claim was judged, and a list of them would bury the reason
    if not header.parts:  # `studykit whatif` has told them before
        say_differences(header, result)
    say()
    say_verdicts(header.claims, result.verdicts)
    for claim, note in result.patience.items():
        say_beside(f"! {claim}  ", note)
    if result.seeds:
        say()
        _say_measurements(result)
    for seed in result.seeds:
        for printed in seed.all(Printed):
            say(f"\nprinted by seed {seed.seed}:\n{printed.text.rstrip()}")
    for _, title, invitation in invitations(result.seeds):
        say(f"\n{title}: {invitation} on the lab's screen (x in studykit)")


def say_differences(header: LabHeader, result: RunResult) -> None:
    """Print what the lab calls its differences: each mean with its interval, and whether 0 is in
    it.
    """
    from studykit.lab.differences import (
        describe_mean,
        describe_verdict,
        differences_of,
        heading,
    )

    rows = differences_of(header, result.seeds)
    if rows:
        say(f"\n{heading(header)}")
    for row in rows:
        say_beside(f"{row.label}  ", f"{describe_mean(row)}; {describe_verdict(row)}")


def say_beside_original(header: LabHeader, own: RunResult, original: RunResult) -> None:
    """Print what both runs measured, as medians over the seeds, and which claims they judge apart.

    `own` is a run of the learner's own version of the lab of which `original` is a run.
    """
    from studykit.lab.results import VERDICT_MARKS
    from studykit.study.run_history import changed_verdicts, compare

    whose = "the recorded run" if original.recorded else "your latest run"
    say(f"\nbeside {whose} of {header.original} (≠: the seeds' ranges do not overlap)")
    rows = []
    for row in compare(own, original):
        told = [
            "–" if side is None else format_value(side.middle) for side in (row.left, row.right)
        ]
        rows.append([row.row.label, row.row.unit, *told, "≠" if row.is_apart else ""])
    say_table(["measurement", "unit", "yours", "original", ""], rows, numbers=3, wrapped=0)
    for claim, mine, other in changed_verdicts(header.claims, own, original):
        head = f"{VERDICT_MARKS[mine]} {claim}  {mine}, the original {other}  "
        say_beside(head, header.claims[claim])


def _say_measurements(result: RunResult) -> None:
    named: dict[str, Measurement] = {}
    for seed in result.seeds:
        for name, measurement in seed.measurements.items():
            named.setdefault(name, measurement)
    header = ["measurement", "unit", *(f"seed {seed.seed}" for seed in result.seeds)]
    rows = []
    for name, measurement in named.items():
        about = f"{name} (yardstick)" if measurement.yardstick else name
        values = [_number(seed.measurements.get(name)) for seed in result.seeds]
        rows.append([about, measurement.unit, *values])
    say_table(header, rows, numbers=len(result.seeds))


def _number(measurement: Measurement | None) -> str:
    return "" if measurement is None else format_value(measurement.value)
