"""What is installed: the engine with its course, from a wheel or from the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
COURSE_FOLDERS = ("decks", "labs", "data")


def build(kind: str, folder: Path) -> zipfile.ZipFile:
    """The wheel that an installer would get, built without network or isolation."""
    program = f"import sys; from hatchling.build import build_{kind} as b; print(b(sys.argv[1]))"
    finished = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return zipfile.ZipFile(folder / finished.stdout.split()[-1])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The built wheel."""
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_engine(wheel: zipfile.ZipFile) -> None:
    """Modules, styles of the screens, migrations and the marker of types."""
    here = {
        f"studykit/{path.relative_to(REPOSITORY / 'studykit').as_posix()}"
        for path in (REPOSITORY / "studykit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = {name for name in wheel.namelist() if name.startswith("studykit/")}
    assert {name for name in names if "/_course/" not in name} == here


def test_the_wheel_holds_the_course(wheel: zipfile.ZipFile) -> None:
    """Every deck, lab and recorded result, where `bundled_course_root` looks for them."""
    here = {
        f"studykit/_course/{path.relative_to(REPOSITORY).as_posix()}"
        for folder in COURSE_FOLDERS
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel.namelist() if "/_course/" in name} == here
    for folder in COURSE_FOLDERS:
        assert any(name.startswith(f"studykit/_course/{folder}/") for name in here), folder


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    """No tests, no byte code, no learner's state."""
    for name in wheel.namelist():
        assert name.startswith(("studykit/", "studykit-")), name
        assert not name.endswith((".pyc", ".sqlite3")), name
        assert "__pycache__" not in name


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    """`studykit` on the path is the command line's `main`."""
    entry = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "studykit = studykit.entry:main" in wheel.read(entry).decode()


def test_the_installed_program_finds_its_own_course(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Unpacked anywhere and started from anywhere, with no checkout in sight."""
    wheel.extractall(tmp_path / "site")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); "
        "from studykit.settings import bundled_course_root; print(bundled_course_root())"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    root = Path(finished.stdout.strip())
    assert root == (tmp_path / "site" / "studykit" / "_course").resolve()
    assert (root / "decks" / "course.yaml").is_file()


def test_an_editable_install_copies_nothing(tmp_path: Path) -> None:
    """It is one line that points at the checkout, so an edited deck is seen at once."""
    editable = build("editable", tmp_path)
    files = [name for name in editable.namelist() if ".dist-info/" not in name]
    assert files == ["_studykit.pth"]
    assert editable.read("_studykit.pth").decode().strip() == str(REPOSITORY)
