"""How sure is the answer: four words, where the ratings will stand; clicking one says it."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.app import ComposeResult
from textual.containers import HorizontalGroup, VerticalGroup
from textual.content import Content

from studykit.review.grading import Confidence
from studykit.tui.messages import ConfidencePicked
from studykit.tui.widgets.safe import Static

WORDS = {confidence: confidence.name.lower() for confidence in Confidence}
KEYS = {confidence: str(place) for place, confidence in enumerate(Confidence, start=1)}


class ConfidenceButton(Static):
    """One word with its key."""

    def __init__(self, confidence: Confidence, key: str) -> None:
        super().__init__()
        self.confidence = confidence
        self._key = key

    def show_chosen(self, *, is_chosen: bool) -> None:
        """The chosen word stands between arrows and on its own ground."""
        left, right = ("▸ ", " ◂") if is_chosen else ("  ", "  ")
        self.set_class(is_chosen, "-chosen")
        self.update(Content.styled(f"{left}{self._key} {WORDS[self.confidence]}{right}", "bold"))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(ConfidencePicked(self.confidence))


class ConfidenceBar(VerticalGroup):
    """Guess, unsure, sure, certain; shown while an answer is held."""

    DEFAULT_CSS = """
    ConfidenceBar {
        height: 3;
        max-width: 88;
        padding: 0 3;
        border-top: solid $rule;
        .ask { text-align: center; color: $text-muted; }
        HorizontalGroup { height: 1; }
        ConfidenceButton {
            width: 1fr;
            text-align: center;
            &.-chosen { background: $panel; }
            &:hover { background: $surface; }
        }
    }
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        yield Static(classes="ask")
        with HorizontalGroup():
            for confidence in Confidence:
                key = self._keys.get(binding_id(confidence), KEYS[confidence])
                yield ConfidenceButton(confidence, key)

    def ask(self, chosen: Confidence | None, way_on: str) -> None:
        """Ask; `way_on` is what comes next without an answer."""
        self.query_one(".ask", Static).update(f"How sure are you? {way_on}")
        for button in self.query(ConfidenceButton):
            button.show_chosen(is_chosen=button.confidence is chosen)


def binding_id(confidence: Confidence) -> str:
    """The id of its key, as the settings name it: ``confidence-sure``."""
    return f"confidence-{WORDS[confidence]}"
