"""HTML as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.exchange.html_text import as_html
from studykit.exchange.plain_text import has_words, to_text
from studykit.text import clean


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a&nbsp;&amp;&lt;b&gt;", "a &<b>"),
        ("one<br>two<br/><br/><br/>three", "one\ntwo\n\nthree"),
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("<ul><li>a</li><li>b<ol><li>c</li><li>d</li></ol></li></ul>", "- a\n- b\n  1. c\n  2. d"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a | b\nc"),
        ("so <b>bold</b>, <strong> so </strong>!", "so **bold**, **so** !"),
        ("<b>two<br>lines</b>", "two\nlines"),
        ("<div><b>all of it</b></div>", "all of it"),
        ("use <code>x = 1</code>", "use `x = 1`"),
        ("<pre>def f():\n    return 1</pre>then", "```\ndef f():\n    return 1\n```\nthen"),
        ("x<sup>2</sup>, H<sub>2</sub>O, e<sup>-x²</sup>", "x², H₂O, e^(-x²)"),
        ('<img src="a.png" alt="a [cat]"><img src=b>', "[picture: a (cat)][picture]"),
        ("lark [sound:lark.mp3]", "lark [sound]"),
        ("<audio src=lark.mp3></audio> <video src=a.mp4></video>", "[sound] [sound]"),
        ("<ruby>漢<rt>かん</rt></ruby>", "漢(かん)"),
        ("<anki-mathjax>x^2</anki-mathjax>", r"\(x^2\)"),
        ("a<script>alert(1)</script><style>b {}</style>c", "ac"),
        ("a List<int> of f<T>()", "a List<int> of f<T>()"),
        ("1 < 2 && 3 > 2", "1 < 2 && 3 > 2"),
        ("\u200bzero\u202e width\x07\x1b[31m", "zero width[31m"),
        ("  spaces\t \n and lines ", "spaces and lines"),
        ("open <b>bold", "open **bold**"),
        ("a <![if IE]>b<![endif]> <![x[ c > d", "a b d"),
        ("an open <![x[", "an open <![x["),
        ("", ""),
    ],
)
def test_what_becomes_of_html(html: str, text: str) -> None:
    assert to_text(html) == text


pieces = st.sampled_from(
    [
        *("<b>", "</b>", "<br>", "<div>", "</div>", "<ul>", "<li>", "</ul>", "<pre>", "</pre>"),
        *("<code>", "</code>", "<sup>", "</sup>", "<td>", "<script>", "</script>", "<img>"),
        *(
            "<!--",
            "-->",
            "<![CDATA[",
            "<![x[",
            "<a b='",
            "</",
            "<",
            "&",
            "&#0;",
            "&#x202e;",
            "[sound:",
        ),
        *("\x00", "\x1b[2J", "\u200b", "\ufffe", "\ud800", "`", "**", "```", " ", "\n", "\t", "é"),
    ]
)


@given(st.lists(pieces | st.text(max_size=5), max_size=30).map("".join))
def test_whatever_comes_is_safe_to_show(html: str) -> None:
    text = to_text(html)

    assert clean(text) == text
    assert "\t" not in text and "\ufffe" not in text
    assert text == text.strip()
    assert all(line == line.rstrip() for line in text.split("\n"))


@given(st.text(st.characters(codec="utf-8", exclude_characters="`*[]"), max_size=60))
def test_what_goes_out_comes_back(text: str) -> None:
    """A card that was sent to Anki as HTML, and is brought in again."""
    text = to_text(text.replace("<", "").replace("&", ""))

    assert to_text(as_html(text)) == "\n".join(" ".join(line.split()) for line in text.split("\n"))


def test_nesting_costs_nothing() -> None:
    deep = 15_000
    assert to_text("<b>" * deep + "x").strip("*") == "x"
    assert to_text("<div>" * 9_000 + "x") == "x"
    assert to_text("<sup>" * 4_000 + "2" + "</sup>" * 4_000).endswith(("²", ")"))


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("[picture]", False),
        ("[picture: a cat]\n[sound]", False),
        ("** **", False),
        ("[picture] of a cat", True),
        ("[other]", True),
    ],
)
def test_pictures_and_sounds_are_no_words(text: str, has: bool) -> None:
    assert has_words(text) is has
