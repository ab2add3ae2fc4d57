"""What Home says: values as text, one function a part of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from textual.content import Content

from studykit.study.overview import Overview
from studykit.study.words import about, held_back, outlook
from studykit.text import clean, plural
from studykit.tui.widgets.gauges import render_week

if TYPE_CHECKING:
    from studykit.course.cards import LabHeader
    from studykit.review.offers import Offer
    from studykit.review.study_queue import Counts
    from studykit.study.learner_stats import HomeStats

KEY = "bold $text-primary"
HEAD = "bold $text-accent"
N_PROBLEMS = 3
"""Problems of the course that are shown; studykit check lists them all."""


def render_today(overview: Overview) -> Content:
    """What is left today, how long it takes, and what is done."""
    held = held_back(overview.n_siblings, overview.backlog)
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
        marking = ("; ", ("j k", KEY), " mark a deck or a lab")
        return Content.assemble(enter, " goes on with the review", *marking)
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


def render_marked(counts: Counts, *, has_topics: bool) -> Content:
    """What can be done with the marked deck or topic, of which so much can be asked today."""
    first = Content("Nothing left in it today")
    if counts.total:
        first = Content.assemble(("Enter", KEY), f" asks its {plural(counts.total, 'card')}")
    topics = ("  ", ("l", KEY), " topics") if has_topics else ()
    return Content.assemble(first, "  ", ("c", KEY), " practises  ", ("/", KEY), " lists", *topics)


def render_problems(problems: Sequence[str]) -> Content:
    """The first problems of the course."""
    lines = [
        Content.assemble(("! ", "bold $text-warning"), clean(text))
        for text in problems[:N_PROBLEMS]
    ]
    if (more := len(problems) - N_PROBLEMS) > 0:
        lines.append(Content(f"  and {more} more: studykit check lists them"))
    return Content("\n").join(lines)
