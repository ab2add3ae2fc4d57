"""HTML as a card's text: lines, lists, code, bold; pictures and sounds by a word in brackets."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from html.parser import HTMLParser
from typing import NamedTuple

from studykit.text import FENCE, without_suspects

PICTURE, SOUND = "[picture]", "[sound]"
"""Stand where a terminal shows nothing."""
LONGEST_HTML = 50_000
"""Characters; what follows is cut off. The parser's time grows with the square of what an open
quote or comment swallows: 4 s at this length."""


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BLOCKS = _names(
    "address article aside blockquote body center dd details dir div dl dt fieldset "
    "figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr legend li main nav ol "
    "p pre section summary table tbody tfoot thead tr ul"
)
_INLINE = _names(
    "a abbr acronym audio b bdi bdo big br button cite code data del dfn em embed "
    "font i iframe img input ins kbd label mark math meter object option output "
    "picture progress q rb rp rt rtc ruby s samp select small source span strike "
    "strong sub sup svg td textarea th time tt u var video wbr"
)
_CELLS = frozenset(("td", "th"))
_DROPPED = _names("head noscript script select style template title")
_VOID = _names("area base br col embed hr img input link meta source track wbr")
_BOLD = frozenset(("b", "strong"))
_CODE = frozenset(("code", "kbd", "samp", "tt"))

_MATH = "anki-mathjax"
_SOUND_MARK = re.compile(r"\[sound:[^\]\n]*\]")
_SPACES = re.compile(r"[ \t\r\n\f\xa0]+")
_WHOLLY_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
"""A text that is bold from end to end stresses nothing in it."""
_BLANK_LINES = re.compile(r"\n{3,}")
_NONCHARACTERS = re.compile("[\ufffe\uffff]")
_ONLY_MEDIA = re.compile(r"\[(?:picture|sound)(?:: [^\]\n]*)?\]")


class _List(NamedTuple):
    is_numbered: bool
    numbers: list[int]


def to_text(html: str) -> str:
    """`html` as plain text that is safe to show: no control character is left, no line ends in a
    space.

    Bold becomes ``**bold**``, code ``` `code` ```, preformatted text a fence; raised and lowered
    digits become Unicode's. Whatever else the HTML says about looks is dropped.
    """
    html = html[:LONGEST_HTML]
    if "<" not in html and "&" not in html:
        text = _SPACES.sub(" ", html)
    else:
        reader = _Reader()
        reader.feed(html)
        reader.close()
        text = reader.text()
    text = _NONCHARACTERS.sub("", without_suspects(_SOUND_MARK.sub(SOUND, text)))
    lines = [line.rstrip() for line in text.replace("\t", "    ").split("\n")]
    text = _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip("\n").strip()
    whole = _WHOLLY_BOLD.fullmatch(text)
    return whole[1].strip() if whole else text


def has_words(text: str) -> bool:
    """Whether anything is left of `text` without its pictures and sounds."""
    return bool(_ONLY_MEDIA.sub("", text).strip(" \n*`"))


class _Reader(HTMLParser):
    """Collects text by an explicit stack, however deeply the elements are nested."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._lists: list[_List] = []
        self._bold: list[int] = []
        self._scripts: list[tuple[str, int]] = []
        """Open ``sup`` and ``sub``, each with the number of parts before it."""
        self._n_dropped = 0
        self._n_pre = 0
        self._n_code = 0

    def text(self) -> str:
        """All of it; what was left open is closed."""
        while self._bold:
            self._end_bold()
        if self._n_pre:
            self._parts.append(f"\n{FENCE}\n")
        return "".join(self._parts)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Of a section ``<![name[`` with a name that it does not know the parser asserts; to a
        browser it is a comment."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            self._n_dropped += 1
        if self._n_dropped:
            return
        if tag == "br":
            self._parts.append("\n")
        elif tag == "img":
            alt = _SPACES.sub(" ", dict(attrs).get("alt") or "").strip()
            alt = alt.replace("[", "(").replace("]", ")")[:200]
            self._parts.append(f"[picture: {alt}]" if alt else PICTURE)
        elif tag in ("audio", "video"):
            self._parts.append(SOUND)
        elif tag in _CELLS:
            if not self._at_line_start():
                self._parts.append(" | ")
        elif tag in _BLOCKS:
            self._begin_block(tag)
        elif tag in _BOLD and not self._n_pre and not self._n_code:
            self._bold.append(len(self._parts))
        elif tag in _CODE and not self._n_pre:
            self._n_code += 1
            if self._n_code == 1:
                self._scripts.append(("code", len(self._parts)))
        elif tag in ("sup", "sub"):
            self._scripts.append((tag, len(self._parts)))
        elif tag == "rt":
            self._parts.append("(")
        elif tag == _MATH:
            self._parts.append("\\(")
        elif not attrs and tag.isalpha() and tag not in _INLINE and not self._n_code:
            # No element: a type, like List<int>, that was never escaped.
            self._parts.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _DROPPED:
            self._n_dropped = max(0, self._n_dropped - 1)
            return
        if self._n_dropped or tag in _VOID:
            return
        if tag in _BLOCKS:
            self._end_block(tag)
        elif tag in _BOLD and self._bold:
            self._end_bold()
        elif tag in _CODE and self._n_code:
            self._n_code -= 1
            if not self._n_code:
                self._end_script("code")
        elif tag in ("sup", "sub"):
            self._end_script(tag)
        elif tag == "rt":
            self._parts.append(")")
        elif tag == _MATH:
            self._parts.append("\\)")

    def handle_data(self, data: str) -> None:
        if self._n_dropped:
            return
        if self._n_pre:
            self._parts.append(data.replace("\r\n", "\n").replace("\xa0", " "))
            return
        text = _SPACES.sub(" ", data)
        if text.startswith(" ") and self._at_line_start():
            text = text[1:]
        self._parts.append(text)

    def _at_line_start(self) -> bool:
        last = next((part for part in reversed(self._parts) if part), "\n")
        return last.endswith(("\n", " "))

    def _break_line(self) -> None:
        last = next((part for part in reversed(self._parts) if part), "\n")
        if not last.endswith("\n"):
            self._parts.append("\n")

    def _begin_block(self, tag: str) -> None:
        self._break_line()
        if tag in ("ul", "ol"):
            self._lists.append(_List(tag == "ol", [0]))
        elif tag == "li" and self._lists:
            of = self._lists[-1]
            of.numbers[0] += 1
            indent = "  " * min(len(self._lists) - 1, 8)
            self._parts.append(f"{indent}{of.numbers[0]}. " if of.is_numbered else f"{indent}- ")
        elif tag == "li":
            self._parts.append("- ")
        elif tag == "pre":
            if not self._n_pre:
                self._parts.append(f"{FENCE}\n")
            self._n_pre += 1

    def _end_block(self, tag: str) -> None:
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif tag == "pre":
            if not self._n_pre:
                return
            self._n_pre -= 1
            self._break_line()
            if not self._n_pre:
                self._parts.append(FENCE)
        self._break_line()
        if tag == "p":
            self._parts.append("\n")

    def _end_bold(self) -> None:
        """Marks what was bold, if it is of one line."""
        start = self._bold.pop()
        self._wrap(start, "**", "*")

    def _wrap(self, start: int, mark: str, refused: str) -> None:
        inner = "".join(self._parts[start:])
        text = inner.strip()
        if not text or "\n" in inner or refused in inner:
            return
        before = " " if inner[0] == " " else ""
        after = " " if inner[-1] == " " else ""
        self._parts[start:] = [f"{before}{mark}{text}{mark}{after}"]

    def _end_script(self, tag: str) -> None:
        while self._scripts:
            name, start = self._scripts.pop()
            if name != tag:
                continue
            if tag == "code":
                self._wrap(start, "`", "`")
                return
            inner = "".join(self._parts[start:])
            table = _raised() if tag == "sup" else _lowered()
            if inner and all(sign in table for sign in inner):
                self._parts[start:] = ["".join(table[sign] for sign in inner)]
            elif inner.strip():
                self._parts[start:] = [f"{'^' if tag == 'sup' else '_'}({inner.strip()})"]
            return


@cache
def _raised() -> dict[str, str]:
    return _variants("<super>")


@cache
def _lowered() -> dict[str, str]:
    return _variants("<sub>")


def _variants(form: str) -> dict[str, str]:
    """Sign -> the one that Unicode has for it in a form: digits, signs and some letters."""
    table: dict[str, str] = {"-": "⁻" if form == "<super>" else "₋"}
    for code in (*range(0xB2, 0xBA), *range(0x1D2C, 0x1D6B), *range(0x2070, 0x209D)):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and parts[0] == form:
            table.setdefault(chr(int(parts[1], 16)), chr(code))
    return table
