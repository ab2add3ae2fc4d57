"""``studykit lab list | show | run``: the experiments of the course."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studykit.commands.environment import environment
from studykit.commands.runs import (
    bench_of,
    find_lab,
    lacks_right_files,
    parse_knobs,
    require_budget,
    run_with_progress,
    say_beside_original,
    say_run,
)
from studykit.commands.terminal import say, say_beside, say_json, say_table
from studykit.course.cards import MODEL_KNOB, MODEL_NEED, OWN_PREFIX
from studykit.errors import StudykitError, UsageError
from studykit.settings import bundled_course_root
from studykit.text import clean

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.course.cards import Knobs, LabHeader
    from studykit.lab.results import RunResult


class Device(enum.StrEnum):
    """Where a lab runs; auto: on a GPU when there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def complete_lab(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids of labs that begin so, for the shell."""
    from studykit.course.labs import find_labs

    root = completed_root(ctx)
    try:
        paths = [path.relative_to(root / "labs") for path in find_labs(root)]
    except StudykitError:
        return []
    ids = [path.with_suffix("").as_posix() for path in paths]
    return [lab_id for lab_id in ids if lab_id.startswith(incomplete)]


def complete_knob(ctx: typer.Context, incomplete: str) -> list[str]:
    """Settings of the lab's knobs that begin so, for the shell."""
    from studykit.course.labs import load_lab_header

    root = completed_root(ctx)
    # An option without its value stops the parser before it names the arguments.
    lab_id = ctx.params.get("lab") or next(iter(ctx.args), "")
    try:
        header = load_lab_header(root / "labs" / f"{lab_id}.py", root)
    except StudykitError:
        return []
    settings = [f"{name}={value}" for name, values in header.knobs.items() for value in values]
    return [setting for setting in settings if setting.startswith(incomplete)]


def completed_root(ctx: typer.Context) -> Path:
    """The course on an unfinished command line, whose options are still text."""
    course = ctx.find_root().params.get("course")
    return Path(course).expanduser() if course else bundled_course_root()


LabArgument = Annotated[
    str,
    typer.Argument(
        metavar="LAB", help="Its id, folder/name, as lab list shows.", autocompletion=complete_lab
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KNOB=VALUE",
        help="Set a knob, also to a number that the lab does not list; may be repeated.",
        autocompletion=complete_knob,
    ),
]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Do not ask before a foreign course's first run.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")]


def list_labs(ctx: typer.Context, json: JsonOption = False) -> None:
    """List the labs of the course, each followed by your own version if there is one."""
    env = environment(ctx)
    labs = bench_of(env).each_with_own()
    if json:
        say_json({"format": 1, "labs": [_header_document(header) for header in labs]})
        return
    if not labs:
        say("This course has no labs.")
        return
    rows = [
        [header.id, header.question, " ".join(header.needs), _seconds(header)] for header in labs
    ]
    say_table(["lab", "question", "needs", "seconds"], rows, numbers=1, wrapped=1)


def show_lab(ctx: typer.Context, lab: LabArgument, json: JsonOption = False) -> None:
    """Show a lab and its latest result.

    What it asks, its knobs and claims; the result is your own with default knobs, or the recorded.
    """
    from studykit.study.evidence_words import render_claim_test

    env = environment(ctx)
    header = find_lab(env, lab, takes_own=True)
    evidence = _evidence(env, header, header.defaults)
    if json:
        from studykit.lab.results import result_to_json

        result = None if evidence is None else result_to_json(evidence)
        patience = {} if evidence is None else dict(evidence.patience)
        document = {"format": 1, **_header_document(header), "result": result}
        say_json(document | {"patience": patience})
        return
    say(f"{header.id}: {header.question}")
    say(header.title)
    if header.about:
        say(f"\n{header.about}")
    say(f"\npoints    {', '.join(header.points)}")
    lacking = {model.name for model in env.services.lacking(header, header.defaults)}
    needs = [
        f"{need} (not installed)" if need.removeprefix(MODEL_NEED) in lacking else need
        for need in header.needs
    ]
    say(f"needs     {', '.join(needs) or 'nothing special'}")
    say(f"seeds     {'one: it is deterministic' if header.deterministic else header.seeds}")
    say(f"seconds   {_seconds(header)}")
    if header.runs_alone:
        say("alone     nothing else may run beside it: it times something")
    say(f"budget    {'may be multiplied' if header.takes_budget else 'none: it trains nothing'}")
    for name, values in header.knobs.items():
        meaning = f": {header.knob_help[name]}" if name in header.knob_help else ""
        is_text = name in header.own_texts
        offered = [f"“{value}”" for value in values] if is_text else [*map(str, values)]
        more = ["or a text of your own"] if is_text else []
        say_beside("knob      ", f"{name} = {', '.join([*offered, *more])}{meaning}")
    for claim in header.claims:
        say_beside("test      ", f"{claim}: {render_claim_test(header, claim)}")
    for claim, source in header.literature.items():
        say_beside("reported  ", f"{claim}: {source}")
    if evidence is None:
        for claim, text in header.claims.items():
            say_beside("claim     ", f"{claim}: {text}")
        say("\nnever run with default knobs")
    else:
        say()
        say_run(header, evidence)


def run_lab(
    ctx: typer.Context,
    lab: LabArgument,
    settings: SetOption = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=100, help="How many seeds; default: the lab's.")
    ] = None,
    first_seed: Annotated[int, typer.Option(min=0, max=1_000_000, help="The first of them.")] = 0,
    budget: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=100,
            help="Times the lab's training steps: 4 is patient, 0.25 a quick look with one seed.",
        ),
    ] = 1.0,
    device: Annotated[
        Device | None, typer.Option(help="Where to run; default: the setting lab.device.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Other weights than the lab's: a name of studykit models, a folder, a GGUF file.",
        ),
    ] = None,
    json: JsonOption = False,
    record: Annotated[
        bool, typer.Option("--record", help="For authors: write the result to data/results/.")
    ] = False,
    trust: TrustOption = False,
) -> None:
    """Run a lab here and keep its result with your progress."""
    from studykit.lab.recorded import record_run
    from studykit.lab.results import result_to_json
    from studykit.lab.verdicts import judge_again
    from studykit.study.lab_run import seeds_at

    env = environment(ctx)
    header = find_lab(env, lab, takes_own=True)
    if model is not None and not header.takes_model:
        raise UsageError(f"{header.id} takes no model", hint="leave out --model")
    chosen_model = [] if model is None else [f"{MODEL_KNOB}={model}"]
    knobs = parse_knobs(header, [*(settings or []), *chosen_model])
    require_budget(header, budget)
    if record and header.has_other_model(knobs):
        raise UsageError("only the lab's own model is recorded", hint="leave out --model")
    n_seeds = seeds or seeds_at(header, budget)
    if record and header.is_own:
        raise UsageError("an own version is not recorded", hint=f"record {header.original}")
    if record and (budget, first_seed, n_seeds) != (1, 0, header.seeds):
        raise UsageError(
            "only a run with the lab's own seeds and budget is recorded",
            hint="leave out --budget, --seeds and --first-seed",
        )
    env.require_trust(trusted=trust)
    chosen = env.settings.lab.device if device is None else device.value
    which = range(first_seed, first_seed + n_seeds)
    result = run_with_progress(env, header, knobs, which, chosen, budget)
    try:
        if not record:
            _keep(env, result)
        elif result.status == "done":
            record_run(env.root, result)
    finally:  # a run that cannot be kept is not lost to the one who waited for it
        if json:
            say_json(result_to_json(result))
        else:
            say(f"{header.id}: {header.question}")
            say_run(header, result)
    if header.is_own and result.status == "done" and not json:
        original = env.course.labs[header.original]
        if (evidence := _evidence(env, original, knobs)) is not None:
            say_beside_original(header, result, judge_again(evidence, header))
    if result.status == "skipped" and not json and (evidence := _evidence(env, header, knobs)):
        say()
        say_run(header, evidence)
    if result.status == "cancelled":
        raise KeyboardInterrupt
    if result.status not in ("done", "skipped") or lacks_right_files(env, header, result):
        raise typer.Exit(1)


def edit_lab(ctx: typer.Context, lab: LabArgument) -> None:
    """Change a copy of a lab that is your own, in $EDITOR; lab run mine/LAB runs it."""
    import os
    import subprocess

    from studykit.course.source import read_source
    from studykit.study.bench import first_line
    from studykit.study.editing import editor_command

    env = environment(ctx)
    lab_id = lab.removeprefix(OWN_PREFIX)
    find_lab(env, lab_id)
    bench = bench_of(env)
    path = bench.copy(lab_id)
    command = editor_command(path, first_line(read_source(path)) + 1, os.environ)
    try:
        code = subprocess.run(command, check=False).returncode
    except OSError as error:
        what = f"{clean(command[0])} cannot be started: {error.strerror}"
        raise UsageError(what, hint="set $EDITOR") from None
    header = bench.load(lab_id)
    say(clean(str(path)))
    say(f"studykit lab run {header.id} runs it")
    if code:
        raise StudykitError(f"{clean(command[0])} ended with exit code {code}")


def _keep(env: Environment, result: RunResult) -> None:
    from contextlib import closing

    with closing(env.open_store()) as store:
        store.record_run(result, card_id=None, prediction=None)


def _evidence(env: Environment, header: LabHeader, knobs: Knobs) -> RunResult | None:
    from studykit.lab.recorded import find_evidence, own_evidence, recorded_runs
    from studykit.lab.stability import samples_or_none, with_patience

    with env.existing_store() as store:
        mine = [] if store is None else own_evidence(header, knobs, store.run_entries())
        read = (store.run(entry.id) for entry in mine) if store else ()
        own = next((stored.result for stored in read if stored), None)
    found = find_evidence(header, knobs, own, recorded_runs(env.root, header.id))
    return with_patience(found, header, samples_or_none(env.root, header.id))


def _header_document(header: LabHeader) -> dict[str, Any]:
    return {
        "lab": header.id,
        "title": header.title,
        "about": header.about,
        "question": header.question,
        "points": list(header.points),
        "claims": dict(header.claims),
        "holds_if": dict(header.holds_if),
        "deterministic": header.deterministic,
        "knobs": {name: list(values) for name, values in header.knobs.items()},
        "knob_help": dict(header.knob_help),
        "text_knobs": list(header.text_knobs),
        "parts": {part: list(values) for part, values in header.parts.items()},
        "families": {family: dict(parts) for family, parts in header.families.items()},
        "words": {setting: list(words) for setting, words in header.words.items()},
        "differences": list(header.differences),
        "seeds": header.seeds,
        "seconds": dict(header.seconds),
        "needs": list(header.needs),
        "takes_budget": header.takes_budget,
        "runs_alone": header.runs_alone,
        "literature": dict(header.literature),
        "code_hash": header.code_hash,
    }


def _seconds(header: LabHeader) -> str:
    return ", ".join(f"{device} {seconds:g}" for device, seconds in header.seconds.items())
