"""``studykit doctor``: where everything lies, what is installed, what is wrong."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from studykit import __version__
from studykit.commands.environment import Environment, environment
from studykit.commands.screens import problems_of_keys
from studykit.commands.terminal import say
from studykit.errors import CourseError, StudykitError
from studykit.text import clean, plural

if TYPE_CHECKING:
    from studykit.progress.store import Store

PACKAGES = (
    "textual",
    "typer",
    "PyYAML",
    "fsrs",
    "sqlmodel",
    "SQLAlchemy",
    "alembic",
    "torch",
    "triton",
)


def doctor(
    ctx: typer.Context,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Compute every card's memory again from the review log."),
    ] = False,
    restore: Annotated[
        str | None,
        typer.Option(
            metavar="newest|FILE",
            help="Go back to a copy of the progress, and take over what was answered since.",
        ),
    ] = None,
) -> None:
    """Show where everything lies and what is wrong.

    Paths, versions, settings, progress and course; exit code 1 if any of them is wrong.
    """
    env = environment(ctx)
    if restore is not None:
        from studykit.commands.backup import go_back

        go_back(env, restore, trusted=False)
    _say_machine()
    problems = [*_settings(env), *_progress(env, rebuild=rebuild), *_course(env), *_models(env)]
    say()
    for problem in problems:
        say(f"problem: {problem}")
    if problems:
        raise typer.Exit(1)
    say("all is well")


def _say_machine() -> None:
    say(f"studykit   {__version__}, Python {platform.python_version()} at {sys.executable}")
    say(f"system     {platform.platform()}")
    say(f"packages   {', '.join(_installed(name) for name in PACKAGES)}")
    if importlib.util.find_spec("torch") is None:
        say("torch      missing: labs cannot run (pip install torch)")
    gpu = Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidiactl").exists()
    say(f"gpu        {'an NVIDIA driver is loaded' if gpu else 'no NVIDIA driver'}")


def _installed(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} missing"


def _settings(env: Environment) -> list[str]:
    path = env.paths.settings_file
    try:
        state = "read" if path.exists() else "not there, so all defaults"
        _ = env.settings
    except StudykitError as error:
        say(f"settings   {path}: wrong")
        return [str(error)]
    say(f"settings   {path}: {state}")
    with suppress(CourseError):  # which is told of as the course's
        say(f"           {_workload(env)}")
    return [f"{path} [keys]: {problem}" for problem in problems_of_keys(env)]


def _workload(env: Environment) -> str:
    """What the learner's own number of new cards a day makes, at its own pace where that is known.

    A broken progress is told of elsewhere.
    """
    from studykit.study.learner_stats import N_TIMED, answer_seconds
    from studykit.study.workload import build_workload, describe_workload

    taken_ms: list[int] = []
    with suppress(StudykitError), env.existing_store() as store:
        if store is not None:
            env.services.use_weights(store)
            taken_ms = store.latest_taken_ms(N_TIMED)
    n_new = env.settings.review.new_per_day
    load = build_workload(env.services.scheduler, n_new)
    return f"{plural(n_new, 'new card')} a day: {describe_workload(load, answer_seconds(taken_ms))}"


def _progress(env: Environment, *, rebuild: bool) -> list[str]:
    from studykit.progress.backups import copies_in, history_of, refuse_if_lost

    path, backups_dir = env.paths.database, env.paths.backups_dir
    copies = copies_in(backups_dir)
    newest = history_of(copies[0]) if copies else None
    say(f"backups    {backups_dir}: {len(copies)}{f', the newest with {newest}' if newest else ''}")
    problems = []
    try:
        if not path.exists():
            refuse_if_lost(path, backups_dir)
            say(f"progress   {path}: not there yet")
            return _cannot_begin(path.parent)
        with closing(env.open_store()) as store:
            if rebuild:
                n_wrong = store.rebuild(env.fallback)
                say(f"rebuilt    {n_wrong} memories that differed from the review log")
    except StudykitError as error:
        problems.append(str(error))
    # What cannot be written can often be read, and tells what is wrong.
    problems += _read_progress(env, copies) if path.exists() else []
    if problems:
        say(f"progress   {path}: cannot be used as it is")
    return list(dict.fromkeys(problems))


def _cannot_begin(folder: Path) -> list[str]:
    """Why no progress can be made in a folder, which may not be there yet either."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if os.access(there, os.W_OK | os.X_OK):
        return []
    return [f"{there} is read-only: no answer could be saved (make it writable)"]


def _read_progress(env: Environment, copies: list[Path]) -> list[str]:
    """What is wrong with what can be read of the progress; copies that hold more are named."""
    from studykit.progress.store import Store

    path = env.paths.database
    problems: list[str] = []
    try:
        with closing(Store.open_for_reading(path, backups_dir=env.paths.backups_dir)) as store:
            problems = store.check()
            n_reviews = plural(store.n_reviews(), "review")
            say(f"progress   {path}: {n_reviews}, {path.stat().st_size} bytes")
            for copy in [] if problems else copies:
                _say_of(copy, store)
    except StudykitError as error:
        return [*problems, str(error)]
    return problems


def _say_of(copy: Path, store: Store) -> None:
    """Name a copy that is damaged, or holds more than the progress, which may be the wrong one."""
    try:
        n_missing = store.n_missing(copy)
    except StudykitError:
        say(f"note: {copy} is damaged")
        return
    if n_missing:
        what = "answer or run" if n_missing == 1 else "answers or runs"
        say(f"note: {copy} holds {n_missing} {what} that the progress has not")


def _course(env: Environment) -> list[str]:
    from studykit.study.check import check_course

    try:
        report = check_course(env.root, env.reader.course)
    except StudykitError as error:
        return [str(error)]
    say(f"course     {env.root}: {plural(report.n_cards, 'card')}, {plural(report.n_labs, 'lab')}")
    with suppress(StudykitError):  # of settings that cannot be read, which are a problem already
        _say_of_plan(env)
    return [*report.problems, *_own_deck(env)]


def _say_of_plan(env: Environment) -> None:
    """Name what is planned for decks that are not here: mistyped, or of another course."""
    from studykit.course.own import with_own_deck

    review = env.settings.review
    course = with_own_deck(env.reader.course, env.paths.own_decks_dir)
    known = {course.id, *(deck.id for deck in course.decks)}
    for setting, names in (("retention", review.retention), ("exams", review.exams)):
        if unknown := sorted(names.keys() - known):
            what = f"review.{setting} names {', '.join(map(clean, unknown))}"
            say(f"note: {what}: no deck of this course, nor the course itself ({course.id})")


def _own_deck(env: Environment) -> list[str]:
    """The first mistake of the learner's own deck, if it has one."""
    from studykit.course.own import require_own_deck

    try:
        require_own_deck(env.reader.course, env.paths.own_decks_dir)
    except StudykitError as error:
        return [str(error)]
    return []


def _models(env: Environment) -> list[str]:
    """Say which of the course's models are there; a model that is not is no problem."""
    from studykit.course.models import load_models
    from studykit.lab.shelf import install_command, is_intact, state_of

    try:
        models = load_models(env.root).values()
    except StudykitError:
        return []  # the course's own problem, named already
    if not models:
        return []
    states = {model.name: state_of(model) for model in models}
    say(f"models     {', '.join(f'{name} {state}' for name, state in states.items())}")
    missing = [model for model in models if states[model.name] == "not installed"]
    if missing:
        say(f"note: labs without their model show what is recorded: {install_command(missing)}")
    damaged = [model for model in models if model not in missing and not is_intact(model)]
    return [
        f"model {model.name}: its files are not those that were measured"
        f" ({install_command([model])})"
        for model in damaged
    ]
