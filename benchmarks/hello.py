"""The smallest program to compare a start with: a Textual app of three widgets."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Footer, Header, Static

GREETING = "hello, world"


class Hello(App[None]):
    """A header, a line of text and a footer."""

    def compose(self) -> ComposeResult:
        yield Header()
        yield Static(GREETING)
        yield Footer()


if __name__ == "__main__":
    Hello().run()
