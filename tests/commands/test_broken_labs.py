"""`studykit lab run` of labs that raise, hang, diverge, lack something or are cancelled."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.commands.dice_course import LAB, edit, lab_file
from tests.commands.runner import PROGRAM, REPOSITORY, Run, wait_for


def test_a_lab_that_raises_is_an_outcome(run: Run, course: Path) -> None:
    """One line says what, the exit code is 1, and no traceback is printed."""
    edit(
        lab_file(course), "    rng = random", "    raise RuntimeError('no dice')\n    rng = random"
    )
    outcome = run("lab", "run", LAB, "--trust")
    assert outcome.code == 1
    assert "no dice" in outcome.out
    assert "Traceback" not in outcome.out + outcome.err
    assert outcome.out.rstrip().endswith("no dice")  # no list of claims buries it
    document = run("lab", "run", LAB, "--trust", "--json").document
    assert document["status"] == "failed"
    assert "Traceback" in document["trace"]


def test_a_failed_run_is_not_recorded(run: Run, course: Path) -> None:
    """The course keeps the result that it has."""
    edit(
        lab_file(course), "    rng = random", "    raise RuntimeError('no dice')\n    rng = random"
    )
    before = (course / "data" / "results" / f"{LAB}.json").read_text()
    assert run("lab", "run", LAB, "--trust", "--record").code == 1
    assert (course / "data" / "results" / f"{LAB}.json").read_text() == before


def test_a_lab_that_takes_too_long_is_stopped(run: Run, course: Path, home: Path) -> None:
    """The limit is a setting."""
    home.mkdir()
    (home / "settings.toml").write_text("[lab]\ntime_limit_seconds = 1\n", encoding="utf-8")
    edit(lab_file(course), "    rng = random", "    while True: pass\n    rng = random")
    outcome = run("lab", "run", LAB, "--trust")
    assert outcome.code == 1
    assert "timed out" in outcome.out


def test_a_lab_that_lacks_what_it_needs_shows_the_recorded_result(run: Run, course: Path) -> None:
    """Skipped is no failure; the reason stands above the numbers of another machine."""
    edit(lab_file(course), "SEEDS = 2", 'SEEDS = 2\nNEEDS = ("no_such_package",)')
    outcome = run("lab", "run", LAB, "--trust")
    assert outcome.code == 0
    assert "no_such_package" in outcome.out
    assert "·  ·" not in outcome.out and "· \n" not in outcome.out
    assert "recorded of" in outcome.out
    assert "✓ rare    confirmed" in outcome.out
    verified = run("verify", "--trust")
    assert verified.code == 0
    assert "skipped" in verified.out


def test_values_that_json_lacks_are_still_json(run: Run, course: Path) -> None:
    """Divergence is an outcome: NaN is flagged, and shown."""
    edit(lab_file(course), "hits / n_rolls)", "float('nan'))")
    document = run("lab", "run", LAB, "--trust", "--json").document
    assert document["seeds"][0]["measurements"]["share"]["value"] == {"$float": "nan"}
    assert "diverged" in run("lab", "run", LAB, "--trust").out


def test_ctrl_c_ends_a_run_and_its_process(course: Path, home: Path, tmp_path: Path) -> None:
    """Exit code 130, no traceback, and what was measured is kept."""
    started = tmp_path / "started"
    edit(
        lab_file(course),
        "    rng = random",
        "    import os, pathlib, time\n    yield Measurement('first', 1.0)\n"
        f"    pathlib.Path({str(started)!r}).write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n    rng = random",
    )
    process = subprocess.Popen(
        [*PROGRAM, "--course", str(course), "lab", "run", LAB, "--trust"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: started.exists() and started.read_text() != "")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "cancelled" in out
    assert err == ""
    child = int(started.read_text())
    wait_for(lambda: not Path("/proc", str(child)).exists())
