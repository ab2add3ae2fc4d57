"""The process that runs labs: ``python -m studykit.lab.child [MODULE TO PRELOAD ...]``.

It imports torch once and answers one run request (see `protocol`) after the other, each in a fork
of itself: a run begins in 20 ms, and whatever it changes, breaks or leaves behind ends with it.
Only Linux forks safely once torch is loaded; elsewhere the process runs one lab and leaves.

It, `execute`, `importing`, `preload`, `protocol` and `events` need the standard library alone, so
that a lab runs on a bare machine that has torch and nothing of ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from studykit.lab.events import Document, Event
from studykit.lab.execute import execute
from studykit.lab.importing import expose_labs_again
from studykit.lab.preload import Preloaded
from studykit.lab.protocol import BATCH_S, CAN_FORK, dump_line, event_to_document, load_line

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
"""Of Linux' ``prctl``: the signal that a process gets when its parent dies; a process that becomes
the parent of its orphaned descendants."""


class Requests:
    """Requests that arrive on a file descriptor, line by line."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = b""

    def read(self, timeout_s: float | None = None) -> Document | None:
        """The next request, or None after `timeout_s`. Raises `EOFError` at the end of requests."""
        while b"\n" not in self._buffer:
            if not select.select([self._fd], [], [], timeout_s)[0]:
                return None
            chunk = os.read(self._fd, 65536)
            if not chunk:
                raise EOFError
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return load_line(line)


class Outbox:
    """Messages to the parent; events that come fast are joined, so that it is never flooded.

    The first event of a key goes at once. For `BATCH_S` after it the points of a curve, which
    grows, are gathered, and of any other event the latest counts.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, ...], bytes | list[Event]] = {}
        self._sent_at: dict[tuple[str, ...], float] = {}
        self._seed = 0

    def put(self, seed: int, event: Event) -> None:
        """Send `event` soon. Raises `ValueError` if it is too large to be sent."""
        with self._lock:
            self._seed = seed
            if event.grows:
                chunks = self._waiting.setdefault(event.key, [])
                assert isinstance(chunks, list)
                chunks.append(event)
            else:
                self._waiting[event.key] = self._line(event)
            self._flush([event.key])

    def send(self, document: Document) -> None:
        """Write `document` now, after every event that waits."""
        with self._lock:
            self._flush_all()
            self._write(dump_line(document))

    def tick(self) -> None:
        """Write what has waited long enough, even while the lab computes in silence."""
        if self._lock.acquire(timeout=BATCH_S):
            try:
                self._flush([*self._waiting])
            finally:
                self._lock.release()

    def farewell(self) -> None:
        """Acknowledge a cancel, unless the lab is stuck in a write; nothing is sent after it."""
        if self._lock.acquire(timeout=BATCH_S / 2):
            self._flush_all()
            self._write(dump_line({"type": "cancelled"}))

    def _flush_all(self) -> None:
        self._sent_at.clear()
        self._flush([*self._waiting])
        # The next seed's first events go at once, too.
        self._sent_at.clear()

    def _flush(self, keys: list[tuple[str, ...]]) -> None:
        now = time.monotonic()
        for key in keys:
            if now - self._sent_at.get(key, 0.0) >= BATCH_S:
                self._sent_at[key] = now
                item = self._waiting.pop(key)
                if isinstance(item, bytes):
                    self._write(item)
                else:
                    for piece in type(item[0]).joined(item).pieces():
                        self._write(self._line(piece))

    def _line(self, event: Event) -> bytes:
        return dump_line({"type": "event", "seed": self._seed, "event": event_to_document(event)})

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._fd, line) :]


def main() -> None:
    """Warm up, then run what is asked for until the requests end."""
    # The protocol gets descriptors of its own before anything else is imported: what a lab or a
    # C library prints goes to stderr, and there is nothing for it to read.
    outbox = Outbox(os.dup(1))
    os.dup2(2, 1)
    requests = Requests(os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)

    faulthandler.enable()
    _behave()
    _warm_up(sys.argv[1:])
    preloaded = Preloaded()
    # Closed by the other side: no request follows.
    with contextlib.suppress(EOFError, OSError):
        while True:
            outbox.send({"type": "ready"})
            while (request := requests.read()) is None or request["type"] != "run":
                pass  # a cancel that came too late for its run
            if not CAN_FORK:
                _run(request, requests, outbox)
            preloaded.prepare(request)
            code = _run_in_fork(request, requests, outbox, preloaded)
            outbox.send({"type": "left", "code": code})
            _end_leftovers()
    os._exit(0)


def _behave() -> None:
    os.nice(5)
    if CAN_FORK:
        # This process runs no lab itself, so it is free to answer, and takes its runs with it.
        signal.signal(signal.SIGTERM, _end_with_everything)
        _end_with_parent(signal.SIGTERM)
    if sys.platform == "linux":
        # When memory runs out, the kernel shall kill the experiment and not the sitting.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
        _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _end_with_parent(number: signal.Signals) -> None:
    # `_listen` sees the end of the parent, too, but not while C code holds the interpreter.
    _prctl(PR_SET_PDEATHSIG, number)


def _end_with_everything(number: int, _frame: object) -> NoReturn:
    """End every process that a lab has started, whatever session it is in, and then this one."""
    signal.signal(number, signal.SIG_IGN)  # to be told twice must not cut it short
    with contextlib.suppress(OSError):
        _end_leftovers()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise AssertionError("the signal ends the process")


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value)


def _run_in_fork(
    request: Document, requests: Requests, outbox: Outbox, preloaded: Preloaded
) -> int:
    """Run a lab in a copy of this process; the exit code of the copy, negative for a signal."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _end_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        preloaded.in_fork()
        _run(request, requests, outbox)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _run(request: Document, requests: Requests, outbox: Outbox) -> NoReturn:
    threading.Thread(target=_listen, args=(requests, outbox), daemon=True).start()
    outbox.send(execute(request, outbox))
    # Not sys.exit: torch's handlers at exit take most of a second.
    os._exit(0)


def _end_leftovers() -> None:
    """End every process that a lab has left behind; `OSError` if the system does not name them."""
    # They are children of this process by now, since it is their subreaper.
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in Path("/proc/thread-self/children").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
            os.waitpid(-1, 0)


def _warm_up(names: list[str]) -> None:
    """Import the modules `names`."""
    # Imports make very many objects and hardly any garbage; afterwards no search for garbage
    # walks them again, which in a fork would copy the pages on which they lie.
    gc.disable()
    for name in names:
        # A lab that needs the module meets the same error, and reports it.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.freeze()
    gc.enable()


def _listen(requests: Requests, outbox: Outbox) -> NoReturn:
    """Watch for a cancel and for the parent's end while the lab runs; flush what waits."""
    try:
        while True:
            request = requests.read(timeout_s=BATCH_S)
            if request is None:
                outbox.tick()
            elif request["type"] == "cancel":
                outbox.farewell()
                os._exit(0)
    finally:
        # The parent is gone, or talks nonsense. A child that forked for this run ends what the lab
        # has started; where there is none, its group ends with this process.
        if not CAN_FORK:
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__":
    # A process that a lab has spawned: it unpickles functions of the lab.
    expose_labs_again()
