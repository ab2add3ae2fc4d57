"""What Home says: values as text, one function a part of the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from textual.content import Content

from studykit.course.cards import LabHeader
from studykit.study.overview import Overview
from studykit.study.words import about, held_back, outlook
from studykit.text import clean, plural
from studykit.tui.widgets.gauges import render_week

if TYPE_CHECKING:
    from studykit.progress.runs import RunEntry
    from studykit.review.offers import Offer
    from studykit.study.learner_stats import HomeStats

KEY = "bold $text-primary"
HEAD = "bold $text-accent"
N_PROBLEMS = 3
"""Problems of the course that are shown; studykit check lists them all."""
N_LABS = 6
"""Labs that are shown; the key x lists them all."""


def render_today(overview: Overview) -> Content:
    """What is left today, how long it takes, and what is done."""
    held = held_back(overview.n_siblings, overview.n_beyond)
    told = [f"{plural(overview.n_done, 'answer')} today" if overview.n_done else "", held]
    done = "".join(f"   {each}" for each in told if each)
    if not overview.n_due:
        return Content.assemble(("Done for today", "bold $text-success"), (done, "$text-muted"))
    counts = (
        (overview.n_new, "new"),
        (overview.n_learning, "learning"),
        (overview.n_review, "review"),
    )
    return Content.assemble(
        (f"{overview.n_due} due", HEAD),
        f" · {about(overview.expected)}   ",
        " · ".join(f"{n} {name}" for n, name in counts if n),
        (done, "$text-muted"),
    )


def render_next(overview: Overview, n_cards: int, today: date, rollover_hour: int) -> Content:
    """What Enter does, or when the next of the course's `n_cards` come."""
    if not n_cards:
        return Content("This course has no cards that can be read; studykit check says why")
    enter = ("Enter", KEY)
    if overview.n_due and not overview.n_known:
        return Content.assemble(
            "Welcome! ",
            enter,
            " asks the first cards; on a card, ",
            ("x", KEY),
            " runs the lab behind it.",
        )
    if overview.n_due:
        return Content.assemble(enter, " goes on with the review")
    ahead = outlook(overview.coming, n_cards - overview.n_known, today, rollover_hour)
    return Content.assemble(f"{ahead}. ", ("c", KEY), " practises more")


def render_waiting(waiting: Sequence[LabHeader]) -> Content:
    """The labs that wait for a prediction, the first one by its question."""
    if not waiting:
        return Content()
    wait = "1 lab waits" if len(waiting) == 1 else f"{len(waiting)} labs wait"
    return Content.assemble(
        ("x", KEY),
        f"     {wait} for your prediction: ",
        (clean(waiting[0].question), "$text-muted"),
    )


def render_pretest(offer: Offer | None) -> Content:
    """The deck that is about to begin, with the pretest that it can begin with."""
    if offer is None:
        return Content()
    return Content.assemble(
        ("c", KEY),
        f"     a pretest of {plural(len(offer.ids), 'card')} before you begin: ",
        (clean(offer.title), "$text-muted"),
    )


def render_ahead(stats: HomeStats) -> Content:
    """The week ahead with its heading."""
    return Content.assemble(
        ("NEXT 7 DAYS", HEAD),
        ("  known cards that fall due\n", "$text-muted"),
        render_week(stats.week),
    )


def render_labs(
    labs: Mapping[str, LabHeader], waiting: Sequence[LabHeader], runs: Sequence[RunEntry]
) -> Content:
    """The first labs, those that wait for a prediction before the others, each with its outcome."""
    lines = [Content.styled("LABS", HEAD)]
    order = {header.id: header for header in waiting} | dict(labs)
    for header in list(order.values())[:N_LABS]:
        own = [run for run in runs if run.lab == header.id and run.is_complete]
        lines.append(_lab_line(header, own, is_waiting=header in waiting))
    if (more := len(order) - N_LABS) > 0:
        lines.append(Content.styled(f"  and {more} more: x lists them", "$text-muted"))
    return Content("\n").join(lines)


def _lab_line(header: LabHeader, runs: Sequence[RunEntry], *, is_waiting: bool) -> Content:
    judged = [p.correct for run in runs if (p := run.prediction) and p.correct is not None]
    if judged and judged[-1]:
        mark, said = Content.styled("✓", "$text-success"), "last predicted right"
    elif judged:
        mark, said = Content.styled("✗", "$text-error"), "last predicted wrong"
    elif is_waiting:
        mark, said = Content.styled("?", "$text-accent"), "waits for your prediction"
    elif runs:
        mark, said = Content("●"), f"run {len(runs)}×"
    else:
        mark, said = Content("–"), "not run yet"
    said = said.ljust(len("waits for your prediction"))
    return Content.assemble(mark, (f" {said}  ", "$text-muted"), clean(header.question))


def render_problems(problems: Sequence[str]) -> Content:
    """The first problems of the course."""
    lines = [
        Content.assemble(("! ", "bold $text-warning"), clean(text))
        for text in problems[:N_PROBLEMS]
    ]
    if (more := len(problems) - N_PROBLEMS) > 0:
        lines.append(Content(f"  and {more} more: studykit check lists them"))
    return Content("\n").join(lines)
