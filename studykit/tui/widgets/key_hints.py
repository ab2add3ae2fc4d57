"""The last row: the keys of this moment. Drawn as one text, which is much quicker than a widget
for each key; what does not fit is left out whole, and help is always there.
"""

from __future__ import annotations

from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

HELP_ACTION = "help"


class Hint(NamedTuple):
    """One key and what it does now."""

    key: str
    """As Textual names it, to press it for a click."""
    text: Content


class KeyHints(Widget):
    """Follows the bindings of its screen; each hint can be clicked."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyHints {
        dock: bottom;
        height: 1;
        background: $footer-background;
        color: $footer-description-foreground;
    }
    """

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._redraw)

    def _redraw(self, _: Screen[object]) -> None:
        self.refresh()

    def render(self) -> Content:
        return Content("").join(hint.text for hint in self._hints())

    def on_click(self, event: events.Click) -> None:
        """Press the key of the hint below the mouse."""
        end = 0
        for hint in self._hints():
            end += hint.text.cell_length
            if event.x < end:
                self.app.simulate_key(hint.key)
                return

    def _hints(self) -> list[Hint]:
        """The hints that fit, one an action; help takes its place first."""
        by_action: dict[str, Hint] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled and binding.action not in by_action:
                text = Content.assemble(
                    (f" {self.app.get_key_display(binding)} ", "bold $footer-key-foreground"),
                    f"{binding.description} ",
                )
                by_action[binding.action] = Hint(binding.key, text)
        last = [hint] if (hint := by_action.pop(HELP_ACTION, None)) else []
        room = self.size.width - sum(hint.text.cell_length for hint in last)
        shown: list[Hint] = []
        for hint in by_action.values():
            room -= hint.text.cell_length
            if room < 0:
                break
            shown.append(hint)
        return shown + last
