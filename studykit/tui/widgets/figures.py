"""What a run has to show: its charts, heat maps and walks, each as its widget draws it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from studykit.course.cards import Card, LabHeader
from studykit.lab.events import Curve, Event, HeatMap, Walk
from studykit.lab.results import RunResult, SeedResult
from studykit.study.curves import Room, has_diverged, mean_curve
from studykit.study.evidence_words import telling_numbers
from studykit.study.numbers import summarise
from studykit.text import plural
from studykit.tui.widgets.chart import ChartFigure
from studykit.tui.widgets.chart_data import words_of
from studykit.tui.widgets.heat_map import HeatMapFigure

_E = TypeVar("_E", bound=Event)
Kind: TypeAlias = Literal["chart", "map", "walk"]


class Figure(NamedTuple):
    """One figure of a run."""

    title: str
    kind: Kind


def figures_of(seeds: Sequence[SeedResult]) -> tuple[Figure, ...]:
    """Charts in the order in which the lab begins them, then heat maps, then walks."""
    charts = (Figure(curve.chart, "chart") for seed in seeds for curve in seed.all(Curve))
    maps = (Figure(heat_map.title, "map") for seed in seeds for heat_map in seed.all(HeatMap))
    walks = (Figure(walk.title, "walk") for seed in seeds for walk in seed.all(Walk))
    return tuple(dict.fromkeys([*charts, *maps, *walks]))


def choose_figure(
    figures: Sequence[Figure], header: LabHeader, card: Card | None, result: RunResult
) -> int:
    """Index of the figure that tells most of what the card rests on; 0 if that is not known.

    Without a card, of what the lab claims.

    A chart in the unit of what the tests compare, else the first figure that the lab yields.
    """
    rows = telling_numbers(header, card, result)
    units = {row.unit for row in rows if row.unit and not row.yardstick}
    for n, figure in enumerate(figures):
        if figure.kind == "chart":
            labels = (c.y_label for seed in result.seeds for c in curves_of(figure.title, seed))
            if any(units & set(words_of(label)) for label in labels):
                return n
    return 0


def curves_of(title: str, seed: SeedResult) -> tuple[Curve, ...]:
    """The lines of one chart of a seed."""
    return tuple(curve for curve in seed.all(Curve) if curve.chart == title)


def build_chart(
    title: str,
    seeds: Sequence[SeedResult],
    *,
    is_over: bool,
    caption: str = "",
    log_y: bool | None = None,
    room: Room | None = None,
) -> ChartFigure:
    """A chart of all seeds: the mean of each line before the faint single seeds.

    While the run goes on (not `is_over`) the newest seed stands in the place of the mean. `log_y`:
    as the lab has it if None. `room`: what the axes have room for; it grows with what is drawn.
    """
    drawn = [(seed, curves) for seed in seeds if (curves := curves_of(title, seed))]
    newest, strong = drawn[-1]
    faint = tuple(curve for _, curves in drawn[:-1] for curve in curves)
    notes = {}
    told = f"seed {newest.seed}"
    if is_over and len(drawn) > 1:
        by_name: dict[str, list[Curve]] = {}
        for _, curves in drawn:
            for curve in curves:
                by_name.setdefault(curve.name, []).append(curve)
        means = [mean_curve(many) for many in by_name.values()]
        if None not in means:
            faint, strong = (*faint, *strong), tuple(mean for mean in means if mean is not None)
            told = f"mean of {plural(len(drawn), 'seed')}"
            for name, many in by_name.items():
                n_lost = sum(map(has_diverged, many))
                if 0 < n_lost < len(many):
                    notes[name] = f"{n_lost} of {len(many)} diverged"
    if room is not None:
        room.take_in((*faint, *strong))
    return ChartFigure(
        title,
        strong,
        tuple(row for row in summarise(seeds if is_over else [newest]) if row.yardstick),
        any(curve.log_y for curve in strong) if log_y is None else log_y,
        _join(caption, told),
        faint,
        room.corners if room is not None else (),
        notes,
    )


def build_pair(
    title: str, left: Sequence[SeedResult], right: Sequence[SeedResult], caption: str = ""
) -> ChartFigure:
    """A chart of two runs: A's lines before B's, which are faint and of the same colours.

    A line that only B has is named as B's; a chart that only one of them has is shown as it is.
    """
    has = {
        letter: any(curves_of(title, seed) for seed in seeds)
        for letter, seeds in (("A", left), ("B", right))
    }
    if not all(has.values()):
        letter = "A" if has["A"] else "B"
        seeds = left if has["A"] else right
        return build_chart(title, seeds, is_over=True, caption=_join(caption, f"only {letter}"))
    a, b = (build_chart(title, seeds, is_over=True) for seeds in (left, right))
    names = {curve.name for curve in a.curves}
    only = tuple(replace(c, name=f"{c.name} (B)") for c in b.curves if c.name not in names)
    return replace(
        a,
        curves=(*a.curves, *only),
        faint=tuple(curve for curve in b.curves if curve.name in names),
        caption=_join(caption, "B faint"),
    )


def build_heat_map(title: str, seeds: Sequence[SeedResult], caption: str = "") -> HeatMapFigure:
    """A heat map, of the newest seed that has it."""
    seed, heat_map = _find(HeatMap, title, reversed(seeds))
    return HeatMapFigure(heat_map, _join(caption, f"seed {seed.seed}"))


def find_walk(title: str, seeds: Sequence[SeedResult], caption: str = "") -> tuple[Walk, str]:
    """A walk and its caption, of the first seed that has it.

    It must not change below who goes through it.
    """
    seed, walk = _find(Walk, title, seeds)
    return walk, _join(caption, f"seed {seed.seed}")


def _find(kind: type[_E], title: str, seeds: Iterable[SeedResult]) -> tuple[SeedResult, _E]:
    """The first of `seeds` with an event of this type and title, and the event."""
    return next(
        (seed, event) for seed in seeds for event in seed.all(kind) if event.key[1:] == (title,)
    )


def _join(*parts: str) -> str:
    return " · ".join(part for part in parts if part)
