"""What a card can be rated, each with the interval that it would give; clicking one rates."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.app import ComposeResult
from textual.containers import HorizontalGroup
from textual.content import Content

from studykit.review.schedule import Rating
from studykit.tui.messages import RatingPicked
from studykit.tui.widgets.safe import Static

NAMES = {rating: rating.name.capitalize() for rating in Rating}
PRACTICE_NAMES = {Rating.AGAIN: "Again", Rating.GOOD: "Got it"}
"""Of a practice, where nothing comes of it but the card's return."""
STYLES = {
    Rating.AGAIN: "$text-error",
    Rating.HARD: "$text-warning",
    Rating.GOOD: "$text-success",
    Rating.EASY: "$text-secondary",
}


class RatingButton(Static):
    """One rating: its key, its name, its interval."""

    def __init__(self, rating: Rating, name: str, key: str) -> None:
        super().__init__()
        self.rating = rating
        self._name = name
        self._key = key

    def offer(self, interval: str, *, is_suggested: bool) -> None:
        """Show the interval; the suggested rating stands between arrows and on its own ground."""
        left, right = ("▸ ", " ◂") if is_suggested else ("  ", "  ")
        self.set_class(is_suggested, "-suggested")
        self.update(
            Content.assemble(
                (f"{left}{self._key} {self._name}{right}", f"bold {STYLES[self.rating]}"),
                (f"\n{interval}", "$text-muted"),
            )
        )

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(RatingPicked(self.rating))


class RatingBar(HorizontalGroup):
    """Again, Hard, Good, Easy, or the `names` of some of them; shown once the answer is."""

    DEFAULT_CSS = """
    RatingBar {
        height: 3;
        max-width: 88;
        padding: 0 3;
        border-top: solid $rule;
        RatingButton {
            width: 1fr;
            height: 2;
            text-align: center;
            &.-suggested { background: $panel; }
            &:hover { background: $surface; }
        }
    }
    """

    def __init__(self, keys: Mapping[str, str], names: Mapping[Rating, str]) -> None:
        super().__init__()
        self._keys = keys
        self._names = names

    def compose(self) -> ComposeResult:
        for rating, name in self._names.items():
            yield RatingButton(rating, name, self._keys.get(binding_id(rating), str(rating.value)))

    def offer(self, intervals: Mapping[Rating, str], suggested: Rating) -> None:
        """Show what each rating leads to, where it leads to anything."""
        for button in self.query(RatingButton):
            button.offer(intervals.get(button.rating, ""), is_suggested=button.rating is suggested)


def binding_id(rating: Rating) -> str:
    """The id of the rating's key, as the settings name it: ``rate-good``."""
    return f"rate-{rating.name.lower()}"
