"""What the keys do, by name: the command palette."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

MAIN_THEMES = ("studykit-dark", "studykit-light", "ansi-dark", "ansi-light")
"""Offered before anything is typed; the others are found by name."""


class Command(NamedTuple):
    """One entry of the palette."""

    name: str
    help: str
    run: IgnoreReturnCallbackType
    is_offered: bool = True
    """False: only found by typing."""


class ScreenCommands(Provider):
    """Every action of the screen below that has a key and can be done now, then the themes."""

    def _commands(self) -> Iterator[Command]:
        seen: set[str] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.id or not active.enabled or binding.id in seen:
                continue
            seen.add(binding.id)
            key = self.app.get_key_display(binding)
            yield Command(
                f"{binding.description} ({key})",
                binding.tooltip or "",
                partial(self.app.run_action, binding.action, active.node),
                binding.action != "command_palette",
            )
        for name in self.app.available_themes:
            yield Command(
                f"theme {name}",
                "Until the program ends; theme in the settings keeps it",
                partial(setattr, self.app, "theme", name),
                name in MAIN_THEMES,
            )

    async def discover(self) -> Hits:
        """What is offered before anything is typed."""
        for command in self._commands():
            if command.is_offered:
                yield DiscoveryHit(command.name, command.run, help=command.help)

    async def search(self, query: str) -> Hits:
        """What matches `query`, letters in order."""
        matcher = self.matcher(query)
        for command in self._commands():
            if (score := matcher.match(command.name)) > 0:
                yield Hit(score, matcher.highlight(command.name), command.run, help=command.help)
