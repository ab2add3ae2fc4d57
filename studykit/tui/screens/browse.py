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

from studykit.errors import StudykitError
from studykit.review.marks import Mark, Marking
from studykit.study.day import read_day
from studykit.study.finding import Entry, build_entries, find
from studykit.text import clean
from studykit.tui.messages import CardsRead, OpenCard, OpenLab, ProgressFailed
from studykit.tui.screens.base import StudyScreen
from studykit.tui.widgets.card_list import CardList, SearchField
from studykit.tui.widgets.card_text import Fitted, fit_text
from studykit.tui.widgets.memory_text import render_memory
from studykit.tui.widgets.safe import Static

EXAMPLES = "words, s:due, t:predict, d:core …"


class BrowseScreen(StudyScreen):
    """A field, a list, and the marked card below or beside it."""

    CSS_PATH = "browse.tcss"
    AUTO_FOCUS = "SearchField"
    BINDING_GROUP_TITLE = "Browse"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="open-card", tooltip="Read the card and its answer"),
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
            yield CardList(today, partial(scheduler.retrievability, day=today))
            with VerticalScroll(id="preview", can_focus=False):
                yield Fitted(lambda _: Content("Reading the cards …"))

    def on_mount(self) -> None:
        self._read()

    @work(thread=True, exclusive=True, group="cards")
    def _read(self) -> None:
        try:
            store = self.services.progress
            day = read_day(self.services, store)
            entries = build_entries(self.services.course, day.memories, day.queue.held)
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
        self._list.entries = found.entries
        title = Content.styled("Browse", "bold")
        count = f"   {len(found.entries)} of {len(self._entries)} cards"
        self.query_one("#title", Static).update(title + Content.styled(count, "$text-muted"))
        self.say(Content.styled(f"! {found.hint}", "$text-warning") if found.hint else "")

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
        """The question in full and the card's history; the answer stays hidden."""
        card, topic = entry.card, entry.topic
        place = f"{card.kind} · {topic.number} {clean(topic.title)} · lab {card.lab}"
        known = render_memory(entry.memory, self.services.scheduler, self.services.today)
        head = Content.styled(clean(card.id), "bold $text-accent")
        parts = [head, Content.styled(place, "$text-muted"), known, Content("")]
        rows = [row for part in parts for row in part.wrap(width) or [part]]
        return Content("\n").join([*rows, fit_text(card.question)(width)])

    @on(SearchField.Stepped)
    def _step(self, event: SearchField.Stepped) -> None:
        self._list.action_move(event.n_rows)

    @on(SearchField.Left)
    def _to_list(self) -> None:
        self._list.focus()

    def on_descendant_focus(self) -> None:
        """Letters are keys of the list, and text in the field."""
        self.refresh_bindings()

    def action_search(self) -> None:
        self.query_one(SearchField).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("open", "lab", "mark", "edit"):
            return self._list.has_focus and self._list.current is not None
        return action not in ("search", "undo") or self._list.has_focus

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
            self.warn("the lab could not be read: studykit check says why")
            return
        self.app.post_message(OpenLab(self, header, entry.card.knobs, entry.card))

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
