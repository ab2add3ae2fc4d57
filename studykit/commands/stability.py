"""``studykit lab stability``: how often the claims of a lab hold on fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studykit.commands import runs
from studykit.commands.environment import environment
from studykit.commands.labs import JsonOption, LabArgument, SetOption, TrustOption
from studykit.commands.runs import (
    ProgressLine,
    build_runner,
    find_lab,
    parse_knobs,
    used_settings,
)
from studykit.commands.terminal import say, say_json, say_table
from studykit.errors import LabError
from studykit.text import plural

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.course.cards import KnobValue, LabHeader
    from studykit.lab.results import RunResult
    from studykit.lab.stability import Sample, Tally


def stability(
    ctx: typer.Context,
    lab: LabArgument,
    settings: SetOption = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, help="Fresh seeds at the ordinary budget.")
    ] = 20,
    patient_seeds: Annotated[
        int, typer.Option(min=0, max=1000, help="Fresh seeds at four times the budget.")
    ] = 5,
    first_seed: Annotated[int, typer.Option(min=0, max=1_000_000, help="The first of them.")] = 100,
    json: JsonOption = False,
    trust: TrustOption = False,
) -> None:
    """Run a lab on fresh seeds, also with four times the training, and count how claims fare.

    Without --set, at every setting of knobs that a card uses. What is measured is written to
    data/results/ seed by seed, and what is there is not measured again unless the lab has changed:
    stop it when you like and go on later.
    """
    env = environment(ctx)
    header = find_lab(env, lab)
    chosen = (
        [parse_knobs(header, settings)] if settings else used_settings(env.reader.course, header)
    )
    plan = {1.0: seeds}
    if header.takes_budget and patient_seeds:
        from studykit.lab.stability import PATIENT

        plan[PATIENT] = patient_seeds
    if header.deterministic:
        plan = dict.fromkeys(plan, 1)
    env.require_trust(trusted=trust)
    wanted = {budget: range(first_seed, first_seed + n) for budget, n in plan.items()}
    documents = []
    for knobs in chosen:
        tallies = _tallies(header, knobs, _measure(env, header, knobs, wanted), wanted)
        if json:
            documents.append(_document(header, knobs, tallies, wanted))
        else:
            _say_setting(header, knobs, tallies, wanted)
    if json:
        say_json({"format": 1, "lab": header.id, "settings": documents})


def _measure(
    env: Environment,
    header: LabHeader,
    knobs: dict[str, KnobValue],
    wanted: dict[float, range],
) -> Sequence[Sample]:
    """Everything known of the lab once all `wanted` seeds of each budget are measured.

    Raises `LabError` for a run that was not complete, `KeyboardInterrupt` if it was cancelled.
    """
    import asyncio

    from studykit.lab.stability import add_sample, at, load_samples

    samples = load_samples(env.root, header.id)
    missing = [
        (budget, seed)
        for budget, seeds in wanted.items()
        for seed in sorted(set(seeds) - {each.seed for each in at(samples, header, knobs, budget)})
    ]
    if not missing:
        return samples

    async def run() -> None:
        from studykit.lab.process import follow, interruptible

        runner = build_runner(env, runs.PRELOAD)
        async with interruptible(runner):
            for n_before, (budget, seed) in enumerate(missing):
                label = " ".join([header.id, *(f"{k}={v}" for k, v in knobs.items())])
                with ProgressLine(f"{label}  ×{budget:g}", len(missing), n_before) as line:
                    result = await follow(
                        runner,
                        header,
                        knobs=knobs,
                        seeds=[seed],
                        device=env.settings.lab.device,
                        budget=budget,
                        on_message=line.show,
                    )
                _require_complete(result, seed)
                # Each at once: what is measured stays, whatever becomes of the next.
                add_sample(env.root, result)

    asyncio.run(run())
    return load_samples(env.root, header.id)


def _require_complete(result: RunResult, seed: int) -> None:
    if result.status == "cancelled":
        raise KeyboardInterrupt
    if result.status != "done":
        raise LabError(f"{result.lab}, seed {seed}: {result.status}: {result.message}")


def _tallies(
    header: LabHeader,
    knobs: dict[str, KnobValue],
    samples: Sequence[Sample],
    wanted: dict[float, range],
) -> dict[float, dict[str, Tally]]:
    """Budget -> claim -> its tally over the seeds asked for."""
    from studykit.lab.stability import at, tally

    return {
        budget: tally(
            header, [each for each in at(samples, header, knobs, budget) if each.seed in seeds]
        )
        for budget, seeds in wanted.items()
    }


def _say_setting(
    header: LabHeader,
    knobs: dict[str, KnobValue],
    tallies: dict[float, dict[str, Tally]],
    wanted: dict[float, range],
) -> None:
    from studykit.lab.stability import flips

    say(" ".join([header.id, *(f"{name}={value}" for name, value in knobs.items())]))
    head = ["claim", "patience"]
    for budget, seeds in wanted.items():
        head += [f"×{budget:g}, {plural(len(seeds), 'seed')}: holds", "fails", "unknown"]
    rows = []
    for claim in header.claims:
        counted = [by_claim[claim] for by_claim in tallies.values()]
        row = [claim, "depends" if flips(*counted) else ""]
        for one in counted:
            row += [str(one.holds), str(one.fails), str(one.unknown)]
        rows.append(row)
    say_table(head, rows, numbers=len(head) - 2)
    say()


def _document(
    header: LabHeader,
    knobs: dict[str, KnobValue],
    tallies: dict[float, dict[str, Tally]],
    wanted: dict[float, range],
) -> dict[str, Any]:
    from studykit.lab.stability import flips

    return {
        "knobs": knobs,
        "budgets": [
            {
                "budget": budget,
                "seeds": [*wanted[budget]],
                "claims": {
                    claim: {"holds": one.holds, "fails": one.fails, "unknown": one.unknown}
                    for claim, one in by_claim.items()
                },
            }
            for budget, by_claim in tallies.items()
        ],
        "depends_on_patience": [
            claim
            for claim in header.claims
            if flips(*(by_claim[claim] for by_claim in tallies.values()))
        ],
    }
