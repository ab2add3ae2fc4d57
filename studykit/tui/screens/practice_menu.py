"""What to practise: more new cards, cards ahead of their day, a choice of cards, a pretest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Center, Container, VerticalScroll
from textual.content import Content

from studykit.errors import StudykitError
from studykit.review.offers import Offer, OfferKind
from studykit.review.practice import Practised
from studykit.study.practising import last_pretests, open_offer, read_offers, taken_before
from studykit.text import clean, plural
from studykit.tui.messages import OpenSitting
from studykit.tui.screens.base import NO_UNDO, StudyScreen
from studykit.tui.widgets.rows import LongRows, Row, Rows
from studykit.tui.widgets.safe import Static

LEADS: Mapping[OfferKind, str] = {
    "new": "More new",
    "ahead": "Ahead   ",
    "cram": "Cram    ",
    "pretest": "Pretest ",
}
ABOUT: Mapping[OfferKind, str] = {
    "new": "Real reviews, scheduled like today's others: about three answers a card today.",
    "ahead": "Cards before they are due. The schedule is untouched: their day stays.",
    "cram": "Known cards until each was right once. The schedule is untouched.",
    "pretest": "New cards, cold, each once: a guess is fine, and they stay new.",
}


class PracticeMenu(StudyScreen):
    """One row a choice, with its number of cards."""

    CSS_PATH = "practice_menu.tcss"
    AUTO_FOCUS = "Rows"
    BINDING_GROUP_TITLE = "What to practise"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "begin", "begin", id="begin-practice", tooltip="Begin what is marked"),
        NO_UNDO,
        Binding("q,escape", "home", "home", key_display="q", id="home", tooltip="Home"),
    ]

    def __init__(self, what: str = "") -> None:
        super().__init__()
        self._what = what
        self._offers: list[Offer] = []

    def compose_body(self) -> ComposeResult:
        yield Static(Content.styled("What to practise", "bold"), id="title")
        with Center():
            yield Static(id="about")
        with Container(classes="frame"), VerticalScroll(id="body", can_focus=False):
            yield LongRows()

    def on_mount(self) -> None:
        try:
            self._offers = read_offers(self.services)
            pretests = last_pretests(self.services)
        except StudykitError as error:
            self.fail(str(error))
            return
        rows = self.query_one(Rows)
        rows.rows = tuple(self._row(offer, pretests) for offer in self._offers)
        wanted = (n for n, offer in enumerate(self._offers) if offer.what == self._what)
        rows.cursor = next(wanted, 0)
        self.watch(rows, "cursor", self._explain)

    def _row(self, offer: Offer, pretests: Mapping[str, Practised]) -> Row:
        count = plural(len(offer.ids), "card")
        if taken := taken_before(offer, pretests, self.services):
            count += f" · {taken}" if offer.kind == "pretest" else f" · pretest {taken}"
        return Row(
            LEADS[offer.kind],
            Content.assemble(clean(offer.title), (f"   {count}", "$text-muted")),
        )

    def _explain(self, cursor: int) -> None:
        """Say of the marked choice what it does to the schedule."""
        about = "Nothing can be practised yet: no card is known, and none is new"
        if self._offers:
            about = ABOUT[self._offers[cursor].kind]
        self.query_one("#about", Static).update(about)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "begin" or bool(self._offers)

    def action_begin(self) -> None:
        """Open what is marked in place of this screen, so that Home lies below it."""
        try:
            asking = open_offer(self.services, self._offers[self.query_one(Rows).cursor])
        except StudykitError as error:
            self.fail(str(error))
            return
        self.app.post_message(OpenSitting(self, asking))

    @on(Rows.Clicked)
    def _begin_clicked(self) -> None:
        self.action_begin()

    def action_home(self) -> None:
        self.dismiss()
