"""A child process as its parent holds it: lines in, lines out, the end of its log, its exit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from studykit.lab.protocol import CAN_FORK, MAX_LINE_BYTES, dump_line
from studykit.text import clean

MAX_RUN_BYTES = 64_000_000
"""A run that sends more is broken off: its result could not be kept."""
MAX_WAITING_LINES = 100
"""Lines read ahead of what is shown; the child waits when there are more."""
TERMINATE_AFTER_S = 0.1
KILL_AFTER_S = 0.15
"""Seconds after a cancel; the child obeys at once unless it is stuck."""
END_WITHIN_S = 0.5
"""Seconds that a child has to end every process of its run before it is killed itself."""
EXIT_WITHIN_S = 2.0
"""How long a process that has said its last may take to be gone; one that used a GPU is slow."""
MAX_LOG_LINES = 40
MAX_LOG_WIDTH = 500
"""What is kept of the child's stderr: its last lines, in bytes at most this wide."""


READY = dump_line({"type": "ready"}).rstrip()


class ChildProcess(asyncio.SubprocessProtocol):
    """What `start_child` started.

    Not asyncio's own streams: they hide an exit while a grandchild holds the pipes open.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.fault = ""
        """Why what it sent cannot be used; empty while it can."""
        self.gone: asyncio.Future[None] = loop.create_future()
        """Done when it has exited and its pipes are closed."""
        self.has_exited = False
        self._news = asyncio.Event()
        self._ended = False
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._n_bytes = 0
        self._log: deque[bytes] = deque(maxlen=MAX_LOG_LINES)
        self._log_rest = b""
        self._has_run = False
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def log(self) -> str:
        """The end of its stderr, safe to show."""
        lines = [*self._log, self._log_rest] if self._log_rest else self._log
        return "\n".join(clean(line.decode(errors="replace")) for line in lines)

    def send(self, document: Mapping[str, Any]) -> None:
        stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
        stdin.write(dump_line(document))

    async def is_ready(self) -> bool:
        """Wait until it can take a request; False if it has ended, or ends a run too slowly.

        What it said and printed before belongs to another run and is dropped.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_WITHIN_S if self._has_run else None):
                while (line := await self.read_line()) is not None:
                    if line == READY:
                        self._n_bytes = 0
                        self._log.clear()
                        self._log_rest = b""
                        return True
        self.kill()
        return False

    async def read_line(self) -> bytes | None:
        """The next line, or None when it says no more."""
        while not self._lines and not self._ended:
            self._news.clear()
            await self._news.wait()
        line = self._lines.popleft() if self._lines else None
        if len(self._lines) < MAX_WAITING_LINES:
            self._stdout.resume_reading()
        return line

    async def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None if it does not leave soon."""
        await asyncio.wait([self.gone], timeout=EXIT_WITHIN_S)
        return self._transport.get_returncode()

    def stop(self) -> None:
        """Ask it to leave; if it does not, force it."""
        self.send({"type": "cancel"})
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_later(TERMINATE_AFTER_S, self._signal, signal.SIGTERM),
            loop.call_later(KILL_AFTER_S, self.kill),
        ]

    def rest(self) -> None:
        """Let it live, though it was asked to leave perhaps: its run is over."""
        self._has_run = True
        for timer in self._timers:
            timer.cancel()

    def kill(self) -> None:
        """End it now, with every process that it started; nothing more is heard of it."""
        self._end()
        if CAN_FORK:
            # It ends processes that have left its group, too. If it does not, force it. Not by the
            # transport, which would take the exit code away from who waits for it.
            self._signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(END_WITHIN_S, self._signal, signal.SIGKILL)
        else:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # The child leads a process group of its own, which outlives it while a member lives.
        if not self.gone.done():
            with contextlib.suppress(OSError):
                os.killpg(self._transport.get_pid(), number)

    def _end(self, fault: str = "") -> None:
        self.fault = self.fault or fault
        self._ended = True
        self._news.set()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    @property
    def _stdout(self) -> asyncio.ReadTransport:
        return cast("asyncio.ReadTransport", self._transport.get_pipe_transport(1))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            *lines, rest = (self._log_rest + data).split(b"\n")
            self._log.extend(line[:MAX_LOG_WIDTH] for line in lines[-MAX_LOG_LINES:])
            self._log_rest = rest[:MAX_LOG_WIDTH]
            return
        if self._ended:
            return
        self._n_bytes += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._lines.extend(lines)
        if max(map(len, [*lines, self._rest])) > MAX_LINE_BYTES:
            self._end(f"it sent a line of more than {MAX_LINE_BYTES:,} bytes")
        elif self._n_bytes > MAX_RUN_BYTES:
            self._end(f"it sent more than {MAX_RUN_BYTES:,} bytes: yield fewer points")
        elif len(self._lines) > MAX_WAITING_LINES and not self.has_exited:
            self._stdout.pause_reading()
        self._news.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._end()

    def process_exited(self) -> None:
        self.has_exited = True
        self._signal(signal.SIGKILL)
        if not self._ended:
            self._stdout.resume_reading()
        # A process that it started and that left its group may hold the pipes open for ever.
        asyncio.get_running_loop().call_later(TERMINATE_AFTER_S, self._transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.close()
        self._end()
        if not self.gone.done():
            self.gone.set_result(None)


async def start_child(preload: Sequence[str], threads: int) -> ChildProcess:
    """A new child that imports `preload` and waits for requests; `threads` 0: torch chooses.

    Raises `OSError` if the system has no room for a process.
    """
    environment = dict(os.environ)
    # An empty entry, as in ":/my/modules", means the folder that the learner is in.
    paths = list(filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)))
    package_root = Path(__file__).resolve().parents[2]
    if package_root.name != "site-packages":
        # A checkout, which Python does not find by itself. An installed package must not go on
        # this path: it comes before the standard library.
        paths.insert(0, str(package_root))
    environment.pop("PYTHONPATH", None)
    if paths:
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    if threads > 0:
        environment["OMP_NUM_THREADS"] = str(threads)
    # Threads that wait for each other sleep: by default they spin, and on a busy machine an
    # operation on two of them costs several times the processor of one. Read when torch loads.
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # -P: no file in the learner's folder may pass for a module; -u: no print is lost.
    command = [sys.executable, "-u", "-P", "-m", "studykit.lab.child", *preload]
    _, child = await asyncio.get_running_loop().subprocess_exec(
        ChildProcess, *command, env=environment, start_new_session=True
    )
    return child
