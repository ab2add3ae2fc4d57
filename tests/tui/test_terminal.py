"""The terminal is given back however the program ends, and lent to an editor whole."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.tui.screen_course import write_course

GIVEN_BACK = (b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?1003l", b"\x1b[?25h", b"\x1b[?2004l")
"""Out of the alternate screen, mouse off, cursor shown, bracketed paste off."""
PATIENCE_S = 30.0


class Terminal:
    """The program in a terminal of its own, which controls it as a real one does."""

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        *,
        ignores_hangup: bool = False,
        kinds: Sequence[str] = ("recall", "choice"),
    ) -> None:
        self._parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.home = folder / "home"
        course = write_course(folder / "course", *kinds)

        def control() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            # What a shell starts in the background ignores it, and so would the program.
            signal.signal(signal.SIGQUIT, signal.SIG_DFL)
            if ignores_hangup:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

        own = {"TERM": "xterm-256color", "STUDYKIT_HOME": str(self.home)}
        own["STUDYKIT_NOW"] = "2026-11-23T09:00:00+01:00"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "studykit", "--course", str(course)],
            stdin=child,
            stdout=child,
            stderr=child,
            env=os.environ | own | dict(environ or {}),
            start_new_session=True,
            preexec_fn=control,
        )
        os.close(child)
        self.output = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.close()

    def close(self) -> None:
        """The window is closed."""
        if self._parent >= 0:
            os.close(self._parent)
        self._parent = -1

    def read(self) -> bool:
        """Take what was written within a tenth of a second; False once the program has left."""
        if select.select([self._parent], [], [], 0.1)[0]:
            try:
                self.output += os.read(self._parent, 65536)
            except OSError:
                return False
        return True

    def expect(self, sign: bytes, *, after: int = 0) -> int:
        """Where `sign` ends in the output, once it is there; `after`: not before that place."""
        until_s = time.monotonic() + PATIENCE_S
        while (place := self.output.find(sign, after)) < 0:
            assert self.read() and time.monotonic() < until_s, self.output[-2000:]
        return place + len(sign)

    def press(self, keys: bytes) -> None:
        os.write(self._parent, keys)

    def wait(self) -> int:
        """The exit code, once the program has left."""
        until_s = time.monotonic() + PATIENCE_S
        while self._parent >= 0 and self.read():
            assert time.monotonic() < until_s
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Path]:
    """An editor that waits for a line, then leaves a mark beside itself."""
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\necho EDITOR-IS-HERE\nread line\necho done > "$0.done"\n')
    script.chmod(0o755)
    yield script


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP])
def test_a_signal_that_ends_the_program_gives_the_terminal_back(
    tmp_path: Path, number: signal.Signals
) -> None:
    with Terminal(tmp_path) as terminal:
        terminal.expect(b"Welcome!")
        before = len(terminal.output)
        terminal.process.send_signal(number)
        assert terminal.wait() == 128 + number
        said = terminal.output[before:]
        assert all(code in said for code in GIVEN_BACK)
        assert (b"every rated answer is saved" in said) == (number != signal.SIGHUP)
        assert b"Traceback" not in said


def test_a_lost_terminal_ends_the_program_though_it_ignores_the_hangup(tmp_path: Path) -> None:
    """Under nohup no signal says so: it read an end of file again and again."""
    with Terminal(tmp_path, ignores_hangup=True) as terminal:
        terminal.expect(b"Welcome!")
        terminal.close()
        assert terminal.wait() == 128 + signal.SIGHUP
        assert not (terminal.home / "last-error.log").exists()


def test_an_interrupt_from_outside_is_the_key(tmp_path: Path) -> None:
    """So one for a program beside it does not end the study."""
    with Terminal(tmp_path) as terminal:
        terminal.expect(b"Welcome!")
        terminal.process.send_signal(signal.SIGINT)
        terminal.expect(b"again to quit")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait() == 0


def test_ctrl_c_in_the_editor_is_the_editors(tmp_path: Path, editor: Path) -> None:
    """The editor hears it, as a program that ignores it would not; the study goes on."""
    with Terminal(tmp_path, {"EDITOR": str(editor), "VISUAL": ""}) as terminal:
        terminal.expect(b"Welcome!")
        terminal.press(b"\r")
        terminal.expect(b"Answer in your head")
        terminal.press(b"e")
        here = terminal.expect(b"EDITOR-IS-HERE")
        terminal.press(b"\x03")
        back = terminal.expect(b"\x1b[?1049h", after=here)
        terminal.expect(b"was ended by signal 2", after=back)
        assert not editor.with_name("editor.done").exists()
        terminal.press(b"e")
        here = terminal.expect(b"EDITOR-IS-HERE", after=back)
        terminal.press(b"\n")
        terminal.expect(b"Nothing was changed on the card", after=here)
        assert editor.with_name("editor.done").exists()
        terminal.press(b"qq")
        assert terminal.wait() == 0


def test_a_signal_during_the_editor_ends_the_program_after_it(tmp_path: Path, editor: Path) -> None:
    """The card is not shown again on a screen that is being taken down."""
    environ = {"EDITOR": str(editor), "VISUAL": ""}
    with Terminal(tmp_path, environ, kinds=["choice"]) as terminal:
        terminal.expect(b"Welcome!")
        terminal.press(b"\r")
        terminal.expect(b"state overflows")
        terminal.press(b"e")
        terminal.expect(b"EDITOR-IS-HERE")
        terminal.process.send_signal(signal.SIGTERM)
        terminal.press(b"\n")
        assert terminal.wait() == 128 + signal.SIGTERM
        assert editor.with_name("editor.done").exists()
        assert b"unexpected" not in terminal.output
        assert b"every rated answer is saved" in terminal.output
        assert not (terminal.home / "last-error.log").exists()


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("no-such-editor --wait", b"no-such-editor cannot be started"),
        ("{folder}/no-program", b"cannot be started"),
        ("   ", b"no editor was found"),
    ],
)
def test_an_editor_that_cannot_start_leaves_the_card_in_use(
    tmp_path: Path, chosen: str, said: bytes
) -> None:
    """One line says so, and the next key is answered."""
    (tmp_path / "no-program").write_text("not a program\n")
    (tmp_path / "no-program").chmod(0o755)
    (tmp_path / "empty").mkdir()
    environ = {"EDITOR": chosen.format(folder=tmp_path), "VISUAL": " "}
    environ["PATH"] = str(tmp_path / "empty")
    with Terminal(tmp_path, environ) as terminal:
        terminal.expect(b"Welcome!")
        terminal.press(b"\r")
        terminal.expect(b"Answer in your head")
        terminal.press(b"e")
        there = terminal.expect(said)
        terminal.press(b"y")
        terminal.expect(b"Copied", after=there)
        terminal.press(b"qq")
        assert terminal.wait() == 0
