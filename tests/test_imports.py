"""What is loaded when: the rules that keep start-up fast and the parts apart.

The linter reads the static graph; a fresh interpreter proves that a deferred import is deferred.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
HEAVY = {"textual", "torch", "numpy", "sqlmodel", "sqlalchemy", "alembic", "pydantic", "asyncio"}


def modules_after(program: str, home: Path, *options: str) -> set[str]:
    """Names of all modules that a fresh interpreter has loaded after `program`."""
    finished = subprocess.run(
        [
            sys.executable,
            *options,
            "-c",
            f"import json, sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n{program}\n"
            "print('\\n' + json.dumps(sorted(sys.modules)))",
        ],
        env={**os.environ, "STUDYKIT_HOME": str(home), "TERM": "dumb"},
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    names: list[str] = json.loads(finished.stdout.splitlines()[-1])
    return set(names)


def modules_after_command(arguments: list[str], home: Path) -> set[str]:
    """The same after a command line that ends well."""
    return modules_after(f"from studykit.cli import main\nassert main({arguments!r}) == 0", home)


def packages(modules: set[str]) -> set[str]:
    """Top-level packages of `modules`."""
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["lab", "run", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    """Neither the screens nor the database nor the scheduler nor the deck reader."""
    loaded = packages(modules_after_command(arguments, tmp_path))
    assert loaded & (HEAVY | {"fsrs", "yaml"}) == set()


def test_listing_labs_loads_no_lab(tmp_path: Path) -> None:
    """A header is read as data: no torch, and no file of the course is imported."""
    modules = modules_after_command(["lab", "list"], tmp_path)
    assert packages(modules) & (HEAVY | {"fsrs", "labs"}) == set()


def test_check_executes_nothing_of_the_course(tmp_path: Path) -> None:
    """A course of somebody else can be checked before it is trusted."""
    program = "from studykit.cli import main\nassert main(['check']) in (0, 1)"
    modules = modules_after(program, tmp_path)
    assert packages(modules) & (HEAVY - {"asyncio"} | {"labs"}) == set()


def test_due_before_the_first_sitting_loads_no_database(tmp_path: Path) -> None:
    """There is nothing to read, and nothing is created."""
    modules = modules_after_command(["due"], tmp_path)
    assert packages(modules) & (HEAVY - {"asyncio"} | {"labs"}) == set()
    assert list(tmp_path.iterdir()) == []


def test_due_loads_neither_screens_nor_torch_nor_migrations(tmp_path: Path) -> None:
    """With progress to read it needs the database, and no more."""
    program = (
        "from pathlib import Path\n"
        "from studykit.progress.store import Store\n"
        f"home = Path({str(tmp_path)!r})\n"
        "Store.open(home / 'progress.sqlite3', backups_dir=home / 'backups').close()\n"
        "from studykit.cli import main\nassert main(['due']) == 0"
    )
    loaded = packages(modules_after(program, tmp_path))
    assert "sqlmodel" in loaded
    assert loaded & {"textual", "torch", "alembic", "labs"} == set()


def test_the_course_package_is_pure(tmp_path: Path) -> None:
    """What there is to learn needs no screen, no command line, no database, no scheduler."""
    program = "\n".join(
        f"import {name}" for name in ("studykit.course.decks", "studykit.course.labs")
    )
    forbidden = HEAVY - {"asyncio"} | {"typer", "rich", "fsrs", "labs"}
    assert packages(modules_after(program, tmp_path)) & forbidden == set()


def test_the_review_package_is_pure(tmp_path: Path) -> None:
    """One sitting needs the scheduler's package alone."""
    program = "import studykit.review.session, studykit.review.study_queue"
    forbidden = HEAVY - {"asyncio"} | {"typer", "rich", "yaml", "labs"}
    assert packages(modules_after(program, tmp_path)) & forbidden == set()


@pytest.mark.parametrize("module", ["studykit.lab.child", "studykit.lab.events"])
def test_a_labs_process_needs_the_standard_library_alone(module: str, tmp_path: Path) -> None:
    """So that a lab runs on a bare machine that has torch and nothing else of ours.

    -S hides site-packages, -I the environment and the user's folder.
    """
    modules = modules_after(f"import {module}", tmp_path, "-S", "-I")
    ours = {name for name in modules if name.startswith("studykit")}
    assert packages(modules) - sys.stdlib_module_names == {"studykit", "__main__"} - (
        sys.stdlib_module_names
    )
    assert {name for name in ours if not name.startswith("studykit.lab")} == {"studykit"}


def test_the_first_paint_needs_the_screens_and_the_course(tmp_path: Path) -> None:
    """The database, the scheduler and the plots load after it, torch never."""
    modules = modules_after("import studykit.tui.app, studykit.tui.screens.home", tmp_path)
    forbidden = {"torch", "sqlmodel", "sqlalchemy", "alembic", "textual_plot", "fsrs", "labs"}
    assert packages(modules) & forbidden == set()


def test_the_first_paint_of_a_cached_course_needs_no_cards(tmp_path: Path) -> None:
    """Their classes take a fifth of what the screens take to load."""
    root, home = f"Path({str(REPOSITORY)!r})", f"Path({str(tmp_path)!r})"
    reader = (
        "from pathlib import Path\nfrom studykit.course.cache import CourseReader\n"
        f"reader = CourseReader({root}, {home})\n"
    )
    modules_after(f"{reader}reader.course", tmp_path)
    program = f"import studykit.tui.app, studykit.tui.screens.home\n{reader}reader.cover"
    course = {name for name in modules_after(program, tmp_path) if "studykit.course." in name}
    assert course == {f"studykit.course.{name}" for name in ("cache", "cover", "source")}


@pytest.mark.parametrize("arguments", [[], ["--course", str(REPOSITORY)]])
def test_the_way_to_the_screens_loads_no_command_line(arguments: list[str], tmp_path: Path) -> None:
    """Here it ends early, for want of a terminal; any other command line goes to the parser."""
    program = f"from studykit.entry import main\nassert main({arguments!r}) == 2"
    assert packages(modules_after(program, tmp_path)) & {"typer", "textual", "yaml"} == set()
    program = "from studykit.entry import main\nassert main(['--version']) == 0"
    assert "typer" in packages(modules_after(program, tmp_path))


def test_a_cached_course_needs_no_parser(tmp_path: Path) -> None:
    """Neither of decks nor of labs."""
    program = (
        "from pathlib import Path\n"
        "from studykit.course.cache import CourseReader\n"
        f"CourseReader(Path({str(REPOSITORY)!r}), Path({str(tmp_path)!r})).course"
    )
    parsers = {"yaml", "studykit.course.decks", "studykit.course.labs"}
    assert parsers < modules_after(program, tmp_path)
    assert parsers & modules_after(program, tmp_path) == set()


def test_the_contract_for_labs_forbids_all_of_the_engine_but_the_events() -> None:
    """A module added to the engine is added to the contract, too."""
    document = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = document["tool"]["importlinter"]["contracts"]
    (contract,) = [each for each in contracts if each.get("source_modules") == ["labs"]]
    modules = {
        f"studykit.{path.relative_to(REPOSITORY / 'studykit').with_suffix('').as_posix()}"
        for folder in ("studykit", "studykit/lab")
        for path in (REPOSITORY / folder).iterdir()
        if (path.is_dir() or path.suffix == ".py") and not path.name.startswith(("__", "_"))
    }
    names = {name.replace("/", ".") for name in modules} - {"studykit.lab", "studykit.lab.events"}
    assert set(contract["forbidden_modules"]) == names


def test_the_import_contracts_hold() -> None:
    """Who may import whom, as pyproject.toml has it."""
    program = Path(sys.executable).with_name("lint-imports")
    finished = subprocess.run(
        [program, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout
