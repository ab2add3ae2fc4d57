"""True retention in words: the share, its interval, and whether it is the wanted one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from studykit.study.words import plural

if TYPE_CHECKING:
    from studykit.progress.summary import Retention


def render_retention(retention: Retention, wanted: float) -> Content:
    """The last 30 days in a few lines."""
    title = Content.styled("TRUE RETENTION", "bold $text-accent")
    head = Content.assemble(title, ("  last 30 days", "$text-muted"))
    basis = Content.styled(f"{plural(retention.n, 'review')} of known cards", "$text-muted")
    share = render_share(retention)
    if share is None:
        return Content("\n").join([head, Content("too few to judge"), basis])
    return Content("\n").join([head, share, verdict(retention, wanted), basis])


def render_share(retention: Retention) -> Content | None:
    """The share with its interval; None where there are too few to judge."""
    from studykit.progress.standing import ENOUGH

    share, low, high = retention.share, retention.low, retention.high
    if share is None or low is None or high is None or retention.n < ENOUGH:
        return None
    return Content.assemble(
        (f"{100 * share:.1f} %", "bold"), (f"  ({100 * low:.0f}–{100 * high:.0f} %)", "$text-muted")
    )


def verdict(retention: Retention, wanted: float) -> Content:
    """Whether the interval holds what is wanted."""
    percent = f"{100 * wanted:.0f} %"
    if retention.high is not None and retention.high < wanted:
        return Content.styled(f"below the wanted {percent}", "$text-warning")
    if retention.low is not None and retention.low > wanted:
        return Content.styled(f"above the wanted {percent}", "$text-success")
    return Content.styled(f"as wanted: {percent}", "$text-success")
