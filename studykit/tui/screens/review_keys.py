"""The keys of a card: of the review, of a practice. Which of them live, the screens say."""

from __future__ import annotations

from collections.abc import Mapping

from textual.binding import Binding, BindingType

from studykit.review.schedule import Rating
from studykit.study.sitting import Phase
from studykit.tui.screens.base import TESTS
from studykit.tui.widgets import confidence_bar
from studykit.tui.widgets.rating_bar import NAMES, PRACTICE_NAMES, binding_id


def _key(keys: str, action: str, what: str, name: str, help: str = "", shown: str = "") -> Binding:  # noqa: A002
    """A key that the hints show while its action is possible."""
    return Binding(keys, action, what, key_display=shown or None, id=name, tooltip=help)


def _quiet(keys: str, action: str, what: str, name: str, help: str) -> Binding:  # noqa: A002
    """A key that only the help and the palette name."""
    return Binding(keys, action, what, show=False, id=name, tooltip=help)


_OF_FIELDS = frozenset({"choose", "submit", "check", "give", "give_again", "pick"})
ANSWERING = _OF_FIELDS | {
    "reveal",
    "give_up",
    "skip",
    "confide",
    "show_result",
    "accept",
    "rate",
    "next",
    "another",
    "suspend",
    "bury",
    "flag",
    "home_at_end",
}
"""Actions by which something is said of the card on the screen, or it is left."""
HABITUAL = frozenset({"confide", "skip"})
"""Those of them that ask for no look: how sure one is, is known with the answer."""

REPEATED = frozenset({"give_again"})
"""Those that are meant each time, however fast their key comes again."""

_ANSWERING: list[BindingType] = [
    _key("space,enter", "reveal", "show answer", "reveal", "Show the answer", "Space"),
    *(
        Binding(
            confidence_bar.KEYS[confidence],
            f"confide({confidence.value})",
            word,
            show=False,
            id=confidence_bar.binding_id(confidence),
            tooltip=f"Before the outcome: {word}",
        )
        for confidence, word in confidence_bar.WORDS.items()
    ),
    _key("enter,space", "skip", "skip", "skip-confidence", "Do not say how sure", "Enter"),
    _key("enter,space", "show_result", "result", "show-result", "See what was measured", "Enter"),
    _key("enter", "write", "write", "write", "Back into the text field"),
    _key("n", "give_up", "don't know", "give-up", "Give up: show the answer"),
    _key("x", "lab", "lab", "lab", "Run the card's lab"),
    _quiet("X", "lab_beside", "run lab", "lab-beside", "Run the card's lab while you go on"),
    TESTS,
]

_ACCEPT = _key("enter,space", "accept", "as suggested", "accept", "Mark as suggested", "Enter")

_BESIDES: list[BindingType] = [
    _quiet("f,asterisk", "flag", "flag", "flag-card", "Flag the card, or take its flag off"),
    _quiet("e", "edit", "edit", "edit-card", "Edit the card's deck in $EDITOR"),
    _quiet("y", "copy", "copy", "copy", "Copy the card as text"),
    _key("c", "practise", "practise", "practise", "At the end: choose what to practise"),
    _key("escape", "reopen", "change", "change-answer", "Back to the answer, to change it", "Esc"),
    _key("q,escape", "home", "home", "home", "Home; all is saved", "q"),
    _key(
        "tab", "turn(1)", "picture", "next-picture", "Another picture of the run, beside the card"
    ),
    _quiet("right,l", "step(1)", "next step", "step-on", "Beside the card: the walk's next step"),
    _quiet("left,h", "step(-1)", "step back", "step-back", "Beside the card: a step back"),
    Binding("enter,space", "home_at_end", "home", show=False, id="home-at-end"),
    _key("down,j", "scroll_card(1)", "scroll", "scroll-down", "Scroll a long card", "j/k"),
    Binding("up,k", "scroll_card(-1)", "scroll up", show=False, id="scroll-up"),
    Binding("pagedown", "scroll_card(10)", "page down", show=False, id="page-down"),
    Binding("pageup", "scroll_card(-10)", "page up", show=False, id="page-up"),
]


def _rates(names: Mapping[Rating, str]) -> list[BindingType]:
    return [
        Binding(
            str(rating.value),
            f"rate({rating.value})",
            name,
            show=False,
            id=binding_id(rating),
            tooltip=name,
        )
        for rating, name in names.items()
    ]


REVIEW_KEYS: list[BindingType] = [
    *_ANSWERING,
    _ACCEPT,
    *_rates(NAMES),
    _key("u", "undo", "undo", "undo", "Take back the held answer, or the last rating"),
    # b and f are options' letters while those are chosen from; the signs are always free.
    _quiet("s", "suspend", "suspend", "suspend-card", "Never ask this card (u takes it back)"),
    _quiet("b,minus", "bury", "bury", "bury-card", "Not today; tomorrow again"),
    _key("x", "missed_labs", "their labs", "missed-labs", "At the end: the labs behind the misses"),
    *_BESIDES,
]

PRACTICE_KEYS: list[BindingType] = [
    *_ANSWERING,
    _ACCEPT,
    *_rates(PRACTICE_NAMES),
    _key("enter,space", "next", "next", "next-card", "In a pretest: the next card", "Enter"),
    # `n` before the answer is "don't know"; after it, it goes on, as to the next one of its kind.
    _key("N,n", "another", "another", "another", "Of an exercise: draw other rows", "N"),
    _key("u", "undo", "undo", "undo", "Take back the held answer, or the last one"),
    *_BESIDES,
]

LIVE_IN: Mapping[str, tuple[Phase, ...]] = {
    "reveal": ("asked",),
    "give_up": ("asked",),
    "write": ("asked",),
    "confide": ("answered", "predicted"),
    "skip": ("answered",),
    "show_result": ("predicted",),
    "reopen": ("answered", "predicted"),
    "accept": ("revealed",),
    "rate": ("revealed",),
    "tests": ("revealed",),
    "turn": ("revealed",),
    "step": ("revealed",),
    "suspend": ("asked", "answered", "predicted", "revealed"),
    "bury": ("asked", "answered", "predicted", "revealed"),
    "flag": ("asked", "answered", "predicted", "revealed"),
    "lab": ("asked", "answered", "predicted", "revealed"),
    "lab_beside": ("asked", "answered", "predicted", "revealed"),
    "copy": ("asked", "answered", "predicted", "revealed"),
    "edit": ("asked", "answered", "predicted", "revealed"),
    "home_at_end": ("over",),
    "practise": ("over",),
    "missed_labs": ("over",),
}
"""Action -> the phases of a card in which its key may do something; the others always may."""
