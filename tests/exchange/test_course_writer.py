"""Collections written as courses: whatever the texts are, they are read back as they were."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studykit.course import yaml_reader
from studykit.course.cards import Body, Cloze, Recall
from studykit.course.decks import load_course
from studykit.errors import StudykitError
from studykit.exchange import course_writer
from studykit.exchange.circumstances import tell_nobody
from studykit.exchange.clozes import hide
from studykit.exchange.collection import Collection, SourceCard, SourceDeck, SourceNote
from studykit.exchange.course_writer import plan_course, write_course
from studykit.exchange.plain_text import to_text
from studykit.study.check import check_course

DAY = date(2026, 12, 1)

texts = st.text(max_size=60).map(to_text).filter(bool)
"""Whatever a reader may find, as readers hand it on."""
deck_names = st.text(max_size=12).map(lambda text: " ".join(to_text(text).split())).filter(bool)


@st.composite
def source_cards(draw: st.DrawFn, key: str) -> SourceCard:
    question, answer = draw(texts), draw(texts)
    body: Body = Recall(answer)
    if draw(st.booleans()):
        question, body = hide(f"{question} ", answer, draw(texts))
    return SourceCard(key, question, body, draw(st.just("") | texts))


@st.composite
def collections(draw: st.DrawFn) -> Collection:
    decks = []
    paths = draw(st.lists(st.lists(deck_names, min_size=1, max_size=3), max_size=5, min_size=1))
    n = 0
    for path in {tuple(path): None for path in paths}:
        notes = []
        for _ in range(draw(st.integers(1, 3))):
            n += 1
            cards = [draw(source_cards(str(k + 1))) for k in range(draw(st.integers(1, 2)))]
            tags = tuple(draw(st.lists(deck_names, max_size=2)))
            notes.append(SourceNote(f"note {n}", tuple(cards), tags))
        decks.append(SourceDeck(path, tuple(notes)))
    return Collection("A collection", tuple(decks))


def write(collection: Collection, folder: Path) -> int:
    plan = plan_course(collection, folder)
    if plan.added:
        write_course(plan, folder, "A title", DAY, tell_nobody)
    return plan.n_added


@settings(max_examples=60, deadline=None)
@given(collection=collections())
def test_every_text_is_read_back_as_it_was(
    collection: Collection, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any") / "course"

    write(collection, folder)

    course = load_course(folder)
    assert course.problems == ()
    assert check_course(folder).problems == ()
    written = sorted(repr((c.question, c.body, c.explain)) for c in course.cards.values())
    assert written == sorted(repr((c.question, c.body, c.explain)) for c in collection.cards())
    again = plan_course(collection, folder)
    assert (again.n_added, again.remarks) == (0, ())


@settings(max_examples=30, deadline=None)
@given(collection=collections(), data=st.data())
def test_in_two_imports_as_in_one(
    collection: Collection, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """First some of the decks, then all: nothing is missing, nothing stands twice."""
    folder = tmp_path_factory.mktemp("any")
    some = tuple(deck for deck in collection.decks if data.draw(st.booleans()))
    write(collection, folder / "one")

    if some:
        write(Collection("A part", some), folder / "two")
    write(collection, folder / "two")

    one, two = load_course(folder / "one"), load_course(folder / "two")
    assert two.problems == ()
    assert one.cards.keys() == two.cards.keys()
    assert {id_: card.content_hash for id_, card in one.cards.items()} == {
        id_: card.content_hash for id_, card in two.cards.items()
    }


def test_ids_are_what_they_always_were(tmp_path: Path) -> None:
    """With others the next import would bring every card of the learner's anew."""
    body = Recall("a")
    alone = SourceNote("a?", (SourceCard("", "a?", body),))
    cards = [SourceCard(key, "q", body) for key in ("1", "2", "Odd key")]
    notes = (alone, SourceNote("guid", tuple(cards)))

    plan = plan_course(Collection("Two", (SourceDeck(("Deck",), notes),)), tmp_path)

    assert [*plan.ids] == [
        "cdd876b0b4a331099",
        "c6ff504fa02925c3a-1",
        "c6ff504fa02925c3a-2",
        "c6ff504fa02925c3a-cbf47426a5d7d8610",
    ]


def one_deck(n: int, name: str = "Deck") -> Collection:
    notes = (SourceNote(f"{name} {k}", (SourceCard("", f"q{k}", Recall("a")),)) for k in range(n))
    return Collection("Many", (SourceDeck((name,), tuple(notes)),))


def test_a_large_deck_becomes_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_writer, "MOST_CARDS_A_FILE", 10)

    write(one_deck(25), tmp_path / "course")

    course = load_course(tmp_path / "course")
    assert [len(deck.cards) for deck in course.decks] == [10, 10, 5]
    assert [deck.title for deck in course.decks] == [f"Deck (part {n})" for n in (1, 2, 3)]


def test_more_cards_than_a_course_may_have_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_writer, "MOST_CARDS", 10)

    with pytest.raises(StudykitError, match="would have 11 cards; it may have 10"):
        plan_course(one_deck(11), tmp_path / "course")


def decks(*tops: str, inside: str = "") -> Collection:
    """Decks of one card each."""
    found = []
    for top in tops:
        path = (inside, top) if inside else (top,)
        found.append(SourceDeck(path, (SourceNote(top, (SourceCard("", "q", Recall("a")),)),)))
    return Collection("Decks", tuple(found))


def test_more_decks_than_a_course_may_have_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as it may have are written, whatever else lies beside them."""
    monkeypatch.setattr(course_writer, "MOST_DECKS", 3)
    write(decks("A", "B"), tmp_path / "course")
    (tmp_path / "course" / "decks" / "notes.txt").write_text("mine")

    write(decks("C"), tmp_path / "course")
    with pytest.raises(StudykitError, match="would have more than 3 decks"):
        write(decks("D"), tmp_path / "course")

    assert len(load_course(tmp_path / "course").decks) == 3


def test_a_deck_with_many_topics_becomes_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_writer, "MOST_TOPICS_A_FILE", 2)
    first = decks("A", "B", "C", "D", "E", inside="Top")

    write(Collection("Two", (*first.decks, *decks("Other").decks)), tmp_path)

    topics = [[topic.title for topic in deck.topics] for deck in load_course(tmp_path).decks]
    assert topics == [["A", "B"], ["C", "D"], ["E"], ["Other"]]


def test_new_sections_follow_those_of_the_outline(tmp_path: Path) -> None:
    """Also those that no deck has yet."""
    write(decks("A"), tmp_path)
    with (tmp_path / "decks" / "course.yaml").open("a") as manifest:
        manifest.write(
            "outline:\n"
            '  - {number: 1, title: A, topics: [{number: "1.1", title: A, points: 1}]}\n'
            '  - {number: 2, title: To come, topics: [{number: "2.1", title: B, points: 1}]}\n'
        )

    write(decks("C"), tmp_path)

    course = load_course(tmp_path)
    assert [topic.number for deck in course.decks for topic in deck.topics] == ["1.1", "3.1"]


def test_a_manifest_may_lack_its_last_line_end(tmp_path: Path) -> None:
    write(decks("A"), tmp_path)
    manifest = tmp_path / "decks" / "course.yaml"
    manifest.write_text(manifest.read_text().rstrip("\n"))

    write(decks("B"), tmp_path)

    assert len(load_course(tmp_path).decks) == 2


def test_names_that_yaml_would_take_for_numbers(tmp_path: Path) -> None:
    """Of a deck, and of a card: its id could read 1234e-1."""
    for name in ("2024", "1e3", "no", "~", "2024-12-01", "###", "日本語"):
        write(one_deck(300, name), tmp_path / "course")

    course = load_course(tmp_path / "course")
    assert course.problems == ()
    assert len(course.cards) == 7 * 300


def test_names_longer_than_an_id_may_be(tmp_path: Path) -> None:
    """What fits of both topics' names is the same; their ids differ by a number."""
    alike = decks("b" * 60, "b" * 59 + "c", inside="a" * 60)

    write(Collection("Two", (*alike.decks, *decks("Other").decks)), tmp_path)

    course = load_course(tmp_path)
    assert course.problems == ()
    one, two = (topic.id for topic in course.decks[0].topics)
    assert (len(one), two) == (80, f"{one[:70]}-2")


def test_a_text_of_several_lines_is_written_as_a_block(tmp_path: Path) -> None:
    """As an author would; in quotes where a block could not hold it as it is."""
    texts = {
        "one: line": '"one: line"',
        "two\n\n  lines": "|-\n          two\n\n            lines",
        "a\ttab\nand": r'"a\ttab\nand"',
        "a space \nand": r'"a space \nand"',
    }
    notes = (SourceNote(text, (SourceCard("", "q", Recall(text)),)) for text in texts)

    write(Collection("Texts", (SourceDeck(("Deck",), tuple(notes)),)), tmp_path)

    written = (tmp_path / "decks" / "1-deck.yaml").read_text()
    assert all(f"        answer: {text}\n" in written for text in texts.values())
    answers = [card.body for card in load_course(tmp_path).cards.values()]
    assert answers == [Recall(text) for text in texts]


def test_a_list_of_decks_in_one_line_is_told_of(tmp_path: Path) -> None:
    write(one_deck(1), tmp_path)
    manifest = tmp_path / "decks" / "course.yaml"
    text = manifest.read_text()
    manifest.write_text(text.replace("decks:\n  - 1-deck.yaml", "decks: [1-deck.yaml]"))

    with pytest.raises(StudykitError, match="a deck cannot be added to this list"):
        write(one_deck(1, "Other"), tmp_path)

    assert len([*(tmp_path / "decks").iterdir()]) == 2


def test_what_an_author_added_to_the_manifest_stays(tmp_path: Path) -> None:
    write(one_deck(1), tmp_path)
    manifest = tmp_path / "decks" / "course.yaml"
    manifest.write_text(f"# mine\n{manifest.read_text()}# the end")

    write(one_deck(1, "Other"), tmp_path)

    lines = manifest.read_text().splitlines()
    assert lines[0] == "# mine" and lines[-1] == "# the end"
    assert lines[-3:-1] == ["  - 1-deck.yaml", "  - 2-other.yaml"]
    assert load_course(tmp_path).problems == ()


def test_nothing_is_written_if_a_deck_cannot_be_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_writer, "_quoted", str)

    with pytest.raises(StudykitError):
        write(one_deck(3, "a: b"), tmp_path / "course")

    assert [*tmp_path.iterdir()] == []


def test_a_long_cloze_is_recalled_and_a_short_one_typed(tmp_path: Path) -> None:
    collection = Collection(
        "Two",
        (
            SourceDeck(
                ("Deck",),
                (
                    SourceNote("a", (SourceCard("1", *hide("It is ", "short", ".")),)),
                    SourceNote("b", (SourceCard("1", *hide("It is ", "long " * 20, ".")),)),
                ),
            ),
        ),
    )

    write(collection, tmp_path)

    first, second = load_course(tmp_path).cards.values()
    assert first.body == Cloze("short") and isinstance(second.body, Recall)


def test_a_deck_that_holds_all_others_is_the_course(tmp_path: Path) -> None:
    def deck(*path: str) -> SourceDeck:
        note = SourceNote("/".join(path), (SourceCard("", "q", Recall("a")),))
        return SourceDeck(path, (note,))

    inside = Collection("Top", (deck("Top", "A"), deck("Top", "A", "B"), deck("Top", "C")))

    write(inside, tmp_path)

    course = load_course(tmp_path)
    titles = [(each.title, [topic.title for topic in each.topics]) for each in course.decks]
    assert titles == [("A", ["A", "B"]), ("C", ["C"])]


def test_a_file_takes_no_more_values_than_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course_writer, "MOST_VALUES_A_FILE", 3000)
    monkeypatch.setattr(yaml_reader, "MOST_NODES", 6000)
    tags = tuple(f"t{n}" for n in range(100))
    notes = (SourceNote(f"note {n}", (SourceCard("", "q", Recall("a")),), tags) for n in range(50))

    write(Collection("Tags", (SourceDeck(("Deck",), tuple(notes)),)), tmp_path)

    course = load_course(tmp_path)
    assert course.problems == () and len(course.cards) == 50
    assert len(course.decks) == 2
