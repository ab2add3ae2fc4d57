"""A chart of curves: lines told apart by their markers, levels to compare with, a legend below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from studykit.lab.events import Curve
from studykit.study.numbers import Summary
from studykit.text import clean, format_value
from studykit.tui.widgets.chart_data import Axis, Trace, build_axis, build_trace, levels
from studykit.tui.widgets.measurements import YARDSTICK
from studykit.tui.widgets.safe import Static

if TYPE_CHECKING:
    from textual_plot import PlotWidget
    from textual_plot.axis_formatter import AxisFormatter

MARKERS = "●■▲◆○□△◇"
_MARGIN = 8
"""Columns at the left for the numbers of the y axis."""
_COLOURS = ("primary", "warning", "success", "accent", "secondary", "error")


@dataclass(frozen=True, slots=True)
class ChartFigure:
    """What a chart is to show."""

    title: str
    curves: tuple[Curve, ...] = ()
    yardsticks: tuple[Summary, ...] = ()
    log_y: bool = False
    caption: str = ""
    """What stands at the right of the title: which chart of how many, which seed."""
    faint: tuple[Curve, ...] = ()
    """Lines behind the others, each in the colour of the one of its name: the single seeds."""
    frame: tuple[tuple[float, float], ...] = ()
    """Points that the axes have room for, drawn or not, so that they stay where they are."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Line -> what the drawing does not show of it."""


@dataclass(frozen=True, slots=True)
class _Labels:
    """Writes an axis's own labels; all that the plot widget asks of a formatter."""

    axis: Axis

    def get_labels_for_ticks(self, _ticks: Sequence[float]) -> list[str]:
        return list(self.axis.labels)


class Chart(Vertical):
    """Shows one `ChartFigure`; the plotting library is imported with the first one."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"chart--{colour}" for colour in _COLOURS),
        "chart--level",
    }
    DEFAULT_CSS = """
    Chart {
        height: 1fr;
        .chart--primary { color: $text-primary; }
        .chart--warning { color: $text-warning; }
        .chart--success { color: $text-success; }
        .chart--accent { color: $text-accent; }
        .chart--secondary { color: $text-secondary; }
        .chart--error { color: $text-error; }
        .chart--level { color: $text-muted; }
        #chart-title { height: 1; }
        #chart-legend { height: auto; }
        PlotWidget {
            height: 1fr;
            .plot--axis { color: $rule; }
            .plot--tick { color: $text-muted; text-style: none; }
        }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._plot: PlotWidget | None = None
        self._figure = ChartFigure("")
        self._legend = Content("")

    def compose(self) -> ComposeResult:
        yield Static(id="chart-title")
        yield Static(id="chart-legend")

    async def show(self, figure: ChartFigure) -> None:
        """Draw `figure` in place of the last one."""
        self._figure = figure
        if self._plot is None:
            from textual_plot import PlotWidget

            plot = self._plot = PlotWidget(allow_pan_and_zoom=False)
            # Keys belong to the screen: a focused plot would take the arrows and r.
            plot.can_focus = False
            plot.visible = False  # by itself it would show axes of its own until it is drawn
            plot.set_reactive(PlotWidget.margin_top, 0)
            plot.set_reactive(PlotWidget.margin_bottom, 1)
            plot.set_reactive(PlotWidget.margin_left, _MARGIN)
            await self.mount(plot, before="#chart-legend")
            # Once more when it has a size, which it gets with the next layout.
            self.call_after_refresh(self._draw)
        self._draw()

    def on_resize(self) -> None:
        if self._plot is not None:
            self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if self._plot is not None:
            self._draw()

    def _draw(self) -> None:
        from textual_hires_canvas import Canvas
        from textual_plot import HiResMode

        figure, plot = self._figure, self._plot
        if plot is None or not plot.is_mounted or not self.size:
            return  # not laid out yet: its size will come
        width, height = max(20, self.size.width - _MARGIN), self.size.height
        traces = [
            build_trace(curve, log_y=figure.log_y, n_buckets=width // 2) for curve in figure.curves
        ]
        faint = [
            build_trace(curve, log_y=figure.log_y, n_buckets=width // 4) for curve in figure.faint
        ]
        y_label = next((curve.y_label for curve in figure.curves if curve.y_label), "")
        lines = levels(figure.yardsticks, y_label, traces, log_y=figure.log_y)
        corners = Curve("", "", [x for x, _ in figure.frame], [y for _, y in figure.frame])
        framed = build_trace(corners, log_y=figure.log_y, n_buckets=width)
        known = [*traces, *faint, framed]
        x = build_axis((x for trace in known for x in trace.xs), n_ticks=width // 10)
        heights = [y for trace in known for y in trace.ys] + [at for _, at in lines]
        y = build_axis(heights, n_ticks=max(3, height // 4), log=figure.log_y, pad=0.05)
        plot.visible = True
        plot.clear()
        plot.set_xlimits(x.low, x.high)
        plot.set_ylimits(y.low, y.high)
        plot.set_xticks(x.ticks)
        plot.set_yticks(y.ticks)
        plot.set_x_formatter(cast("AxisFormatter", _Labels(x)))
        plot.set_y_formatter(cast("AxisFormatter", _Labels(y)))
        level_style = str(self.get_component_rich_style("chart--level", partial=True))
        dashes = [x.low + (x.high - x.low) * n / width for n in range(width)]
        for _, at in lines:
            plot.scatter(dashes, [at] * width, marker=YARDSTICK, marker_style=level_style)
        places = {curve.name: n for n, curve in enumerate(figure.curves)}
        for trace in faint:
            style = f"dim {self._style(places.get(trace.name, 0))}"
            plot.plot(trace.xs, trace.ys, line_style=style, hires_mode=HiResMode.BRAILLE)
        for n, trace in enumerate(traces):
            plot.plot(trace.xs, trace.ys, line_style=self._style(n), hires_mode=HiResMode.BRAILLE)
        for n, trace in enumerate(traces):
            marked = _marked(len(trace.xs), n, len(traces))
            marker = MARKERS[n % len(MARKERS)]
            xs, ys = [trace.xs[i] for i in marked], [trace.ys[i] for i in marked]
            plot.scatter(xs, ys, marker=marker, marker_style=self._style(n))
        # Drawn now and as one change; by itself the plot is drawn twice, and told of each pixel.
        with plot.query_one("#plot", Canvas).batch_refresh():
            plot.render()
        self._write(traces, lines, y_label)

    def _write(
        self, traces: Sequence[Trace], lines: Sequence[tuple[str, float]], y_label: str
    ) -> None:
        figure = self._figure
        x_label = next((curve.x_label for curve in figure.curves if curve.x_label), "")
        scale = ", ".join(
            part
            for part in (
                y_label,
                f"by {x_label}" if x_label else "",
                "log" if figure.log_y else "",
            )
            if part
        )
        title = Content.assemble(
            (clean(figure.title), "bold"), (f"  {clean(scale)}" if scale else "", "$text-muted")
        )
        room = max(1, self.size.width - len(figure.caption) - 2)
        title = title.truncate(room, ellipsis=True, pad=True)
        self.query_one("#chart-title", Static).update(
            Content.assemble(title, (f"  {figure.caption}", "$text-muted")), layout=False
        )
        items = [
            Content.assemble(
                (MARKERS[n % len(MARKERS)], f"$text-{_COLOURS[n % len(_COLOURS)]}"),
                f" {clean(trace.name)}",
                (f" ({note})" if note else "", "$text-error"),
            )
            for n, trace in enumerate(traces)
            for note in [trace.note or figure.notes.get(trace.name, "")]
        ]
        for label, at in lines:
            value = format_value(10**at if figure.log_y else at)
            items.append(Content.styled(f"{YARDSTICK} {label} {value}", "$text-muted"))
        legend = _flow(items, self.size.width)
        if not legend.is_same(self._legend):
            # Only a legend that has changed: it is what lays the screen out anew.
            self._legend = legend
            self.query_one("#chart-legend", Static).update(legend)

    def _style(self, n: int) -> str:
        colour = _COLOURS[n % len(_COLOURS)]
        return str(self.get_component_rich_style(f"chart--{colour}", partial=True))


def _marked(n_points: int, line: int, n_lines: int) -> list[int]:
    """Indices of the points that carry a line's marker, set off against those of other lines."""
    n_marks = min(6, n_points)
    shift = (line + 1) / (n_lines + 1)
    return [int((mark + shift) / n_marks * n_points) for mark in range(n_marks)]


def _flow(items: Iterable[Content], width: int) -> Content:
    """`items` beside one another, each whole, in lines of `width` columns."""
    lines: list[Content] = []
    for item in items:
        if lines and lines[-1].cell_length + 3 + item.cell_length <= width:
            lines[-1] = Content.assemble(lines[-1], "   ", item)
        else:
            lines.append(item)
    return Content("\n").join(lines)
