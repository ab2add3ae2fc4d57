"""``studykit new``: a course of one's own to begin with."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from studykit.commands.environment import environment
from studykit.commands.runs import find_lab, run_with_progress
from studykit.commands.terminal import say
from studykit.errors import LabError
from studykit.text import plural


def new(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder that is not there yet.")],
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="Title of the course; default: the folder's name.")
    ] = "",
) -> None:
    """Write a course of your own to begin with.

    It has three cards and the lab behind them, which is run once, so that the course passes
    studykit check. Its labs count as your own: you are not asked about them when they change.
    """
    from studykit.course.starter import LAB, write_starter
    from studykit.lab.recorded import record_run
    from studykit.lab.trust import remember
    from studykit.study.check import check_course

    folder = path.expanduser().absolute()
    write_starter(folder, title or folder.name.replace("-", " ").replace("_", " ").capitalize())
    env = replace(environment(ctx), root=folder)
    remember(folder, env.paths.data_dir, as_own=True)
    header = find_lab(env, LAB)
    result = run_with_progress(env, header, header.defaults, range(header.seeds), "cpu")
    if result.status != "done":
        hint = f"studykit --course {shlex.quote(str(path))} lab run {LAB} --record"
        raise LabError(f"{folder} was written, but its lab was {result.status}", hint=hint)
    record_run(folder, result)
    report = check_course(folder)
    for problem in report.problems:
        say(problem)
    cards, labs = plural(report.n_cards, "card"), plural(report.n_labs, "lab")
    say(f"{folder}: {cards}, {labs}, {plural(len(report.problems), 'problem')}")
    name = shlex.quote(str(path))
    say(f"  studykit --course {name}    study it")
    say(f"  studykit check {name}       after each change: is it whole?")
    say("  decks/1-first.yaml holds the cards, labs/first/averages.py what they rest on")
    if report.problems:
        raise typer.Exit(1)
