"""Home: what is due today, deck by deck, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll

from studykit.errors import StudykitError
from studykit.study.overview import Overview, build_overview
from studykit.study.words import long_day
from studykit.text import clean, plural
from studykit.tui.messages import (
    HomeStatsRead,
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
    render_ahead,
    render_labs,
    render_next,
    render_pretest,
    render_problems,
    render_today,
    render_waiting,
)
from studykit.tui.widgets.calendar import Calendar
from studykit.tui.widgets.deck_table import DeckTable
from studykit.tui.widgets.safe import Static

if TYPE_CHECKING:
    from studykit.review.offers import Wish


class HomeScreen(StudyScreen):
    """The first screen, painted before the progress is open and filled when it is."""

    BINDING_GROUP_TITLE = "Home"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "review", "review", id="review", tooltip="Ask the due cards"),
        Binding("x", "labs", "labs", id="labs", tooltip="The experiments behind the cards"),
        Binding("c", "practise", "practise", id="practise", tooltip="Practise beside the schedule"),
        Binding("p", "progress", "progress", id="progress", tooltip="How well it stays"),
        Binding("slash", "browse", "browse", id="browse", tooltip="Search and read all cards"),
        Binding("u", "undo", "undo", id="undo", tooltip="Take today's last rating back"),
        Binding("q", "app.quit", "quit", id="quit", tooltip="Leave; everything is saved"),
        Binding("r", "report", "report", id="report", tooltip="Write a report of the progress"),
        Binding("down,j", "scroll_body(1)", "scroll down", show=False, id="scroll-down"),
        Binding("up,k", "scroll_body(-1)", "scroll up", show=False, id="scroll-up"),
    ]

    def __init__(self, wish: Wish | None = None) -> None:
        super().__init__()
        self._wish = wish
        self._overview: Overview | None = None
        self._is_hurried = False
        """The review was asked for before the progress was open."""

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
            yield DeckTable(cover.decks)
            with Container(id="long"):
                with Container(id="ahead"):
                    yield Static(id="week")
                    yield Static(id="retention")
                yield Calendar()
            yield Static(id="labs")
            yield Static(render_problems(cover.problems), id="problems")

    def on_mount(self) -> None:
        # After the first paint: the store's packages take longer to load than all of this.
        self.call_after_refresh(self._open_progress)

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
        if self.is_current and self._wish is not None:
            self._grant(self._wish)
        elif self._is_hurried and self.is_current and event.overview.n_due:
            self.action_review()

    def _grant(self, wish: Wish) -> None:
        """Begin what the command line has asked for."""
        from studykit.study.practising import find_offer, open_offer

        if wish.kind == "deck":
            self.app.post_message(OpenPart(self, wish.what))
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
        wanted = self.services.settings.review.desired_retention
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

    def _refresh(self) -> None:
        self._look_at_decks()
        try:
            self._show(build_overview(self.services))
            self._read_stats()
        except StudykitError as error:
            self.fail(str(error))

    def _look_at_decks(self) -> None:
        """Take up decks that were changed on the disk, and say so."""
        if news := self.services.reload_changed_decks():
            self.say(news)

    def _show(self, overview: Overview) -> None:
        self._overview = overview
        self.query_one("#today", Static).update(render_today(overview))
        rollover_hour = self.services.settings.review.rollover_hour
        following = render_next(
            overview, len(self.services.cards), self.services.today, rollover_hour
        )
        self.query_one("#next", Static).update(following)
        waiting = self.query_one("#waiting", Static)
        waiting.update(render_waiting(overview.waiting))
        waiting.display = bool(overview.waiting)
        pretest = self.query_one("#pretest", Static)
        pretest.update(render_pretest(overview.pretest))
        pretest.display = overview.pretest is not None
        labs = render_labs(self.services.course.labs, overview.waiting, self.services.runs)
        self.query_one("#labs", Static).update(labs)
        self.query_one("#day", Static).update(long_day(self.services.today))
        self.query_one(DeckTable).fill(self.services.cover.decks, overview.decks)
        self.query_one("#problems", Static).update(render_problems(self.services.course.problems))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "review":
                return self._overview is None or self._overview.n_due > 0
            case "undo":
                return self._overview is not None and self._overview.n_done > 0
            case "report" | "progress" | "browse" | "practise":
                return self._overview is not None
        return True

    def action_review(self) -> None:
        if self._overview is None:
            self._is_hurried = True
            return
        self.say("")
        self._look_at_decks()
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
        self.app.post_message(OpenPractice(self))

    def action_progress(self) -> None:
        from studykit.tui.screens.progress import ProgressScreen

        self.app.push_screen(ProgressScreen())

    def action_browse(self) -> None:
        from studykit.tui.screens.browse import BrowseScreen

        self.app.push_screen(BrowseScreen())

    def action_undo(self) -> None:
        """Take back today's last rating, of whichever sitting."""
        try:
            card = self.services.open_session().undo()
        except StudykitError as error:
            self.fail(f"not taken back: {error}")
            return
        self._refresh()
        self.say(f"Taken back: {card.id} is asked again" if card else "Nothing to take back")

    def action_scroll_body(self, rows: int) -> None:
        self.query_one("#body").scroll_relative(y=rows, animate=False)

    @work(thread=True, exclusive=True, group="report")
    def action_report(self) -> None:
        """Write the whole progress as Markdown into the data folder."""
        from studykit.study.overview import write_report

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
