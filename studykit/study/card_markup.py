"""The marks in a card's text: fences, `code` and **bold**; all there is, for it is not Markdown."""

from __future__ import annotations

import re

from studykit.text import clean

FENCE = "```"

SPAN = re.compile(r"`(?P<code>[^`\n]+)`|\*\*(?P<bold>[^*\n]+)\*\*")


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
