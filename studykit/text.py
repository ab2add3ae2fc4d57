"""Text from outside, made safe to show, and the few marks that a card's text may have."""

from __future__ import annotations

import re

# C0 controls have pictures of their own (U+2400 + code); tab and newline are text.
_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"} | {
    0x7F: 0x2421
}

# What a terminal or a reader acts on without showing it: C1 controls, bidirectional
# overrides and isolates, zero-width characters, line separators and tag characters.
_INVISIBLE = re.compile(
    "[\x80-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_SUSPECT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]|" + _INVISIBLE.pattern)


def clean(text: str) -> str:
    """`text` with every control character made visible: nothing in it can drive a terminal."""
    if not _SUSPECT.search(text):
        return text
    return _INVISIBLE.sub("\ufffd", text.translate(_PICTURES))


def first_suspect(text: str) -> int | None:
    """Index of the first character that `clean` would replace, or None."""
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
