"""`studykit lab list`, `show` and `run`: what is shown, set, kept and recorded."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.dice_course import LAB, edit, lab_file, open_store
from tests.commands.runner import Run


def test_labs_are_listed(run: Run) -> None:
    """With the question that each answers."""
    assert "How often does a die show its highest side?" in run("lab", "list").out
    assert [lab["lab"] for lab in run("lab", "list", "--json").document["labs"]] == [LAB]


@pytest.mark.parametrize("width", [60, 80])
def test_the_list_fits_the_terminal(
    run: Run, course: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """A long question goes on below itself, and no word of it is lost."""
    question = (
        "Does a die with many sides show its highest side less often than one with few sides?"
    )
    edit(lab_file(course), "How often does a die show its highest side?", question)
    monkeypatch.setenv("COLUMNS", str(width))
    lines = run("lab", "list").out.splitlines()
    start = lines[0].index("question")
    assert max(map(len, lines)) <= width
    assert lines[1].split()[0] == LAB
    told = " ".join(line[start : lines[0].index("needs")] for line in lines[1:])
    assert told.split() == question.split()
    assert "cpu" in lines[1]


def test_a_lab_shows_its_recorded_result_until_it_was_run(run: Run) -> None:
    """Labelled as such; afterwards the learner's own."""
    shown = run("lab", "show", LAB).out
    assert "recorded of" in shown
    assert "test      near: |share / probability − 1| < 0.25" in shown
    assert run("lab", "show", LAB, "--json").document["result"]["recorded"] is True
    run("lab", "run", LAB, "--trust")
    assert "own run of 2026-11-23 09:00, done" in run("lab", "show", LAB).out
    assert run("lab", "show", LAB, "--json").document["result"]["recorded"] is False


def test_a_lab_without_any_result_shows_its_claims(run: Run, course: Path) -> None:
    """A claim that nothing has measured has no verdict."""
    shutil.rmtree(course / "data")
    outcome = run("lab", "show", LAB)
    assert "never run with default knobs" in outcome.out
    assert "confirmed" not in outcome.out
    assert run("lab", "show", LAB, "--json").document["result"] is None


def test_a_run_prints_verdicts_and_measurements(run: Run) -> None:
    """Mark, claim, verdict and text; numbers of each seed beside the yardstick."""
    outcome = run("lab", "run", LAB, "--trust")
    assert outcome.code == 0
    assert "sides=20 weight=1.0 fair=True · seeds 0 1 · cpu" in outcome.out
    assert "✓ rare    confirmed  The highest side shows in fewer than one" in outcome.out
    assert "✗ common  refuted    The highest side shows in at least one" in outcome.out
    rows = {line.split()[0]: line.split()[1:] for line in outcome.out.splitlines() if line.split()}
    assert rows["probability"] == ["(yardstick)", "0.05", "0.05"]
    assert len(rows["share"]) == 2
    assert outcome.err == ""


def test_a_run_tells_the_labs_differences_and_their_interval(run: Run, course: Path) -> None:
    """Of a measurement that is one model less another, also in a lab without parts."""
    edit(lab_file(course), "SEEDS = 2\n", 'SEEDS = 2\nDIFFERENCES = ("share",)\n')
    told = run("lab", "run", LAB, "--trust").out
    assert "one model less another\nshare  +" in told
    assert "95 % interval" in told and "separable with 2 seeds" in told


def test_what_a_lab_prints_stands_at_the_end(run: Run, course: Path) -> None:
    edit(lab_file(course), "    hits = 0\n", "    hits = 0\n    print('at first', seed)\n")
    told = run("lab", "run", LAB, "--trust").out
    assert told.endswith("\nprinted by seed 0:\nat first 0\n\nprinted by seed 1:\nat first 1\n")


@pytest.mark.parametrize(
    ("settings", "knobs"),
    [
        ([], {"sides": 20, "weight": 1.0, "fair": True}),
        (["sides=6"], {"sides": 6, "weight": 1.0, "fair": True}),
        (["weight=5e-1", "fair=false"], {"sides": 20, "weight": 0.5, "fair": False}),
        (["sides=6", "sides=20"], {"sides": 20, "weight": 1.0, "fair": True}),
    ],
)
def test_knobs_are_set_as_their_own_types(
    settings: list[str], knobs: dict[str, object], run: Run
) -> None:
    """Numbers by value, true and false by word; the last setting of a knob counts."""
    options = [word for setting in settings for word in ("--set", setting)]
    document = run("lab", "run", LAB, "--trust", "--json", *options).document
    assert document["knobs"] == knobs
    assert all(type(document["knobs"][name]) is type(value) for name, value in knobs.items())


def test_the_number_of_seeds_can_be_chosen(run: Run) -> None:
    """They are counted from 0, so that a run can be repeated."""
    document = run("lab", "run", LAB, "--trust", "--json", "--seeds", "3").document
    assert [seed["seed"] for seed in document["seeds"]] == [0, 1, 2]


def test_a_budget_and_the_first_seed_can_be_chosen(run: Run, home: Path) -> None:
    """The run is kept, and is no evidence: the lab is shown with its recorded run as before."""
    options = ["--trust", "--json", "--budget", "4", "--first-seed", "100"]
    document = run("lab", "run", LAB, *options).document
    assert document["budget"] == 4
    (curve,) = document["seeds"][0]["events"]
    assert curve["xs"][-1] == 16000
    assert [seed["seed"] for seed in document["seeds"]] == [100, 101]
    with closing(open_store(home)) as store:
        assert [stored.result.budget for stored in store.runs(LAB)] == [4]
    assert run("lab", "show", LAB, "--json").document["result"]["recorded"]
    assert "· budget 4 · seeds 100 101 ·" in run("lab", "run", LAB, *options[:1], *options[2:]).out


def test_a_quick_look_takes_one_seed(run: Run) -> None:
    document = run("lab", "run", LAB, "--trust", "--json", "--budget", "0.25").document
    assert [seed["seed"] for seed in document["seeds"]] == [0]


def test_a_lab_that_trains_nothing_takes_no_budget(run: Run, course: Path) -> None:
    edit(lab_file(course), "device, budget)", "device)")
    outcome = run("lab", "run", LAB, "--trust", "--budget", "4")
    assert outcome.code == 2
    assert outcome.complaint == f"{LAB} takes no budget (it trains nothing: no --budget)"


@pytest.mark.parametrize("budget", ["0", "-1", "nan", "inf", "1e9", "much"])
def test_a_budget_that_is_no_sensible_number_is_refused(budget: str, run: Run) -> None:
    outcome = run("lab", "run", LAB, "--trust", "--budget", budget)
    assert (outcome.code, outcome.out) == (2, "")
    assert "budget" in outcome.complaint


@pytest.mark.parametrize("option", [("--budget", "4"), ("--seeds", "3"), ("--first-seed", "7")])
def test_only_the_ordinary_run_is_recorded(option: tuple[str, str], run: Run) -> None:
    outcome = run("lab", "run", LAB, "--trust", "--record", *option)
    assert outcome.code == 2
    assert "only a run with the lab's own seeds and budget is recorded" in outcome.complaint


def test_own_runs_are_kept_with_the_progress(run: Run, home: Path, course: Path) -> None:
    """A card shows them as evidence; the course's own files stay as they are."""
    before = (course / "data" / "results" / f"{LAB}.json").read_text()
    run("lab", "run", LAB, "--trust", "--set", "sides=6")
    with closing(open_store(home)) as store:
        (stored,) = store.runs(LAB)
    assert stored.result.knobs["sides"] == 6
    assert (course / "data" / "results" / f"{LAB}.json").read_text() == before


def test_an_author_records_into_the_course(run: Run, home: Path, course: Path) -> None:
    """And the author's own progress stays as it is."""
    shutil.rmtree(course / "data")
    assert run("lab", "run", LAB, "--trust", "--record").code == 0
    (recorded,) = json.loads((course / "data" / "results" / f"{LAB}.json").read_text())["runs"]
    assert recorded["recorded"] is True
    assert not (home / "progress.sqlite3").exists()


def test_a_run_that_cannot_be_kept_is_shown(run: Run, home: Path) -> None:
    """Its numbers on stdout, the reason on stderr, exit code 1."""
    home.mkdir()
    (home / "progress.sqlite3").write_bytes(b"not a database, not at all" * 400)
    outcome = run("lab", "run", LAB, "--trust")
    assert outcome.code == 1
    assert "✓ rare    confirmed" in outcome.out
    assert "progress.sqlite3" in outcome.complaint


def test_a_run_names_the_walks_that_the_screens_show(run: Run, course: Path) -> None:
    """Once, however many seeds have it."""
    edit(lab_file(course), "import Curve, ", "import Curve, Step, Walk, ")
    edit(
        lab_file(course),
        '    yield Measurement("share"',
        '    steps = [Step((0, 0), "It rolls.", [[n]]) for n in range(3)]\n'
        '    yield Walk("Three rolls", ["die"], ["table"], ["rolls"], steps)\n'
        '    yield Measurement("share"',
    )
    out = run("lab", "run", LAB, "--trust").out
    assert out.count("Three rolls: 3 steps to go through on the lab's screen") == 1


def test_an_own_version_is_edited_run_and_set_beside_the_original(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original stays as it is, and so does what is recorded of it."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "sed -i s/rng.random()/0.01/")
    edited = run("lab", "edit", LAB)
    assert edited.out.endswith(f"{LAB}.py\nstudykit lab run mine/{LAB} runs it\n")
    told = run("lab", "run", f"mine/{LAB}", "--trust").out
    assert f"mine/{LAB}: How often does a die show its highest side?" in told
    assert f"beside the recorded run of {LAB}" in told
    shares = next(
        line.split() for line in told.splitlines() if line.startswith("share ") and "≠" in line
    )
    assert float(shares[-3]) == 1
    assert "✗ rare  refuted, the original confirmed" in told
    run("lab", "run", LAB)
    assert f"beside your latest run of {LAB}" in run("lab", "run", f"mine/{LAB}").out
    assert f"\nmine/{LAB}  " in run("lab", "list").out
    assert f"mine/{LAB}" in run("lab", "show", f"mine/{LAB}").out
    assert "recorded of" not in run("lab", "show", f"mine/{LAB}").out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["lab", "run", f"mine/{LAB}"], f"studykit lab edit {LAB} makes one"),
        (["lab", "edit", "dice/trow"], "did you mean"),
        (["lab", "stability", f"mine/{LAB}"], "name a lab of the course"),
        (["lab", "run", "mine/none/such"], "there is no lab"),
    ],
)
def test_what_cannot_be_done_with_an_own_version_is_told(
    run: Run, arguments: list[str], complaint: str
) -> None:
    outcome = run(*arguments)
    assert outcome.code == 2
    assert complaint in outcome.complaint


def test_an_own_version_is_never_recorded(
    run: Run, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "true")
    run("lab", "edit", LAB)
    outcome = run("lab", "run", f"mine/{LAB}", "--record", "--trust")
    assert (outcome.code, outcome.complaint.split(":")[0]) == (
        2,
        f"an own version is not recorded (record {LAB})",
    )
    assert not (course / "data" / "results" / "mine").exists()
