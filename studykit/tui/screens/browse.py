"""Browse: every card of the course, found while one types, with what is known of it."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input

from studykit.course.cards import Card
from studykit.errors import StudykitError
from studykit.review.grading import EXAMPLE, present
from studykit.review.marks import Mark, Marking
from studykit.review.schedule import State
from studykit.study.day import read_day
from studykit.study.evidence_words import why_no_lab
from studykit.study.finding import (
    FILTERS,
    ORDERS,
    Entry,
    build_entries,
    filter_words,
    find,
    in_order,
    values_of,
)
from studykit.text import clean
from studykit.tui.messages import CardsRead, OpenCard, OpenLab, OpenSitting, ProgressFailed
from studykit.tui.screens.base import StudyScreen
from studykit.tui.screens.card import answer_text
from studykit.tui.widgets.card_list import CardList, SearchField
from studykit.tui.widgets.card_text import Fitted, fit_text
from studykit.tui.widgets.memory_text import render_memory
from studykit.tui.widgets.safe import Static

EXAMPLES = "words, s:due, t:predict, d:core, l:residuals …"


class BrowseScreen(StudyScreen):
    """A field, a list, and the marked card below or beside it."""

    CSS_PATH = "browse.tcss"
    AUTO_FOCUS = "SearchField"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - an instance variable in Textual
        (0, "-too-narrow"),
        (60, "-normal"),
        (140, "-wide"),
    ]
    """-wide: the marked card stands beside the list, which keeps its questions readable."""
    BINDING_GROUP_TITLE = "Browse"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="open-card", tooltip="Read the card and its answer"),
        Binding("space", "answer", "answer", id="show-answer", tooltip="Show or hide the answer"),
        Binding("c", "practise", "practise", id="practise", tooltip="Practise what is listed"),
        Binding("o", "order", "order", id="order-cards", tooltip="Another order of the list"),
        Binding("x", "lab", "lab", id="lab", tooltip="Open the card's lab"),
        Binding("slash", "search", "search", id="search", tooltip="Into the search field"),
        Binding("s", "mark('suspended')", "suspend", id="suspend-card", tooltip="Never ask, or do"),
        Binding("b,minus", "mark('buried')", "bury", id="bury-card", tooltip="Not today, or do"),
        Binding("f,asterisk", "mark('flagged')", "flag", id="flag-card", tooltip="Flag, or unflag"),
        Binding("u", "undo", "undo", id="undo", tooltip="Take back the mark last set or taken off"),
        Binding("q,escape", "home", "home", key_display="q", id="home", tooltip="Home"),
        Binding("e", "edit", "edit", id="edit-card", tooltip="Edit the card's deck in $EDITOR"),
    ]

    NEVER_HELD = StudyScreen.NEVER_HELD | {"mark"}

    def __init__(self, search: str = "") -> None:
        super().__init__()
        self._search = search
        self._entries: tuple[Entry, ...] = ()
        self._order = next(iter(ORDERS))
        self._shows_answer = False
        self._toggled: list[tuple[str, Mark]] = []
        """Card and mark of each change here that was not taken back, the latest last."""
        self._edited = ("", "")
        """The card that was edited and what to say of it, until the list has it."""

    def compose_body(self) -> ComposeResult:
        yield Static(Content.styled("Browse", "bold"), id="title")
        with Horizontal(id="search"):
            yield Static("/", id="slash")
            yield SearchField(
                self._search, placeholder=EXAMPLES, compact=True, select_on_focus=False
            )
        with Container(id="both"):
            today, scheduler = self.services.today, self.services.scheduler
            self._recall = partial(scheduler.retrievability, day=today)
            yield CardList(today, self._recall)
            with VerticalScroll(id="preview", can_focus=False):
                yield Fitted(lambda _: Content("Reading the cards …"))

    def on_mount(self) -> None:
        self._read()

    @work(thread=True, exclusive=True, group="cards")
    def _read(self) -> None:
        try:
            store = self.services.progress
            day = read_day(self.services, store)
            # What is buried can be dug up here, and is then asked on its own day again.
            asked = {id_: each for id_, each in day.asked.items() if id_ not in day.marks.buried}
            entries = build_entries(self.services.course, day.memories, asked)
            self.post_message(CardsRead(entries, day.marks))
        except StudykitError as error:
            self.post_message(ProgressFailed(error))

    @on(CardsRead)
    def _fill(self, event: CardsRead) -> None:
        self._entries = event.entries
        self._list.marks = event.marks
        self._find()
        self._show_edited()

    @on(ProgressFailed)
    def _blame(self, event: ProgressFailed) -> None:
        self.warn(str(event.error))

    @property
    def _list(self) -> CardList:
        return self.query_one(CardList)

    @on(Input.Changed)
    def _find(self) -> None:
        """Show what the search gives; every key in the field searches anew."""
        search = self.query_one(SearchField).value
        found = find(self._entries, search, self._list.marks, self.services.today)
        self._list.entries = in_order(found.entries, self._order, self._recall)
        title = Content.styled("Browse", "bold")
        count = f"   {len(found.entries)} of {len(self._entries)} cards"
        if self._order != next(iter(ORDERS)):
            count += f" by {self._order}"
        self.query_one("#title", Static).update(title + Content.styled(count, "$text-muted"))
        if found.hint:
            self.warn(found.hint)
        else:
            self._say_filters()

    def _say_filters(self) -> None:
        """In the field, which filters there are, or what the one being written takes."""
        if not self.query_one(SearchField).has_focus:
            self.say("")
            return
        term = self.query_one(SearchField).value.rpartition(" ")[2].casefold()
        name, colon, _ = term.partition(":")
        if colon and name in FILTERS:
            values = [each for each in values_of(name, self._entries) if "/" not in each]
            values = values or values_of(name, self._entries)
            self.say(f"{name}: takes {', '.join(values)}")
        else:
            self.say(f"Filters  {filter_words()}   Enter: to the list")

    @on(CardList.Moved)
    def _preview(self, event: CardList.Moved) -> None:
        preview = self.query_one("#preview Fitted", Fitted)
        if event.entry is None:
            preview.show(lambda _: Content.styled("No card is like that", "$text-muted"))
        else:
            preview.show(partial(self._render_preview, event.entry))
        self.query_one("#preview").scroll_home(animate=False)
        self.refresh_bindings()

    def _render_preview(self, entry: Entry, width: int) -> Content:
        """The question in full and the card's history; the answer if it was asked for."""
        card, topic = entry.card, entry.topic
        lab = f"lab {card.lab}" if card.lab else "no lab"
        tags = "".join(f" · {tag}" for tag in card.tags)
        place = f"{card.kind} · {topic.number} {clean(topic.title)} · {lab}{tags}"
        known = render_memory(entry.memory, self.services.scheduler, self.services.today)
        head = Content.styled(clean(card.id), "bold $text-accent")
        parts = [head, Content.styled(place, "$text-muted"), known, Content("")]
        rows = [row for part in parts for row in part.wrap(width) or [part]]
        shown = present(card, EXAMPLE, self.services.runs_of(card))
        rows.append(fit_text(shown.question)(width))
        if self._shows_answer:
            answer = answer_text(shown, self.services.evidence(card))
            for text in filter(None, (answer, card.explain)):
                rows += [Content(""), fit_text(text)(width)]
        return Content("\n").join(rows)

    @on(SearchField.Stepped)
    def _step(self, event: SearchField.Stepped) -> None:
        self._list.action_move(event.n_rows)

    @on(SearchField.Left)
    def _to_list(self) -> None:
        self._list.focus()

    def on_descendant_focus(self) -> None:
        """Letters are keys of the list, and text in the field."""
        self.refresh_bindings()
        if self._entries:
            self._say_filters()

    def action_search(self) -> None:
        self.query_one(SearchField).focus()

    @property
    def card_in_hand(self) -> Card | None:
        return None if self._list.current is None else self._list.current.card

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("open", "lab", "mark", "edit", "answer", "practise"):
            return self._list.has_focus and self._list.current is not None
        return action not in ("search", "undo", "order") or self._list.has_focus

    @on(CardList.Clicked)
    def action_open(self) -> None:
        """Show the marked card with its answer."""
        if (entry := self._list.current) is not None:
            self.app.post_message(OpenCard(self, entry.card, entry.memory))

    def action_lab(self) -> None:
        """Open the marked card's lab at its knobs."""
        if (entry := self._list.current) is None:
            return
        header = self.services.lab_of(entry.card)
        if header is None:
            self.warn(why_no_lab(entry.card))
            return
        self.app.post_message(OpenLab(self, header, entry.card.knobs, entry.card))

    def action_answer(self) -> None:
        """Show the answer below the question, of every card from now on; or hide it again."""
        self._shows_answer = not self._shows_answer
        self._preview(CardList.Moved(self._list.current))

    def action_order(self) -> None:
        """List the cards in the next order; the marked one stays marked."""
        orders, marked = list(ORDERS), self._list.current
        self._order = orders[(orders.index(self._order) + 1) % len(orders)]
        self._find()
        if marked is not None:
            self._list.cursor = self._list.entries.index(marked)

    def action_practise(self) -> None:
        """Practise the cards that are listed, of those that are known; the schedule stays."""
        hidden = self._list.marks.hidden
        known = [e for e in self._list.entries if e.memory.state is not State.NEW]
        ids = [entry.card.id for entry in known if entry.card.id not in hidden]
        if not ids:
            self.say("Nothing here to practise: these cards are new, or put aside")
            return
        search = self.query_one(SearchField).value.strip()
        title = f"Found by {clean(search)}" if search else "All known cards"
        try:
            practice = self.services.open_practice("cram", ids, title)
        except StudykitError as error:
            self.fail(str(error))
            return
        self.app.post_message(OpenSitting(self, practice))

    def action_mark(self, mark: Mark) -> None:
        """Set a mark on the marked card, or take it off."""
        entry = self._list.current
        if entry is not None and (told := self._toggle(entry.card.id, mark)):
            self._toggled.append((entry.card.id, mark))
            self.say(f"{told}; u takes it back")

    def action_undo(self) -> None:
        """Take back what was last marked here, or its taking off."""
        if not self._toggled:
            self.say("Nothing was marked here; on Home u takes today's last rating back")
        elif told := self._toggle(*self._toggled[-1]):
            self._toggled.pop()
            self.say(f"Taken back: {told}")

    def _toggle(self, id_: str, mark: Mark) -> str:
        """What became of the card; empty if it could not be saved, which is said then."""
        marks, store = self._list.marks, self.services.progress
        try:
            if id_ in getattr(marks, mark):
                store.unmark(id_, mark)
                self._list.marks = marks.minus(id_, mark)
                return f"{id_} is no longer {mark}"
            store.mark(Marking(id_, mark, self.services.clock.now(), self.services.today))
        except StudykitError as error:
            self.warn(f"not saved: {error}")
            return ""
        self._list.marks = marks.plus(id_, mark)
        return f"{id_} is {mark}"

    def action_edit(self) -> None:
        """Edit the marked card's deck; the list is read again and the card stays marked."""
        if (entry := self._list.current) is None:
            return
        if (told := self.edit_deck(entry.card)) is not None:
            self._edited = (entry.card.id, told)
            self._read()

    def _show_edited(self) -> None:
        (id_, told), self._edited = self._edited, ("", "")
        if told:
            ids = [entry.card.id for entry in self._list.entries]
            self._list.cursor = ids.index(id_) if id_ in ids else 0
            self.say(told)

    def action_home(self) -> None:
        self.dismiss()
