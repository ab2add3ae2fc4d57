"""Cards from CSV, TSV and Anki's text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.course.cards import Cloze, Recall
from studykit.errors import StudykitError
from studykit.exchange.circumstances import Circumstances
from studykit.exchange.collection import Collection
from studykit.exchange.tables_in import read_table
from studykit.exchange.tables_out import write_anki_text, write_cards
from studykit.text import clean
from tests.exchange.outgoings import NOW, make_card, make_outgoing

HERE = Circumstances(NOW, rollover_hour=4)


def read(tmp_path: Path, text: str, name: str = "Words.csv") -> Collection:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_table(path, HERE)


def pairs(collection: Collection) -> list[tuple[str, str]]:
    found = []
    for card in collection.cards():
        assert isinstance(card.body, Recall | Cloze)
        found.append((card.question, card.body.answer))
    return found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("chien,dog\nchat,cat\n", "Words.csv"),
        ("chien;dog\r\nchat;cat", "Words.csv"),
        ("chien\tdog\nchat\tcat\n", "Words.tsv"),
        ("\ufeffchien|dog\n\nchat|cat\n", "Words.csv"),
        ("Front,Back\nchien,dog\nchat,cat\n", "Words.csv"),
        ("tags,Answer,Question\nx,dog,chien\ny,cat,chat\n", "Words.csv"),
        ("#separator:tab\n#html:false\nchien\tdog\nchat\tcat\n", "Words.txt"),
    ],
)
def test_two_columns_in_any_form(text: str, name: str, tmp_path: Path) -> None:
    """A header says which column is what; without one the first two are."""
    collection = read(tmp_path, text, name)
    assert pairs(collection) == [("chien", "dog"), ("chat", "cat")]
    assert [deck.path for deck in collection.decks] == [("Words",)]
    assert collection.title == "Words"


def test_all_columns(tmp_path: Path) -> None:
    """Decks in decks, tags, identity, marks; the source follows the explanation."""
    collection = read(
        tmp_path,
        "id,deck,topic,question,answer,explain,source,tags,suspended,flagged\n"
        "w-1,Top::French,Animals,chien,dog,It barks.,A book,a b,true,false\n",
    )
    (deck,) = collection.decks
    (note,) = deck.notes
    (card,) = note.cards
    assert deck.path == ("Top", "French", "Animals")
    assert (note.key, note.tags) == ("w-1", ("a", "b"))
    assert (card.explain, card.marks) == ("It barks.\n\nA book", frozenset({"suspended"}))


def test_ankis_text(tmp_path: Path) -> None:
    """As Anki 26.09 writes it with every column: guid, note type, deck and tags are no text."""
    collection = read(
        tmp_path,
        "#separator:tab\n#html:true\n#guid column:1\n#notetype column:2\n#deck column:3\n"
        "#tags column:6\n"
        'p$K:>\tBasic\tTop::Sub\ta<br>b &lt; c\t"say ""x"""\tx y\n'
        "q\tCloze\tTop::Sub\t{{c1::hidden}}\tmore\t\n",
        "Notes.txt",
    )
    (deck,) = collection.decks
    assert deck.path == ("Top", "Sub")
    assert [(note.key, note.tags) for note in deck.notes] == [("p$K:>", ("x", "y")), ("q", ())]
    assert pairs(collection)[0] == ("a\nb < c", 'say "x"')
    (remark,) = collection.remarks
    assert (remark.n, remark.what.partition(",")[0]) == (1, "clozes of Anki")


def test_a_row_without_an_answer_is_named(tmp_path: Path) -> None:
    """With the line that it begins in, though cells above it hold line ends."""
    collection = read(tmp_path, 'a,"b\nc"\nalone,\nd,e\n')
    assert pairs(collection) == [("a", "b\nc"), ("d", "e")]
    (remark,) = collection.remarks
    assert remark.what.endswith("Words.csv:3:1")


def test_a_question_that_stands_twice_gives_two_notes(tmp_path: Path) -> None:
    """Each with a key of its own, the same in every version: schedules hang on the keys."""
    (deck,) = read(tmp_path, "a,b\na,c\na,d\n").decks
    assert [note.key for note in deck.notes] == ["a", "a\n2", "a\n3"]


def test_a_column_that_cannot_be_is_passed_over(tmp_path: Path) -> None:
    for number in ("0", "-1", "9" * 5_000, "x"):
        (deck,) = read(tmp_path, f"#separator:tab\n#guid column:{number}\na\tb\n").decks
        assert deck.notes[0].key == "a"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "holds no row"),
        ("question,answer\n", "holds no card"),
        ('a,b\n"c" d,e\n', r"Words.csv:2:1: .*expected after"),
        ('a,"b\n', "unexpected end of data"),
        ('a,"b' + "c" * 200_000, "a cell holds more than 131,072 characters"),
        ('#separator:"\na"b\n', "nothing can be separated by a quote"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(text: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(StudykitError, match=what) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


TEXTS = st.text(st.sampled_from("'=+-@|,;\"\t\n ab#<`\x00é"), min_size=1, max_size=30).filter(
    lambda text: bool(clean(text).strip())
)


@given(sides=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), tab=st.booleans())
def test_what_export_writes_comes_back(
    sides: list[tuple[str, str]], tab: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Formulas, quotes, delimiters and line ends included, but for space around a text."""
    path = tmp_path_factory.mktemp("table") / ("a.tsv" if tab else "a.csv")
    cards = [make_card(f"c-{n}", *pair) for n, pair in enumerate(sides)]
    write_cards(make_outgoing(cards), path, "\t" if tab else ",")
    collection = read_table(path, HERE)
    assert pairs(collection) == [(clean(q).strip(), clean(a).strip()) for q, a in sides]
    assert [note.key for deck in collection.decks for note in deck.notes] == [
        card.id for card in cards
    ]


def test_ankis_text_of_ours_comes_back(tmp_path: Path) -> None:
    """Marks of a card's text become HTML and marks again."""
    path = tmp_path / "a.txt"
    write_anki_text(make_outgoing([make_card("a", "List<int> `x < y`?", "**yes**\nno")]), path)
    assert pairs(read_table(path, HERE)) == [("List<int> `x < y`?", "**yes**\nno")]
