"""Home: what is due today, deck by deck, and what to do next."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content

from studykit.errors import StudykitError
from studykit.text import clean
from studykit.tui.messages import ProgressFailed, ProgressOpened, ReportFailed, ReportWritten
from studykit.tui.overview import Overview, build_overview
from studykit.tui.screens.base import StudyScreen
from studykit.tui.widgets.deck_table import DeckTable
from studykit.tui.widgets.safe import Static
from studykit.tui.words import long_day, outlook, plural

N_PROBLEMS = 3
"""Problems of the course that are shown; studykit check lists them all."""


class HomeScreen(StudyScreen):
    """The first screen, painted before the progress is open and filled when it is."""

    BINDING_GROUP_TITLE = "Home"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "review", "review", id="review", tooltip="Ask the due cards"),
        Binding("x", "labs", "labs", id="labs", tooltip="The experiments behind the cards"),
        Binding("r", "report", "report", id="report", tooltip="Write a report of the progress"),
        Binding("u", "undo", "undo", id="undo", tooltip="Take today's last rating back"),
        Binding("q", "app.quit", "quit", id="quit", tooltip="Leave; everything is saved"),
        Binding("down,j", "scroll_body(1)", "scroll down", show=False, id="scroll-down"),
        Binding("up,k", "scroll_body(-1)", "scroll up", show=False, id="scroll-up"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._overview: Overview | None = None
        self._is_hurried = False
        """The review was asked for before the progress was open."""

    def compose_body(self) -> ComposeResult:
        course = self.services.course
        with Horizontal(id="top"):
            yield Static("studykit", id="name")
            yield Static(clean(course.title), id="course")
            yield Static(long_day(self.services.today), id="day")
        with Container(classes="frame"), VerticalScroll(id="body", can_focus=False):
            yield Static("Opening the progress …", id="today")
            yield Static(id="next")
            yield DeckTable(course.decks)
            yield Static(self._problems(), id="problems")

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
        # The next key is most likely Enter: what it needs is loaded by then.
        import studykit.tui.screens.review  # noqa: F401

    @on(ProgressOpened)
    def _fill(self, event: ProgressOpened) -> None:
        self._show(event.overview)
        if self.services.warning:
            self.say(Content.styled(f"! {self.services.warning}", "$text-warning"))
        if self._is_hurried and self.is_current and event.overview.n_due:
            self.action_review()

    @on(ProgressFailed)
    def _give_up(self, event: ProgressFailed) -> None:
        from studykit.tui.screens.failure import FailureScreen

        self.app.push_screen(FailureScreen(event.error))

    def on_screen_resume(self) -> None:
        """Back from another screen: the numbers have changed."""
        if self._overview is not None:
            self._refresh()

    def _refresh(self) -> None:
        try:
            self._show(build_overview(self.services))
        except StudykitError as error:
            self.say(Content.styled(f"! {error}", "$text-error"))

    def _show(self, overview: Overview) -> None:
        self._overview = overview
        self.query_one("#today", Static).update(self._today(overview))
        self.query_one("#next", Static).update(self._next(overview))
        self.query_one("#day", Static).update(long_day(self.services.today))
        self.query_one(DeckTable).fill(overview.decks)
        self.refresh_bindings()

    def _today(self, overview: Overview) -> Content:
        if not overview.n_due:
            return Content.assemble(
                ("Done for today", "bold $text-success"), self._done_today(overview)
            )
        counts = (
            (overview.n_new, "new"),
            (overview.n_learning, "learning"),
            (overview.n_review, "review"),
        )
        parts = " · ".join(f"{n} {name}" for n, name in counts if n)
        return Content.assemble(
            (f"{overview.n_due} due", "bold $text-accent"),
            f"   {parts}",
            self._done_today(overview),
        )

    def _done_today(self, overview: Overview) -> tuple[str, str]:
        done = f"   {plural(overview.n_done, 'answer')} today" if overview.n_done else ""
        return (done, "$text-muted")

    def _next(self, overview: Overview) -> Content:
        enter = ("Enter", "bold $text-primary")
        if not self.services.cards:
            return Content("This course has no cards that can be read; studykit check says why")
        if not overview.n_known:
            return Content.assemble(
                "Welcome! ",
                enter,
                " asks the first cards; on a card, ",
                ("x", "bold $text-primary"),
                " runs the lab behind it.",
            )
        if overview.n_due:
            return Content.assemble(enter, " goes on with the review")
        n_unseen = len(self.services.cards) - overview.n_known
        rollover = self.services.settings.review.rollover_hour
        return Content(outlook(overview.coming, n_unseen, self.services.today, rollover))

    def _problems(self) -> Content:
        problems = self.services.course.problems
        lines = [
            Content.assemble(("! ", "bold $text-warning"), clean(text))
            for text in problems[:N_PROBLEMS]
        ]
        if (more := len(problems) - N_PROBLEMS) > 0:
            lines.append(Content(f"  and {more} more: studykit check lists them"))
        return Content("\n").join(lines)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "review":
                return self._overview is None or self._overview.n_due > 0
            case "undo":
                return self._overview is not None and self._overview.n_done > 0
            case "report":
                return self._overview is not None
        return True

    def action_review(self) -> None:
        if self._overview is None:
            self._is_hurried = True
            return
        from studykit.tui.screens.review import ReviewScreen
        from studykit.tui.sitting import Sitting

        try:
            sitting = Sitting(self.services)
        except StudykitError as error:
            self.say(Content.styled(f"! {error}", "$text-error"))
            return
        self.say("")
        self.app.push_screen(ReviewScreen(sitting))

    def action_labs(self) -> None:
        from studykit.tui.screens.labs import LabsScreen

        self.app.push_screen(LabsScreen())

    def action_undo(self) -> None:
        """Take back today's last rating, of whichever sitting."""
        try:
            card = self.services.open_session().undo()
        except StudykitError as error:
            self.say(Content.styled(f"! not taken back: {error}", "$text-error"))
            return
        self._refresh()
        self.say(f"Taken back: {card.id} is asked again" if card else "Nothing to take back")

    def action_scroll_body(self, rows: int) -> None:
        self.query_one("#body").scroll_relative(y=rows, animate=False)

    @work(thread=True, exclusive=True, group="report")
    def action_report(self) -> None:
        """Write the whole progress as Markdown into the data folder."""
        from studykit.tui.report_file import write_report

        try:
            path = write_report(self.services)
        except (StudykitError, OSError) as error:
            self.post_message(ReportFailed(str(error)))
            return
        self.post_message(ReportWritten(path))

    @on(ReportWritten)
    def _name_report(self, event: ReportWritten) -> None:
        self.say(f"✓ report written: {clean(str(event.path))}")

    @on(ReportFailed)
    def _blame_report(self, event: ReportFailed) -> None:
        self.say(Content.styled(f"! no report: {clean(event.reason)}", "$text-error"))
