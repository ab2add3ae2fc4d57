"""``studykit sweep``: many runs from the command line, here and on a local Ray."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from studykit.cli import main
from tests.commands.dice_course import LAB, edit, lab_file
from tests.commands.runner import PROGRAM, Run, wait_for

SWEEP = ["sweep", LAB, "--trust", "--seeds", "3", "--set", "sides=20,6"]


def sweep_file(home: Path) -> Path:
    return home / "sweeps" / "dice" / f"{LAB}.json"


def test_a_sweep_runs_every_value_and_draws_what_comes_out(run: Run, home: Path) -> None:
    outcome = run(*SWEEP)
    lines = outcome.out.splitlines()
    assert outcome.code == 0
    assert lines[1] == "3 seeds each · mean ± half its 95 % interval"
    (twenty,) = (line for line in lines if line.startswith("sides 20"))
    (six,) = (line for line in lines if line.startswith("sides 6"))
    assert twenty.index("●") < six.index("●")
    assert ["rare", "sides", "20:", "3", "of", "3;", "sides", "6:", "0", "of", "3"] in [
        line.split() for line in lines
    ]
    assert lines[-1] == f"kept in {sweep_file(home)}"
    runs = json.loads(sweep_file(home).read_text())["runs"]
    assert [(each["knobs"]["sides"], len(each["seeds"])) for each in runs] == [(20, 3), (6, 3)]


def test_what_is_measured_is_not_measured_again(run: Run, home: Path) -> None:
    run(*SWEEP)
    before = sweep_file(home).read_bytes()
    again = run(*SWEEP, "--json")
    assert again.complaint == "6 of 6 runs measured before"
    assert sweep_file(home).read_bytes() == before
    more = run(*SWEEP, "--set", "fair=true,false", "--seeds", "4", "--json")
    assert more.complaint == "6 of 16 runs measured before"
    assert len(more.document["settings"]) == 4


def test_a_lab_of_the_same_name_in_another_course_is_another(
    run: Run, course: Path, home: Path, tmp_path: Path
) -> None:
    run(*SWEEP)
    before = sweep_file(home).read_bytes()
    other = Path(shutil.copytree(course, tmp_path / "other"))
    edit(other / "decks" / "course.yaml", "course: dice", "course: cubes")
    edit(lab_file(other), "SEEDS = 2", "SEEDS = 2\nCOLOUR = 0")
    assert main(["--course", str(other), *SWEEP]) == 0
    assert sweep_file(home).read_bytes() == before
    assert run(*SWEEP, "--json").complaint == "6 of 6 runs measured before"


def test_the_document_has_estimates_and_counts(run: Run, home: Path) -> None:
    document = run(*SWEEP, "--set", "fair=false,true", "--json").document
    assert document["varied"] == ["sides", "fair"]
    assert document["file"] == str(sweep_file(home))
    unfair, fair = document["settings"][:2]
    assert (unfair["knobs"]["fair"], unfair["seeds"]) == (False, [0, 1, 2])
    assert unfair["measurements"]["share"] == {
        "mean": 0,
        "low": 0,
        "high": 0,
        "n": 3,
        "diverged": 0,
        "unit": "",
        "yardstick": False,
    }
    share = fair["measurements"]["share"]
    assert share["low"] < share["mean"] < share["high"]
    assert fair["claims"]["rare"] == {"holds": 3, "fails": 0, "unknown": 0}


def test_a_measurement_that_diverges_is_counted(run: Run, course: Path) -> None:
    edit(lab_file(course), "hits / n_rolls)", "hits / n_rolls if seed else float('nan'))")
    outcome = run(*SWEEP)
    assert "1 of 3 diverged" in outcome.out
    point = run(*SWEEP, "--json").document["settings"][0]["measurements"]["share"]
    assert (point["n"], point["diverged"]) == (2, 1)


def test_a_setting_that_fails_is_told_and_the_others_are_measured(run: Run, course: Path) -> None:
    edit(lab_file(course), "    hits = 0", "    assert sides == 6\n    hits = 0")
    outcome = run(*SWEEP)
    assert outcome.code == 1
    assert outcome.complaint == "sides 20: failed: AssertionError (on 3 of 3 seeds)"
    assert "sides 6" in outcome.out


def test_a_misspelt_measurement_is_said_before_anything_runs(run: Run, home: Path) -> None:
    """By what the lab has recorded."""
    outcome = run(*SWEEP, "--measure", "shape")
    assert (outcome.code, outcome.complaint) == (
        2,
        "the lab measures no 'shape' (it measures share, probability)",
    )
    assert not sweep_file(home).exists()


def test_without_anything_recorded_the_first_run_tells_what_is_measured(
    run: Run, course: Path, home: Path
) -> None:
    edit(lab_file(course), "SEEDS = 2", "SEEDS = 2\nCOLOUR = 0")  # other code than was recorded
    sweep = [*SWEEP, "--jobs", "1", "--measure", "shape"]

    first = run(*sweep)
    second = run(*sweep)

    assert first.code == second.code == 2
    for outcome in (first, second):
        assert outcome.complaint.startswith("the lab measures no 'shape' (it measures ")
    (measured,) = json.loads(sweep_file(home).read_text())["runs"]
    assert len(measured["seeds"]) == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--set", "side=3"], "dice/rolls has no knob 'side' (its knobs: sides, weight, fair)"),
        (["--set", "sides=3,x"], "sides cannot be 'x' (it may be a whole number above 0)"),
        (["--set", "sides"], "--set sides has no value (write --set KNOB=VALUE)"),
        (
            ["--seeds", "1000", "--set", "sides=1,2,3,4,5,6,7,8,9,10,11"],
            "a sweep of 11,000 runs (at most 10,000: fewer values or fewer seeds)",
        ),
        (["--model", "x"], "dice/rolls takes no model (leave out --model)"),
    ],
)
def test_what_cannot_be_swept_is_said(options: list[str], complaint: str, run: Run) -> None:
    outcome = run("sweep", LAB, "--trust", *options)
    assert (outcome.code, outcome.complaint) == (2, complaint)


def test_a_deterministic_lab_has_one_seed(run: Run, course: Path) -> None:
    edit(lab_file(course), "SEEDS = 2", "SEEDS = 1\nDETERMINISTIC = True")
    assert run(*SWEEP).complaint == "dice/rolls is deterministic (one seed is all there is)"
    assert run("sweep", LAB, "--trust", "--set", "sides=20,6").code == 0


def test_a_text_is_one_value_with_its_commas(run: Run, course: Path) -> None:
    edit(
        lab_file(course),
        'KNOBS = {"sides"',
        'TEXT_KNOBS = ("word",)\nKNOBS = {"word": ("a",), "sides"',
    )
    edit(lab_file(course), "def run(*, sides", "def run(*, word, sides")
    document = run(
        "sweep", LAB, "--trust", "--set", "word=a, b", "--set", "word=c", "--json"
    ).document
    assert [each["knobs"]["word"] for each in document["settings"]] == ["a, b", "c"]


def test_a_damaged_file_of_sweeps_is_named(run: Run, home: Path) -> None:
    sweep_file(home).parent.mkdir(parents=True)
    sweep_file(home).write_text("{")
    outcome = run(*SWEEP)
    assert outcome.code == 1
    assert "move it elsewhere: a new one is begun" in outcome.complaint


def test_ctrl_c_loses_no_seed_that_is_done(course: Path, home: Path) -> None:
    wait = "    import time\n    if seed == 2: time.sleep(60)\n    hits = 0"
    edit(lab_file(course), "    hits = 0", wait)
    process = subprocess.Popen(
        [*PROGRAM, "--course", str(course), *SWEEP, "--jobs=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def n_kept() -> int:
        if not sweep_file(home).exists():
            return 0
        return sum(len(run["seeds"]) for run in json.loads(sweep_file(home).read_text())["runs"])

    wait_for(lambda: n_kept() == 4)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"4 of 6 runs" in out
    assert b"stopped: what was measured is kept" in err
    assert b"Traceback" not in err
    assert n_kept() == 4


# --- Ray ---

has_ray = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not has_ray, reason="needs Ray")


@pytest.mark.skipif(has_ray, reason="Ray is there")
def test_without_ray_it_says_how_to_have_it(run: Run) -> None:
    outcome = run(*SWEEP, "--ray", "auto")
    assert outcome.code == 1
    what = "Ray is not installed (pip install 'studykit[ray]', or leave out --ray)"
    assert outcome.complaint == what


def test_what_times_something_is_not_given_to_ray(run: Run, course: Path) -> None:
    edit(lab_file(course), "SEEDS = 2", "SEEDS = 2\nALONE = True")
    outcome = run(*SWEEP, "--ray", "auto")
    assert outcome.code == 2
    assert outcome.complaint == f"{LAB} times something and must run alone (leave out --ray)"


def on_ray(course: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, "--course", str(course), *SWEEP, "--ray", "local", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


@needs_ray
def test_a_local_ray_measures_the_same(run: Run, course: Path, home: Path, tmp_path: Path) -> None:
    """A process of Ray that is lost on the way is Ray's to replace; then nothing is left to do."""
    flag = tmp_path / "flag"
    lose = f"""
    import os, signal
    if seed == 1 and sides == 6 and not os.path.exists({str(flag)!r}):
        open({str(flag)!r}, "w").close()
        child = os.getppid()
        with open(f"/proc/{{child}}/stat") as file:
            worker = int(file.read().rpartition(")")[2].split()[1])
        os.kill(worker, signal.SIGKILL)
"""
    local = {
        each["knobs"]["sides"]: each["measurements"]
        for each in run(*SWEEP, "--json").document["settings"]
    }
    edit(lab_file(course), "    hits = 0", lose + "    hits = 0")
    done = on_ray(course, "--json", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert flag.exists()
    document = json.loads(done.stdout)
    assert document["problems"] == []
    for setting in document["settings"]:
        assert setting["seeds"] == [0, 1, 2]
        assert setting["measurements"] == local[setting["knobs"]["sides"]]
    again = on_ray(course, "--json")
    assert "6 of 6 runs measured before" in again.stderr


@needs_ray
def test_a_cluster_that_is_not_there_is_one_line(course: Path) -> None:
    command = [*PROGRAM, "--course", str(course), *SWEEP, "--ray", "127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("studykit: no Ray cluster at 127.0.0.1:1: ")
