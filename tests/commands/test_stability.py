"""``studykit lab stability``: fresh seeds, counted, kept and gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from studykit.commands.plain_card import evidence_lines
from studykit.course.decks import load_course
from studykit.lab.recorded import load_recorded
from studykit.lab.stability import load_samples, stability_path
from tests.commands.dice_course import LAB, edit, lab_file
from tests.commands.runner import AT, PROGRAM, Run, wait_for

SMALL = ["lab", "stability", LAB, "--trust", "--seeds", "3", "--patient-seeds", "2"]


def test_every_setting_that_a_card_uses_is_measured_at_both_budgets(run: Run, course: Path) -> None:
    outcome = run(*SMALL, "--json")
    document = outcome.document

    assert outcome.code == 0
    assert [each["knobs"]["sides"] for each in document["settings"]] == [20, 6]
    twenty, six = ([b["claims"] for b in each["budgets"]] for each in document["settings"])
    assert twenty[0]["rare"] == {"holds": 3, "fails": 0, "unknown": 0}
    assert twenty[1]["common"] == {"holds": 0, "fails": 2, "unknown": 0}
    assert six[0]["common"] == {"holds": 3, "fails": 0, "unknown": 0}
    assert [b["seeds"] for b in document["settings"][0]["budgets"]] == [[100, 101, 102], [100, 101]]
    measured = load_samples(course, LAB)
    assert len(measured) == 10
    assert {sample.seed for sample in measured} == {100, 101, 102}


def test_what_is_measured_is_not_measured_again(run: Run, course: Path) -> None:
    """More seeds are added to it; a lab that has changed is measured anew."""
    one_setting = [*SMALL, "--set", "sides=20"]
    first = run(*one_setting).out
    before = stability_path(course, LAB).read_bytes()
    assert run(*one_setting).out == first
    assert stability_path(course, LAB).read_bytes() == before

    run(*one_setting, "--seeds", "4")
    assert len(load_samples(course, LAB)) == 6
    edit(lab_file(course), "hits / n_rolls)", "hits / n_rolls / 2)")
    run(*one_setting, "--patient-seeds", "0")
    assert len(load_samples(course, LAB)) == 3


def test_a_claim_that_patience_turns_says_so(run: Run, course: Path) -> None:
    """Half the die's hits are not counted yet at the ordinary budget."""
    edit(lab_file(course), "hits / n_rolls)", "hits / n_rolls * (3 if budget < 2 else 1))")
    out = run(*SMALL, "--set", "sides=20").out

    lines = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert lines["rare"] == ["rare", "depends", "0", "3", "0", "2", "0", "0"]
    assert lines["near"] == ["near", "depends", "0", "3", "0", "2", "0", "0"]
    assert run(*SMALL, "--set", "sides=20", "--json").document["settings"][0][
        "depends_on_patience"
    ] == ["rare", "common", "near"]


def test_cards_on_such_a_claim_say_so(run: Run, course: Path) -> None:
    """Where the lab is shown, and to the author, unless the question says how long it trains."""
    edit(lab_file(course), "hits / n_rolls)", "hits / n_rolls * (3 if budget < 2 else 1))")
    run(*SMALL, "--set", "sides=20")

    how = "depends on patience: holds on 0 of 3 fresh seeds, with 4 times the steps on 2 of 2"
    shown = " ".join(run("lab", "show", LAB).out.split())
    assert f"! rare {how}" in shown
    assert run("lab", "show", LAB, "--json").document["patience"]["rare"] == how
    outcome = run("check")
    notes = [line for line in outcome.out.splitlines() if line.startswith("note: ")]
    assert outcome.code == 0
    assert len(notes) == 3  # both options of one card and the claim of another
    what = f": claim rare {how} (say in the question how long it trains)"
    assert sum(what in note for note in notes) == 1
    edit(course / "decks" / "1-dice.yaml", "rolls 4000 times", "rolls 4000 steps")
    assert len(run("check", "--json").document["notes"]) == 1

    edit(lab_file(course), "hits = 0", "hits = 0.0")
    (note,) = run("check", "--json").document["notes"]
    assert note.endswith(
        "rolls.stability.json:1:1: measured with an older version of the lab "
        f"(studykit lab stability {LAB})"
    )
    stability_path(course, LAB).write_text("{")
    assert run("check").code == 1


def test_a_review_line_by_line_says_so(course: Path) -> None:
    known = load_course(course)
    card, header = known.cards["dice-probability"], known.labs[LAB]
    (evidence,) = (run for run in load_recorded(course, LAB) if run.knobs == header.defaults)
    told = replace(evidence, patience={"near": "depends on patience: a note"})
    lines = [*evidence_lines(card, header, told, AT)]
    (at,) = (n for n, line in enumerate(lines) if line.endswith(header.claims["near"]))
    assert lines[at + 1] == "This depends on patience: a note."


def test_a_lab_without_a_budget_is_measured_at_the_ordinary_one(run: Run, course: Path) -> None:
    edit(lab_file(course), "device, budget)", "device)")
    edit(lab_file(course), "4000 * budget", "4000")
    (setting,) = run(*SMALL, "--set", "sides=20", "--json").document["settings"]
    assert [each["budget"] for each in setting["budgets"]] == [1]


def test_a_lab_that_fails_is_said(run: Run, course: Path) -> None:
    """What the other seeds measured stays."""
    edit(lab_file(course), "    hits = 0", "    hits = 0 / (101 - seed)")
    outcome = run(*SMALL, "--set", "sides=20")
    assert outcome.code == 1
    assert outcome.complaint == f"{LAB}, seed 101: failed: ZeroDivisionError: division by zero"
    assert [sample.seed for sample in load_samples(course, LAB)] == [100]


def test_ctrl_c_loses_no_seed_that_is_done(course: Path, home: Path) -> None:
    edit(
        lab_file(course),
        "    rng = random",
        "    import time\n    if seed == 102: time.sleep(60)\n    rng = random",
    )
    process = subprocess.Popen(
        [*PROGRAM, "--course", str(course), *SMALL], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for(lambda: len(load_samples(course, LAB)) == 2)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert b"Traceback" not in err
    assert [sample.seed for sample in load_samples(course, LAB)] == [100, 101]


@pytest.mark.parametrize("option", ["--seeds=0", "--patient-seeds=-1"])
def test_a_count_that_makes_no_sense_is_refused(option: str, run: Run) -> None:
    assert run("lab", "stability", LAB, "--trust", option).code == 2
