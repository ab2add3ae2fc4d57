"""`studykit review --plain`: the same sitting, typed and read line by line."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Hashable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from string import ascii_lowercase
from typing import TypeAlias

import pytest

from studykit.cli import main
from studykit.course.cards import Choice, Match, Order
from studykit.course.decks import load_course
from studykit.errors import StoreError
from studykit.lab.recorded import recorded_runs
from studykit.lab.trust import remember
from studykit.progress.runs import StoredRun
from studykit.progress.store import Store
from studykit.review.grading import present
from studykit.review.schedule import Memory, Rating
from studykit.review.session import Review
from tests.commands.dice_course import edit, open_store, study
from tests.commands.runner import AT, PROGRAM, REPOSITORY, Outcome
from tests.files import write_files
from tests.tui.screen_course import EXERCISES, LAB_ID, write_course

Sit: TypeAlias = Callable[..., Outcome]
"""Holds a sitting on a course of these cards, typing these lines."""


@pytest.fixture
def sit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sit:
    def hold(names: str, *lines: str) -> Outcome:
        root = tmp_path / "course"
        if not root.exists():
            write_course(root, *names.split())
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        code = main(["--course", str(root), "review", "--plain"])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return hold


def reviews(home: Path) -> list[Review]:
    """The log."""
    with closing(open_store(home)) as store:
        return store.reviews()


def runs(home: Path) -> list[StoredRun]:
    """The learner's runs of labs."""
    with closing(open_store(home)) as store:
        return store.runs()


def right_line(root: Path, name: str) -> str:
    """What the learner types who knows the answer to the new card `name`."""
    shown = present(load_course(root).cards[f"stacks-{name}"], 0)
    match shown.card.body:
        case Choice():
            places = [[option.correct for option in shown.options].index(True)]
        case Order(steps=steps):
            places = [shown.steps.index(step) for step in steps]
        case Match(pairs=pairs):
            places = [shown.rights.index(right) for _, right in pairs]
        case _ if shown.options:
            places = [[option.claim for option in shown.options].index("stuck")]
        case _:
            return {"recall": "", "cloze": "layer norm", "numeric": "3.3 nats", "guess": "2.86"}[
                name
            ]
    return " ".join(ascii_lowercase[place] for place in places)


@pytest.mark.parametrize(
    "name", ["recall", "choice", "cloze", "order", "match", "numeric", "predict"]
)
def test_every_kind_of_card_is_asked_graded_and_saved(
    name: str, sit: Sit, home: Path, tmp_path: Path
) -> None:
    """The right answer, sureness where it is asked, the result, a rating, and the end."""
    line = right_line(write_course(tmp_path / "course", name), name)
    sure = [] if name == "recall" else ["3"]
    result = [""] if name == "predict" else []
    outcome = sit(name, line, *sure, *result, "4", "q")

    assert outcome.code == 0
    assert ("Right." in outcome.out) == (name != "recall")
    assert "Measured by core/stacks, recorded on Intel Xeon, 2 cores, 20 Nov 2026" in outcome.out
    assert "Rate: 1 again 1 min, 2 hard" in outcome.out
    assert "Saved: easy, next " in outcome.out
    assert "Done for today." in outcome.out
    assert outcome.out.endswith("1 answer in under a minute; all of it is saved.\n")
    (review,) = reviews(home)
    assert review.rating is Rating.EASY
    assert review.correct is (None if name == "recall" else True)
    assert review.confidence == (75 if sure else None)


@pytest.mark.parametrize("form", EXERCISES)
def test_every_form_of_exercise_is_asked_graded_and_saved(
    form: str, sit: Sit, home: Path, tmp_path: Path
) -> None:
    """The rows by letters; afterwards their values, and the rating that the score suggests."""
    root = write_course(tmp_path / "course", form)
    card = load_course(root).cards[f"stacks-{form}"]
    task = present(card, 0, recorded_runs(root, LAB_ID)).task
    assert task is not None
    line = "".join(ascii_lowercase[place] for place in task.right)
    outcome = sit(form, line, "", "", "q")

    assert outcome.code == 0
    assert f"{task.group}, 8 layers: " in outcome.out and "{group}" not in outcome.out
    assert all(item in outcome.out for item in task.items)
    told = "rank correlation 1.00" if form == "rank" else f"{len(task.right)} of {len(task.right)}"
    assert f"Right: {told}" in outcome.out
    assert f"measured with seed {task.seed} of the recorded run." in outcome.out
    assert "Enter for good" in outcome.out
    (review,) = reviews(home)
    assert (review.kind, review.correct, review.rating) == ("exercise", True, Rating.GOOD)


def test_what_answers_no_exercise_is_asked_for_again(sit: Sit, home: Path) -> None:
    outcome = sit("pick", "a", "z", "ab c", "n", "q")
    assert outcome.out.count("2 letters a to e, those with the largest values") >= 4
    assert "'z' is no answer" in outcome.out
    assert "choose 2 of the 5 shown" in outcome.out
    assert "Not answered.\nAnswer: p" in outcome.out
    assert reviews(home) == []


def test_an_exercise_without_a_table_asks_for_its_lab(sit: Sit, tmp_path: Path) -> None:
    write_course(tmp_path / "course", "rank")
    for path in (tmp_path / "course" / "data").rglob("*.json"):
        path.unlink()
    outcome = sit("rank", "", "q")
    assert "Nothing is measured yet that it could be drawn from; x runs the lab" in outcome.out
    assert "Not judged: the lab has not measured it yet." in outcome.out


def test_the_answer_to_a_predicted_number_may_be_unknown(sit: Sit, home: Path) -> None:
    """Nothing was recorded with these knobs: the lab can be run, or the prediction stays held."""
    outcome = sit("guess", "2.86", "", "", "q")
    assert outcome.out.count("Your prediction is held. x runs the lab now") == 2
    assert "Enter shows" not in outcome.out
    assert reviews(home) == []


def test_a_wrong_answer_is_refuted_and_suggests_again(sit: Sit, home: Path, tmp_path: Path) -> None:
    """What is no answer is asked for again; Enter rates as suggested; a sure error is marked."""
    root = write_course(tmp_path / "course", "choice")
    shown = present(load_course(root).cards["stacks-choice"], 0)
    wrong = next(place for place, option in enumerate(shown.options) if option.misconception)
    outcome = sit("choice", "z", "", ascii_lowercase[wrong], "4", "", "q")
    assert "'z' is no answer (one letter a to c, or n if you don't know)" in outcome.out
    assert "nothing was typed" in outcome.out
    assert "Wrong.\nYou said: " in outcome.out
    assert shown.options[wrong].misconception.split()[0] in outcome.out
    assert "You were certain of it" in outcome.out
    assert "Enter for again" in outcome.out
    assert reviews(home)[0].rating is Rating.AGAIN


def test_giving_up_is_an_answer(sit: Sit, home: Path) -> None:
    """With n, or with an empty line where words are asked for."""
    outcome = sit("choice cloze", "n", "1", "", "1", "q")
    assert outcome.out.count("Not answered.") == 2
    assert [review.given for review in reviews(home)] == ["", ""]


def test_letters_are_words_where_words_are_asked_for(sit: Sit, home: Path) -> None:
    """There a command has a colon before it."""
    outcome = sit("cloze", ":?", "q", "", "4", "q")
    assert "u: take the last rating back" in outcome.out
    assert [review.given for review in reviews(home)] == ["q"]
    assert sit("cloze", ":q").out.endswith("0 answers in under a minute; all of it is saved.\n")


def test_undo_takes_back_across_sittings(sit: Sit, home: Path) -> None:
    """And says so when nothing is left."""
    sit("recall", "", "4", "q")
    assert len(reviews(home)) == 1
    outcome = sit("recall", "u", "u", "q")
    assert "Taken back; its card stands again." in outcome.out
    assert "Nothing rated today is left to take back." in outcome.out
    assert "Say it to yourself" in outcome.out
    assert reviews(home) == []


def test_the_end_of_the_input_ends_the_sitting(sit: Sit, home: Path) -> None:
    """Whatever was rated is kept, and the sitting has its end."""
    outcome = sit("recall choice", "", "4")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.endswith("\n1 answer in under a minute; all of it is saved.\n")
    assert len(reviews(home)) == 1


def test_the_next_card_is_read_from_its_deck_as_it_is_now(
    sit: Sit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program has changed it while the last one was answered."""
    lines = iter(["", "4", ":q"])

    def type_(_: str) -> str:
        if (line := next(lines)) == "4":
            deck = tmp_path / "course" / "decks" / "1-core.yaml"
            deck.write_text(deck.read_text().replace("Before each branch", "Ahead of every branch"))
        return line

    monkeypatch.setattr("builtins.input", type_)
    outcome = sit("recall cloze")
    assert "The decks were changed: 1 card changed\n" in outcome.out
    assert "Ahead of every branch" in outcome.out


def test_control_c_ends_the_sitting(sit: Sit, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As politely, with the exit code that shells expect."""
    lines = iter(["", "4"])

    def type_(_: str) -> str:
        for line in lines:
            return line
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", type_)
    outcome = sit("recall choice")
    assert (outcome.code, outcome.err) == (130, "")
    assert outcome.out.endswith("1 answer in under a minute; all of it is saved.\n")
    assert len(reviews(home)) == 1


def test_a_rating_that_cannot_be_saved_is_asked_for_again(
    sit: Sit, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, refusals = Store.record, iter([StoreError("no space left on the disk")])

    def refuse_once(store: Store, review: Review, before: Memory, known: Hashable) -> Hashable:
        for error in refusals:
            raise error
        return record(store, review, before, known)

    monkeypatch.setattr(Store, "record", refuse_once)
    outcome = sit("recall", "", "4", "4", "q")
    assert "Not saved: no space left on the disk" in outcome.out
    assert len(reviews(home)) == 1


def test_the_lab_of_a_card_runs_in_plain_lines(sit: Sit, home: Path, tmp_path: Path) -> None:
    """A prediction is scored with it, and the card is judged by the learner's own run."""
    root = write_course(tmp_path / "course", "predict")
    remember(root, home)
    outcome = sit("predict", right_line(root, "predict"), "2", "x", "3", "q")

    assert (
        "Running core/stacks; Ctrl-C stops it.\n25 percent, seed 0 (1 of 2), training"
        in outcome.out
    )
    assert "The lab has ended, done.\n\nRight." in outcome.out
    assert "Measured by core/stacks, your run of 23 Nov" in outcome.out
    assert "\x1b" not in outcome.out + outcome.err
    (run,) = runs(home)
    assert (run.result.lab, run.card_id) == (LAB_ID, "stacks-predict")
    assert run.prediction is not None
    assert (run.prediction.correct, run.prediction.confidence) == (True, 50)


def test_a_lab_is_run_on_a_text_of_ones_own_and_its_maps_are_read(
    sit: Sit, home: Path, tmp_path: Path
) -> None:
    """Once the card is answered; the run is the learner's, and no evidence for the card."""
    root = write_course(tmp_path / "course", "recall")
    lab = root / "labs" / f"{LAB_ID}.py"
    edit(lab, "KNOBS = {", 'TEXT_KNOBS = ("word",)\nKNOBS = {"word": ("cat", "dog"), ')
    edit(lab, "def run(*, ", "def run(*, word, ")
    edit(lab, "events import ", "events import HeatMap, ")
    drawn = '    yield HeatMap("letters", [*word], ["x"], [[float(n)] for n in range(3)])\n'
    edit(lab, "    rng = ", f"{drawn}    rng = ")
    remember(root, home)
    outcome = sit("recall", "own", "", "own", "x" * 201, "owl", "4", "q")
    out = " ".join(outcome.out.split())
    assert "Answer the card first" in out
    assert "It must be a text of one line, at most 200 characters; this one has 201." in out
    assert "letters. Columns by their mean: x 1. Largest: l to x 2, w to x 1, o to x 0." in out
    (run,) = runs(home)
    assert (run.result.knobs["word"], len(run.result.seeds)) == ("owl", 1)


@pytest.mark.parametrize("takes_model", [False, True])
def test_a_lab_that_takes_no_text_says_so(sit: Sit, tmp_path: Path, *, takes_model: bool) -> None:
    """The name of a model is none."""
    lab = write_course(tmp_path / "course", "recall") / "labs" / f"{LAB_ID}.py"
    if takes_model:
        edit(lab, "SEEDS = 2", 'NEEDS = ("model:tiny",)\nSEEDS = 2')
        edit(lab, "seed, device):", "seed, device, model):")
    out = sit("recall", "", "own", "4", "q").out
    assert "The lab of this card takes no text." in out
    assert "Running" not in out


def test_a_foreign_course_is_asked_about_before_its_lab_runs(sit: Sit, home: Path) -> None:
    """No means no; the sitting goes on."""
    outcome = sit("recall", "x", "n", "", "4", "q")
    assert "Running a lab executes programs in " in outcome.out
    assert "Nothing was run." in outcome.out
    assert (runs(home), len(reviews(home))) == ([], 1)


def test_a_card_can_be_put_aside(sit: Sit, home: Path) -> None:
    """Suspended it is asked no more; undo brings it back."""
    outcome = sit("recall", "suspend", "u", "bury", "q")
    assert "stacks-recall is suspended; u takes that back." in outcome.out
    assert "stacks-recall is buried" in outcome.out
    assert outcome.out.count("Say it to yourself") == 2
    assert reviews(home) == []


def test_a_card_that_comes_later_today_is_announced(sit: Sit, home: Path) -> None:
    """Enter looks again; u still takes back."""
    home.mkdir()
    steps = "[review]\nlearning_steps_minutes = [60.0]\n"
    (home / "settings.toml").write_text(steps, encoding="utf-8")
    outcome = sit("recall", "", "1", "", "q")
    at = AT.replace(minute=40)
    assert outcome.out.count(f"The next card comes in 40 min, at {at:%H:%M}.") == 2


def test_no_screen_is_loaded(tmp_path: Path, home: Path) -> None:
    """Neither by the sitting nor by a lab."""
    root = write_course(tmp_path / "course", "recall")
    remember(root, home)
    program = (
        "import sys\nfrom studykit.cli import main\n"
        f"code = main(['--course', {str(root)!r}, 'review', '--plain'])\n"
        "print(code, sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        input="\nx\n4\nq\n",
        cwd=REPOSITORY,
        env={**os.environ, "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    )
    *_, last = finished.stdout.splitlines()
    assert last.startswith("0 ")
    assert "The lab has ended, done." in finished.stdout
    assert not any(f"'{name}'" in last for name in ("textual", "torch"))


def test_the_screens_name_the_way_round_them(home: Path) -> None:
    """Where they cannot be opened: no terminal, with a command or without."""
    for words in ([], ["review"]):
        finished = subprocess.run(
            [*PROGRAM, *words], capture_output=True, text=True, check=False, cwd=REPOSITORY
        )
        assert finished.returncode == 2
        assert len(finished.stderr.splitlines()) == 1
        assert "studykit review --plain" in finished.stderr


@pytest.mark.parametrize("name", ["order", "match", "predict"])
def test_no_row_is_wider_than_the_terminal(
    sit: Sit, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A terminal breaks a line wherever it ends; here it is broken between words."""
    monkeypatch.setenv("COLUMNS", "40")
    out = sit(name, "no answer", ":q").out.replace(": ", ":\n")  # where lines are typed
    assert "is no answer" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 40


def test_a_card_that_comes_again_is_one_card(sit: Sit) -> None:
    """Its learning steps are answers, all on the same card."""
    assert sit("recall", "", "1", "", "4", "q").out.endswith(
        "2 answers on 1 card in under a minute, 1 again (50 %); all of it is saved.\n"
    )


class Typist(io.StringIO):
    """Lines typed one by one, before each of which something may happen elsewhere."""

    def __init__(self, *lines: str | Callable[[], None]) -> None:
        super().__init__()
        self._lines = list(lines)

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        while self._lines:
            line = self._lines.pop(0)
            if isinstance(line, str):
                return f"{line}\n"
            line()
        return ""


def test_a_card_answered_in_another_window_gives_way(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before its answer is taken; once it is revealed, the rating is refused once."""
    root = write_course(tmp_path / "course", "recall", "cloze", "numeric")
    typed = (
        lambda: study(home, "stacks-recall", AT),
        "",  # the answer to a card that has gone
        "layer norm",
        "",
        lambda: study(home, "stacks-cloze", AT),
        "3",
        "3",
        ":q",
    )
    monkeypatch.setattr(sys, "stdin", Typist(*typed))
    assert main(["--course", str(root), "review", "--plain"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Changed in another window: stacks-recall." in out
    assert out.count("Not saved: stacks-cloze was answered in another window meanwhile") == 1
    assert [(review.card_id, review.rating) for review in reviews(home)] == [
        ("stacks-recall", Rating.EASY),
        ("stacks-cloze", Rating.EASY),
        ("stacks-cloze", Rating.GOOD),
    ]


def test_a_wrong_answer_rated_as_known_is_said(sit: Sit) -> None:
    out = " ".join(sit("cloze", "batch norm", "", "3", "q").out.split())
    assert "Saved: good, again in 10 min. Mind: graded wrong, yet scheduled" in out
    assert "Mind:" not in sit("cloze", "u", "batch norm", "", "1", "q").out


def test_capped_intervals_say_why(sit: Sit) -> None:
    """Also on the day after, where nothing else tells of the error."""
    out = " ".join(sit("cloze", "batch norm", "4", "4", "q").out.split())
    assert "4 easy 1 d capped" in out
    assert "Capped:" not in out  # the error is told beside it


def test_an_interval_that_an_exam_shortens_says_so(sit: Sit, home: Path) -> None:
    """Each that would end later; a step of minutes does not."""
    write_files(home, {"settings.toml": "[review.exams]\ncore = 2026-12-05\n"})
    study(home, "stacks-recall", AT - timedelta(days=10))
    told = "1 again 10 min, 2 hard 6 d exam, 3 good 6 d exam, 4 easy 6 d exam;"
    assert told in sit("recall", "", "q").out


def test_the_end_names_what_was_wrong_and_its_lab(sit: Sit) -> None:
    """With the right answer, and how sure the learner was of the wrong one."""
    out = " ".join(sit("cloze", "batch norm", "4", "1", "layer norm", "", "3", "q").out.split())
    assert "Wrong: Before each branch of a pre-norm block stands a ___. Right: norm" in out
    assert f"Its lab: studykit lab run {LAB_ID}" in out
    assert "Right when certain 0 of 1. 2 answers on 1 card" in out
