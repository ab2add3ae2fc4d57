"""The top line of a sitting: where the card belongs, what is left, how far it has come."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget

from studykit.course.cards import Card, Course
from studykit.review.schedule import NEW_MEMORY, State
from studykit.review.session import Session
from studykit.review.study_queue import Counts
from studykit.text import clean
from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.gauges import render_bar
from studykit.tui.widgets.safe import Static

FLAGGED = ("⚑ flagged", "$text-accent")


class Bar(Widget):
    """A thin line, filled from the left."""

    _share = 0.0

    def fill(self, share: float) -> None:
        """Fill it up to `share` of its width."""
        self._share = share
        self.refresh()

    def render(self) -> Content:
        return render_bar(self._share, self.content_size.width, "$rule")


class PlaceLine(Widget):
    """Two rows: deck › topic and the counts, then the bar."""

    DEFAULT_CSS = """
    PlaceLine {
        height: 2;
        Horizontal { height: 1; padding: 0 1; }
        #place { width: 1fr; color: $text-muted; }
        #counts { width: auto; margin-left: 2; }
        Bar { height: 1; }
    }
    """

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield Fitted(lambda width: Content(), id="place")
            yield Static(id="counts")
        yield Bar()

    def show_place(self, course: Course, card: Card | None, counts: Content, share: float) -> None:
        """Where `card` belongs, and how far the sitting has come: in words, and as a share."""
        self.query_one("#place", Fitted).show(
            _fit_place(card, course) if card else lambda width: Content()
        )
        self.query_one("#counts", Static).update(counts)
        self.query_one(Bar).fill(share)


def render_counts(session: Session, counts: Counts) -> Content:
    """What is left today; the count that the current card is part of is the bold one."""
    card = session.current
    state = session.memories.get(card.id, NEW_MEMORY).state if card else None
    parts: list[tuple[str, str]] = []
    if card and card.id in session.marks.flagged:
        parts.append(FLAGGED)
    for name, n, states in (
        ("new", counts.new, (State.NEW,)),
        ("learning", counts.learning, (State.LEARNING, State.RELEARNING)),
        ("review", counts.review, (State.REVIEW,)),
    ):
        if n:
            parts.append((" · " if parts else "", "$text-muted"))
            parts.append((f"{n} {name}", "bold" if state in states else "$text-muted"))
    return Content.assemble(*parts)


def render_label(label: str, n_left: int, *, is_flagged: bool) -> Content:
    """What kind of practice this is, and how many cards are left."""
    flag = [FLAGGED, (" · ", "$text-muted")] if is_flagged else []
    return Content.assemble(*flag, (label, "$text-accent"), (f" · {n_left} left", "bold"))


def _fit_place(card: Card, course: Course) -> Callable[[int], Content]:
    """Deck and topic; where both do not fit, the topic says more."""
    deck = next(deck for deck in course.decks if deck.id == card.deck_id)
    topic = next(topic for topic in deck.topics if topic.id == card.topic_id)
    whole = Content(clean(f"{deck.title} › {topic.title}"))
    short = Content(clean(topic.title))
    return lambda width: (
        whole if whole.cell_length <= width else short.truncate(width, ellipsis=True)
    )
