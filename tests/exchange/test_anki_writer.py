"""Packages for Anki, looked at with nothing but SQLite; `make anki` opens them in Anki itself."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.exchange import anki_schema
from studykit.exchange.anki_schema import FIELDS
from studykit.exchange.anki_writer import Written, as_field, deck_name, write_apkg
from studykit.exchange.outgoing import OutCard
from studykit.progress.log_rows import LogRow
from studykit.review.schedule import State
from tests.exchange.outgoings import NOW, make_card, make_memory, make_outgoing, make_row

DAY_ZERO = NOW.replace(hour=4)


class Package:
    """A written package, opened."""

    def __init__(
        self, folder: Path, cards: Sequence[OutCard], log: Sequence[LogRow] = (), name: str = "a"
    ) -> None:
        path = folder / f"{name}.apkg"
        self.written = write_apkg(make_outgoing(cards, log), path)
        self.folder = folder / name
        with zipfile.ZipFile(path) as package:
            self.names = package.namelist()
            package.extractall(self.folder)

    def rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "collection.anki21")) as connection:
            return connection.execute(query).fetchall()

    def document(self, column: str) -> dict[str, Any]:
        found = json.loads(self.rows(f"SELECT {column} FROM col")[0][0])
        assert isinstance(found, dict)
        return found


def test_a_package_is_of_the_form_that_anki_calls_legacy_2(tmp_path: Path) -> None:
    """Version 2 of the meta message, schema 11, no media, and no database of older programs."""
    package = Package(tmp_path, [make_card()])
    assert package.names == ["meta", "collection.anki21", "media"]
    assert (package.folder / "meta").read_bytes() == b"\x08\x02"
    assert (package.folder / "media").read_text(encoding="utf-8") == "{}"
    assert package.rows("SELECT ver, crt FROM col") == [(11, int(DAY_ZERO.timestamp()))]
    assert package.rows("PRAGMA integrity_check") == [("ok",)]


def test_the_note_type_is_frozen(tmp_path: Path) -> None:
    """Anki refuses a package with another number of fields, and loses updates after a change."""
    package = Package(tmp_path, [make_card()])
    (note_type,) = package.document("models").values()
    assert note_type["id"] == 1_796_000_000_001
    assert [field["name"] for field in note_type["flds"]] == [
        *("Question", "Answer", "Explanation", "Source", "Topic", "Lab", "Kind"),
        *("Spare 1", "Spare 2", "Spare 3", "Spare 4"),
    ]
    assert [field["id"] for field in note_type["flds"]] == [
        1_796_000_000_002 + n for n in range(len(FIELDS))
    ]
    ((fields,),) = package.rows("SELECT flds FROM notes")
    assert fields.count("\x1f") == len(FIELDS) - 1


def test_a_note_keeps_guid_and_ids_whatever_becomes_of_its_text(tmp_path: Path) -> None:
    """A corrected answer must arrive as an update of the note, not as a second one."""
    query = "SELECT n.id, n.guid, c.id, n.mod FROM notes n JOIN cards c ON c.nid = n.id"
    first = Package(tmp_path, [make_card("a", answer="wrogn"), make_card("b")])
    later = make_card("a", answer="wrong", deck="Other", changed_at_s=1_795_000_500)
    second = Package(tmp_path, [make_card("c"), later], name="b")
    (old,) = [row for row in first.rows(query) if row[1] == "notes/a"]
    (new,) = [row for row in second.rows(query) if row[1] == "notes/a"]
    assert old[:3] == new[:3]
    assert new[3] > old[3]


def test_new_cards_come_in_the_order_of_the_course(tmp_path: Path) -> None:
    """From 1 on: at 0 they would come before the learner's own new cards."""
    cards = [
        make_card("a"),
        make_card("b", memory=make_memory(State.REVIEW)),
        make_card("c"),
    ]
    query = "SELECT type, queue, due, ivl, factor, reps FROM cards WHERE type = 0 ORDER BY due"
    assert Package(tmp_path, cards).rows(query) == [(0, 0, 1, 0, 0, 0), (0, 0, 2, 0, 0, 0)]


@pytest.mark.parametrize(
    ("state", "more", "type_", "queue", "due", "interval", "left"),
    [
        (State.REVIEW, {"days": 7, "ago": 3}, 2, 2, 4, 7, 0),
        (State.REVIEW, {"days": 2, "ago": 5}, 2, 2, -3, 2, 0),
        (State.LEARNING, {"ago": 0}, 1, 1, int(NOW.timestamp()) + 600, 0, 2),
        (State.RELEARNING, {"ago": 0}, 3, 1, int(NOW.timestamp()) + 600, 12, 1),
        (State.LEARNING, {"ago": 0, "minutes": 2 * 24 * 60}, 1, 3, 2, 0, 2),
    ],
)
def test_schedules_of_every_state(
    state: State,
    more: dict[str, int],
    type_: int,
    queue: int,
    due: int,
    interval: int,
    left: int,
    tmp_path: Path,
) -> None:
    """Reviews and steps of days count from the package's first day, short steps are instants."""
    card = make_card(memory=make_memory(state, **more))
    package = Package(tmp_path, [card])
    query = "SELECT type, queue, due, ivl, left, reps, lapses, data FROM cards"
    ((*columns, data),) = package.rows(query)
    assert columns == [type_, queue, due, interval, left, 4, 1]
    assert json.loads(data) == {
        "s": 12.5,
        "d": 5.5,
        "dr": 0.9,
        "decay": 0.154,
        "lrt": int(card.memory.last_review_at.timestamp()) if card.memory.last_review_at else 0,
    }


@pytest.mark.parametrize(
    ("mark", "queue", "flags"), [("suspended", -1, 0), ("buried", -3, 0), ("flagged", 2, 1)]
)
def test_marks(mark: str, queue: int, flags: int, tmp_path: Path) -> None:
    """A hidden card keeps its day."""
    card = make_card(memory=make_memory(State.REVIEW), marks=frozenset({mark}))
    query = "SELECT type, queue, due, flags FROM cards"
    assert Package(tmp_path, [card]).rows(query) == [(2, queue, 4, flags)]


def test_the_log(tmp_path: Path) -> None:
    """Intervals in days or minus seconds, the one before beside them, difficulty as Anki has it.

    The last column says what the review found the card in: learning, review, or relearning.
    """
    start = 1_795_000_000_000
    first = make_row(
        at_ms=start,
        rating=1,
        state_before=0,
        state=1,
        due_day="2026-11-18",
        due_at_ms=start + 60_000,
    )
    second = make_row(at_ms=start + 60_000, rating=3, state_before=1, difficulty=10.0)
    third = make_row(at_ms=start + 120_000, state_before=2)
    fourth = make_row(at_ms=start + 180_000, state_before=3)
    other = make_row("gone", at_ms=start + 60_000)
    package = Package(tmp_path, [make_card()], [first, other, second, third, fourth])
    query = "SELECT id, ease, ivl, lastIvl, factor, time, type FROM revlog ORDER BY id"
    assert package.rows(query) == [
        (start, 1, -60, 0, 600, 8000, 0),
        (start + 60_000, 3, 7, -60, 1100, 8000, 0),
        (start + 120_000, 3, 7, 7, 600, 8000, 1),
        (start + 180_000, 3, 7, 7, 600, 8000, 2),
    ]
    assert package.written == Written(1, 4, 1)


@given(
    instants=st.lists(st.integers(1_795_000_000_000, 1_795_000_000_005), min_size=1, max_size=12)
)
def test_no_answer_of_the_log_is_lost(
    instants: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Several of one millisecond, and a clock that was put back: each row has an id of its own."""
    log = [make_row(at_ms=at_ms) for at_ms in instants]
    package = Package(tmp_path_factory.mktemp("anki"), [make_card()], log)
    assert package.rows("SELECT count(DISTINCT id) FROM revlog") == [(len(instants),)]
    ((least, most),) = package.rows("SELECT min(id), max(id) FROM revlog")
    assert least == min(instants)
    assert most < min(instants) + 6 + len(instants)


def test_decks_and_tags(tmp_path: Path) -> None:
    """The course holds its decks, a topic is a tag, and nothing of ours lands in "Default"."""
    other = ("other", "norms")
    cards = [
        make_card("a"),
        make_card("b", deck="A::B", path=other),
        make_card("c", deck="A:B", path=other),
    ]
    package = Package(tmp_path, cards)
    names = [deck["name"] for deck in package.document("decks").values()]
    assert names == ["Default", "Notes", "Notes::Core", "Notes::A:B"]
    assert package.rows("SELECT count(*) FROM cards WHERE did = 1") == [(0,)]
    tags = package.rows("SELECT tags FROM notes ORDER BY guid")
    assert tags == [(" notes::core::norms ",), *[(" notes::other::norms ",)] * 2]
    assert deck_name("default") == "default (studykit)"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("List<int> & co", "List&lt;int&gt; &amp; co"),
        ("a `x < y` and **bold**", "a <code>x &lt; y</code> and <b>bold</b>"),
        ("one\n\ntwo", "one<br><br>two"),
        (
            "```py\nif a:\n    b\n```\nthen",
            '<pre style="text-align:left">if a:\n    b</pre>then',
        ),
        ("[sound:a.mp3] [latex]x[/latex]", "&#91;sound:a.mp3] &#91;latex]x&#91;/latex]"),
        ("a[0] [x]", "a[0] [x]"),
        ("a\x1fb", "a␟b"),
        ("```\na < b", '<pre style="text-align:left">a &lt; b</pre>'),
    ],
)
def test_texts_become_html_that_shows_them(text: str, field: str) -> None:
    """Without escaping, ``List<int>`` vanishes on the card."""
    assert as_field(text) == field


def test_nothing_stays_beside_the_package(tmp_path: Path) -> None:
    """The database is written in a folder of its own."""
    write_apkg(make_outgoing([make_card()]), tmp_path / "a.apkg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.apkg"]


def test_a_full_disk_is_an_error_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has errors of its own for it."""
    monkeypatch.setattr(anki_schema, "CREATE", f"PRAGMA max_page_count = 3;{anki_schema.CREATE}")
    with pytest.raises(OSError, match="full"):
        write_apkg(make_outgoing([make_card()]), tmp_path / "a.apkg")
