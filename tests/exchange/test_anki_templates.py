"""Templates filled in: fields, conditions, filters, clozes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.exchange.anki_templates import (
    CLOSES,
    HINTS,
    LONGEST_SIDE,
    OPENS,
    Filling,
    fill_back,
    fill_front,
    has_cloze,
    split_template,
)

FIELDS = {"Word": "go", "Empty": "<br>&nbsp;", "Reading": "漢字[かんじ]"}


def front(template: str, cloze: int = 0, **fields: str) -> str:
    filling = Filling({**FIELDS, **fields}, {"Tags": "a b", "Deck": "D::E"}, cloze)
    return fill_front(split_template(template), filling).html


@pytest.mark.parametrize(
    ("template", "html"),
    [
        ("{{Word}} / {{ Word }}", "go / go"),
        ("{{text:Word}} {{hint:Word}} {{unknown:Word}}", "go go go"),
        ("{{furigana:Reading}} {{kanji:Reading}} {{kana:Reading}}", "漢字(かんじ) 漢字 かんじ"),
        ("{{#Word}}yes{{/Word}}{{#Empty}}no{{/Empty}}{{^Empty}}empty{{/Empty}}", "yesempty"),
        ("{{#Word}}{{#Empty}}a{{/Empty}}b{{/Word}}c", "bc"),
        ("{{^Word}}{{#Word}}a{{/Word}}b{{/Word}}c", "c"),
        ("{{Tags}} in {{Deck}}, {{Nothing}}", "a b in D::E, "),
        ("{{tts en_US:Word}}{{Word}}", "go"),
        ("{{#Word}}never closed", "never closed"),
        ("{{/Word}}never opened", "never opened"),
        ("{ {Word} } {{", "{ {Word} } {{"),
    ],
)
def test_fields_conditions_and_filters(template: str, html: str) -> None:
    assert front(template) == html


@pytest.mark.parametrize(
    ("text", "cloze", "html"),
    [
        ("a {{c1::b}} c", 1, f"a {OPENS}b{CLOSES} c"),
        ("a {{c1::b::hint}} c", 1, f"a {OPENS}b{HINTS}hint{CLOSES} c"),
        ("{{c1::a}} {{c2::b::hint}}", 1, f"{OPENS}a{CLOSES} b"),
        ("{{c1::a}} {{c1::b}}", 1, f"{OPENS}a{CLOSES} {OPENS}b{CLOSES}"),
        ("{{c1::a {{c2::b}} c}}", 2, f"a {OPENS}b{CLOSES} c"),
        ("{{c1::a {{c2::b}} c}}", 1, f"{OPENS}a b c{CLOSES}"),
        ("{{c1,2::a}}", 2, f"{OPENS}a{CLOSES}"),
        ("{{c1::a", 1, f"{OPENS}a{CLOSES}"),
        ("a}} b", 1, "a}} b"),
    ],
)
def test_clozes(text: str, cloze: int, html: str) -> None:
    assert front("{{cloze:Text}}", cloze, Text=text) == html
    assert has_cloze(text, cloze) == (OPENS in html)


def test_the_back_is_what_it_adds() -> None:
    def back(template: str) -> str:
        return fill_back(split_template(template), Filling({"Text": "{{c1::a}}", "E": "e"}, {}, 1))

    assert back("{{cloze:Text}}<br>{{E}}") == "<br>e"
    assert back("{{FrontSide}}<hr id=answer>{{E}}") == "e"
    assert back("front again<HR class=x ID='answer' />{{E}}") == "e"
    assert back("{{type:E}}{{E}}") == "e"


def test_a_field_to_be_typed_is_named() -> None:
    filling = Filling({"Word": "go", "E": "e"}, {}, 0)
    side = fill_front(split_template("{{E}}{{type:Word}}"), filling)

    assert (side.html, side.typed) == (f"e{OPENS}{CLOSES}", "Word")


brackets = st.lists(
    st.sampled_from(["{{c1::", "{{c2::", "{{c1,2::", "}}", "::", "a", "{{", "}", "{{/c1}}"]),
    max_size=30,
).map("".join)


@given(brackets, st.integers(1, 3))
def test_whatever_is_nested_ends_as_it_began(text: str, number: int) -> None:
    html = front("{{cloze:Text}}", number, Text=text)

    depth = 0
    for sign in html:
        depth += (sign == OPENS) - (sign == CLOSES)
        assert depth in (0, 1)
    assert depth == 0


def test_nesting_costs_nothing() -> None:
    deep = 20_000
    assert "a" in front("{{#Word}}" * deep + "a")
    assert OPENS in front("{{cloze:Text}}", 1, Text="{{c2::" * 50 + "{{c1::a" + "}}" * 51)
    assert front("{{cloze:Text}}", 1, Text="{{c2::" * deep + "a") == "a"


def test_a_template_that_repeats_a_field_without_end_is_cut_off() -> None:
    parts = split_template("{{Word}}" * 1_000)
    filling = Filling({"Word": "w" * 10_000}, {}, 0)

    assert len(fill_front(parts, filling).html) <= LONGEST_SIDE + 10_000
    assert len(fill_back(parts, filling)) <= LONGEST_SIDE + 10_000
