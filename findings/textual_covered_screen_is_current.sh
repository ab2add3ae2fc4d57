#!/usr/bin/env bash
# In Textual, a screen that is wholly covered by another one still says that it is current.
#
# Seen with textual 8.2.8 on Python 3.11.
#
# The usual guess: `Screen.is_current` is documented as "visible to user". Pushed screens cover the
# whole terminal with an opaque background unless they are modal, so while one is open the screen
# below is not current, and a timer that asks `is_current` before it works rests meanwhile.
#
# What happens: `is_current` counts the screens "that may be visible due to background opacity",
# and the search never asks the topmost screen whether it lets anything through. It begins one
# below and goes down to the first opaque one. So the screen directly below is always current,
# and those under it are not.
#
# What helps: compare with `app.screen`, or stop the timer on ScreenSuspend.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'textual==8.2.8'

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio

import textual
from textual.app import App
from textual.screen import Screen
from textual.widgets import Static


class Page(Screen[None]):
    """Opaque and as large as the terminal, as every screen that is not modal."""

    def compose(self):
        yield Static(f"page {self.name}")


async def main() -> None:
    app: App[None] = App()
    async with app.run_test(size=(40, 5)) as pilot:
        pages = [Page(name=name) for name in ("bottom", "middle", "top")]
        for page in pages:
            await app.push_screen(page)
        await pilot.pause()
        assert all(page.styles.background.a == 1 for page in pages)
        shown = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert "page top" in shown and "page middle" not in shown
        for page, expected in zip(pages, (False, True, True), strict=True):
            print(f"{page.name:6}  is_current={page.is_current}  app.screen={app.screen is page}")
            assert page.is_current is expected, f"changed: expected {expected}"


print(f"textual {textual.__version__}")
asyncio.run(main())
print("as found: the covered screen below the top one calls itself current")
PYTHON
