"""Text for people: from outside, made safe to show; a card's few marks; numbers as words."""

from __future__ import annotations

import math
import re

# C0 controls have pictures of their own (U+2400 + code); tab and newline are text.
_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"} | {
    0x7F: 0x2421
}

# Letters of scripts that say with U+200C and U+200D how they join: Arabic and its neighbours, the
# scripts of India and South-East Asia, Mongolian.
_JOINING = (
    "\u0620-\u109f\u1700-\u180d\u1820-\u18aa\u1900-\u1cff\ua800-\ua8ff\ua930-\uabff"
    "\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff\U0001e900-\U0001e95f"
)

# What a terminal or a reader acts on without showing it: C1 controls, bidirectional
# overrides and isolates, zero-width characters, line separators and tag characters.
_UNSEEN = (
    "\x80-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
_INVISIBLE = re.compile(f"[{_UNSEEN}]|(?<![{_JOINING}])[\u200c\u200d]")
_SUSPECT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]|" + _INVISIBLE.pattern)
# A single class, which is searched seven times as fast: nearly every text has none of it.
_PERHAPS_SUSPECT = re.compile(f"[\x00-\x08\x0b-\x1f\x7f\u200c\u200d{_UNSEEN}]")


def clean(text: str) -> str:
    """`text` with every control character made visible: nothing in it can drive a terminal."""
    if not _PERHAPS_SUSPECT.search(text):
        return text
    return _INVISIBLE.sub("\ufffd", text.translate(_PICTURES))


def without_suspects(text: str) -> str:
    """`text` less the characters that `clean` would replace."""
    return _SUSPECT.sub("", text) if _PERHAPS_SUSPECT.search(text) else text


def is_plain_line(text: str) -> bool:
    """Whether `text` can be shown in one line, and is not blank."""
    return bool(text.strip()) and clean(text) == text and not {"\n", "\t"} & set(text)


def first_suspect(text: str) -> int | None:
    """Index of the first character that `clean` would replace, or None."""
    if not _PERHAPS_SUSPECT.search(text):
        return None
    found = _SUSPECT.search(text)
    return found.start() if found else None


FENCE = "```"
SPAN = re.compile(r"`(?P<code>[^`\n]+)`|\*\*(?P<bold>[^*\n]+)\*\*")
"""A card's text is not Markdown: fences, `code` and **bold** are all there is."""


def unmarked(text: str) -> str:
    """`text` as it is read aloud: without its marks; code keeps its lines."""
    lines = []
    in_fence = False
    for line in clean(text).strip("\n").split("\n"):
        if line.strip().startswith(FENCE):
            in_fence = not in_fence
        elif in_fence:
            lines.append(line)
        else:
            lines.append(SPAN.sub(lambda span: span["code"] or span["bold"], line.strip()))
    return "\n".join(lines)


def flat(text: str) -> str:
    """`text` on one line, without its marks."""
    return " ".join(unmarked(text).split())


def plural(n: int, noun: str) -> str:
    """``1 card``, ``2 cards``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def size_in_words(n_bytes: int) -> str:
    """``850 kB``, ``93 MB``, ``1.6 GB``: powers of ten, as download pages have them."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size * 0.9995:
            return f"{n_bytes / size:.{1 if n_bytes < 9.95 * size else 0}f} {unit}"
    return f"{n_bytes / 1e3:.0f} kB"


def format_value(value: float) -> str:
    """`value` in three or four significant digits; NaN is how a diverged run measures."""
    if math.isnan(value):
        return "diverged"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    value = float(value)  # JSON may have made it an int
    size = abs(value)
    if value != 0 and not 1e-3 <= size < 1e6:
        return format_exponent(value)
    if value.is_integer() or size >= 1000:
        return f"{value:.0f}"
    if size < 0.1:
        return f"{value:.3g}"
    return f"{value:.{3 if size < 10 else 2 if size < 100 else 1}f}"


def format_exponent(value: float) -> str:
    """`value` as ``7.60e-9``."""
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def percent(share: float, n_places: int = 0) -> str:
    """A share of 1 in whole per cent, or with so many decimal places."""
    return f"{100 * share:.{n_places}f} %"
