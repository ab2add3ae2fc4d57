"""A card's text as HTML, as Anki shows it: escaped first, so that ``List<int>`` stays a text."""

from __future__ import annotations

import html

from studykit.text import FENCE, SPAN, clean


def as_html(text: str) -> str:
    """Fences become ``<pre>``, code and bold spans their elements, line ends ``<br>``."""
    blocks: list[str] = []
    code: list[str] | None = None
    for line in clean(text).strip("\n").split("\n"):
        if line.strip().startswith(FENCE):
            if code is None:
                code = []
            else:
                blocks.append(_pre(code))
                code = None
        elif code is not None:
            code.append(line)
        else:
            blocks.append(_marked(line) + "<br>")
    if code is not None:
        blocks.append(_pre(code))
    return "".join(blocks).removesuffix("<br>")


def _pre(lines: list[str]) -> str:
    return f'<pre style="text-align:left">{html.escape(chr(10).join(lines))}</pre>'


def _marked(line: str) -> str:
    parts, end = [], 0
    for span in SPAN.finditer(line):
        parts.append(html.escape(line[end : span.start()]))
        tag, inner = ("code", span["code"]) if span["code"] else ("b", span["bold"])
        parts.append(f"<{tag}>{html.escape(inner)}</{tag}>")
        end = span.end()
    parts.append(html.escape(line[end:]))
    return "".join(parts)
