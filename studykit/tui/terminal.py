"""The terminal that the app has: lent to an editor, asked back by a signal, or gone.

Textual takes the terminal into a mode of its own (another screen, the mouse, no cursor). Whatever
ends the program must give it back first, and a terminal that is gone must end the program.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, cast

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from io import TextIOWrapper
    from types import FrameType

    from textual.app import App

LOOK_SECONDS = 1.0
"""How often the app looks whether its terminal is still there."""
ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that end the app; by default they leave the terminal in the app's mode."""


class _Lenient:
    """What is written to a terminal that is gone is dropped.

    Textual's writing thread would die of the error, and the app wait for it for ever.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def fileno(self) -> int:
        return self._file.fileno()

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


class TerminalDriver(LinuxDriver):
    """Textual's driver, and the app ends when its terminal is gone."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._file = cast("TextIOWrapper", _Lenient(cast("IO[str]", self._file)))
        self._look()

    def _look(self) -> None:
        # A terminal that has hung up gives an end of file at every read: Textual reads on and on.
        if self.input_tty and not (sys.__stdin__ and sys.__stdin__.isatty()):
            self._leave()
        else:
            self._loop.call_later(LOOK_SECONDS, self._look)

    def run_input_thread(self) -> None:
        try:
            super().run_input_thread()
        except OSError:
            self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._app.exit(return_code=128 + signal.SIGHUP)


@contextmanager
def hearing_signals(app: App[Any], leave: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Meanwhile `leave` hears of the signals that end a program, and an interrupt is a key.

    One that is ignored stays so, as under nohup. A second one of a kind ends the process at once.
    """
    loop = asyncio.get_running_loop()

    def end(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(leave, signal.Signals(number))

    def press(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(app.simulate_key, "ctrl+c")

    wanted = dict.fromkeys(ENDINGS, end) | {signal.SIGINT: press}
    before = {number: signal.getsignal(number) for number in wanted}
    heard = [number for number in wanted if before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, wanted[number])
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


@contextmanager
def lent_terminal(app: App[Any]) -> Iterator[None]:
    """Meanwhile the terminal belongs to another program, and so do Ctrl+C and Ctrl+\\.

    Whatever is raised meanwhile is raised again once the app has its terminal back, which
    Textual's `suspend` would never take. Raises `SuspendNotSupported` where it cannot be lent.
    """

    def pass_by(_number: int, _frame: FrameType | None) -> None:
        """Unlike a signal that is ignored, one with a handler is heard by the other program."""

    raised: BaseException | None = None
    with app.suspend():
        before = {number: signal.signal(number, pass_by) for number in _FROM_KEYS}
        try:
            yield
        except BaseException as error:
            raised = error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    if raised is not None:
        raise raised


_FROM_KEYS = (signal.SIGINT, signal.SIGQUIT)
"""Signals that the terminal sends to all of its foreground programs."""
