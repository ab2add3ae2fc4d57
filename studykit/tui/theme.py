"""The two themes of our own, and which theme to start with.

A colour that carries text has a contrast of at least 4.5 on each ground; a test measures it.
Textual derives its ``$text-*`` roles for any theme; here they are set, not derived.
"""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

DARK = "studykit-dark"
LIGHT = "studykit-light"
COLOURLESS = "ansi-dark"
"""The theme under NO_COLOR: the terminal's own two colours, whatever they are."""

TEXT_ROLES = (
    "text-primary",
    "text-secondary",
    "text-accent",
    "text-success",
    "text-warning",
    "text-error",
    "text-muted",
    "foreground",
)
GROUNDS = ("background", "surface", "panel")


def _theme(name: str, *, dark: bool, colours: Mapping[str, str], muted: str, rule: str) -> Theme:
    return Theme(
        name=name,
        dark=dark,
        primary=colours["primary"],
        secondary=colours["secondary"],
        accent=colours["accent"],
        success=colours["success"],
        warning=colours["warning"],
        error=colours["error"],
        foreground=colours["foreground"],
        background=colours["background"],
        surface=colours["surface"],
        panel=colours["panel"],
        variables={
            **{f"text-{role}": colours[role] for role in colours if f"text-{role}" in TEXT_ROLES},
            "text": colours["foreground"],
            "text-muted": muted,
            "text-disabled": muted,
            "rule": rule,
            "border": colours["primary"],
            "border-blurred": rule,
            "block-cursor-foreground": colours["background"],
            "block-cursor-background": colours["primary"],
            "block-cursor-blurred-foreground": colours["foreground"],
            "block-cursor-blurred-background": colours["panel"],
            "footer-background": colours["surface"],
            "footer-foreground": colours["foreground"],
            "footer-key-foreground": colours["primary"],
            "footer-description-foreground": muted,
            "input-cursor-background": colours["foreground"],
            "input-cursor-foreground": colours["background"],
            "scrollbar": rule,
            "scrollbar-hover": muted,
            "scrollbar-active": colours["primary"],
            "scrollbar-background": colours["background"],
            "scrollbar-background-hover": colours["background"],
            "scrollbar-background-active": colours["background"],
            "scrollbar-corner-color": colours["background"],
        },
    )


THEMES = (
    _theme(
        DARK,
        dark=True,
        colours={
            "background": "#14161b",
            "surface": "#1d2026",
            "panel": "#292c34",
            "foreground": "#dfe3ea",
            "primary": "#82aaff",
            "secondary": "#7fd1c7",
            "accent": "#e7b96b",
            "success": "#93cf7f",
            "warning": "#f0a667",
            "error": "#ff8a93",
        },
        muted="#9aa3b3",
        rule="#3a404d",
    ),
    _theme(
        LIGHT,
        dark=False,
        colours={
            "background": "#fbfaf7",
            "surface": "#f3f2ef",
            "panel": "#e9e8e4",
            "foreground": "#23262d",
            "primary": "#1d55a5",
            "secondary": "#0f625b",
            "accent": "#7d4d00",
            "success": "#28622b",
            "warning": "#8a4300",
            "error": "#a8231f",
        },
        muted="#565b66",
        rule="#c9c4b8",
    ),
)


def wants_no_colour(environ: Mapping[str, str]) -> bool:
    """NO_COLOR counts when it is not empty, as no-color.org has it."""
    return bool(environ.get("NO_COLOR"))


def first_theme(environ: Mapping[str, str], preferred: str) -> str:
    """The theme to start with: the environment before the settings."""
    if wants_no_colour(environ):
        return COLOURLESS
    return environ.get("TEXTUAL_THEME") or preferred
