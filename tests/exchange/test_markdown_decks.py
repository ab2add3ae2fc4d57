"""Markdown decks: the notation of hashcards and repeater, there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.course.cards import Cloze, Recall
from studykit.errors import StudykitError
from studykit.exchange.circumstances import Circumstances
from studykit.exchange.collection import Collection
from studykit.exchange.markdown_decks import read_markdown, write_markdown
from studykit.text import clean
from tests.exchange.outgoings import NOW, make_card, make_outgoing

HERE = Circumstances(NOW, rollover_hour=4)


def read(tmp_path: Path, text: str) -> Collection:
    path = tmp_path / "Geography.md"
    path.write_text(text, encoding="utf-8")
    return read_markdown(path, HERE)


def pairs(collection: Collection) -> list[tuple[str, str]]:
    found = []
    for card in collection.cards():
        assert isinstance(card.body, Recall | Cloze)
        found.append((card.question, card.body.answer))
    return found


def test_the_examples_of_the_hashcards_manual(tmp_path: Path) -> None:
    """A question, a list as an answer, one text with two hidden parts, math left as it is."""
    collection = read(
        tmp_path,
        "Q: What is the capital of France?\nA: Paris\n\n"
        "C: [Paris] is the capital of [France].\n\n"
        "Q: List the PGM minerals.\nA:\n\n- ruthenium\n- rhodium\n\n"
        "Q: What is Euler's identity?\nA: $e^{i\\pi} + 1 = 0$\n",
    )
    assert pairs(collection) == [
        ("What is the capital of France?", "Paris"),
        ("___ is the capital of France.", "Paris"),
        ("Paris is the capital of ___.", "France"),
        ("List the PGM minerals.", "- ruthenium\n- rhodium"),
        ("What is Euler's identity?", "$e^{i\\pi} + 1 = 0$"),
    ]
    assert [len(note.cards) for note in collection.decks[0].notes] == [1, 2, 1, 1]
    assert collection.decks[0].path == ("Geography",)
    assert collection.remarks == ()


def test_the_examples_of_the_repeater_manual(tmp_path: Path) -> None:
    """Notes between cards, a rule that ends a card, one line that is a card, indented tags."""
    collection = read(
        tmp_path,
        "# Notes\n\nQ: Term?\nA: Definition\nThis line still belongs to the answer\n---\n"
        "A note of mine.\nWhat is Coulomb's constant?::The constant of the electric force.\n"
        "```cpp\nstd::vector<int> v;\n```\n  Q: Skipped\n",
    )
    assert pairs(collection) == [
        ("Term?", "Definition\nThis line still belongs to the answer"),
        ("What is Coulomb's constant?", "The constant of the electric force."),
    ]
    (remark,) = collection.remarks
    assert (remark.n, remark.what.split(";")[0]) == (3, "lines outside of cards")


def test_front_matter_names_the_deck(tmp_path: Path) -> None:
    """Two files of one name are one deck; the folders that a file lies in go before its own."""
    (tmp_path / "science").mkdir()
    for name in ("ch1", "ch2"):
        text = f'---\nname = "Cell Biology"\n---\n\nQ: {name}?\nA: yes\n'
        (tmp_path / f"{name}.md").write_text(text, encoding="utf-8")
    (tmp_path / "science" / "physics.md").write_text("Q: c?\nA: fast\n", encoding="utf-8")
    collection = read_markdown(tmp_path, HERE)
    assert [(deck.path, len(deck.notes)) for deck in collection.decks] == [
        (("Cell Biology",), 2),
        (("science", "physics"), 1),
    ]


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("Q: a?\nA: b\nQ: left alone\n", "questions without an answer", 3),
        ("Q: a?\nA: b\nA: c\n", "answers without a question", 3),
        ("Q: a?\nA: b\n---\nC: nothing hidden\n", "texts without a [hidden] part", 4),
        ("Q: a?\nA: b\n---\nC: empty [ ] here\n", "texts without a [hidden] part", 4),
    ],
)
def test_what_cannot_be_read_is_named_and_the_rest_comes(
    text: str, what: str, line: int, tmp_path: Path
) -> None:
    """One bad card must not keep a thousand good ones out."""
    collection = read(tmp_path, text)
    assert pairs(collection)[0] == ("a?", "b")
    (remark,) = collection.remarks
    assert remark.n == 1
    assert remark.what == f"{what}; the first at {tmp_path / 'Geography.md'}:{line}:1"


def test_pictures_and_escaped_brackets_are_no_hidden_parts(tmp_path: Path) -> None:
    """The path of a picture stays in the text, and is told."""
    collection = read(tmp_path, "C: See ![a map](img/a.png) of [Oslo], \\[sic\\].\n")
    assert pairs(collection) == [("See ![a map](img/a.png) of ___, [sic].", "Oslo")]
    assert collection.media == ("img/a.png",)


@pytest.mark.parametrize("hidden", ["a part that nobody would want to type out", "two\nlines"])
def test_a_long_hidden_part_is_recalled_not_typed(hidden: str, tmp_path: Path) -> None:
    """It would never be typed as it stands."""
    (card,) = read(tmp_path, f"C: It is [{hidden}].\n").cards()
    assert (card.question, card.body) == ("It is […].", Recall(hidden))


def test_keys_are_what_they_always_were(tmp_path: Path) -> None:
    """Whatever becomes of an answer; a question that stands again has a number behind it.

    A learner's schedule hangs on the keys: with others the next import would bring every card anew.
    """
    for answer in ("wrogn", "wrong"):
        text = f"Q: a?\nA: {answer}\nC: [b] c\nQ: a?\nA: d\n---\na?::e\n"
        (deck,) = read(tmp_path, text).decks
        assert [note.key for note in deck.notes] == ["a?", "b c", "a?\n2", "a?\n3"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"no card", "holds no card"),
        (b"Q: a?\nA: \xff\n", "is not UTF-8"),
        (b"---\nname = broken\n---\nQ: a?\nA: b\n", "the front matter is not TOML"),
        (b"---\nname = " + b"[" * 9_000 + b"\n---\nQ: a?\nA: b\n", "the front matter is not TOML"),
    ],
)
def test_a_file_that_is_no_deck_is_refused_in_one_line(
    content: bytes, what: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(content)
    with pytest.raises(StudykitError, match=what) as caught:
        read_markdown(path, HERE)
    assert "\n" not in str(caught.value)


def test_a_tag_needs_no_space_after_it(tmp_path: Path) -> None:
    collection = read(tmp_path, "Q:a?\nA:b\nC:[c] d\n")
    assert pairs(collection) == [("a?", "b"), ("___ d", "c")]


def test_only_the_space_that_begins_a_line_is_taken_out(tmp_path: Path) -> None:
    """What an export has indented; a tag inside of a line is text."""
    collection = read(tmp_path, "Q: a\nsee  A: b and Q: c\n A: one\n  --- two\nA: so\n")
    assert pairs(collection) == [("a\nsee  A: b and Q: c\nA: one\n --- two", "so")]


@pytest.mark.parametrize(
    "text", ["![", "[", "\\[", "[\\[", "![a](", "a :", "::", " ", "Q:", "[a", "[a]"], ids=repr
)
def test_a_long_text_of_signs_is_read_in_time(text: str, tmp_path: Path) -> None:
    """Nothing is searched again and again to the end: that would take hours."""
    cards = f"Q: a?\nA: b\nC: {text * 200_000}\n---\nx {text * 200_000}\n"
    assert pairs(read(tmp_path, cards))[0] == ("a?", "b")


# Letters that the notation gives a meaning, among others.
TEXTS = st.text(st.sampled_from("QAC:-[]\\!_` \nab\x00é"), min_size=1, max_size=40).filter(
    lambda text: bool(clean(text).strip())
)


@given(sides=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_questions_and_answers_come_back(
    sides: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever stands at the beginning of their lines, but for space around them."""
    folder = tmp_path_factory.mktemp("deck") / "out"
    cards = [make_card(str(n), *pair) for n, pair in enumerate(sides)]
    assert write_markdown(make_outgoing(cards), folder) == len(cards)
    collection = read_markdown(folder, HERE)
    assert pairs(collection) == [(clean(q).strip(), clean(a).strip()) for q, a in sides]
    assert [deck.path for deck in collection.decks] == [("Core",)]


@given(
    before=st.text(st.sampled_from("ab ,!\n"), max_size=12),
    hidden=st.text(st.sampled_from("ab é"), min_size=1, max_size=12).filter(str.strip),
    after=st.text(st.sampled_from("ab ,!\n"), max_size=12),
)
def test_hidden_parts_come_back(
    before: str, hidden: str, after: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A cloze without explanation is written as one."""
    folder = tmp_path_factory.mktemp("deck") / "out"
    question = f"{before}___{after}".strip()
    card = make_card("a", question, hidden.strip(), kind="cloze", hidden=hidden.strip())
    write_markdown(make_outgoing([card]), folder)
    (deck,) = folder.iterdir()
    # Before a bracket an exclamation mark begins a picture.
    assert ("\nC: " in deck.read_text(encoding="utf-8")) == ("!___" not in question)
    assert pairs(read_markdown(folder, HERE)) == [(question, hidden.strip())]
