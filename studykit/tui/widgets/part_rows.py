"""The two models of a bench side by side, part by part; then the task, the sizes, the seeds."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive

from studykit.course.cards import Knobs, KnobValue, LabHeader
from studykit.course.designs import (
    DESIGN,
    Design,
    design_of,
    phrase_of,
    set_family,
    set_part,
)
from studykit.course.labs import MOST_SEEDS
from studykit.course.parts import FAMILY_KNOB
from studykit.text import clean, plural
from studykit.tui.widgets.knobs import KnobRows

SEEDS = "seeds"
"""The row that says how often both models are run."""
_SEEDS_OFFERED = (1, 2, 3, 5, 10, 20)
_COLUMNS = ("base", "changed")
_GAP = 2


class PartRows(KnobRows):
    """One row a part, with its value in the base and in the changed model; where they differ, ≠.

    The keys that turn a value turn that of the chosen model.
    """

    in_base: reactive[bool] = reactive(False)
    """Which of the two models is turned."""
    n_seeds: reactive[int] = reactive(0)

    _n_above = 1

    def __init__(self, header: LabHeader, values: Knobs) -> None:
        super().__init__(header, values)
        self.set_reactive(PartRows.n_seeds, header.seeds)

    @property
    def _design(self) -> Design:
        return design_of(self._header, self.values)

    @property
    def names(self) -> tuple[str, ...]:
        others = (name for name in self._header.knobs if name not in DESIGN)
        seeds = () if self._header.deterministic else (SEEDS,)
        return (FAMILY_KNOB, *self._design.parts, *others, *seeds)

    @property
    def first(self) -> int:
        """The part that is changed; if none is, the first."""
        change = self._design.change
        return next((n for n, name in enumerate(self.names) if name in change), 1)

    def reset(self) -> None:
        super().reset()
        self.n_seeds = self._header.seeds

    def takes_own(self, index: int) -> bool:
        name = self.names[index]
        return name == SEEDS or (name not in self._design.parts and super().takes_own(index))

    def describe(self, index: int) -> str:
        if self.names[index] == SEEDS:
            return f"a whole number from 1 to {MOST_SEEDS}"
        return super().describe(index)

    def set_own(self, index: int, text: str) -> None:
        if self.names[index] != SEEDS:
            super().set_own(index, text)
        elif text.strip().isascii() and text.strip().isdigit() and 1 <= int(text) <= MOST_SEEDS:
            self.n_seeds = int(text)
        else:
            raise ValueError(self.describe(index))

    def _choices(self, name: str) -> Sequence[KnobValue]:
        if name == SEEDS:
            return sorted({*_SEEDS_OFFERED, self._header.seeds, self.n_seeds})
        if name in self._design.parts:
            return self._header.parts[name]
        return super()._choices(name)

    def value_of(self, name: str) -> KnobValue:
        """Of a part that of the model which is turned."""
        design = self._design
        if name == SEEDS:
            return self.n_seeds
        if name in design.parts:
            return (design.base if self.in_base else design.changed)[name]
        return self.values[name]

    def set_value(self, name: str, value: KnobValue) -> None:
        if name == SEEDS:
            self.n_seeds = int(value)
        elif name in (FAMILY_KNOB, *self._design.parts):
            self.values = self.with_value(name, value)
        else:
            super().set_value(name, value)

    def with_value(self, name: str, value: KnobValue) -> dict[str, KnobValue]:
        if name == SEEDS:
            return dict(self.values)
        if name == FAMILY_KNOB:
            return set_family(self._header, self.values, str(value))
        if name in self._design.parts:
            return set_part(self._header, self.values, name, str(value), in_base=self.in_base)
        return super().with_value(name, value)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._n_above + super().get_content_height(container, viewport, width)

    def render(self) -> Content:
        lead, wide = self._widths
        heads = [
            Content.styled(
                head.ljust(wide + _GAP),
                "bold $text-accent underline" if is_turned else "bold",
            )
            for head, is_turned in zip(_COLUMNS, (self.in_base, not self.in_base), strict=True)
        ]
        head = Content(" " * lead) + heads[0] + heads[1]
        return Content("\n").join([head.rstrip(), super().render()])

    @property
    def _widths(self) -> tuple[int, int]:
        """Columns before the values, and of a value."""
        parts = [value for part in self._design.parts for value in self._header.parts[part]]
        lead = max(map(cell_len, self.names)) + 4
        return lead, max(map(cell_len, [*parts, *_COLUMNS]))

    def _blocks(self, width: int) -> list[list[Content]]:
        return [[self._row(n, name, width)] for n, name in enumerate(self.names)]

    def _row(self, index: int, name: str, width: int) -> Content:
        is_chosen = index == self.cursor
        lead, _ = self._widths
        row = Content(f"{'▸' if is_chosen else ' '} {name}".ljust(lead))
        if name in self._design.parts:
            row += self._render_part(name, width, is_chosen=is_chosen)
        else:
            about = self._header.knob_help.get(name, "")
            if name == SEEDS:
                about = f"{plural(self.n_seeds, 'run')} of both models"
            row += self._render_values(name)
            row += Content.styled(f"  {clean(about)}", "$text-muted") if about else Content("")
        row = row.truncate(width, ellipsis=True)
        if is_chosen:
            row = row.pad_right(width - row.cell_length).stylize("on $panel")
        return row

    def _render_part(self, name: str, width: int, *, is_chosen: bool) -> Content:
        """Both values, then the change in words; of the chosen part what can be chosen."""
        design = self._design
        lead, wide = self._widths
        base, changed = design.base[name], design.changed[name]
        differs = base != changed
        other = "bold $text-accent" if differs else "$text-muted"
        row = Content.assemble(
            (
                base.ljust(wide + _GAP),
                "" if base != design.start[name] or differs else "$text-muted",
            ),
            (changed.ljust(wide + _GAP), other),
            ("≠ " if differs else "  ", "bold $text-accent"),
        )
        if is_chosen:
            values = self._render_values(name)
            if lead + row.cell_length + values.cell_length <= width:
                return row + values
            own, choices = self.value_of(name), self._choices(name)
            where = (f" {choices.index(own) + 1} of {len(choices)}", "$text-muted")
            return row + Content.assemble((f"[{own}]", "bold $text-accent"), where)
        return row + (phrase_of(self._header, name, changed) if differs else "")


def build_rows(header: LabHeader, values: Knobs) -> KnobRows:
    """The rows by which a lab is set up."""
    return PartRows(header, values) if header.parts else KnobRows(header, values)
