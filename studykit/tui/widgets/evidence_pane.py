"""What was measured for a card, beside it: a chart, map or walk of the run, and its numbers.

What draws a picture is imported with the first one: a card is asked before anything of it shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget

from studykit.course.cards import Card, LabHeader
from studykit.lab.results import RunResult, SeedResult
from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.safe import Static

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studykit.review.exercises import Task
    from studykit.tui.widgets.card_view import Evidence
    from studykit.tui.widgets.figures import Figure, Kind
    from studykit.tui.widgets.walk_view import WalkView

_W = TypeVar("_W", bound=Widget)
BESIDE = 120
"""Columns from which a card has its evidence beside it."""
WAITING = "What was measured stands here once you have answered."


class EvidencePane(Vertical):
    """Stands right of a card on a wide screen, empty until the card is answered."""

    DEFAULT_CSS = """
    EvidencePane {
        display: none;
        width: 1fr;
        max-width: 110;
        padding: 0 1 0 2;
        border-left: solid $rule;
        #waiting-evidence { color: $text-muted; }
        #picture { display: none; height: 1fr; min-height: 9; }
        #picture > * { height: auto; margin-bottom: 1; }
        #picture > Chart { height: 1fr; }
        #evidence-text { display: none; height: auto; max-height: 60%; }
        &.-shown #waiting-evidence { display: none; }
        &.-shown #evidence-text { display: block; }
        &.-map #picture, &.-walk #picture { height: auto; max-height: 60%; }
        &.-shown.-pictured #picture { display: block; }
        &.-shown #evidence-text { max-height: 100%; }
        &.-shown.-pictured #evidence-text { max-height: 60%; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._text: Evidence = lambda _: Content("")
        self._card: Card | None = None
        self._header: LabHeader | None = None
        self._result: RunResult | None = None
        self._drawn: Task | None = None
        self._figures: tuple[Figure, ...] = ()
        self._at = 0
        self._is_drawn = True
        """What the picture shows is what `_at` says; a hidden pane draws nothing."""

    def compose(self) -> ComposeResult:
        yield Static(WAITING, id="waiting-evidence")
        yield Vertical(id="picture")
        with VerticalScroll(id="evidence-text", can_focus=False):
            yield Fitted(self._text)

    @property
    def has_figures(self) -> bool:
        """There is another picture to turn to."""
        return self.display and len(self._figures) > 1

    @property
    def shows(self) -> Kind | None:
        """What the picture is; None without one."""
        is_drawn = self.display and self._at < len(self._figures)
        return self._figures[self._at].kind if is_drawn else None

    @property
    def walk(self) -> WalkView:
        """The walk, if `shows` says that it is one."""
        from studykit.tui.widgets.walk_view import WalkView

        return self.query_one(WalkView)

    def clear(self) -> None:
        """The next card is asked: nothing of its evidence shows."""
        self.remove_class("-shown", "-pictured")
        self._card, self._result, self._drawn, self._figures = None, None, None, ()

    async def show(
        self,
        card: Card,
        header: LabHeader | None,
        result: RunResult | None,
        text: Evidence,
        task: Task | None = None,
    ) -> None:
        """Show what was measured for `card`; the picture that tells most of it first.

        Tables are those of the seed that an exercise's `task` was drawn from.
        """
        self._drawn = task
        self.add_class("-shown")
        self.query_one("#evidence-text").scroll_home(animate=False)
        if card is not self._card or result is not self._result:
            self._card, self._header, self._result = card, header, result
            self._figures, self._is_drawn = (), False
            self.remove_class("-pictured")
            # The answer first; a picture may be a frame later.
            self.call_after_refresh(self._draw)
        self.show_text(text)

    def show_text(self, text: Evidence) -> None:
        """Show another wording of the same evidence."""
        self._text = text
        self.query_one("#evidence-text", VerticalScroll).query_one(Fitted).show(self._fit_text)

    def _fit_text(self, width: int) -> Content:
        """The words, and where the run has no picture its tables."""
        from studykit.tui.widgets.measurements import render_tables

        blocks = [self._text(width)]
        if self._result is not None and self._is_drawn and not self._figures:
            blocks += render_tables(self._seeds_of_tables(self._result), width)
        return Content("\n\n").join(blocks)

    def _seeds_of_tables(self, result: RunResult) -> Sequence[SeedResult]:
        task = self._drawn
        if task is None or task.is_recorded != result.recorded:
            return result.seeds
        return [seed for seed in result.seeds if seed.seed == task.seed]

    async def turn(self, step: int) -> None:
        """Go to the next picture."""
        self._at = (self._at + step) % max(1, len(self._figures))
        self._is_drawn = False
        await self._draw()

    def scroll_text(self, rows: int) -> None:
        """Scroll the words below the picture."""
        self.query_one("#evidence-text").scroll_relative(y=rows, animate=False)

    async def on_resize(self) -> None:
        """Draw what waited for room."""
        await self._draw()

    async def _draw(self) -> None:
        """Draw the picture, once there is room for it."""
        from studykit.tui.widgets.figures import choose_figure, figures_of

        if self._is_drawn or not self.display or self._result is None or self._card is None:
            return
        self._is_drawn = True
        seeds = self._result.seeds
        if not self._figures:
            self._figures = figures_of(seeds)
            self.show_text(self._text)
            self._at = 0
            if self._header is not None:
                args = self._figures, self._header, self._card, self._result
                self._at = choose_figure(*args)
        kind = self.shows
        self.set_class(kind is not None, "-pictured")
        self.set_class(kind == "map", "-map")
        self.set_class(kind == "walk", "-walk")
        if kind is not None:
            await self._show_figure(self._figures[self._at], seeds)
        self.screen.refresh_bindings()

    async def _show_figure(self, figure: Figure, seeds: tuple[SeedResult, ...]) -> None:
        from studykit.tui.widgets.chart import Chart
        from studykit.tui.widgets.figures import build_chart, build_heat_map, find_walk
        from studykit.tui.widgets.heat_map import HeatMapView
        from studykit.tui.widgets.walk_view import WalkView

        n = len(self._figures)
        caption = f"{self._at + 1}/{n}" if n > 1 else ""
        view: Chart | HeatMapView | WalkView
        match figure.kind:
            case "chart":
                view = await self._picture(Chart())
                await view.show(build_chart(figure.title, seeds, is_over=True, caption=caption))
            case "map":
                view = await self._picture(HeatMapView(is_still=True))
                view.show(build_heat_map(figure.title, seeds, caption))
            case "walk":
                view = await self._picture(WalkView())
                view.forget()
                view.show(*find_walk(figure.title, seeds, caption))

    async def _picture(self, view: _W) -> _W:
        """Put `view` in the place of the last picture; one of its kind there is taken for it."""
        place = self.query_one("#picture", Vertical)
        for last in place.query_children(type(view)):
            return last
        await place.remove_children()
        await place.mount(view)
        return view
