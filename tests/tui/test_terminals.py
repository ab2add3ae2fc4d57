"""Terminals that are too small or want no colour: every screen, and the bytes that are sent."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from studykit.tui.app import StudykitApp
from tests.tui.conftest import MakeServices, open_home, text_of, until
from tests.tui.screen_course import write_course

SCREENS = {
    "home": ("", "Welcome!"),
    "review": ("enter", "Answer in your head"),
    "lab": ("enter x", "n_layers"),
    "labs": ("x", "residual connections?"),
    "practice": ("c", "ractise"),
    "progress": ("p", "True retention"),
    "plan": ("P", "YEAR AHEAD"),
    "what if": ("w", "hat if"),
    "browse": ("slash", "of 1 cards"),
    "help": ("question_mark", "Help"),
}
"""Screen -> the keys that open it from Home, and what stands on it."""


@pytest.mark.parametrize("name", SCREENS)
async def test_a_terminal_that_is_too_small_shows_one_clear_line(
    make_services: MakeServices, name: str
) -> None:
    """On every screen; with room again the screen is there again."""
    keys, sign = SCREENS[name]
    app = StudykitApp(make_services("recall"))
    async with app.run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await until(pilot, lambda: "cards" in text_of(app) or "due" in text_of(app))
        for key in keys.split():
            await pilot.press(key)
        await until(pilot, lambda: sign in text_of(app))
        await pilot.resize_terminal(40, 10)
        await until(pilot, lambda: "60x18 needed, have 40x10" in text_of(app))
        assert text_of(app).strip() == "60x18 needed, have 40x10"
        for size in ((9, 30), (3, 2), (1, 1)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: sign in text_of(app))


COLOUR = re.compile(rb"\x1b\[[0-9;:]*?\b(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])\b[0-9;:]*m")


def sent(
    command: list[str], environ: dict[str, str], keys: bytes, sign: bytes
) -> tuple[bytes, int]:
    """The bytes that a program sends to its terminal, and its exit code; `keys` follow `sign`."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        command, stdin=child, stdout=child, stderr=child, env=environ, start_new_session=True
    )
    os.close(child)
    output, left, until_s = b"", keys, time.monotonic() + 30
    while time.monotonic() < until_s:
        if select.select([parent], [], [], 0.1)[0]:
            try:
                output += os.read(parent, 65536)
            except OSError:  # the program has left
                break
        if left and sign in output:
            os.write(parent, left)
            left = b""
    process.kill()
    code = process.wait()
    os.close(parent)
    return output, code


@pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo terminals")
@pytest.mark.parametrize(
    ("extra", "has_colour"), [({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)]
)
def test_no_colour_code_reaches_a_terminal_that_wants_none(
    tmp_path: Path, extra: dict[str, str], has_colour: bool
) -> None:
    environ = {**os.environ, "TERM": "xterm-256color", "STUDYKIT_HOME": str(tmp_path / "home")}
    environ.pop("COLORTERM", None)
    course = str(write_course(tmp_path / "course", "recall"))
    command = [sys.executable, "-m", "studykit", "--course", course]
    output, code = sent(command, environ | extra, b"q", b"Welcome!")
    assert code == 0 and b"Welcome!" in output
    assert bool(COLOUR.search(output)) == has_colour
    assert b"\x1b]52" not in output


def test_a_dumb_terminal_is_told_of_the_plain_review(tmp_path: Path) -> None:
    environ = {**os.environ, "TERM": "dumb", "STUDYKIT_HOME": str(tmp_path / "home")}
    output, code = sent([sys.executable, "-m", "studykit"], environ, b"", b"")
    assert code == 2
    assert b"\x1b" not in output
    assert output.count(b"\n") == 1 and b"studykit review --plain" in output
