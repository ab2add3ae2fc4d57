"""``studykit doctor``: where everything lies, what is installed, what is wrong."""

from __future__ import annotations

import importlib.util
import platform
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from studykit import __version__
from studykit.commands.environment import Environment, environment
from studykit.commands.terminal import say
from studykit.errors import StudykitError
from studykit.text import plural

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
) -> None:
    """Show where everything lies and what is wrong.

    Paths, versions, settings, progress and course; exit code 1 if any of them is wrong.
    """
    env = environment(ctx)
    _say_machine()
    problems = [*_settings(env), *_progress(env, rebuild=rebuild), *_course(env)]
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
    return []


def _progress(env: Environment, *, rebuild: bool) -> list[str]:
    path = env.paths.database
    backups = sorted(env.paths.backups_dir.glob("*")) if env.paths.backups_dir.is_dir() else []
    say(f"backups    {env.paths.backups_dir}: {len(backups)}")
    if not path.exists():
        say(f"progress   {path}: not there yet")
        return []
    try:
        with closing(env.open_store()) as store:
            if rebuild:
                say(f"rebuilt    {store.rebuild()} memories that differed from the review log")
            problems = store.check()
            n_reviews = plural(len(store.reviews()), "review")
            say(f"progress   {path}: {n_reviews}, {path.stat().st_size} bytes")
    except StudykitError as error:
        say(f"progress   {path}: cannot be used")
        return [str(error)]
    return problems


def _course(env: Environment) -> list[str]:
    from studykit.study.check import check_course

    try:
        report = check_course(env.root)
    except StudykitError as error:
        return [str(error)]
    say(f"course     {env.root}: {plural(report.n_cards, 'card')}, {plural(report.n_labs, 'lab')}")
    return list(report.problems)
