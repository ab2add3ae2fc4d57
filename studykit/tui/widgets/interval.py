"""A share with its interval on a line, and a mark to compare it with: ``├──●─┊─┤``."""

from __future__ import annotations

from textual.content import Content

from studykit.progress.summary import Retention


def render_interval(seen: Retention, mark: float, bottom: float, width: int) -> Content:
    """`width` columns for the shares from `bottom` to 1; what is below `bottom` stands at it."""

    def column(share: float) -> int:
        return round((max(bottom, share) - bottom) / (1 - bottom) * (width - 1))

    cells = [(" ", "")] * width
    if seen.share is not None and seen.low is not None and seen.high is not None:
        low, high = column(seen.low), column(seen.high)
        for place in range(low, high + 1):
            cells[place] = ("─", "$text-primary")
        cells[low] = ("├", "$text-primary")
        cells[high] = ("┤", "$text-primary")
    cells[column(mark)] = ("┊", "bold $text-accent")
    if seen.share is not None:
        cells[column(seen.share)] = ("●", "bold $text-primary")
    return Content.assemble(*cells)


def render_scale(bottom: float, width: int) -> Content:
    """The ends and the middle of that line in per cent."""
    left, right = f"{100 * bottom:.0f}", "100 %"
    middle = f"{50 * (1 + bottom):.0f}"
    gap = (width - len(middle)) // 2 - len(left)
    line = f"{left}{' ' * gap}{middle}"
    return Content.styled(line + right.rjust(width - len(line) + 2), "$text-muted")
