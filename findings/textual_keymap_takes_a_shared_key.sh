#!/usr/bin/env bash
# In Textual, a new key for one binding takes the old key away from other bindings as well.
#
# Seen with textual 8.2.8 on Python 3.11.
#
# The usual guess: bindings have ids so that a keymap can give one of them another key. Two bindings
# may share a key, each for its own moment (`check_action` says whose it is); a keymap that names
# one of them moves that one and leaves the other, whose id it doesn't name, where it was.
#
# What happens: `BindingsMap.apply_keymap` deletes the whole entry of the old key, with every binding
# that stood there. The key that rates a card "good" also says "sure" at an earlier moment; with
# {"rate-good": "g"} the key for "sure" is gone, nothing is reported as a clash, and nothing happens
# when it is pressed.
#
# What helps: name every binding that shares the key in the keymap ({"rate-good": "g", "sure": "3"}),
# as an app can do for its users.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'textual==8.2.8'

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio

import textual
from textual.app import App
from textual.binding import Binding


class Quiz(App[None]):
    """The key 3 says how sure one is, and after the answer how good it was."""

    BINDINGS = [Binding("3", "sure", id="sure"), Binding("3", "rate_good", id="rate-good")]

    def __init__(self, is_answered: bool) -> None:
        super().__init__()
        self.is_answered = is_answered
        self.done = "nothing"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        return {"sure": not self.is_answered, "rate_good": self.is_answered}.get(action, True)

    def action_sure(self) -> None:
        self.done = "sure"

    def action_rate_good(self) -> None:
        self.done = "good"


def press(key: str, keymap: dict[str, str], *, is_answered: bool) -> str:
    """What a key does at one of the two moments."""

    async def pressed() -> str:
        app = Quiz(is_answered)
        app.set_keymap(keymap)
        async with app.run_test() as pilot:
            await pilot.press(key)
        return app.done

    return asyncio.run(pressed())


print(f"textual {textual.__version__}")
one, both = {"rate-good": "g"}, {"rate-good": "g", "sure": "3"}
found = [
    ("no keymap: 3 before the answer", press("3", {}, is_answered=False), "sure"),
    ("no keymap: 3 after it", press("3", {}, is_answered=True), "good"),
    (f"{one}: g after the answer", press("g", one, is_answered=True), "good"),
    (f"{one}: 3 before it", press("3", one, is_answered=False), "nothing"),
    (f"{both}: 3 before it", press("3", both, is_answered=False), "sure"),
]
for moment, done, expected in found:
    print(f"{moment:50}  {done}")
    assert done == expected, f"changed: expected {expected}"
print("as found: a keymap that moves one binding unbinds its neighbour on the same key")
PYTHON
