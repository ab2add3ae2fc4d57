"""``studykit whatif``: a question in words, two runs, an answer with an interval."""

from __future__ import annotations

import shlex
from contextlib import closing
from pathlib import Path

import pytest

from studykit.cli import main
from studykit.course.decks import load_course
from studykit.course.own import add_own_card, own_deck_path
from studykit.lab.results import Prediction
from studykit.progress.store import Store
from studykit.settings import user_paths
from tests.commands.runner import REPOSITORY, Outcome, Run
from tests.study.what_if_course import BENCH, OTHER, write_course


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return write_course(tmp_path / "springs")


def stored() -> list[tuple[str, object, Prediction | None]]:
    paths = user_paths()
    with closing(Store.open(paths.database, backups_dir=paths.backups_dir)) as store:
        return [
            (run.result.lab, run.result.knobs["change"], run.prediction) for run in store.runs()
        ]


def flat(outcome: Outcome) -> str:
    return " ".join(outcome.out.split())


def test_a_question_in_words_is_answered_with_an_interval_and_kept(run: Run) -> None:
    outcome = run(
        "whatif", "what if I remove the damper?", "--trust", "--expect", "worse", "--sure", "80"
    )

    assert outcome.code == 0, outcome.err
    told = flat(outcome)
    assert told.startswith(f"{BENCH} · car: remove the damper")
    assert "swing, changed less base +1.002 cm (mean), 95 % interval +0.991 to +1.013" in told
    assert "separable with 3 seeds" in told
    assert "swings more than 0.05 farther.”, 80 % sure: right" in told
    assert told.endswith(f"again studykit whatif --lab {BENCH} --family car damper=off")
    text = "The changed spring swings more than 0.05 farther."
    said = Prediction(text, "worse", confidence=80, correct=True)
    assert stored() == [(BENCH, "damper=off", said)]


def test_the_printed_command_asks_the_same_question(run: Run) -> None:
    options = ["--family", "bed", "--base", "coil=none", "--set", "n_steps=80", "--seeds", "2"]
    first = run("whatif", "add a damper", *options, "--trust", "--json")
    words = shlex.split(first.document["command"])[1:]
    again = run(*words, "--json")

    document, other = first.document, again.document  # read anew each time they are asked for
    for each in (document, other):
        for key in ("seconds", "started_at"):
            del each["result"][key]
    assert other == document
    assert document["question"] == "bed with coil=none: add a damper"
    assert document["base"] == {"damper": "off", "coil": "none"}
    assert document["changed"] == {"damper": "on", "coil": "none"}
    (difference,) = document["differences"]
    assert difference["values"] == pytest.approx([-1.0, -1.0], abs=0.02)
    assert difference["separable"] is True
    assert difference["low"] < difference["mean"] < difference["high"]


def test_settings_in_place_of_words_and_another_bench(run: Run) -> None:
    outcome = run("whatif", "coil=none", "hook=swivel", "--lab", OTHER, "--trust")

    assert flat(outcome).startswith(f"{OTHER} · car: remove the coil; swap the hook for a swivel")
    assert stored() == [(OTHER, "coil=none, hook=swivel", None)]


def test_settings_are_asked_of_the_first_family_that_they_change(run: Run) -> None:
    outcome = run("whatif", "damper=on", "--trust", "--seeds", "1")

    assert flat(outcome).startswith(f"{BENCH} · bed: add a damper")


def test_settings_are_asked_of_the_first_bench_that_knows_their_values(
    run: Run, course: Path
) -> None:
    lab = course / "labs" / f"{OTHER}.py"
    lab.write_text(lab.read_text().replace("swivel", "chain"))

    outcome = run("whatif", "hook=chain", "--trust", "--seeds", "1")

    assert flat(outcome).startswith(f"{OTHER} · car: swap the hook for a chain")


@pytest.mark.parametrize(
    ("base", "words", "question"),
    [
        ("damper=off", "add a damper", f"{BENCH} · car with damper=off: add a damper"),
        ("coil=none", "make the coil wide", f"{BENCH} · car with coil=none: make the coil wide"),
        ("hook=swivel", "no damper", f"{BENCH} · car with hook=swivel: remove the damper"),
    ],
)
def test_words_are_asked_of_the_first_family_that_can_have_the_base(
    run: Run, base: str, words: str, question: str
) -> None:
    outcome = run("whatif", words, "--base", base, "--trust", "--seeds", "1")

    assert outcome.code == 0, outcome.err
    assert flat(outcome).startswith(question)


def test_words_that_mean_several_things_say_so(run: Run) -> None:
    outcome = run("whatif", "the coil of the moon", "--trust", "--seeds", "1")

    assert "it may also mean" in outcome.out
    assert "one seed has no interval" in outcome.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["a rubber band"], "no setting is called 'a rubber band' (like remove the damper"),
        (["damper=loud"], "cannot be 'damper=loud'"),
        (["lid=off"], "there is no part 'lid'"),
        (["hook=swivel", "--family", "bed"], "this model has no hook"),
        (["no damper", "--family", "boat"], "there is no family 'boat' (one of car, bed)"),
        (["no hook", "--family", "bed"], "no setting is called 'no hook'"),
        ([" "], "there is no question"),
        (["no damper", "--budget", "0.5"], "takes no budget"),
        (["no damper", "--expect", "loud"], "makes no claim 'loud' (one of worse, same, better)"),
        (["no damper", "--sure", "50"], "--sure without --expect"),
        (["no damper", "--base", "Damper = off"], "the base has damper=off already"),
        (["no damper", "--base", "lid=off"], "there is no part 'lid'"),
        (["no damper", "--lab", "bench/none"], "there is no lab 'bench/none'"),
        (["no damper", "--set", "base=coil=none"], "--set base=coil=none"),
        (["no damper", "--set", "n_steps=many"], "n_steps cannot be 'many'"),
        (["--seeds", "2"], "there is no question"),
        (["--sure", "0"], "there is no question"),
        (["--device", "cpu"], "there is no question"),
    ],
)
def test_what_cannot_be_asked_is_one_line(run: Run, words: list[str], complaint: str) -> None:
    outcome = run("whatif", *words, "--trust")

    assert outcome.code == 2
    assert complaint in outcome.complaint
    assert not user_paths().database.exists()


def test_a_course_without_a_bench_says_so(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--course", str(recorded), "whatif", "no damper"]) == 2
    assert "this course has no bench" in capsys.readouterr().err


def test_the_report_tells_the_question_and_what_the_change_did(run: Run) -> None:
    run("whatif", "no damper", "--trust", "--expect", "better", "--sure", "60")

    report = run("report").out
    assert "- what if, car: remove the damper" in report
    assert (
        "swing, changed less base: **+1.002 cm (mean), 95 % interval +0.991 to +1.013**" in report
    )
    assert "(60 % sure): **wrong**" in report
    (told,) = run("report", "--format", "json").document["labs"]["runs"]
    assert told["question"] == "car: remove the damper"
    assert told["differences"][0]["mean"] == pytest.approx(1.002, abs=0.001)
    assert "What if, car: remove the damper" in run("report", "--format", "html").out


def test_a_run_of_parts_that_the_lab_has_no_longer_is_still_reported(
    run: Run, course: Path
) -> None:
    run("whatif", "no damper", "--trust")
    lab = course / "labs" / "bench" / "springs.py"
    lab.write_text(lab.read_text().replace("damper", "piston"))

    (told,) = run("report", "--format", "json").document["labs"]["runs"]
    assert (told["question"], told["differences"]) == ("", [])
    assert told["outdated"] is True


def test_cards_of_ones_own_are_counted_with_the_course(run: Run, course: Path) -> None:
    folder = user_paths().own_decks_dir
    add_own_card(
        load_course(course),
        folder,
        stem="x",
        question="And now?",
        options={"worse": "It swings farther.", "better": "It swings less far."},
        lab=BENCH,
        knobs={},
        explain="It does.",
    )

    document = run("due", "--json").document
    assert [(deck["deck"], deck["new"]) for deck in document["decks"]] == [
        ("springs", 1),
        ("mine", 1),
    ]
    assert "What I asked on the bench" in run("report").out
    assert "mine" not in run("check").out  # it is about the course alone


def test_a_broken_deck_of_ones_own_is_told_of(run: Run, course: Path) -> None:
    path = own_deck_path(user_paths().own_decks_dir, load_course(course).id)
    path.parent.mkdir(parents=True)
    path.write_text("format: 1\ndeck: mine\n")

    for command, code in (("due", 0), ("doctor", 1)):
        outcome = run(command)
        assert outcome.code == code
        assert f"{path}:" in outcome.err + outcome.out


def test_what_authors_measure_leaves_cards_of_ones_own_out(run: Run, course: Path) -> None:
    """No result is recorded for them, and none is missing."""
    add_own_card(
        load_course(course),
        user_paths().own_decks_dir,
        stem="x",
        question="And now?",
        options={"worse": "It swings farther.", "better": "It swings less far."},
        lab=BENCH,
        knobs={"n_steps": 80},
        explain="It does.",
    )

    runs = run("verify", BENCH, "--trust", "--json").document["runs"]
    assert [each["knobs"]["n_steps"] for each in runs] == [40]


def test_every_key_of_the_json_is_documented(run: Run) -> None:
    document = run("whatif", "no damper", "--trust", "--expect", "same", "--json").document
    page = (REPOSITORY / "docs" / "json.md").read_text()
    section = page.partition("## `studykit whatif")[2].partition("\n## ")[0]

    keys = {*document, *document["differences"][0], *document["prediction"]}
    assert {key for key in keys if f"`{key}`" not in section} == set()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["family=bed", "change=hook=swivel"], "this model has no hook (change one of damper, coi"),
        (["change=coil=loose"], "coil cannot be 'loose': one of wide, narrow, none"),
        (["base=spring=off"], "there is no part 'spring': one of damper, coil, hook"),
    ],
)
def test_settings_that_a_model_cannot_have_are_refused(
    settings: list[str], told: str, run: Run
) -> None:
    outcome = run("lab", "run", BENCH, *(word for text in settings for word in ("--set", text)))

    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())
