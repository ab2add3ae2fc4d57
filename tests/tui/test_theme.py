"""Our themes can be read, and NO_COLOR means no colour."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.color import ColorSystem
from textual.color import Color
from textual.theme import Theme

from studykit.tui.app import StudykitApp
from studykit.tui.theme import GROUNDS, TEXT_ROLES, THEMES, first_theme
from tests.tui.conftest import MakeServices, open_home, open_review, text_of, until

PAIRS = (
    ("block-cursor-foreground", "block-cursor-background"),
    ("block-cursor-blurred-foreground", "block-cursor-blurred-background"),
    ("footer-key-foreground", "footer-background"),
    ("footer-description-foreground", "footer-background"),
    ("input-cursor-foreground", "input-cursor-background"),
)
"""Foregrounds that have a ground of their own."""


def contrast(one: Color, other: Color) -> float:
    """The ratio of WCAG 2: 1 (the same) to 21 (black on white)."""

    def luminance(colour: Color) -> float:
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.normalized
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def in_256(colour: Color) -> Color:
    """The nearest colour of a terminal that has 256."""
    number = colour.rich_color.downgrade(ColorSystem.EIGHT_BIT)
    return Color(*number.get_truecolor())


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_text_colour_has_contrast(theme: Theme, make_services: MakeServices) -> None:
    """WCAG asks for 4.5 between text and its ground."""
    app = StudykitApp(make_services("recall"))
    app.theme = theme.name
    variables = app.get_css_variables()
    pairs = [(role, ground) for role in TEXT_ROLES for ground in GROUNDS] + [*PAIRS]
    for foreground, ground in pairs:
        over, under = Color.parse(variables[foreground]), Color.parse(variables[ground])
        assert contrast(over, under) >= 4.5, (foreground, ground)
        # ssh seldom says that a terminal has more than 256 colours.
        assert contrast(in_256(over), in_256(under)) >= 4.5, (foreground, ground, "256 colours")


def test_first_theme() -> None:
    """The environment goes before the settings; an empty NO_COLOR is no wish."""
    assert first_theme({}, "studykit-light") == "studykit-light"
    assert first_theme({"TEXTUAL_THEME": "nord"}, "studykit-light") == "nord"
    assert first_theme({"NO_COLOR": ""}, "studykit-light") == "studykit-light"
    assert first_theme({"NO_COLOR": "1", "TEXTUAL_THEME": "nord"}, "nord") == "ansi-dark"


@pytest.mark.parametrize("where", ["settings.toml [screen]", "TEXTUAL_THEME"])
async def test_a_theme_that_is_not_there_is_named(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    services = make_services("choice")
    if where == "TEXTUAL_THEME":
        monkeypatch.setenv(where, "nrod")
    else:
        screen = replace(services.settings.screen, theme="nrod")
        services.settings = replace(services.settings, screen=screen)
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await until(pilot, lambda: f"! {where}: there is no theme nrod" in text_of(app))
    assert app.theme == "studykit-dark"


async def test_no_color(make_services: MakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one segment has a colour; right and wrong are still told apart by mark and word."""
    monkeypatch.setenv("NO_COLOR", "1")
    app = StudykitApp(make_services("choice"))
    async with app.run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("a")
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                style = segment.style
                assert style is None or style.color is None or style.color.is_default
                assert style is None or style.bgcolor is None or style.bgcolor.is_default
