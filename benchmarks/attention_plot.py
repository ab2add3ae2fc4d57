"""The rates of a run as one SVG file: a panel for each family of cases, a line for each rival."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.attention_cases import OURS, OURS_IN_ANY_ORDER, RIVALS, Row

N_COLUMNS = 4
PANEL_WIDTH, PANEL_HEIGHT = 300, 230
LEFT, RIGHT, TOP, BOTTOM = 44, 290, 34, 196
"""The plot's edges inside a panel."""
HEADER_HEIGHT = 60

STYLES = {
    OURS: ("#d55e00", "circle"),
    OURS_IN_ANY_ORDER: ("#d55e00", "diamond"),
    "cuDNN": ("#000000", "square"),
    "flash": ("#0072b2", "triangle"),
    "efficient": ("#009e73", "diamond"),
    "math": ("#cc79a7", "square"),
    "FlexAttention": ("#b8860b", "triangle"),
    "naive": ("#777777", "diamond"),
}
"""A colour and a mark for each rival; the colours differ for colour-blind eyes, too."""


def render_plot(rows: Sequence[Row], title: str) -> str:
    """The file's text. Nothing is told by colour alone: marks differ and say their numbers."""
    families: dict[str, list[Row]] = {}
    for row in rows:
        families.setdefault(row.case.family, []).append(row)
    n_lines = math.ceil(len(families) / N_COLUMNS)
    width, height = N_COLUMNS * PANEL_WIDTH, HEADER_HEIGHT + n_lines * PANEL_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f' font-family="sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(12, 20, title, size=14),
        *_legend(),
    ]
    for index, (family, members) in enumerate(families.items()):
        line, column = divmod(index, N_COLUMNS)
        x, y = column * PANEL_WIDTH, HEADER_HEIGHT + line * PANEL_HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_panel(family, members), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> list[str]:
    parts = []
    for index, name in enumerate(RIVALS):
        x = 18 + 130 * index
        parts += [_mark(name, x, 42, name), _text(x + 10, 46, name)]
    return parts


def _panel(family: str, rows: Sequence[Row]) -> list[str]:
    rows = sorted(rows, key=lambda row: row.case.n_keys)
    rates = [rate for row in rows for name in RIVALS if (rate := row.rate(name)) is not None]
    top = _round_up(max(rates, default=1.0))
    shortest, longest = (math.log2(rows[end].case.n_keys) for end in (0, -1))

    def x_of(row: Row) -> float:
        share = (math.log2(row.case.n_keys) - shortest) / max(1.0, longest - shortest)
        return LEFT + 10 + share * (RIGHT - LEFT - 20)

    def y_of(rate: float) -> float:
        return BOTTOM - rate / top * (BOTTOM - TOP)

    parts = [_text(14, 14, family), _text(14, 27, rows[0].case.unit, colour="#666666")]
    for tick in range(5):
        y = y_of(tick * top / 4)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#dddddd"/>')
        parts.append(_text(LEFT - 5, y + 4, f"{tick * top / 4:g}", "end"))
    for row in rows:
        length = f"{row.case.n_keys // 1024}k" if row.case.n_keys >= 1024 else str(row.case.n_keys)
        parts.append(_text(x_of(row), BOTTOM + 16, length, "middle"))
    for name in reversed(RIVALS):  # ours on top
        places = [(x_of(row), rate) for row in rows if (rate := row.rate(name)) is not None]
        colour, _ = STYLES[name]
        width = 2.5 if name == OURS else 1.2
        points = " ".join(f"{x:.1f},{y_of(rate):.1f}" for x, rate in places)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
        )
        parts += [
            _mark(name, x, y_of(rate), f"{name}: {rate:.0f} {rows[0].case.unit}")
            for x, rate in places
        ]
    return parts


def _mark(name: str, x: float, y: float, tip: str) -> str:
    colour, shape = STYLES[name]
    outline = {
        "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" ',
        "square": f'<path d="M{x - 3:.1f} {y - 3:.1f}h6v6h-6z" ',
        "triangle": f'<path d="M{x:.1f} {y - 4:.1f}l4 7h-8z" ',
        "diamond": f'<path d="M{x:.1f} {y - 4:.1f}l4 4-4 4-4-4z" ',
    }[shape]
    element = outline.split()[0].removeprefix("<")
    return f'{outline}fill="{colour}"><title>{escape(tip)}</title></{element}>'


def _text(
    x: float, y: float, text: str, anchor: str = "start", *, size: int = 11, colour: str = "#222222"
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size}" fill="{colour}">{escape(text)}</text>'


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 6, 8 times a power of ten, so that quarters are round."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)
