"""The command line: global options, the list of commands, and errors as one line on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from studykit import __version__
from studykit.commands import (
    backup,
    check,
    doctor,
    due,
    export,
    importing,
    labs,
    merge,
    models,
    new,
    optimise,
    pull,
    report,
    review,
    stability,
    stats,
    sweep,
    verify,
    whatif,
    workload,
)
from studykit.commands.endings import exit_code_of
from studykit.commands.environment import build_environment
from studykit.commands.screens import open_screens
from studykit.commands.terminal import warn

app = typer.Typer(
    name="studykit",
    help="Daily review cards whose answers can be run. Without a command: the screens.",
    epilog="Example: studykit --course ~/my-course",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
lab_app = typer.Typer(help="Run the experiments behind the cards.", rich_markup_mode=None)
app.add_typer(lab_app, name="lab", epilog="Example: studykit lab run core/residuals")
models_app = typer.Typer(rich_markup_mode=None)
app.add_typer(models_app, name="models", epilog="Example: studykit models install --all")

app.command("due", epilog="Example: studykit due --json")(due.due)
app.command("review", epilog="Example: studykit review --plain --cram flagged")(review.review)
app.command("check", epilog="Example: studykit check ~/my-course --coverage")(check.check)
app.command("new", epilog="Example: studykit new my-course")(new.new)
app.command("verify", epilog="Example: studykit verify --deck core")(verify.verify)
app.command(
    "sweep", epilog="Example: studykit sweep core/residuals --set n_layers=2,4,8 --seeds 20"
)(sweep.sweep)
app.command("whatif", epilog='Example: studykit whatif "remove the residual connections"')(
    whatif.what_if
)
app.command("report", epilog="Example: studykit report --since 2026-11-01 --output report.md")(
    report.report
)
app.command("stats", epilog="Example: studykit stats --by week --since 2026-09-01")(stats.stats)
app.command("import", epilog="Example: studykit import spanish.apkg --into ~/spanish")(
    importing.import_file
)
app.command("export", epilog="Example: studykit export --to attention.apkg")(export.export)
app.command("merge", epilog="Example: studykit merge ~/Sync/laptop.sqlite3 --dry-run")(merge.merge)
app.command("backup", epilog="Example: studykit backup /media/stick")(backup.backup)
app.command("restore", epilog="Example: studykit restore newest")(backup.restore)
app.command("optimize", epilog="Example: studykit optimize --reschedule")(optimise.optimise)
app.command("workload", epilog="Example: studykit workload --new 10")(workload.workload)
app.command("doctor", epilog="Example: studykit doctor --rebuild")(doctor.doctor)
lab_app.command("list", epilog="Example: studykit lab list")(labs.list_labs)
lab_app.command("show", epilog="Example: studykit lab show core/residuals")(labs.show_lab)
lab_app.command(
    "run", epilog="Example: studykit lab run core/residuals --set n_layers=2 --seeds 1"
)(labs.run_lab)
lab_app.command("edit", epilog="Example: studykit lab edit core/residuals")(labs.edit_lab)
lab_app.command("stability", epilog="Example: studykit lab stability core/residuals --seeds 20")(
    stability.stability
)

models_app.callback(invoke_without_command=True)(models.list_models)
models_app.command("install", epilog="Example: studykit models install smollm2 minilm")(
    models.install
)
models_app.command("pull", epilog="Example: studykit models pull HuggingFaceTB/SmolLM2-135M")(
    pull.pull
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"studykit {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    course: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Folder of another course (with decks/, labs/, data/)."),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """The options before the command; without a command the screens open."""
    if ctx.resilient_parsing:
        return
    ctx.obj = build_environment(course)
    if ctx.invoked_subcommand is None:
        raise typer.Exit(open_screens(ctx.obj))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one command line; every error is one line on stderr."""
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="studykit", standalone_mode=False)
    except typer.TyperException as error:
        usage = getattr(error, "ctx", None)
        warn(error.format_message() + (f" (see {usage.command_path} --help)" if usage else ""))
        return error.exit_code
    except typer.Abort:
        warn("stopped")
        return 1
    return code if isinstance(code, int) else 0
