"""The keys of the screen below, read from its bindings, and what the marks mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, ClassVar, NamedTuple

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen

from studykit import __version__
from studykit.study.definitions import Definition
from studykit.tui.screens.base import StudyScreen
from studykit.tui.widgets.card_text import Fitted, Line, lay_out, wrap
from studykit.tui.widgets.safe import Static

MARKS = [("▸", "marked"), ("✓ ✗", "right, wrong"), ("●", "given, or in use"), ("!", "look here")]

KEYS_WIDTH = 10
"""Columns of the keys; what they do stands behind."""


class Section(NamedTuple):
    """The keys of one part of a screen."""

    title: str
    keys: list[tuple[str, str]]
    """How the key is shown, and what it does."""


class HelpScreen(StudyScreen):
    """All keys at a glance."""

    CSS_PATH = "help.tcss"
    BINDING_GROUP_TITLE = "Help"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "q,escape,enter,question_mark,f1",
            "close",
            "close",
            key_display="q",
            id="close-help",
            tooltip="Close",
        ),
        Binding("down,j", "scroll_help(1)", "scroll down", show=False, id="help-down"),
        Binding("up,k", "scroll_help(-1)", "scroll up", show=False, id="help-up"),
    ]

    def __init__(self, below: Screen[Any]) -> None:
        super().__init__()
        self._sections = list(sections_of(below, self.services.settings.keys))
        self._title = below.BINDING_GROUP_TITLE or ""
        self._figures = below.figures() if isinstance(below, StudyScreen) else ((), ())

    def compose_body(self) -> ComposeResult:
        yield Static(Content.assemble(("Help", "bold"), f"  {self._title}"), id="title")
        with Container(classes="frame"), VerticalScroll(id="body", can_focus=False):
            here, elsewhere = self._figures
            if here:
                yield Fitted(partial(_define, here), id="here")
            with Horizontal(id="columns"):
                *main, everywhere = self._sections
                with Vertical():
                    for section in main:
                        yield Fitted(partial(_render, section), classes="section")
                with Vertical():
                    for section in (everywhere, Section("Marks", MARKS)):
                        yield Fitted(partial(_render, section), classes="section")
            if elsewhere:
                yield Fitted(partial(_define, elsewhere), id="elsewhere")
            yield Static(self._about(), id="about")

    def _about(self) -> Content:
        paths = self.services.paths
        return Content.styled(
            f"studykit {__version__} · {len(self.services.cards)} cards · progress in "
            f"{paths.database}\nKeys, theme and limits: {paths.settings_file}",
            "$text-muted",
        )

    def action_close(self) -> None:
        self.dismiss()

    def action_scroll_help(self, rows: int) -> None:
        self.query_one("#body").scroll_relative(y=rows, animate=False)


EVERYWHERE = [
    ("h j k l", "Move, like the arrows"),
    ("Tab", "Into a field or list"),
    ("Ctrl+C", "Stop a lab; twice: quit"),
]
"""Keys of Textual's own, in addition to those of the app."""


def sections_of(screen: Screen[Any], keymap: Mapping[str, str]) -> Iterator[Section]:
    """What the keys do on `screen` now, what others do there at other moments, then the app's.

    No section is empty, and none has a key twice.
    """
    nodes: list[DOMNode] = [screen]
    if screen.focused is not None:
        nodes.insert(0, screen.focused)
    now: list[tuple[str, str]] = []
    later: dict[str, list[str]] = {}
    for node in nodes:
        now += _keys_of(node, screen, keymap, is_live=True)
        for names, what in _keys_of(node, screen, keymap, is_live=False):
            later.setdefault(names, []).append(what)
    title = nodes[0].BINDING_GROUP_TITLE or screen.BINDING_GROUP_TITLE or "Keys"
    if now:
        yield Section(f"{title}: now", now)
    if later:
        told = [(names, " · ".join(dict.fromkeys(what))) for names, what in later.items()]
        yield Section("At other moments", told)
    keys = _keys_of(screen.app, screen, keymap, is_live=True)
    yield Section(screen.app.BINDING_GROUP_TITLE or "Everywhere", [*keys, *EVERYWHERE])


def _keys_of(
    node: DOMNode, screen: Screen[Any], keymap: Mapping[str, str], *, is_live: bool
) -> Iterator[tuple[str, str]]:
    """What the class of `node` binds and does now, or does not, with the learner's own keys.

    One entry an action. A binding without a tooltip goes without saying: it is the other way of
    one that has it.
    """
    active = screen.active_bindings.values()
    live = {each.binding.action for each in active if each.node is node and each.enabled}
    told = [
        binding
        for binding in type(node).BINDINGS
        if isinstance(binding, Binding)
        and binding.id
        and binding.tooltip
        and (binding.action in live) is is_live
    ]
    # "rate(1)" and "rate(2)" are one entry.
    for _, alike in groupby(told, key=lambda binding: binding.action.partition("(")[:2]):
        group = list(alike)
        names = " ".join(_names(binding, screen.app, keymap) for binding in group)
        yield names, _joined([binding.tooltip for binding in group])


def _joined(tooltips: list[str]) -> str:
    """What several keys do, with a beginning that all have in common (`When: what`) only once."""
    head, colon, _ = tooltips[0].partition(": ")
    shared = head + colon
    if colon and all(tooltip.startswith(shared) for tooltip in tooltips):
        return shared + ", ".join(dict.fromkeys(each.removeprefix(shared) for each in tooltips))
    return ", ".join(dict.fromkeys(tooltips))


def _names(binding: Binding, app: App[Any], keymap: Mapping[str, str]) -> str:
    own = keymap.get(binding.id or "")
    if binding.key_display and not own:
        return binding.key_display
    keys = Binding.make_bindings([binding.with_key(own) if own else binding])
    return " ".join(dict.fromkeys(app.get_key_display(key) for key in keys))


def _define(figures: Sequence[Definition], width: int) -> Content:
    """What these figures mean."""
    rows = [Content.styled("FIGURES", "bold $text-accent")]
    for figure, meaning in figures:
        lead = Content.styled(figure.capitalize(), "bold") + Content("  ")
        rows += wrap(lead + Content(meaning), width)
    return Content("\n").join(rows)


def _render(section: Section, width: int) -> Content:
    rows = [Content.styled(section.title.upper(), "bold $text-accent")]
    for keys, what in section.keys:
        lead = Content.styled(keys, "$text-primary")
        rows += lay_out(
            Line(Content(what)), width, lead.pad_right(max(1, KEYS_WIDTH - lead.cell_length))
        )
    return Content("\n").join(rows)
