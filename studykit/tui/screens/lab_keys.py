"""The keys of the Lab screen, and the phases of a run in which each does something."""

from __future__ import annotations

from collections.abc import Mapping

from textual.binding import Binding, BindingType

from studykit.tui.screens.base import NO_UNDO
from studykit.tui.screens.staged import MOVING_KEYS, STAGE_KEYS
from studykit.tui.widgets.gauges import Phase

LAB_KEYS: list[BindingType] = [
    Binding("i", "install", "install", id="lab-install", tooltip="Install the model it lacks"),
    Binding("enter", "predict", "predict", id="lab-predict", tooltip="On to the prediction"),
    Binding("enter", "run", "run", id="lab-run", tooltip="Run the lab with these knobs"),
    Binding("s", "skip", "skip", id="lab-skip", tooltip="Run without predicting"),
    Binding("1", "quick_look", "quick", id="lab-quick-look", tooltip="One seed, less training"),
    Binding(
        "equals_sign",
        "own_value",
        "own value",
        key_display="=",
        id="lab-own-value",
        tooltip="Give the knob a value of your own",
    ),
    Binding(
        "tab",
        "other_model",
        "other model",
        id="whatif-other-model",
        tooltip="What if: turn the parts of the other model",
    ),
    Binding("S", "sweep", "sweep", id="lab-sweep", tooltip="All values of the knob, side by side"),
    Binding("d", "defaults", "defaults", id="lab-defaults", tooltip="Turn every knob back"),
    *(
        Binding(
            letter,
            f"bet({n})",
            f"option {letter}",
            show=False,
            id=f"lab-bet-{letter}",
            tooltip="Mark a prediction by its letter" if n == 0 else "",
        )
        for n, letter in enumerate("abcdefg")
    ),
    Binding("c", "cancel", "cancel", id="lab-cancel", tooltip="Stop the run (also Ctrl+C)"),
    Binding("r", "again", "run again", id="lab-again", tooltip="Back to the knobs"),
    *STAGE_KEYS,
    Binding("n", "pin", "pin", id="whatif-pin", tooltip="What if: pin the outcome to a card"),
    Binding(
        "m",
        "make_card",
        "make card",
        id="whatif-card",
        tooltip="What if: make a card of it, in your own deck",
    ),
    Binding(
        "y",
        "copy_command",
        "copy command",
        show=False,
        id="whatif-copy",
        tooltip="What if: copy the command that asks it again",
    ),
    Binding("e", "edit", "edit", id="lab-edit", tooltip="Change a copy of it that is your own"),
    Binding("o", "source", "code", id="lab-source", tooltip="Read the lab's code"),
    Binding("p", "runs", "runs", id="lab-runs", tooltip="Your runs of it, side by side"),
    Binding("v", "log", "log", id="lab-log", tooltip="What the lab printed, how it ended"),
    Binding("q,escape", "close", "back", key_display="q", id="back", tooltip="Back; a run goes on"),
    *MOVING_KEYS,
    NO_UNDO,
]

LIVE_IN: Mapping[str, tuple[Phase, ...]] = {
    "predict": ("knobs", "predict"),
    "bet": ("knobs", "predict"),
    "run": ("knobs", "predict"),
    "skip": ("knobs", "predict"),
    "quick_look": ("knobs", "predict"),
    "sweep": ("knobs",),
    "defaults": ("knobs",),
    "own_value": ("knobs",),
    "install": ("knobs", "predict", "outcome"),
    "change": ("knobs", "predict", "run", "outcome"),
    "other_model": ("knobs",),
    "pin": ("outcome",),
    "make_card": ("outcome",),
    "copy_command": ("outcome",),
    "cancel": ("run",),
    "again": ("outcome",),
    "log": ("run", "outcome"),
    "turn": ("run", "outcome"),
    "log_scale": ("run", "outcome"),
    "tests": ("outcome",),
    "uncover": ("run", "outcome"),
    "step": ("run", "outcome"),
    "edge": ("run", "outcome"),
}
"""Action -> the phases in which its key does something; the others always do."""

DECIDING = frozenset({"predict", "bet", "run", "skip", "quick_look", "again"})
"""Actions that bet on the outcome or start a run."""
