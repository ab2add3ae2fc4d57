"""`studykit verify`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from studykit.lab.recorded import load_recorded
from tests.commands.dice_course import LAB, edit, lab_file
from tests.commands.runner import PROGRAM, Run, wait_for


def test_verify_compares_every_setting_that_a_card_uses(run: Run) -> None:
    """The defaults and each card's knobs, the verdicts, the answers of predict cards."""
    outcome = run("verify", "--trust")
    assert outcome.code == 0
    assert "✓ dice/rolls  done on cpu" in outcome.out
    assert "✓ dice/rolls  sides 6  done on cpu" in outcome.out
    assert "→ dice-highest: Rarer than once in ten" in outcome.out
    assert outcome.out.splitlines()[-1].startswith("2 runs in ")


def test_every_claim_stands_in_a_table(run: Run, course: Path) -> None:
    """Here, recorded, and whether they agree; what was never recorded says so."""
    text = lab_file(course).read_text(encoding="utf-8")
    lab_file(course).with_name("other.py").write_text(text, encoding="utf-8")
    lines = [" ".join(line.split()) for line in run("verify", "--trust").out.splitlines()]
    table = lines[lines.index("lab and claims here recorded") :]
    six, other = table.index("dice/rolls sides 6"), table.index("dice/other")
    assert table[six + 1] == "rare ✗ refuted refuted agrees"
    assert table[six + 2] == "common ✓ confirmed confirmed agrees"
    assert table[other + 1] == "rare ✓ confirmed – not recorded"


def test_verify_of_one_lab(run: Run, course: Path) -> None:
    other = lab_file(course).with_name("coins.py")
    other.write_text(lab_file(course).read_text())
    assert len(run("verify", "--trust", "--json").document["runs"]) == 3
    document = run("verify", "dice/coins", "--trust", "--json").document
    assert [one["lab"] for one in document["runs"]] == ["dice/coins"]
    outcome = run("verify", "dice/roll")
    assert outcome.code == 2
    assert outcome.complaint == "there is no lab 'dice/roll' (did you mean dice/rolls?)"


def noting_lab(course: Path, log: Path, seconds: float) -> None:
    """The lab notes in `log` when a run of it begins and ends, so much later."""
    noted = f"""
    import time
    with open({str(log)!r}, "a") as file:
        file.write("(")
    time.sleep({seconds})
    with open({str(log)!r}, "a") as file:
        file.write(")")
"""
    edit(lab_file(course), "    hits = 0", noted + "    hits = 0")
    edit(lab_file(course), "SEEDS = 2", "SEEDS = 1")


def test_labs_run_side_by_side(run: Run, course: Path, tmp_path: Path) -> None:
    """As many as are asked for; a lab that times something has the machine to itself."""
    log = tmp_path / "log"
    noting_lab(course, log, 0.5)
    run("verify", "--trust", "--jobs", "2")
    assert log.read_text() == "(())"
    log.unlink()
    run("verify", "--trust", "--jobs", "1")
    assert log.read_text() == "()()"
    log.unlink()
    edit(lab_file(course), "SEEDS = 1", "SEEDS = 1\nALONE = True")
    run("verify", "--trust", "--jobs", "2")
    assert log.read_text() == "()()"


def test_a_verify_that_was_stopped_goes_on(
    run: Run, course: Path, home: Path, tmp_path: Path
) -> None:
    """What it has run is not run again, unless that is wanted or the labs have changed."""
    log, flag = tmp_path / "log", tmp_path / "flag"
    noting_lab(course, log, 0)
    wait = f"    import os\n    while sides == 6 and not os.path.exists({str(flag)!r}): pass\n"
    edit(lab_file(course), "    hits = 0", wait + "    hits = 0")
    asked = ["verify", "--trust", "--jobs=1"]
    process = subprocess.Popen(
        [*PROGRAM, "--course", str(course), *asked], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for(lambda: log.exists() and log.read_text() == "()()")
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"stopped: 1 run of 2 kept, and the same command goes on" in err
    assert b"Traceback" not in err

    flag.touch()
    outcome = run(*asked)
    assert log.read_text() == "()()()"
    assert "going on with what was stopped: 1 of 2 runs is there" in outcome.err
    assert outcome.out.splitlines()[-1].startswith("2 runs in ")
    assert [one["kept"] for one in run(*asked, "--json").document["runs"]] == [False, False]
    assert log.read_text() == "()()()()()"
    assert not [*(home / "unfinished").iterdir()]


def test_where_nothing_can_be_kept_it_verifies_all_the_same(run: Run, home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "unfinished").write_text("")  # where a folder is wanted
    outcome = run("verify", "--trust")
    assert outcome.code == 0
    assert outcome.err.count("if this is stopped, it cannot go on later") == 1
    assert outcome.out.splitlines()[-1].startswith("2 runs in ")


@pytest.mark.parametrize("what", ["nothing", "--afresh", "a helper", "the decks"])
def test_it_goes_on_only_where_the_same_was_asked_of_the_same_labs(
    what: str, run: Run, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_after_one(_: object, jobs: Any, __: str, take: Any, **___: int) -> None:
        take(jobs[0], load_recorded(course, LAB)[-1])

    with monkeypatch.context() as patch:
        patch.setattr("studykit.commands.verify.run_crew", stop_after_one)
        assert run("verify", "--trust").code == 130
    if what == "a helper":
        (course / "labs" / "dice" / "helper.py").write_text("N = 1\n")
    if what == "the decks":
        edit(course / "decks" / "1-dice.yaml", "knobs: {sides: 6}", "knobs: {fair: false}")
    outcome = run("verify", "--trust", *([what] if what == "--afresh" else []))
    assert ("going on" in outcome.err) == (what == "nothing")
    assert outcome.out.splitlines()[-1].startswith("2 runs in ")


def test_verify_says_which_verdict_differs(run: Run, course: Path) -> None:
    """Here the world changed: the claim's own measurement comes out otherwise."""
    edit(lab_file(course), "(weight if fair else 0.0) / sides", "(4 if fair else 0.0) / sides")
    outcome = run("verify", "--trust")
    assert outcome.code == 1
    assert "rare is refuted here, recorded as confirmed (cpu, " in outcome.out
    assert "by an earlier version of the lab)" in outcome.out
    assert outcome.out.splitlines()[-1].endswith("problems")


def test_a_new_test_of_a_claim_judges_the_recorded_run_too(run: Run, course: Path) -> None:
    """Only what is measured may differ, not what was thought of it when it was recorded."""
    edit(lab_file(course), '"share < 0.1"', '"share < 0.001"')
    outcome = run("verify", "--trust")
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert "rare ✗ refuted refuted agrees" in lines
    assert "recorded as" not in outcome.out


@pytest.mark.parametrize(
    ("rare", "common", "n_right"), [("share < 1", "share > 0", 2), ("share < 0", "share > 1", 0)]
)
def test_verify_wants_one_right_option_of_a_predict_card(
    rare: str, common: str, n_right: int, run: Run, course: Path
) -> None:
    """Also where no recorded run tells."""
    shutil.rmtree(course / "data")
    edit(lab_file(course), '"share < 0.1"', f'"{rare}"')
    edit(lab_file(course), '"share >= 0.1"', f'"{common}"')
    outcome = run("verify", "--trust", "--json")
    assert outcome.code == 1
    where = f"{LAB} sides=20 weight=1.0 fair=True"
    expected = f"{where}: dice-highest has {n_right} right options, it needs one"
    assert expected in outcome.document["problems"]


EXERCISE = """\
      - id: dice-sides
        kind: exercise
        points: [1.1.1]
        question: Rank these dice.
        exercise: {form: rank, table: Dice, item: die, value: sides, draw: 3}
        lab: dice/rolls
        claim: rare
        explain: Count the sides.
"""


def test_verify_wants_a_table_that_an_exercise_can_be_drawn_from(run: Run, course: Path) -> None:
    deck = course / "decks" / "1-dice.yaml"
    edit(deck, "    cards:\n", f"    cards:\n{EXERCISE}")
    outcome = run("verify", "--trust")
    assert outcome.code == 1
    assert "dice-sides: no table is called Dice" in outcome.out


def test_verify_wants_the_measurement_that_a_card_asks_for(run: Run, course: Path) -> None:
    """A renamed measurement leaves the card without an answer."""
    edit(lab_file(course), 'Measurement("share"', 'Measurement("ratio"')
    for test in ('"share < 0.1"', '"share >= 0.1"', '"abs(share / '):
        edit(lab_file(course), test, test.replace("share", "ratio"))
    outcome = run("verify", "--trust")
    assert outcome.code == 1
    assert "dice-share-of-six asks for share, not measured" in outcome.out


def test_verify_reports_a_lab_that_fails(run: Run, course: Path) -> None:
    """With the reason, and goes on to the next run."""
    edit(lab_file(course), "    rng = random", "    assert sides == 6\n    rng = random")
    document = run("verify", "--trust", "--json").document
    assert [each["status"] for each in document["runs"]] == ["failed", "done"]
    assert ": failed: AssertionError" in document["problems"][0]


def test_verify_of_a_deck_runs_its_labs_only(run: Run, course: Path) -> None:
    """A lab behind no card of the deck waits for its own deck."""
    other = course / "labs" / "dice" / "other.py"
    shutil.copy(lab_file(course), other)
    labs = [each["lab"] for each in run("verify", "--trust", "--json").document["runs"]]
    assert "dice/other" in labs
    document = run("verify", "--trust", "--deck", "dice", "--json").document
    assert {each["lab"] for each in document["runs"]} == {LAB}


def test_verify_takes_several_decks(run: Run, course: Path) -> None:
    """A lab that both use is run once for each setting of its knobs."""
    first = course / "decks" / "1-dice.yaml"
    second = first.with_name("2-more.yaml")
    text = first.read_text(encoding="utf-8").replace("deck: dice", "deck: more")
    second.write_text(re.sub(r"id: dice-", "id: more-", text), encoding="utf-8")
    edit(course / "decks" / "course.yaml", "[1-dice.yaml]", "[1-dice.yaml, 2-more.yaml]")
    edit(second, "1.1", "1.2")
    edit(second, "id: one-die", "id: other-die")
    one, both = (
        run("verify", "--trust", *(f"--deck={name}" for name in names), "--json").document
        for names in (("more",), ("more", "dice"))
    )
    assert len(one["runs"]) == len(both["runs"]) == 2
    predictions = [card for each in both["runs"] for card in each["cards"]]
    assert sorted(predictions) == [
        *("dice-highest", "dice-share-of-six"),
        *("more-highest", "more-share-of-six"),
    ]
    assert "no deck 'nope'" in run("verify", "--deck", "dice", "--deck", "nope").complaint
