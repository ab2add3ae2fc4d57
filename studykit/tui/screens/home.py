"""Home: what is due today, deck by deck, and what to do next."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import date
from typing import TYPE_CHECKING, ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content
from textual.geometry import Offset, Region
from textual.widget import Widget

from studykit.errors import StudykitError
from studykit.study.overview import Overview, build_overview
from studykit.study.words import long_day
from studykit.text import clean, plural
from studykit.tui.messages import (
    HomeStatsRead,
    LabClosed,
    OpenBrowse,
    OpenLab,
    OpenPart,
    OpenPractice,
    OpenSitting,
    ProgressFailed,
    ProgressOpened,
    ReportFailed,
    ReportWritten,
)
from studykit.tui.pace import freeze_heap
from studykit.tui.screens.base import StudyScreen
from studykit.tui.screens.home_text import (
    KEY,
    render_ahead,
    render_marked,
    render_next,
    render_pretest,
    render_problems,
    render_today,
    render_waiting,
)
from studykit.tui.widgets.calendar import Calendar
from studykit.tui.widgets.deck_table import DeckTable, Part
from studykit.tui.widgets.lab_lines import LabLines
from studykit.tui.widgets.safe import Static

if TYPE_CHECKING:
    from studykit.course.cards import LabHeader
    from studykit.review.offers import Wish
    from studykit.study.definitions import Definition


WIDEST = 180
"""Columns from which the labs stand beside the decks."""
LOOK_SECONDS = 5.0
"""How often it looks for what has changed while it stands: the study day turns overnight."""
N_LABS = 6
N_LABS_BESIDE = 24


class HomeScreen(StudyScreen):
    """The first screen, painted before the progress is open and filled when it is."""

    BINDING_GROUP_TITLE = "Home"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - an instance variable in Textual
        (0, "-too-narrow"),
        (60, "-narrow"),
        (80, "-normal"),
        (112, "-wide"),
        (WIDEST, "-widest"),
    ]
    """-wide: the calendar beside the week; -widest: the labs beside all of it, too."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "review", "review", id="review", tooltip="Ask the due cards"),
        Binding(
            "enter", "open_lab", "open lab", id="open-marked-lab", tooltip="Open the marked lab"
        ),
        Binding("x", "labs", "labs", id="labs", tooltip="The experiments behind the cards"),
        Binding("c", "practise", "practise", id="practise", tooltip="Practise beside the schedule"),
        Binding(
            "w",
            "app.what_if",
            "what if",
            id="whatif",
            tooltip="What if a part were missing: two models side by side",
        ),
        Binding("p", "progress", "progress", id="progress", tooltip="How well it stays"),
        Binding("P", "plan", "plan", id="plan", tooltip="How much a day, days off, exams"),
        Binding("slash", "browse", "browse", id="browse", tooltip="Search and read all cards"),
        Binding("u", "undo", "undo", id="undo", tooltip="Take today's last rating back"),
        Binding("q", "app.quit", "quit", id="quit", tooltip="Leave; twice while a lab runs"),
        Binding("r", "report", "report", id="report", tooltip="Write a report of the progress"),
        Binding(
            "down,j",
            "move(1)",
            "choose",
            show=False,
            id="mark-down",
            tooltip="Mark a deck, topic or lab: Enter, c and / are about it",
        ),
        Binding("up,k", "move(-1)", "mark up", show=False, id="mark-up"),
        Binding(
            "right,l", "unfold(True)", "topics", show=False, id="unfold", tooltip="Show its topics"
        ),
        Binding("left,h", "unfold(False)", "fold", show=False, id="fold"),
        Binding("escape", "unmark", "unmark", show=False, id="unmark", tooltip="Mark nothing"),
        Binding("pagedown", "scroll_body(10)", "page down", show=False, id="home-page-down"),
        Binding("pageup", "scroll_body(-10)", "page up", show=False, id="home-page-up"),
    ]

    def __init__(self, wish: Wish | None = None) -> None:
        super().__init__()
        self._wish = wish
        self._overview: Overview | None = None
        self._known: tuple[date, Hashable] | None = None
        """The study day and the answers that `_overview` tells of."""
        self._is_hurried = False
        """The review was asked for before the progress was open."""
        self._following = Content()
        """What Enter does while nothing is marked."""
        self._place: int | None = None
        """What is marked: a row of the decks, or behind them one of the labs."""

    def compose_body(self) -> ComposeResult:
        cover = self.services.cover
        with Horizontal(id="top"):
            yield Static("studykit", id="name")
            yield Static(clean(cover.title), id="course")
            yield Static(id="streak")
            yield Static(long_day(self.services.today), id="day")
        with Container(classes="frame"), VerticalScroll(id="body", can_focus=False):
            yield Static("Opening the progress …", id="today")
            yield Static(id="next")
            yield Static(id="waiting")
            yield Static(id="pretest")
            with Container(id="columns"):
                with Container(id="study"):
                    yield DeckTable(cover.decks)
                    with Container(id="long"):
                        with Container(id="ahead"):
                            yield Static(id="week")
                            yield Static(id="retention")
                        yield Calendar()
                yield LabLines()
            yield Static(render_problems(cover.problems), id="problems")

    def on_mount(self) -> None:
        # After the first paint: the store's packages take longer to load than all of this.
        self.call_after_refresh(self._open_progress)
        self.set_interval(LOOK_SECONDS, self._look)

    def on_resize(self, event: events.Resize) -> None:
        """Beside the decks there is room for more labs than below them."""
        self.query_one(LabLines).n_most = N_LABS_BESIDE if event.size.width >= WIDEST else N_LABS
        # What was marked may be out of sight now.
        self.call_in_new_size(lambda: self._mark(self._place))

    @work(thread=True, exclusive=True, group="progress")
    def _open_progress(self) -> None:
        try:
            self.services.open()
            overview = build_overview(self.services)
        except StudykitError as error:
            self.post_message(ProgressFailed(error))
            return
        self.post_message(ProgressOpened(overview))
        self._post_stats()
        # The next key is most likely Enter: what it needs is loaded by then.
        import studykit.tui.screens.review  # noqa: F401

        freeze_heap()

    @on(ProgressOpened)
    def _fill(self, event: ProgressOpened) -> None:
        self._show(event.overview)
        if self.services.warning:
            self.warn(self.services.warning)
        if self.is_on_top and self._wish is not None:
            self._grant(self._wish)
        elif self._is_hurried and self.is_on_top and event.overview.n_due:
            self.action_review()

    def _grant(self, wish: Wish) -> None:
        """Begin what the command line has asked for."""
        from studykit.study.practising import find_offer, open_offer

        if wish.kind == "deck":
            self.app.post_message(OpenPart(self, wish.what))
            return
        if wish.kind == "whatif":
            labs = self.services.bench.each_with_own() if wish.what else []
            if lab := next((lab for lab in labs if lab.id == wish.what), None):
                self.app.post_message(OpenLab(self, lab, lab.defaults))
            else:
                self.run_worker(self.app.run_action("what_if"), exit_on_error=False)
            return
        try:
            offer = find_offer(self.services, wish)
            if offer.ids:
                asking = open_offer(self.services, offer)
                self.app.post_message(OpenSitting(self, asking))
            else:
                self.say(f"There is no card now for: {clean(offer.title)}")
        except StudykitError as error:
            self.fail(str(error))

    @work(thread=True, exclusive=True, group="stats")
    def _read_stats(self) -> None:
        self._post_stats()

    def _post_stats(self) -> None:
        from studykit.study.learner_stats import read_home_stats

        try:
            stats = read_home_stats(self.services)
        except StudykitError as error:
            # The overview has been read; without the longer run the study goes on.
            self.log.error(str(error))
            return
        self.post_message(HomeStatsRead(stats))

    @on(HomeStatsRead)
    def _show_stats(self, event: HomeStatsRead) -> None:
        from studykit.tui.widgets.progress_text import render_retention

        stats = event.stats
        days = stats.streak_days
        self.query_one("#streak", Static).update(f"{plural(days, 'day')} in a row" if days else "")
        self.query_one(DeckTable).show_stats(stats)
        self.query_one("#week", Static).update(render_ahead(stats))
        wanted = self.services.desired_retention
        self.query_one("#retention", Static).update(render_retention(stats.retention, wanted))
        self.query_one(Calendar).show(stats.calendar)

    @on(ProgressFailed)
    def _give_up(self, event: ProgressFailed) -> None:
        from studykit.tui.screens.dialogs import FailureScreen

        self.app.push_screen(FailureScreen(event.error))

    def on_screen_resume(self) -> None:
        """Back from another screen: the numbers have changed."""
        if self._overview is not None:
            self._refresh()

    def _look(self) -> None:
        """Take up a new study day, what another window has answered, and changed files."""
        if not self.is_on_top or self._overview is None:
            return
        is_changed, now = self._look_at_files(), self._read_known()
        if is_changed or (now is not None and now != self._known):
            self._refresh()

    def _read_known(self) -> tuple[date, Hashable] | None:
        try:
            return self.services.today, self.services.progress.revision()
        except StudykitError:
            return None  # the learner hears of it once something is asked for

    @work(thread=True, exclusive=True, group="copy")
    def _copy_progress(self) -> None:
        if trouble := self.services.back_up():
            self.app.call_from_thread(self.warn, trouble)

    def _refresh(self) -> None:
        self._look_at_files()
        try:
            self._show(build_overview(self.services))
            self._read_stats()
        except StudykitError as error:
            self.fail(str(error))

    def _look_at_files(self) -> bool:
        """Take up settings and decks that were changed on the disk; whether any was."""
        services, settings = self.services, self.services.settings
        news = services.reload_changed_settings() or services.reload_changed_decks()
        if news:
            self.say(news)
        return bool(news) or services.settings is not settings

    def _show(self, overview: Overview) -> None:
        before, now = self._known, self._read_known()
        self._overview, self._known = overview, now
        if before is not None and now is not None and before[0] != now[0]:
            self._copy_progress()
        self.query_one("#today", Static).update(render_today(overview))
        rollover_hour = self.services.settings.review.rollover_hour
        self._following = render_next(
            overview, len(self.services.cards), self.services.today, rollover_hour
        )
        waiting = self.query_one("#waiting", Static)
        waiting.update(render_waiting(overview.waiting))
        waiting.display = bool(overview.waiting)
        pretest = self.query_one("#pretest", Static)
        pretest.update(render_pretest(overview.pretest))
        pretest.display = overview.pretest is not None
        course = self.services.course
        self.query_one(LabLines).fill(course.labs, overview.waiting, self.services.runs)
        self.query_one("#day", Static).update(long_day(self.services.today))
        topics = {deck.id: deck.topics for deck in course.decks}
        counts = {**overview.decks, **overview.topics}
        self.query_one(DeckTable).fill(self.services.cover.decks, counts, topics)
        self._mark(self._place)
        self.query_one("#problems", Static).update(render_problems(course.problems))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "review":
                if self._place is not None:
                    return self._marked_part is not None
                return self._overview is None or self._overview.n_due > 0
            case "open_lab":
                return self._marked_lab is not None
            case "unmark":
                return self._place is not None
            case "unfold":
                return self._marked_part is not None
            case "move":
                return self._overview is not None
            case "undo":
                return self._overview is not None and self._overview.n_done > 0
            case "report" | "progress" | "plan" | "browse" | "practise":
                return self._overview is not None
        return True

    # What is marked

    @property
    def _marked_part(self) -> Part | None:
        """The marked deck or topic."""
        if self._place is None:
            return None
        parts = self.query_one(DeckTable).parts
        return parts[self._place] if self._place < len(parts) else None

    @property
    def _marked_lab(self) -> LabHeader | None:
        if self._place is None:
            return None
        labs = self.query_one(LabLines).labs
        row = self._place - len(self.query_one(DeckTable).parts)
        return labs[row] if 0 <= row < len(labs) else None

    def _mark(self, place: int | None) -> None:
        """Mark what stands at `place`, and say what can be done with it."""
        table, lines = self.query_one(DeckTable), self.query_one(LabLines)
        n_parts = len(table.parts)
        n_places = n_parts + (len(lines.labs) if lines.display else 0)
        if place is not None:
            place = min(place, n_places - 1) if place >= 0 and n_places else None
        is_moved = place != self._place
        self._place = place
        is_lab = place is not None and place >= n_parts
        table.cursor = None if is_lab else place
        lines.cursor = place - n_parts if place is not None and is_lab else None
        self.query_one("#next", Static).update(self._render_marked())
        self.refresh_bindings()
        if is_moved:
            self._scroll_to_marked()

    def _scroll_to_marked(self) -> None:
        table, lines = self.query_one(DeckTable), self.query_one(LabLines)
        is_lab = lines.cursor is not None
        widget, row = (lines, lines.cursor) if is_lab else (table, table.cursor)
        body = self.query_one("#body", VerticalScroll)
        if row is None:
            body.scroll_home(animate=False)
        else:
            # With its heading, which stands a row above the first.
            region = Region(0, row, widget.size.width, 2)
            body.scroll_to_region(region.translate(_offset_in(widget, body)), animate=False)

    def _render_marked(self) -> Content:
        if (lab := self._marked_lab) is not None:
            return Content.assemble(("Enter", KEY), f" opens {clean(lab.id)}")
        if (part := self._marked_part) is None:
            return self._following
        from studykit.study.practising import open_part

        try:
            counts = open_part(self.services, part.name).counts
        except StudykitError as error:
            return Content(str(error))
        return render_marked(counts, has_topics=part.topic is None)

    def action_move(self, step: int) -> None:
        """Mark the next deck, topic or lab, or the one before; above the first one nothing is."""
        if self._place is None:
            self._mark(0 if step > 0 else None)
        else:
            self._mark(self._place + step)

    def action_unmark(self) -> None:
        self._mark(None)

    def action_unfold(self, is_open: bool) -> None:
        """Show the topics of the marked deck below it, or the deck alone."""
        part, table = self._marked_part, self.query_one(DeckTable)
        if part is not None:
            table.open(part.deck.id, is_open=is_open)
            decks = [each.name for each in table.parts]
            self._mark(self._place if is_open else decks.index(part.deck.id))

    @on(DeckTable.Clicked)
    def _mark_clicked(self, event: DeckTable.Clicked) -> None:
        if self._place == event.row:
            self.action_review()
        else:
            self._mark(event.row)

    @on(LabLines.Clicked)
    def _mark_clicked_lab(self, event: LabLines.Clicked) -> None:
        if self.query_one(LabLines).cursor == event.row:
            self.action_open_lab()
        else:
            self._mark(len(self.query_one(DeckTable).parts) + event.row)

    def action_open_lab(self) -> None:
        if (lab := self._marked_lab) is not None:
            self.app.post_message(OpenLab(self, lab, lab.defaults))

    def action_review(self) -> None:
        if self._overview is None:
            self._is_hurried = True
            return
        if (part := self._marked_part) is not None:
            self.app.post_message(OpenPart(self, part.name))
            return
        self.say("")
        self._look_at_files()
        try:
            session = self.services.open_session()
        except StudykitError as error:
            self.fail(str(error))
            return
        self.app.post_message(OpenSitting(self, session))

    def action_labs(self) -> None:
        from studykit.tui.screens.labs import LabsScreen

        self.app.push_screen(LabsScreen())

    def action_practise(self) -> None:
        part = self._marked_part
        self.app.post_message(OpenPractice(self, part.name if part else ""))

    def figures(self) -> tuple[tuple[()], list[Definition]]:
        """Those that the progress screen tells, too."""
        from studykit.study.definitions import DEFINITIONS

        shared = ("retention", "interval", "wanted", "graded", "mastery", "forecast")
        return (), [DEFINITIONS[name] for name in shared]

    def action_progress(self) -> None:
        from studykit.tui.screens.progress import ProgressScreen

        self.app.push_screen(ProgressScreen())

    def action_plan(self) -> None:
        from studykit.tui.screens.plan import PlanScreen

        self.app.push_screen(PlanScreen())

    def action_browse(self) -> None:
        part = self._marked_part
        self.app.post_message(OpenBrowse(self, f"d:{part.name} " if part else ""))

    def action_undo(self) -> None:
        """Take back today's last rating, of whichever sitting."""
        try:
            card = self.services.open_session().undo()
        except StudykitError as error:
            self.fail(f"not taken back: {error}")
            return
        self._refresh()
        self.say(f"Taken back: {card.id} is asked again" if card else "Nothing to take back")

    @on(LabClosed)
    def _count_runs(self) -> None:
        """A run may have been added."""
        self._refresh()

    def action_scroll_body(self, rows: int) -> None:
        self.query_one("#body").scroll_relative(y=rows, animate=False)

    @work(thread=True, exclusive=True, group="report")
    def action_report(self) -> None:
        """Write the whole progress as Markdown into the data folder."""
        from studykit.study.reporting import write_report

        try:
            path = write_report(self.services)
        except StudykitError as error:
            self.post_message(ReportFailed(str(error)))
            return
        except OSError as error:
            self.post_message(ReportFailed(f"{error.filename}: {error.strerror}"))
            return
        self.post_message(ReportWritten(path))

    @on(ReportWritten)
    def _name_report(self, event: ReportWritten) -> None:
        self.say(f"✓ report written: {clean(str(event.path))}")

    @on(ReportFailed)
    def _blame_report(self, event: ReportFailed) -> None:
        self.fail(f"no report: {clean(event.reason)}")


def _offset_in(widget: Widget, around: Widget) -> Offset:
    """Where `widget` stands in the content of `around`, which scrolls it."""
    offset = Offset()
    node: Widget | None = widget
    while node is not None and node is not around:
        offset += node.virtual_region.offset
        node = node.parent if isinstance(node.parent, Widget) else None
    return offset
