"""A program in a pseudo-terminal, watched from outside: the bytes it writes and when."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType

SMALL, LARGE = (80, 24), (120, 40)
"""Columns and rows: the size that the screens are laid out for, and a roomy one."""
PATIENCE_S = 60.0
QUIET_S = 0.05


class Terminal:
    """Runs `command` in a terminal of `size`; leaving the block kills it."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        size: tuple[int, int] = LARGE,
    ) -> None:
        self.started_s = time.perf_counter()
        """Just before the process was made."""
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            with suppress(OSError):
                os.execvpe(command[0], [*command], environment)
            os._exit(127)
        columns, rows = size
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._written = b""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._fd)

    @property
    def pid(self) -> int:
        """Of the program."""
        return self._pid

    def press(self, keys: str) -> float:
        """Type `keys`; returns the time just before. What was written so far is forgotten."""
        # A hand is slower than the last strokes of a picture: they are not waited for twice.
        while self._read(QUIET_S):
            pass
        self._written = b""
        pressed_s = time.perf_counter()
        os.write(self._fd, keys.encode())
        return pressed_s

    def wait_for(self, *texts: str, patience_s: float = PATIENCE_S) -> float:
        """The time at which all of `texts` had been written; raises `TimeoutError`."""
        wanted = [text.encode() for text in texts]
        ends_s = time.perf_counter() + patience_s
        while not all(text in self._written for text in wanted):
            if not self._read(max(0.0, ends_s - time.perf_counter())):
                raise TimeoutError(f"{texts} not in {self._written[-2000:]!r}")
        return time.perf_counter()

    def _read(self, seconds: float) -> bool:
        if not select.select([self._fd], [], [], seconds)[0]:
            return False
        with suppress(OSError):  # Linux reports the end of the program as an input error
            self._written += (data := os.read(self._fd, 65536))
            return bool(data)
        return False
