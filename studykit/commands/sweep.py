"""``studykit sweep``: a lab at every combination of some knobs' values, on many seeds each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studykit.commands.crews import JobsOption, build_pool
from studykit.commands.environment import environment
from studykit.commands.labs import Device, JsonOption, LabArgument, TrustOption, complete_knob
from studykit.commands.runs import StatusLine, find_lab, parse_knobs, require_budget
from studykit.commands.terminal import say, say_json, say_table, terminal_width, warn
from studykit.course.cards import MODEL_KNOB
from studykit.errors import StudykitError, UsageError
from studykit.text import plural

if TYPE_CHECKING:
    from pathlib import Path

    from studykit.commands.environment import Environment
    from studykit.course.cards import KnobValue, LabHeader
    from studykit.lab.pool import Crew
    from studykit.lab.sweeps import SweepFile
    from studykit.study.sweep import Strand, Sweep


def sweep(
    ctx: typer.Context,
    lab: LabArgument,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KNOB=VALUE,VALUE",
            help="Values of a knob; may be repeated, for other knobs or for texts with commas.",
            autocompletion=complete_knob,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Seeds at each setting; default: the lab's."),
    ] = None,
    first_seed: Annotated[int, typer.Option(min=0, max=1_000_000, help="The first of them.")] = 0,
    budget: Annotated[
        float, typer.Option(min=0.01, max=100, help="Times the lab's training steps.")
    ] = 1.0,
    device: Annotated[
        Device | None, typer.Option(help="Where to run; default: the setting lab.device.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="Other weights than the lab's, as in lab run."),
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A measurement to draw; may be repeated. Default: what tells."
        ),
    ] = None,
    jobs: JobsOption = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run on a Ray cluster: host:port, ray://host:port, auto, or local for this "
            "machine (extra studykit[ray]).",
        ),
    ] = None,
    json: JsonOption = False,
    trust: TrustOption = False,
) -> None:
    """Run a lab at every combination of the values, many runs side by side, and compare.

    Every seed is kept as it ends, and none is measured twice: stop it when you like, and the same
    command goes on; with more values or seeds it measures what is missing.
    """
    from studykit.lab.sweeps import SweepFile
    from studykit.study.sweep import Sweep, plan_sweep, strands

    env = environment(ctx)
    header = find_lab(env, lab, takes_own=True)
    require_budget(header, budget)
    if model is not None and not header.takes_model:
        raise UsageError(f"{header.id} takes no model", hint="leave out --model")
    chosen_model = [] if model is None else [f"{MODEL_KNOB}={model}"]
    values = parse_values(header, [*(settings or []), *chosen_model])
    if header.deterministic and (seeds or 1) > 1:
        raise UsageError(f"{header.id} is deterministic", hint="one seed is all there is")
    n_seeds = seeds or header.seeds
    try:
        plan = plan_sweep(header, values, range(first_seed, first_seed + n_seeds), budget)
    except StudykitError as error:
        raise UsageError(error.what, hint=error.hint) from None
    env.require_trust(trusted=trust)
    where = env.settings.lab.device if device is None else device.value
    file = SweepFile(env.paths.sweeps_dir / env.course.id, header)
    wanted = measure or []
    if known := _known_names(env.root, header, file):
        _require_names(known, wanted)
    crew = _crew(env, header, jobs, ray)
    made = Sweep(plan, file, crew, where)
    if made.n_before:
        n_all = len(plan.settings) * len(plan.seeds)
        warn(f"{made.n_before} of {plural(n_all, 'run')} measured before")
    _work(made, crew, wanted)
    found = strands(made)
    _require_names([strand.name for strand in found], wanted)
    if json:
        say_json(_document(made, found, str(file.path)))
    else:
        _say(made, found, wanted)
        say(f"kept in {file.path}")
    for problem in made.problems:
        warn(problem)
    if not made.is_complete and not made.problems:
        warn("stopped: what was measured is kept, and the same command goes on")
        raise KeyboardInterrupt
    if made.problems:
        raise typer.Exit(1)


def parse_values(header: LabHeader, settings: Sequence[str]) -> dict[str, list[KnobValue]]:
    """Knob -> the values asked for, by ``KNOB=VALUE,VALUE``; a text is one value, commas and all.

    Raises `UsageError` for a knob or a value that the lab does not have.
    """
    values: dict[str, list[KnobValue]] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        is_text = name in header.text_knobs or name not in header.knobs
        for value in [text] if is_text else text.split(","):
            parsed = parse_knobs(header, [f"{name}{equals}{value}"])
            values.setdefault(name, []).append(parsed[name])
    return values


def _crew(env: Environment, header: LabHeader, jobs: int | None, address: str | None) -> Crew:
    if address is None:
        return build_pool(env, jobs)
    if header.runs_alone:
        what = f"{header.id} times something and must run alone"
        raise UsageError(what, hint="leave out --ray")
    if header.is_own:
        raise UsageError("a version of your own runs here only", hint="leave out --ray")
    if jobs is not None and address != "local":
        raise UsageError("on a cluster Ray decides how many run", hint="leave out --jobs")
    from studykit.lab.ray_crew import RayCrew

    limit = env.settings.lab.time_limit_seconds
    return RayCrew(env.root, address, env.clock, n_at_once=jobs, time_limit_s=limit)


def _work(sweep: Sweep, crew: Crew, names: Sequence[str]) -> None:
    """Run what is missing, until it is there, Ctrl-C is pressed, or the first run lacks `names`."""
    import asyncio

    from studykit.lab.process import interruptible

    async def run() -> None:
        with StatusLine() as line:

            def show(*_: object) -> None:
                line.write(str(sweep.progress))

            def end() -> None:
                show()
                if not (measured := sweep.names).issuperset(names) and measured:
                    crew.cancel()

            async with interruptible(crew):
                await sweep.work(show, end)

    asyncio.run(run())


def _known_names(root: Path, header: LabHeader, file: SweepFile) -> list[str]:
    """What the lab is known to measure: by its recorded runs and by earlier sweeps.

    None if neither is of the code that it has now.
    """
    from studykit.lab.recorded import recorded_runs

    runs = [run for run in recorded_runs(root, header.id) if run.code_hash == header.code_hash]
    recorded = [name for run in runs for seed in run.seeds for name in seed.measurements]
    return [*dict.fromkeys([*recorded, *sorted(file.names)])]


def _require_names(known: Sequence[str], names: Sequence[str]) -> None:
    """Raise `UsageError` for the first of `names` that is not `known`."""
    for name in names:
        if name not in known:
            hint = f"it measures {', '.join(known) or 'nothing yet'}"
            raise UsageError(f"the lab measures no {name!r}", hint=hint)


def _say(sweep: Sweep, found: Sequence[Strand], names: Sequence[str]) -> None:
    from studykit.study.sweep_chart import charted, claim_rows, describe, draw

    plan = sweep.plan
    say(f"{plan.header.id}: {plan.header.question}")
    say(describe(sweep))
    labels = [plan.label(knobs) for knobs in plan.settings]
    yardsticks = [strand for strand in found if strand.yardstick]
    for strand in charted(found, names):
        say()
        for line in draw(strand, labels, yardsticks, terminal_width()):
            say(line)
    if sweep.n_measured:
        say()
        say_table(["claim", "holds on"], claim_rows(sweep), numbers=0, wrapped=1)
        say()


def _document(sweep: Sweep, found: Sequence[Strand], path: str) -> dict[str, Any]:
    from studykit.lab.protocol import encode
    from studykit.study.sweep import count_claims

    plan = sweep.plan
    settings = []
    for n, knobs in enumerate(plan.settings):
        counted = count_claims(sweep, knobs)
        settings.append(
            {
                "knobs": knobs,
                "seeds": [seed.seed for seed in sweep.seeds(knobs)],
                "measurements": {
                    strand.name: {
                        "mean": point.mean,
                        "low": point.low,
                        "high": point.high,
                        "n": point.n,
                        "diverged": point.n_lost,
                        "unit": strand.unit,
                        "yardstick": strand.yardstick,
                    }
                    for strand in found
                    if (point := strand.points[n]) is not None
                },
                "claims": {
                    claim: {"holds": holds, "fails": fails, "unknown": unknown}
                    for claim, (holds, fails, unknown) in counted.items()
                },
            }
        )
    document: dict[str, Any] = encode(
        {
            "format": 1,
            "lab": plan.header.id,
            "varied": list(plan.varied),
            "budget": plan.budget,
            "file": path,
            "settings": settings,
            "problems": sweep.problems,
        }
    )
    return document
