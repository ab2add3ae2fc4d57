from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from studykit.course import yaml_reader
from studykit.course.cards import KINDS, Cloze, Exercise, Match, Numeric, Order, Predict, Recall
from studykit.course.decks import load_course, load_deck
from studykit.course.nodes import meaning_to_yaml
from studykit.course.serialisation import pack_course, unpack_course
from studykit.course.source import LARGEST_FILE_BYTES, stamp_decks
from studykit.course.yaml_reader import MOST_NODES
from studykit.errors import CourseError
from studykit.study.check import check_course
from tests.course.mini_course import DECK, MiniCourse, write_marked


def error_of(path: Path) -> str:
    with pytest.raises(CourseError) as caught:
        load_deck(path)
    return str(caught.value)


@pytest.fixture(params=["libyaml", "pure Python"])
def either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    parser = yaml.CSafeLoader if request.param == "libyaml" else yaml.SafeLoader
    monkeypatch.setattr(yaml_reader, "_PARSER", parser)


# A good deck


@pytest.mark.usefixtures("either_parser")
def test_every_kind_of_card_is_read(mini: MiniCourse) -> None:
    cards = {card.id: card for card in load_deck(mini.deck).cards}

    assert {card.kind for card in cards.values()} == set(KINDS)
    assert cards["say"].points == ("1.1.1",)
    assert (cards["say"].note, cards["say"].source) == ("adding", "He et al. 2015")
    assert cards["fill"].body == Cloze("norm", ("layer norm", "LayerNorm"))
    assert cards["sort"].body == Order(("Normalise", "Transform", "Add"))
    assert cards["pair"].body == Match(
        (("Residual", "A sum"), ("Norm", "A quotient")), ("A product",)
    )
    assert cards["count"].body == Numeric(2.0, "norms", 0.2)
    assert cards["weigh"].body == Exercise(
        "rank", "Cost of each part", "part", "cost", 3, group="model", apart=0.2
    )
    assert cards["bet"].knobs == {"n_layers": 8, "norm": "pre"}
    assert cards["bet"].claims == ("stuck", "slower")
    assert cards["guess"].body == Predict(measurement="loss_without", unit="nats", tolerance=0.1)


def test_cards_know_their_place_and_keep_the_file_s_order(mini: MiniCourse) -> None:
    deck = load_deck(mini.deck)

    lines = DECK.split("\n")
    ids = [line.removeprefix("      - id: ") for line in lines if "      - id: " in line]
    assert [card.id for card in deck.cards] == ids
    first = lines.index("      - id: say") + 1
    assert str(deck.cards[0].place) == f"{mini.deck}:{first}:9"
    assert deck.topics[0].points["1.1.2"] == "A norm keeps the scale of the sums."


def test_a_percentage_of_a_measurement_stays_relative(mini: MiniCourse) -> None:
    mini.change(mini.deck, "tolerance: 0.1", "tolerance: 10%")

    body = load_deck(mini.deck).cards[-1].body

    assert isinstance(body, Predict)
    assert (body.tolerance, body.relative) == (0.1, True)


def test_a_number_may_have_an_exponent(mini: MiniCourse) -> None:
    mini.change(mini.deck, "answer: 2\n", "answer: 1e-3\n")

    assert load_deck(mini.deck).cards[5].body == Numeric(0.001, "norms", 0.0001)


def test_a_knob_keeps_the_type_that_it_plainly_has(mini: MiniCourse) -> None:
    mini.change(mini.deck, "{n_layers: 8,", "{n_layers: 8, rate: 1e-3, tied: true, text: '8',")

    knobs = load_deck(mini.deck).cards[7].knobs

    expected = {"n_layers": 8, "rate": 0.001, "tied": True, "text": "8", "norm": "pre"}
    assert knobs == expected
    assert [type(knobs[name]) for name in expected] == [int, float, bool, str, str]


def test_a_byte_order_mark_and_windows_lines_do_not_matter(mini: MiniCourse) -> None:
    plain = load_deck(mini.deck)
    mini.deck.write_bytes(b"\xef\xbb\xbf" + DECK.replace("\n", "\r\n").encode())

    assert load_deck(mini.deck) == plain


def test_evidence_may_be_only_related(mini: MiniCourse) -> None:
    """Which is no other card to the learner."""
    before = load_deck(mini.deck).cards[0]
    mini.change(mini.deck, "note: adding", "note: adding\n        evidence: related")
    after = load_deck(mini.deck).cards[0]

    assert (before.is_only_related, after.is_only_related) == (False, True)
    assert before.content_hash == after.content_hash


def test_folded_text_becomes_one_line(mini: MiniCourse) -> None:
    mini.change(
        mini.deck,
        "answer: The input of the block to its output",
        "answer: >\n          The input\n          of the block\n",
    )

    assert load_deck(mini.deck).cards[0].body == Recall("The input of the block")


@pytest.mark.usefixtures("either_parser")
def test_escape_sequences_are_loaded_visible(mini: MiniCourse) -> None:
    """Neither a raw control character nor an escape for one reaches a screen as it is."""
    mini.change(mini.deck, "answer: The input", 'answer: "\\e]52;c;x\\a" #')
    mini.change(mini.deck, "question: What does", "question: \x1b[31m\u202e What does")

    card = load_deck(mini.deck).cards[0]

    assert card.body == Recall("␛]52;c;x␇")
    assert card.question.startswith("␛[31m\ufffd What does")


def test_markup_is_text_like_any_other(mini: MiniCourse) -> None:
    text = "[@click=app.quit]x[/] [/nope] [link=file:///etc/passwd]"
    mini.change(mini.deck, "The input of the block to its output", f"'{text}'")

    assert load_deck(mini.deck).cards[0].body == Recall(text)


# The content hash


@pytest.mark.parametrize(
    ("old", "new", "is_edited"),
    [
        ("answer: The input", "answer: An input", True),
        ("explain: The sum", "explain: A sum", True),
        ("source: He et al. 2015", "source: He et al. 2016", True),
        ("claim: stuck\n        note", "claim: slower\n        note", False),
        ("note: adding", "note: sums", False),
        ("id: say", "id: tell", False),
        ("question: What does", "question:   'What' #", True),
        ("answer: The input", "answer:   The input", False),
    ],
)
def test_the_content_hash_follows_what_the_learner_sees(
    mini: MiniCourse, old: str, new: str, is_edited: bool
) -> None:
    before = load_deck(mini.deck).cards[0].content_hash
    mini.change(mini.deck, old, new)

    assert (load_deck(mini.deck).cards[0].content_hash != before) == is_edited


# Files that are no strict YAML: @@ marks where the error is expected


@pytest.mark.parametrize(
    ("text", "gist"),
    [
        ("", "is empty"),
        ("\n  \n# a comment\n", "is empty"),
        ("@@just text", "must be a mapping"),
        ("@@[a, b]", "must be a mapping"),
        ("format: 1\n@@\tdeck: core", "a tab"),
        ("deck: core@@\t# aligned", "a tab"),
        ("format: 1\ndeck: a\n@@deck: b", "key `deck` stands twice (first in line 2"),
        ("format: 1\ntitle: {a: 1, @@a: 2}", "key `a` stands twice"),
        ("a: @@&x [1]\nb: *x", "anchor &x"),
        ("a: @@*x", "alias *x"),
        ("a: {@@<<: {b: 1}}", "merge keys"),
        ("a: @@!!python/object/apply:os.system ['true']", "tag"),
        ("a: @@!!str no", "tag"),
        ("format: 1\n@@---\nformat: 1", "a second document"),
        ("? @@[a, b]\n: c", "a key must be text"),
        ("a: b@@: c", "not valid YAML"),
        ("a: [1, 2\n@@", "not valid YAML"),
        ("a: 'open@@", "not valid YAML"),
        ("a: x@@\ufffe", "a character that YAML refuses"),
    ],
)
def test_what_is_no_strict_yaml_is_refused_at_its_place(
    tmp_path: Path, text: str, gist: str
) -> None:
    path = tmp_path / "deck.yaml"
    place = write_marked(path, text)

    error = error_of(path)

    assert error.startswith(f"{place}: ")
    assert gist in error


def test_bytes_that_are_not_utf8_are_placed(tmp_path: Path) -> None:
    path = tmp_path / "deck.yaml"
    path.write_bytes("format: 1\ntitle: é".encode() + b"\xe9 caf")

    assert error_of(path).startswith(f"{path}:2:9: byte 0xe9 is not UTF-8 (save the file")


def test_utf16_is_not_taken_for_utf8(tmp_path: Path) -> None:
    path = tmp_path / "deck.yaml"
    path.write_bytes(DECK.encode("utf-16"))

    assert error_of(path).startswith(f"{path}:1:1: byte 0xff is not UTF-8")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_costs_nothing(tmp_path: Path, opening: str) -> None:
    """The library's own composer overflows the C stack here and ends the process."""
    path = tmp_path / "deck.yaml"
    path.write_text(opening * 100_000)

    assert "nested too deeply" in error_of(path)


def test_an_anchor_bomb_is_refused_at_its_first_anchor(tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{key}: &{key} [*{before}, *{before}, *{before}]\n"
        for before, key in zip("abcdefghijkl", "bcdefghijklm", strict=True)
    )
    path = tmp_path / "deck.yaml"
    path.write_text(bomb)

    assert error_of(path).startswith(f"{path}:1:4: anchor &a")


def test_a_file_may_not_be_huge(tmp_path: Path) -> None:
    path = tmp_path / "deck.yaml"
    path.write_text("title: " + "x" * LARGEST_FILE_BYTES)

    assert "is too large" in error_of(path)


def test_a_text_may_not_be_huge(mini: MiniCourse) -> None:
    place = mini.change(mini.deck, "explain: The", "explain: @@" + "x" * 100_000)

    assert error_of(mini.deck).startswith(f"{place}: `explain`: has 100")


def test_too_many_values_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deck.yaml"
    path.write_text("a: [" + "x," * (MOST_NODES + 1) + "]")

    assert "too many values" in error_of(path)


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "deck.yaml"
    if kind == "folder":
        path.mkdir()

    assert ("does not exist" if kind == "missing" else "is not a file") in error_of(path)


# Texts that YAML takes for something else


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("no", "false"),
        ("Yes", "true"),
        ("OFF", "false"),
        ("1e-3", "the number 0.001"),
        ("1:30", "the number 90"),
        ("12", "the number 12"),
        ("0x1F", "a number"),
        ("1_000", "a number"),
        ("010", "a number"),
        (".inf", "a number"),
        ("2026-11-23", "a date"),
        ("null", "nothing"),
        ("~", "nothing"),
    ],
)
def test_a_text_must_be_text_to_every_yaml(mini: MiniCourse, value: str, meaning: str) -> None:
    place = mini.change(mini.deck, "answer: norm", f"answer: @@{value}")

    assert error_of(mini.deck) == (
        f'{place}: `answer`: `{value}` is {meaning} to YAML, not text (put it in quotes: "{value}")'
    )


@pytest.mark.parametrize("value", ["no", "1e-3", "1:30", "2026-11-23", "null"])
def test_in_quotes_any_text_is_text(mini: MiniCourse, value: str) -> None:
    mini.change(mini.deck, "answer: norm", f'answer: "{value}"')

    assert load_deck(mini.deck).cards[2].body == Cloze(value, ("layer norm", "LayerNorm"))


@given(st.from_regex(r"[-+.0-9a-fA-FxXoObBeE_:~<=TnNyYoOuUlLsS ]{1,12}", fullmatch=True))
@settings(derandomize=True)
@example("12:30:45.5")
@example("2001-1-1 1:1:1")
@example("-.INF")
def test_whatever_the_library_takes_for_no_text_is_noticed(value: str) -> None:
    try:
        made = yaml.load(f"[{value}]", Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError):
        return

    if len(made) == 1 and not isinstance(made[0], str | dict | type(None)):
        assert meaning_to_yaml(value.strip())


# Cards that break a rule: @@ marks where the error is expected

RECALL = "answer: The input of the block to its output"
RIGHT = "{text: Its tokens become alike, correct: true}"
BET = "claim: slower, misconception: They do not learn at all.}"
PAIRS = "{left: Norm, right: A quotient}"

BROKEN = [
    # keys
    (RECALL, "@@anwser: x", "unknown key `anwser` (did you mean answer?)"),
    (RECALL, "@@zzz: x", "unknown key `zzz` (known are id, kind"),
    ("- id: say", "- @@Id: say", "unknown key `Id` (did you mean id?)"),
    ("- id: say\n        kind", "- @@kind", "has no id"),
    ("kind: recall\n", "#\n", "has no kind (add kind: with one of recall"),
    ("kind: recall", "kind: @@recal", "no kind is called `recal`"),
    ("answer: norm", "@@options: [a, b]", "unknown key `options`"),
    # types
    (RECALL, "answer: @@[a, b]", "`answer`: must be text, not a list"),
    (RECALL, "answer: @@{a: b}", "`answer`: must be text, not a mapping"),
    (RECALL, "answer:@@", "`answer`: is empty"),
    (RECALL, 'answer: @@"  "', "`answer`: is empty"),
    ("points: [1.1.1]", "points: @@1.1.1", "`points`: must be a list, not `1.1.1`"),
    ("answer: 2\n", "answer: @@two\n", "`answer`: `two` is not a number"),
    ("answer: 2\n", "answer: @@'2'\n", "`answer`: must be a number, not text"),
    ("answer: 2\n", "answer: @@1:30\n", "`answer`: `1:30` is not a number"),
    ("answer: 2\n", "answer: @@.nan\n", "`answer`: `.nan` is not a number"),
    ("answer: 2\n", "answer: @@1e999\n", "`answer`: `1e999` is too large (at most 1e+150)"),
    ("correct: true", "correct: @@yes", "`correct`: `yes` is not a flag"),
    ("note: adding", "evidence: @@near", "no evidence is called `near` (related, or leave it out"),
    (
        "knobs: {n_layers: 8,",
        "evidence: @@related\n        knobs: {n_layers: 8,",
        "the lab decides",
    ),
    # texts that a comment ends
    ("answer: The input", "answer: @@C # is what adds the input", "what follows # is a comment"),
    (
        "steps: [Normalise,",
        "steps: [@@Normalise # first\n          ,",
        "what follows # is a comment",
    ),
    ("The norm bounds it.}", "@@The norm. #1\n          }", "what follows # is a comment"),
    ("right: A sum}", "right: @@A sum # or not\n          }", "what follows # is a comment"),
    # names
    ("- id: say", "- id: @@Say it", "`id`: `Say it` is not of the right form"),
    ("claim: stuck", "claim: @@no way", "`claim`: `no way` is not of the right form"),
    ("lab: core/depth", "lab: @@../../etc/passwd", "`lab`: `../../etc/passwd` is not of the"),
    ("note: adding", "note: @@A Note", "`note`: `A Note` is not"),
    ("{n_layers: 8", "{@@N-layers: 8", "`N-layers` is not of the right form"),
    ("{n_layers: 8", "{n_layers: @@no", "`n_layers`: `no` is false to YAML"),
    ("{n_layers: 8", "{n_layers: @@[8]", "`n_layers`: must be text, not a list"),
    # points
    ("points: [1.1.1]", "points: @@[]", "`points`: the number of entries is 0"),
    ("points: [1.1.1]", "points: [@@1.1.3]", "the topic teaches no point 1.1.3"),
    ("points: [1.1.1]", "points: [@@1.1]", "`1.1` is the number 1.1 to YAML"),
    ("points: [1.1.1]", "points: [1.1.1, @@1.1.1]", "a point stands twice"),
    ("1.1.2: A norm", "@@1.2.2: A norm", "topic 1.1 has no point `1.2.2`"),
    # choice
    (RIGHT, "@@{text: Its tokens become alike}", "a wrong option needs its misconception"),
    ("- " + RIGHT, "", "0 right options"),
    ("misconception: The norm bounds it.", "correct: true", "2 right options"),
    ("correct: true", "correct: true, misconception: @@x", "a right option has no misconception"),
    ("text: Its gradient explodes", "text: Its weights turn to zero", "an option stands twice"),
    # cloze
    ("question: Before each block stands a ___.", "question: @@No hole.", "0 holes"),
    ("question: Before each block stands a ___.", "question: @@___ and ___.", "2 holes"),
    ("question: Before each block stands a ___.", "question: @@A ____.", "a hole of another len"),
    ("accept: [layer norm,", "accept: [@@norm,", "an answer stands twice"),
    # order
    (
        "[Normalise, Transform, Add]",
        "@@[Normalise, Add]",
        "the number of entries is 2 (it takes 3 to 8)",
    ),
    ("[Normalise, Transform, Add]", "[Add, Transform, @@Add]", "a step stands twice"),
    # match
    ("- {left: Norm, right: A quotient}", "", "the number of entries is 1 (it takes 2 to 8)"),
    (PAIRS, "{left: @@Residual, right: A quotient}", "a left side stands twice"),
    (PAIRS, "@@{left: Norm}", "has no right"),
    ("spare: [A product]", "spare: [@@A sum]", "a spare belongs to a pair"),
    # numeric
    ("tolerance: 10%", "tolerance: @@0", "`tolerance`: is out of range"),
    ("tolerance: 10%", "tolerance: @@-1", "`tolerance`: is out of range"),
    ("tolerance: 10%", "tolerance: @@150%", "`tolerance`: is out of range"),
    ("tolerance: 10%", "tolerance: @@ten", "`tolerance`: `ten` is not a number"),
    ("answer: 2\n        unit: norms\n", "answer: 2\n", "has no unit"),
    ("unit: norms", "unit:@@", "`unit`: is empty"),
    # predict
    (BET, "claim: @@stuck}", "a claim stands twice"),
    (BET, "misconception: x}", "has no claim"),
    ("        knobs: {n_layers", "        @@claim: stuck\n        knobs: {n_layers", "unknown key"),
    ("measurement: loss_without", "measurement: @@Loss", "`Loss` is not of the right form"),
    # exercise
    ("form: rank", "form: @@sort", "`form`: no form is called `sort`"),
    ("          form: rank\n", "", "`exercise`: has no form (add form: with one of rank, pick"),
    ("form: rank", "form: pick", "`exercise`: has no choose"),
    ("form: rank", "form: pick\n          choose: @@3", "`choose`: 3 of 3 leaves nothing"),
    ("form: rank", "form: signs\n          words: @@[up, down]", "is 2 (it takes 3 to 3)"),
    ("form: rank", "form: rank\n          @@choose: 2", "unknown key `choose`"),
    ("draw: 3", "draw: @@2", "`draw`: rank cannot ask 2 rows (3 to 8)"),
    ("apart: 0.2", "apart: @@-0.2", "`apart`: is below 0"),
    ("apart: 0.2", "right_from: @@0", "`right_from`: is out of range"),
    ("apart: 0.2", "right_from: @@1.5", "`right_from`: is out of range"),
    ("          group: model\n", "", "`question`: has a {group} and the exercise no group"),
    ('"{group}: which', '@@"Which', "`question`: has no {group} and the exercise a group"),
    # the deck around the cards
    ("format: 1", "format: @@2", "format 2 is not known"),
    ("format: 1", "format: @@one", "`one` is not a number"),
    ("deck: core", "deck: @@The Core", "`deck`: `The Core` is not of the right form"),
    ("title: Core", "@@titel: Core", "unknown key `titel` (did you mean title?)"),
    ('number: "1.1"', "number: @@1.1", "`1.1` is the number 1.1 to YAML"),
    ('number: "1.1"', 'number: @@"1"', "`1` is not of the right form"),
    ("- id: pick", "- id: @@say", "card say is also at"),
]


@pytest.mark.parametrize(("old", "new", "gist"), BROKEN, ids=[gist for _, _, gist in BROKEN])
def test_a_broken_rule_is_reported_at_its_place(
    mini: MiniCourse, old: str, new: str, gist: str
) -> None:
    place = mini.change(mini.deck, old, new)

    error = error_of(mini.deck)

    assert gist in error
    assert error.endswith(")"), "says what to do"
    if "@@" in new:
        assert error.startswith(f"{place}: ")
    else:
        assert not error.startswith(f"{mini.deck}:1:1: "), "placed somewhere in the file"


def test_a_deck_without_cards_is_refused(mini: MiniCourse) -> None:
    head = DECK.partition("    cards:\n")[0]
    place = write_marked(mini.deck, head + "    cards: @@[]\n")

    assert error_of(mini.deck).startswith(f"{place}: `cards`: the number of entries is 0")


def test_a_percentage_of_zero_is_no_tolerance(mini: MiniCourse) -> None:
    mini.change(mini.deck, "answer: 2\n", "answer: 0\n")

    assert "a percentage of 0 is 0" in error_of(mini.deck)


def test_the_first_problem_of_a_deck_is_the_one_raised(mini: MiniCourse) -> None:
    mini.change(mini.deck, "kind: cloze", "kind: close")
    place = mini.change(mini.deck, "kind: recall", "kind: @@recal")

    assert error_of(mini.deck).startswith(f"{place}: ")


def test_a_doubled_id_names_both_places(mini: MiniCourse) -> None:
    place = mini.change(mini.deck, "id: bet", "id: @@fill")
    first = DECK[: DECK.index("fill")]

    line = first.count("\n") + 1
    assert error_of(mini.deck) == (
        f"{place}: `id`: card fill is also at {mini.deck}:{line}:13 (rename one of them)"
    )


# A course


def test_a_course_is_loaded_whole(mini: MiniCourse) -> None:
    course = load_course(mini.root)

    assert (course.id, course.title) == ("mini", "A mini course")
    assert [deck.id for deck in course.decks] == ["core"]
    assert list(course.labs) == ["core/depth"]
    assert [(topic.number, topic.n_points) for topic in course.outline] == [("1.1", 2), ("1.2", 3)]
    assert len(course.cards) == 9
    assert course.problems == ()


def add_second_deck(mini: MiniCourse, **changes: str) -> Path:
    """A second deck with other names, in which each text of `changes` is replaced."""
    text = DECK
    for old, new in ({"deck: core": "deck: more", "id: depth": "id: width", "1.1": "1.2"}).items():
        text = text.replace(old, new)
    for word in ("say", "pick", "fill", "sort", "pair", "count", "weigh", "bet", "guess"):
        text = text.replace(f"- id: {word}\n", f"- id: {word}-2\n")
    for old, new in changes.items():
        text = text.replace(old, new)
    path = mini.deck.with_name("2-more.yaml")
    path.write_text(text)
    mini.change(mini.manifest, "[1-core.yaml]", "[1-core.yaml, 2-more.yaml]")
    return path


def test_a_broken_deck_stays_out_and_the_rest_loads(mini: MiniCourse) -> None:
    add_second_deck(mini)
    place = mini.change(mini.deck, "kind: recall", "kind: @@recal")

    course = load_course(mini.root)

    assert [deck.id for deck in course.decks] == ["more"]
    assert [line.split(": ")[0] for line in course.problems] == [place]


def test_every_broken_card_of_a_deck_is_a_problem(mini: MiniCourse) -> None:
    mini.change(mini.deck, "kind: recall", "kind: recal")
    mini.change(mini.deck, "kind: cloze", "kind: close")

    assert len(load_course(mini.root).problems) == 2


@pytest.mark.parametrize(
    ("old", "new", "gist"),
    [
        ("id: say-2", "id: say", "card say is also at"),
        ("deck: more", "deck: core", "deck core is also at"),
        ("id: width", "id: depth", "topic depth is also at"),
    ],
)
def test_names_are_unique_in_the_whole_course(
    mini: MiniCourse, old: str, new: str, gist: str
) -> None:
    second = add_second_deck(mini, **{old: new})

    course = load_course(mini.root)

    assert [deck.id for deck in course.decks] == ["core"]
    assert len(course.problems) == 1
    assert course.problems[0].startswith(f"{second}:")
    assert f"{gist} {mini.deck}:" in course.problems[0]


def test_a_listed_deck_that_is_missing_is_a_problem(mini: MiniCourse) -> None:
    place = mini.change(mini.manifest, "[1-core.yaml]", "[1-core.yaml, @@2-more.yaml]")

    course = load_course(mini.root)

    assert len(course.cards) == 9
    assert course.problems == (
        f"{place}: 2-more.yaml does not exist (add the file or take it from the list)",
    )


def test_cards_of_a_broken_lab_stay_out(mini: MiniCourse) -> None:
    place = mini.change(mini.lab, "SEEDS = 2", "SEEDS = @@0")

    course = load_course(mini.root)

    assert (dict(course.labs), course.cards) == ({}, {})
    assert len(course.problems) == 1 + 9
    assert any(line.startswith(f"{place}: SEEDS") for line in course.problems)
    assert "card say: there is no usable lab core/depth" in course.problems[0]


@pytest.mark.parametrize(
    ("old", "new", "gist"),
    [
        ("lab: core/depth", "lab: core/width", "there is no usable lab core/width"),
        ("claim: stuck", "claim: stack", "lab core/depth makes no claim stack (it claims stuck,"),
        ("claim: slower, m", "claim: faster, m", "lab core/depth makes no claim faster"),
        ("knobs: {n_layers", "knobs: {layers", "lab core/depth has no knob layers (it has n_l"),
        ("n_layers: 8", "n_layers: 4", "knob n_layers cannot be 4 (it takes 8, 2)"),
        ("n_layers: 8", "n_layers: 8.0", "knob n_layers cannot be 8.0"),
        ("n_layers: 8", "n_layers: '8'", "knob n_layers cannot be '8'"),
        ('norm: "pre"', "tied: 1", "knob tied cannot be 1 (it takes True, False)"),
    ],
)
def test_a_card_that_does_not_fit_its_lab_stays_out(
    mini: MiniCourse, old: str, new: str, gist: str
) -> None:
    mini.change(mini.deck, old, new)

    course = load_course(mini.root)

    assert len(course.cards) == 8
    assert len(course.problems) == 1
    assert course.problems[0].startswith(f"{mini.deck}:")
    assert gist in course.problems[0]


def test_a_card_may_set_a_knob_of_texts_to_any_text_of_one_line(mini: MiniCourse) -> None:
    mini.change(mini.lab, "SEEDS = 2", 'SEEDS = 2\nTEXT_KNOBS = ("norm",)')
    mini.change(mini.deck, 'norm: "pre"', 'norm: "A text: of its own."')

    course = load_course(mini.root)

    assert not course.problems
    assert course.cards["bet"].knobs["norm"] == "A text: of its own."
    for value in ('"two\\nlines"', "5", f'"{"x" * 201}"'):
        mini.change(mini.deck, '"A text: of its own."', value)
        (problem,) = load_course(mini.root).problems
        assert "knob norm cannot be" in problem and "at most 200" in problem
        mini.change(mini.deck, value, '"A text: of its own."')


def test_a_card_speaks_of_the_lab_s_own_model(mini: MiniCourse) -> None:
    mini.change(mini.lab, '("numpy",)', '("model:tiny",)')
    mini.change(mini.lab, "seed, device):", "seed, device, model):")
    mini.change(mini.deck, 'norm: "pre"', "model: tiny")

    (problem,) = load_course(mini.root).problems

    assert "a card sets no model" in problem


MANIFESTS = [
    ("format: 1", "format: @@3", "format 3 is not known"),
    ("course: mini", "course: @@no", "`no` is false to YAML"),
    ("[1-core.yaml]", "[@@../secret.yaml]", "is not of the right form"),
    ("[1-core.yaml]", "[@@course.yaml]", "course.yaml is no deck"),
    ("[1-core.yaml]", "[1-core.yaml, @@1-core.yaml]", "a deck stands twice"),
    ("points: 2", "points: @@0", "`0` is no whole number from 1"),
    ("points: 2", "points: @@2.5", "`2.5` is no whole number from 1"),
    ('"1.2"', '@@"2.2"', "section 1 has no topic 2.2"),
    ('"1.2"', '@@"1.1"', "topic 1.1 is also at"),
    ('"1.2"', "@@1.2", "`1.2` is the number 1.2 to YAML"),
    ("title: Core\n", "title: @@Core # the first\n", "what follows # is a comment to YAML"),
    ("points: 2", "points: @@20000000", "is no whole number from 1 to 200"),
    ("points: 2", "points: @@1e308", "`1e308` is too large"),
    ("[1-core.yaml]", f"@@{[f'{n}.yaml' for n in range(500)]}", "it takes 1 to 400"),
    ("title: A", "retention: @@0.99\ntitle: A", "`0.99` is out of range (0.7 to 0.97)"),
    ("title: A", 'retention: @@"0.9"\ntitle: A', "must be a number, not text"),
    ("outline:", "@@outlines:", "unknown key `outlines` (did you mean outline?)"),
]


@pytest.mark.parametrize(("old", "new", "gist"), MANIFESTS)
def test_an_unusable_manifest_is_an_error(mini: MiniCourse, old: str, new: str, gist: str) -> None:
    place = mini.change(mini.manifest, old, new)

    with pytest.raises(CourseError) as caught:
        load_course(mini.root)

    assert str(caught.value).startswith(f"{place}: ")
    assert gist in str(caught.value)


def test_a_course_may_propose_a_retention(mini: MiniCourse) -> None:
    """It is kept with the course, in the cache as well."""
    assert load_course(mini.root).retention is None
    mini.change(mini.manifest, "title: A", "retention: 0.85\ntitle: A")
    course = load_course(mini.root)
    assert course.retention == 0.85
    assert unpack_course(json.loads(json.dumps([*pack_course(course)])), mini.root) == course


def test_an_outline_is_bounded(mini: MiniCourse) -> None:
    """And with it all that is counted by its points."""
    sections = [
        f"  - {{number: {n}, title: S, topics: ["
        + ", ".join(f'{{number: "{n}.{k}", title: T, points: 1}}' for k in range(1, 201))
        + "]}\n"
        for n in range(2, 8)
    ]
    mini.change(mini.manifest, "outline:\n", "outline:\n" + "".join(sections))

    with pytest.raises(CourseError, match=r":11:36: the outline has more than 1,000 topics"):
        load_course(mini.root)


@pytest.mark.parametrize(
    ("bound", "path", "message"),
    [
        ("studykit.course.decks.MOST_DECK_BYTES", "decks", "decks:1:1: holds more than 0 MiB of"),
        ("studykit.course.labs.MOST_LAB_BYTES", "labs", "labs:1:1: holds more than 0 MiB of labs"),
        ("studykit.course.labs.MOST_PYTHON_BYTES", "labs", "labs:1:1: holds more than 0 MiB of"),
        ("studykit.course.decks.MOST_RESULT_BYTES", "data", "results:1:1: holds more than 0 MiB"),
        ("studykit.course.source.MOST_ENTRIES", "labs", "labs:1:1: holds more than 3 files"),
    ],
)
def test_a_course_holds_no_more_than_it_may(
    mini: MiniCourse, monkeypatch: pytest.MonkeyPatch, bound: str, path: str, message: str
) -> None:
    """In one line, whatever its files are, and also where a folder is a link to elsewhere."""
    folder = mini.root / path
    folder.rename(mini.root.parent / path)
    folder.symlink_to(mini.root.parent / path)
    load_course(mini.root)
    monkeypatch.setattr(bound, 3)
    for name in ("a", "b"):
        (mini.lab.parent / name).write_text("")

    with pytest.raises(CourseError, match=rf"{message}.* \(does a link lead out of the course\?\)"):
        load_course(mini.root)
    assert len(check_course(mini.root).problems) == 1


def test_a_deck_with_too_many_cards_is_left_out(
    mini: MiniCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studykit.course.decks.MOST_CARDS", 7)

    course = load_course(mini.root)

    assert course.decks == ()
    assert course.problems == (
        f"{mini.manifest}:4:9: with it the course has more than 7 cards (make two courses of it)",
    )


@pytest.mark.usefixtures("either_parser")
def test_a_comment_may_stand_where_no_text_is_lost_to_it(mini: MiniCourse) -> None:
    """After names, numbers and flags, after quotes, below a text, and not after a blank."""
    for old, new in (
        ("deck: core", "deck: core  # the first"),
        ("kind: recall", "kind: recall # said"),
        ("tolerance: 10%", "tolerance: 10% # much"),
        ("correct: true}", "correct: true} # right"),
        ('norm: "pre"', "norm: pre # the usual\n         "),
        ("answer: norm", "answer: 'norm' # quoted"),
        ("question: Which loss remains?", "question: Which loss#1 remains?\n        # a comment"),
    ):
        mini.change(mini.deck, old, new)

    assert load_deck(mini.deck).cards[-1].question == "Which loss#1 remains?"


def test_an_editor_s_lock_is_no_change_of_a_deck(mini: MiniCourse) -> None:
    """And hides none while it is there."""
    before = stamp_decks(mini.root)
    lock = mini.deck.with_name(".#1-core.yaml")
    lock.symlink_to("me@machine.1234")
    assert stamp_decks(mini.root) == before
    mini.deck.write_text(DECK + "# more\n")
    assert stamp_decks(mini.root) != before


def test_a_folder_without_a_course_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"course\.yaml:1:1: does not exist"):
        load_course(tmp_path)


# Anything at all


def load_anything(path: Path) -> None:
    try:
        load_deck(path)
    except CourseError as error:
        assert error.place is not None
        assert error.place.path == path


@given(st.one_of(st.text(), st.text(alphabet="[]{}&*!|>'\"%@`#,:-? \n\tab01<\\e\x1b\ufeff")))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True
)
def test_any_text_as_a_deck_is_a_deck_or_a_placed_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deck.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")

    load_anything(path)


@given(st.binary())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True
)
def test_any_bytes_as_a_deck_are_a_deck_or_a_placed_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "deck.yaml"
    path.write_bytes(data)

    load_anything(path)


@st.composite
def mangled_decks(draw: Any) -> str:
    """A good deck with one line's value, or the whole line, replaced by anything."""
    lines = DECK.split("\n")
    index = draw(st.integers(0, len(lines) - 2))
    value = draw(
        st.sampled_from(["", "no", "1", "[]", "{}", "[a]", "{a: b}", "~", "- x", "'", "&a", "*a"])
        | st.text(max_size=20)
    )
    key, colon, _ = lines[index].partition(": ")
    lines[index] = f"{key}{colon}{value}" if draw(st.booleans()) else value
    return "\n".join(lines)


@given(mangled_decks())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True
)
def test_a_mangled_deck_is_a_deck_or_a_placed_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deck.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")

    load_anything(path)
