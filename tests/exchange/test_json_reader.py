"""Everything of a learner as JSON: out, and back as it was; what comes from anybody is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studykit.errors import StudykitError
from studykit.exchange.json_reader import Learner, read_learner
from studykit.exchange.json_writer import write_json
from studykit.lab.results import Prediction
from studykit.progress.store import Store
from studykit.progress.table_rows import TABLES
from studykit.review.marks import Marking
from studykit.review.practice import Practised
from studykit.review.schedule import Rating, Scheduler, ScheduleSettings
from studykit.settings import Paths
from tests.exchange.outgoings import make_card, make_outgoing
from tests.files import write_files
from tests.progress.builders import MONDAY, make_rated, make_run

ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "für-später"]),
        st.sampled_from(Rating),
        st.integers(0, 40 * 24 * 60),
        st.text(max_size=8),
    ),
    max_size=8,
)


def paths_of(folder: Path) -> Paths:
    return Paths(folder, folder / "settings.toml")


def open_store(folder: Path) -> Store:
    paths = paths_of(folder)
    return Store.open(paths.database, backups_dir=paths.backups_dir)


def everything(database: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables."""
    with closing(Store.open(database, backups_dir=database.parent / "backups")) as store:
        return {name: [*rows] for name, rows in store.tables()}


def fill(store: Store, answers: list[tuple[str, Rating, int, str]]) -> None:
    """A sitting with the answers in the order of their minutes, and one of everything else."""
    day = MONDAY.date()
    scheduler = Scheduler(ScheduleSettings())
    store.keep_schedule(scheduler)
    store.begin_sitting(MONDAY, day)
    for card_id, rating, minutes, given_ in sorted(answers, key=lambda answer: answer[2]):
        at = MONDAY + timedelta(minutes=minutes)
        review = make_rated(card_id, at=at, rating=rating, known=store.memory(card_id))
        object.__setattr__(review, "given", given_)
        store.record(review)
    store.record_practised(
        Practised("a", "cram", MONDAY, day, "recall", None, "so", None, 900, score=0.1 + 0.2)
    )
    store.mark(Marking("a", "suspended", MONDAY, day))
    store.mark(Marking("b", "flagged", MONDAY, day))
    store.unmark("b", "flagged")
    prediction = Prediction("Rarer", "rare", confidence=60, correct=True)
    store.record_run(make_run(), card_id="a", prediction=prediction)
    store.end_sitting(MONDAY + timedelta(hours=1))


def export(folder: Path, path: Path) -> None:
    with closing(open_store(folder)) as store:
        write_json(make_outgoing([make_card()]), store, paths_of(folder), path)


def read(path: Path, folder: Path) -> Learner:
    return read_learner(path, folder / "read.sqlite3", paths_of(folder))


@settings(deadline=None, max_examples=12)
@given(answers=ANSWERS)
def test_every_row_of_every_table_comes_back(
    answers: list[tuple[str, Rating, int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """To the last bit of a float, with all numbers of rows."""
    folder = tmp_path_factory.mktemp("learner")
    with closing(open_store(folder)) as store:
        fill(store, answers)
    export(folder, folder / "me.json")
    learner = read(folder / "me.json", folder)
    before = everything(paths_of(folder).database)
    assert everything(folder / "read.sqlite3") == before
    assert learner.counts == {name: len(before[name]) for name in before}
    assert set(before) == set(TABLES)


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """A whole one, to be changed."""
    with closing(open_store(tmp_path)) as store:
        fill(store, [("a", Rating.GOOD, 5, "x"), ("a", Rating.EASY, 20, "y")])
    write_files(tmp_path, {"settings.toml": "[review]\nnew_per_day = 7\n"})
    export(tmp_path, tmp_path / "me.json")
    found = json.loads((tmp_path / "me.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_another_program_may_have_laid_it_out_anew(
    document: dict[str, Any], tmp_path: Path
) -> None:
    """As `jq -S` does: keys in another order, rows before those that they point to."""
    path = tmp_path / "sorted.json"
    path.write_text(json.dumps(document, indent=2, sort_keys=True), encoding="utf-8")
    learner = read(path, tmp_path)
    assert everything(tmp_path / "read.sqlite3") == everything(paths_of(tmp_path).database)
    assert learner.files == {"settings.toml": "[review]\nnew_per_day = 7\n"}


def drop(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.pop(key)


def put(value: object, *keys: str | int) -> Callable[[dict[str, Any]], object]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (drop("format"), "it has no format"),
        (drop("schema"), "it has no schema"),
        (put("anki", "format"), "its format is 'anki', not studykit-learner"),
        (put(2, "version"), "was written by a newer studykit"),
        (put("9999", "schema"), "was written by a newer studykit"),
        (put("1", "version"), "its version cannot be read"),
        (put(7, "schema"), "its version cannot be read"),
        (put("x", "schema"), "its version cannot be read"),
        (put({}, "reviews"), "reviews stands twice, or is no list"),
        (put(7, "reviews", 0), "reviews: a row is no object"),
        (put(7, "reviews", 0, "secret"), "reviews: no column is called 'secret'"),
        (put(9, "reviews", 0, "rating"), "reviews: CHECK constraint failed: ck_reviews_rating"),
        (put("x", "reviews", 0, "at_ms"), "reviews: cannot store TEXT value in INTEGER column"),
        (put([1], "reviews", 0, "at_ms"), "reviews: "),
        (put("x", "reviews", 0, "difficulty"), "reviews: could not convert string to float: 'x'"),
        (put(10**30, "reviews", 0, "at_ms"), "reviews: "),
        (put(None, "reviews", 0, "card_id"), "reviews: NOT NULL constraint failed"),
        (put(99, "reviews", 0, "sitting_id"), "FOREIGN KEY constraint failed"),
        (put("2026-99-99", "reviews", 0, "day"), "day"),
        (put("x", "files"), "its files are no object"),
        (put({f"decks/{n}.yaml": "" for n in range(2001)}, "files"), "its files are no object"),
        (put("x", "files", "../evil"), "no file of a learner is called"),
        (put(7, "files", "settings.toml"), "the file settings.toml is no text"),
        (put("\ud800", "files", "settings.toml"), "the file settings.toml is no text"),
    ],
)
def test_a_document_that_breaks_a_rule_is_refused_in_one_line(
    change: Callable[[dict[str, Any]], object],
    what: str,
    document: dict[str, Any],
    tmp_path: Path,
) -> None:
    """With the table; nothing of the learner's is touched."""
    before = everything(paths_of(tmp_path).database)
    change(document)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(StudykitError) as caught:
        read(path, tmp_path)
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)
    assert everything(paths_of(tmp_path).database) == before
