"""Packages that the real Anki wrote, read and held against what Anki says of the same cards."""

from __future__ import annotations

import errno
import random
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from studykit.course.cards import Cloze, Recall
from studykit.course.source import LONGEST_DECK_TEXT
from studykit.errors import StudykitError
from studykit.exchange import archives, foreign_database
from studykit.exchange.collection import Collection, SourceCard
from tests.exchange.anki_truth import CHECKS, PACKAGES, pairs, read

FORMATS = ("legacy1", "legacy2", "latest")


@pytest.fixture(scope="module")
def collection() -> Collection:
    return read(PACKAGES / "latest.apkg")


def card(collection: Collection, question: str) -> SourceCard:
    return next(card for card in collection.cards() if card.question == question)


@pytest.mark.parametrize("name", FORMATS)
def test_cards_are_what_anki_says_of_them(name: str) -> None:
    found = [*pairs(PACKAGES / f"{name}.apkg")]

    assert len(found) == 18
    wrong = [
        (what, pair.card, pair.truth)
        for what, is_alike in CHECKS.items()
        for pair in found
        if not is_alike(pair)
    ]
    assert wrong == []


def test_all_formats_hold_the_same() -> None:
    first, *others = (read(PACKAGES / f"{name}.apkg") for name in FORMATS)

    assert first.title == "legacy1"  # the file's: no deck holds the others
    for other in others:
        assert other.decks == first.decks
        assert other.remarks == first.remarks
        assert set(other.media) == set(first.media) == {"flag.png", "lark.mp3"}


def test_each_number_of_a_cloze_is_a_card(collection: Collection) -> None:
    assert card(collection, "___ is the capital of France").body == Cloze("Paris")
    assert card(collection, "Paris is the capital of ___ (country)").body == Cloze("France")
    assert card(collection, "[…], […], three inner").body == Recall("one / two")
    assert card(collection, "one, two, three ___").body == Cloze("inner")


def test_templates_and_filters_are_filled_in(collection: Collection) -> None:
    assert card(collection, "漢字").body == Recall("漢字(かんじ): characters")
    assert card(collection, "window\n___").body == Cloze("la ventana")
    assert card(collection, "Code?").body == Recall("```\ndef f():\n    return 1\n```")


def test_reviews_that_no_schedule_rests_on_stay_behind(collection: Collection) -> None:
    assert [r.rating for r in card(collection, "to **go**").reviews] == [3, 3, 3, 3, 1, 3, 3]
    # Forgotten by hand after its first review; a preview; a day set by hand; learned twice.
    for question in ("ser & estar", "kitchen", "door", "Water?"):
        assert [r.interval for r in card(collection, question).reviews][-2:] == [8, 21]
        assert len(card(collection, question).reviews) == 4 + (question == "Water?")


def test_a_log_that_lost_its_beginning_leaves_anki_s_own_numbers(collection: Collection) -> None:
    for question, stability in (("window\n___", 21.0), ("Code?", 10.0)):
        memory = card(collection, question).memory
        assert memory is not None and memory.stability_days == stability
    memory = card(collection, "kitchen").memory
    assert memory is not None and memory.stability_days is None


def test_what_does_not_come_is_told(collection: Collection) -> None:
    told = {remark.what: remark.n for remark in collection.remarks}

    assert told["cards that ask by a picture or a sound alone"] == 1
    assert told["cards with TeX, which stays as it was typed"] == 1
    assert told["flags of another colour than red: there is one flag"] == 1
    assert told["pictures and sounds; a terminal shows none"] == 2


# Hostile and damaged files


def rewritten(
    tmp_path: Path, change: Callable[[sqlite3.Connection], object], name: str = "legacy2"
) -> Path:
    """A package whose database was changed, with the truth beside it."""
    database = tmp_path / "db"
    with zipfile.ZipFile(PACKAGES / f"{name}.apkg") as source:
        database.write_bytes(source.read("collection.anki21"))
    with closing(sqlite3.connect(database)) as connection:
        change(connection)
        connection.commit()
    path = tmp_path / "changed.apkg"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.write(database, "collection.anki21")
    shutil.copy(PACKAGES / "truth.json", tmp_path)
    return path


def refusal(path: Path) -> str:
    if not (path.parent / "truth.json").exists():
        shutil.copy(PACKAGES / "truth.json", path.parent)
    with pytest.raises(StudykitError) as caught:
        read(path)
    told = str(caught.value)
    assert "\n" not in told and told.startswith(("the database in ", str(path)))
    return told


@pytest.mark.parametrize(
    "program",
    [
        "CREATE TRIGGER t AFTER INSERT ON notes BEGIN SELECT 1; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE f USING fts5(x)",
    ],
)
def test_a_database_that_holds_a_program_is_refused(tmp_path: Path, program: str) -> None:
    path = rewritten(tmp_path, lambda connection: connection.execute(program))

    assert "its database holds a program" in refusal(path)


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE revlog",
        "UPDATE col SET models = '[' || models",
        "UPDATE col SET models = '{}'",
        "UPDATE col SET decks = replace(hex(zeroblob(20000)), '00', '[')",
        "UPDATE col SET crt = 9e18",
        "UPDATE cards SET due = 'soon' WHERE type = 2",
        "UPDATE notes SET flds = NULL, mid = 'x'",
        "DELETE FROM col",
    ],
)
def test_values_that_anki_does_not_write_are_one_line(tmp_path: Path, damage: str) -> None:
    def spoil(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'not null', '')")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '')")
        connection.commit()
        connection.execute("PRAGMA writable_schema = RESET")
        connection.execute(damage)

    refusal(rewritten(tmp_path, spoil))


@pytest.mark.parametrize("n_kept", [0, 10, 1000, 20_000, 60_000])
def test_half_a_package_is_one_line(tmp_path: Path, n_kept: int) -> None:
    path = tmp_path / "half.apkg"
    path.write_bytes((PACKAGES / "latest.apkg").read_bytes()[:n_kept])

    assert "is no Anki package" in refusal(path)


@pytest.mark.parametrize("at", range(100, 5400, 531))
def test_flipped_bytes_are_one_line_or_harmless(tmp_path: Path, at: int) -> None:
    data = bytearray((PACKAGES / "latest.apkg").read_bytes())
    data[at] ^= 255
    path = tmp_path / "flipped.apkg"
    path.write_bytes(data)

    refusal(path)


def packed(tmp_path: Path, **files: bytes) -> Path:
    path = tmp_path / "made.apkg"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(name.replace("__", "."), content)
    return path


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = packed(tmp_path, collection__anki2=b"\0" * 40_000_000)

    assert "is packed 200 times or more" in refusal(path)


def test_a_bomb_in_zstd_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE_BYTES", 1024**2)
    bomb = zstandard.compress(b"\0" * 30_000_000)
    path = packed(tmp_path, meta=b"\x08\x03", collection__anki21b=bomb)

    assert "unpacks to more than" in refusal(path)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "C:\\x", "..\\x"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path, **{name: b"x"})

    assert "leads elsewhere" in refusal(path)


def test_a_format_to_come_is_told_as_such(tmp_path: Path) -> None:
    assert "format 4 is not known (export it with" in refusal(packed(tmp_path, meta=b"\x08\x04"))


def test_an_archive_without_a_collection_is_none(tmp_path: Path) -> None:
    assert "it holds no collection" in refusal(packed(tmp_path, media=b"{}"))


def test_a_stub_that_asks_for_an_update_is_never_read() -> None:
    """Formats 2 and 3 hold a second database with one note, for old versions of Anki."""
    with zipfile.ZipFile(PACKAGES / "latest.apkg") as package:
        assert "collection.anki2" in package.namelist()
    texts = [card.question for card in read(PACKAGES / "latest.apkg").cards()]
    assert not any("update" in text for text in texts)


@pytest.mark.parametrize(
    ("bound", "most", "told"),
    [
        ("MOST_CARDS", 18, "holds 19 cards, more than 18 (export it deck by deck"),
        ("MOST_REVIEWS", 30, "rows of the review log, more than 30"),
        ("MOST_DECK_BYTES", 100, "holds texts, more than a course may hold"),
    ],
)
def test_more_than_a_course_may_hold_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, bound: str, most: int, told: str
) -> None:
    monkeypatch.setattr(f"studykit.exchange.anki_reader.{bound}", most)

    assert told in refusal(PACKAGES / "legacy2.apkg")


def test_every_row_of_the_log_is_accounted_for(tmp_path: Path) -> None:
    """What comes and what is told to stay behind are all rows, also of cards that are no more."""
    of_picture = "SELECT c.id FROM cards c JOIN notes n ON n.id = c.nid WHERE n.flds LIKE '<img%'"

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE revlog SET cid = 5 WHERE id = (SELECT min(id) FROM revlog)")
        connection.execute(f"INSERT INTO revlog SELECT 77, ({of_picture}), 0, 3, 5, 1, 0, 5000, 0")

    found = read(path := rewritten(tmp_path, change))

    told = {remark.what: remark.n for remark in found.remarks}
    assert told["rows of the review log, of cards that are no more"] == 1
    assert told["reviews of cards that do not come, or are new to Anki again"] == 1
    n_left = sum(n for what, n in told.items() if what.startswith(("rows of the", "reviews of")))
    n_come = sum(len(card.reviews) for card in found.cards())
    with zipfile.ZipFile(path) as package:
        package.extract("collection.anki21", tmp_path)
    with closing(sqlite3.connect(tmp_path / "collection.anki21")) as connection:
        (n_all,) = connection.execute("SELECT count(*) FROM revlog").fetchone()
    assert n_come + n_left == n_all


def test_a_damaged_database_is_one_line_or_harmless(tmp_path: Path) -> None:
    """Also where SQLite's own message quotes bytes that are no text."""
    shutil.copy(PACKAGES / "truth.json", tmp_path)
    rng = random.Random(0)
    with zipfile.ZipFile(PACKAGES / "legacy2.apkg") as package:
        whole = package.read("collection.anki21")
    n_refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 3, 20))):
            at, size = (
                rng.choice((rng.randrange(8192), rng.randrange(len(data)))),
                rng.randrange(40),
            )
            data[at : at + size] = rng.randbytes(len(data[at : at + size]))
        try:
            read(packed(tmp_path, collection__anki21=bytes(data)))
        except StudykitError as error:
            n_refused += 1
            assert "\n" not in str(error)
    assert 30 < n_refused < 150


ODD = (
    "NULL",
    "''",
    "'x'",
    "-1",
    "9223372036854775807",
    "x'ff00'",
    "1e300",
    "char(0)",
    "'[' || '['",
)


def test_odd_values_are_one_line_or_harmless(tmp_path: Path) -> None:
    """In each column that is read, of every row."""
    columns = {
        "col": ("crt", "conf", "models", "decks"),
        "notes": ("guid", "mid", "tags", "flds"),
        "cards": (
            *("nid", "ord", "did", "odid", "type", "queue", "due", "odue"),
            *("ivl", "factor", "flags", "data"),
        ),
        "revlog": ("cid", "ease", "ivl", "factor", "time", "type"),
    }
    n_refused = n_read = 0
    for table, names in columns.items():
        for name in names:
            for value in ODD:
                changed = f"UPDATE OR IGNORE {table} SET {name} = {value}"
                try:
                    found = read(
                        rewritten(tmp_path, lambda database: database.execute(changed))  # noqa: B023
                    )
                    n_read += 1
                    assert all(
                        len(review) == 4 for card in found.cards() for review in card.reviews
                    )
                except sqlite3.IntegrityError:
                    continue  # no Anki has written that
                except StudykitError as error:
                    n_refused += 1
                    assert "\n" not in str(error)
    assert n_refused > 20 and n_read > 20


def test_a_card_that_a_filtered_deck_has_borrowed_keeps_deck_and_day(
    tmp_path: Path, collection: Collection
) -> None:
    path = rewritten(
        tmp_path,
        lambda connection: connection.execute(
            "UPDATE cards SET odid = did, odue = due, did = 1, due = -100000 WHERE type = 2"
            " AND odid = 0"
        ),
    )

    assert read(path).decks == collection.decks


def test_new_cards_come_in_anki_s_order_after_those_begun(tmp_path: Path) -> None:
    """Whatever day those are due on."""
    path = rewritten(
        tmp_path,
        lambda connection: connection.execute(
            "UPDATE cards SET due = 1000 - rowid % 1000 WHERE type = 0"
        ),
    )

    for deck in read(path).decks:
        begun = [any(card.memory for card in note.cards) for note in deck.notes]
        assert begun == sorted(begun, reverse=True)


@pytest.mark.parametrize(
    ("name", "flags", "attributes", "told"),
    [
        ("media", 1, 0, "media in it needs a password"),
        ("media", 0, 0o120777 << 16, "media in it is a link"),
    ],
)
def test_what_no_honest_archive_holds_is_refused(
    name: str, flags: int, attributes: int, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "changed.apkg"
    entry = zipfile.ZipInfo(name)
    entry.external_attr = attributes
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("collection.anki21", b"")
        target.writestr(entry, b"{}")
        entry.flag_bits |= flags  # as the table of contents will have it

    assert told in refusal(path)


def test_a_query_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_database, "MOST_STEPS", 0)
    monkeypatch.setattr(foreign_database, "_STEPS_AT_A_TIME", 10)

    assert "interrupted" in refusal(PACKAGES / "legacy2.apkg")


def test_a_gap_that_hides_nothing_is_left_out(tmp_path: Path) -> None:
    """A course refuses an empty answer, and with it every other card of the package."""
    cloze = "SELECT id FROM notes WHERE flds LIKE '%{{c1::%{{c2::%' LIMIT 1"

    def change(connection: sqlite3.Connection) -> None:
        connection.execute(f"UPDATE notes SET flds = 'a {{{{c1::}}}} b' WHERE id = ({cloze})")

    found = read(rewritten(tmp_path, change))

    told = {remark.what: remark.n for remark in found.remarks}
    assert told["cards with no answer, or one by a picture or a sound alone"] == 1
    assert all(card.body.answer for card in found.cards() if isinstance(card.body, Cloze))


def test_a_back_that_is_too_long_is_cut_off_and_a_front_left_out(tmp_path: Path) -> None:
    """A course takes no longer text. With one letter less it comes as it is."""
    n = LONGEST_DECK_TEXT

    def change(connection: sqlite3.Connection) -> None:
        query = "UPDATE notes SET flds = replace(flds, ?, ?)"
        connection.execute(query, ("la puerta", "p" * n))
        connection.execute(query, ("la cocina", "c" * (n + 1)))  # which a second card asks for

    found = read(rewritten(tmp_path, change))

    assert card(found, "door").body == Recall("p" * n)
    assert card(found, "kitchen").body == Recall("c" * (n - 2) + " …")
    told = {remark.what: remark.n for remark in found.remarks}
    assert told["backs of which 10,000 letters come"] == 1
    assert told["cards with a front of more than 10,000 letters"] == 1


def test_a_time_that_no_clock_counts_is_a_long_one(tmp_path: Path) -> None:
    path = rewritten(
        tmp_path,
        lambda connection: connection.execute("UPDATE revlog SET time = 1e300, ivl = -1e300"),
    )

    reviews = [review for card in read(path).cards() for review in card.reviews]
    assert reviews and all(review.taken_ms < 2**63 for review in reviews)
    assert all(review.interval == -36_500 * 86_400 for review in reviews)


def test_a_list_of_media_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studykit.exchange.anki_package.MOST_ENTRIES", 1)

    assert "its list of media names more than 1 files" in refusal(PACKAGES / "latest.apkg")


def test_a_full_disk_is_not_told_as_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archives.Archive, "unpack", fail)
    with pytest.raises(StudykitError, match="cannot be unpacked: No space left") as caught:
        read(PACKAGES / "legacy2.apkg")
    assert "damaged" not in str(caught.value)
