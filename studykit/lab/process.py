"""Labs in processes of their own, from the parent's side: start, stream, cancel, time out.

One child with torch loaded serves run after run, each in a fork of its own (see `child`). A child
that does not say how a run ended, or does not obey a cancel, is killed with all that it started.

A crash, a hang or an out-of-memory kill of a lab is an outcome of its run, never an exception.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Protocol

from studykit.clock import Clock, SystemClock
from studykit.course.cards import MODEL_NEED, Knobs, LabHeader
from studykit.course.models import load_models
from studykit.errors import LabError
from studykit.lab.collect import (
    Collector,
    Ending,
    Finished,
    LabMessage,
    SeedEvent,
    SeedJudged,
    Started,
)
from studykit.lab.handle import EXIT_WITHIN_S, ChildProcess, start_child
from studykit.lab.protocol import load_line
from studykit.lab.results import RunResult, Status
from studykit.lab.verdicts import measured_names
from studykit.text import clean

__all__ = [
    "Finished",
    "LabMessage",
    "LabRunner",
    "SeedEvent",
    "SeedJudged",
    "Started",
    "follow",
    "interruptible",
    "run_lab",
]


class LabRunner:
    """Runs the labs of one course, one at a time, each in a process of its own."""

    def __init__(
        self,
        root: Path,
        *,
        threads: int = 0,
        time_limit_s: float,
        clock: Clock | None = None,
        preload: Sequence[str] = ("torch",),
    ) -> None:
        self._root = root.resolve()
        self._threads = threads
        self._time_limit_s = time_limit_s
        self._clock = clock or SystemClock()
        self._preload = preload
        """Modules that a child imports before its first run."""
        self._starting = asyncio.Lock()
        self._spare: ChildProcess | None = None
        self._current: ChildProcess | None = None
        self._is_running = False
        self._broken_off: Status | None = None
        """Why the parent ended the current run."""
        self._children: set[ChildProcess] = set()

    async def warm(self) -> None:
        """Have a child ready, so that the next run begins at once."""
        # If none can be started, the run will say so.
        with contextlib.suppress(OSError):
            async with self._starting:
                if self._spare is None or self._spare.has_exited:
                    self._spare = await self._start()

    async def run(
        self,
        header: LabHeader,
        *,
        knobs: Knobs,
        seeds: Sequence[int],
        device: str = "auto",
        budget: float = 1.0,
    ) -> AsyncGenerator[LabMessage, None]:
        """Run a lab: `Started`, what each seed yields, and in any case `Finished` at the end.

        Knobs that are not named have their defaults; `budget` multiplies the lab's training steps.
        Closing the iterator stops the lab. Raises `LabError` if another run is under way, or if the
        lab takes no budget and is given one; `CourseError` if its models cannot be read about.
        """
        if self._is_running:
            raise LabError("a lab is running already", hint="cancel it first")
        if budget != 1 and not header.takes_budget:
            raise LabError(f"{header.id} takes no budget", hint="it trains nothing")
        shelf = load_models(self._root) if header.models else {}
        self._is_running = True
        self._broken_off = None
        all_knobs = header.defaults | dict(knobs)
        collector = Collector(header, all_knobs, budget, seeds, device, self._clock.now())
        began = time.monotonic()
        request = {
            "type": "run",
            "root": str(self._root),
            "lab": header.original,
            "file": str(header.path.resolve()) if header.is_own else None,
            "needs": [need for need in header.needs if not need.startswith(MODEL_NEED)],
            "models": {
                name: [shelf[name].module, shelf[name].origin] if name in shelf else None
                for name in header.models_at(all_knobs)
            },
            "has_other_model": header.has_other_model(all_knobs),
            "measures": measured_names(header),
            "knobs": all_knobs,
            "budget": budget if header.takes_budget else None,
            "seeds": [*seeds],
            "device": device,
        }
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._time_limit_s, self._break_off, "timed out")
        try:
            child = await self._ready_child()
            child.send(request)
            while (message := await _next_message(child, collector)) is not None:
                if isinstance(message, Started):
                    began = time.monotonic()
                if not self._broken_off:
                    yield message
            ending = await self._ending(child, collector)
        except OSError as error:
            ending = Ending("failed", f"no process can be started: {error}")
        finally:
            timer.cancel()
            self._release(self._current, is_well=collector.is_over)
            self._current = None
            self._is_running = False
        yield Finished(collector.result(ending, time.monotonic() - began))

    def cancel(self) -> None:
        """End the current run; its `Finished` comes within 0.2 s and keeps what was measured."""
        self._break_off("cancelled")

    async def close(self) -> None:
        """End every child process."""
        self.cancel()
        for child in self._children:
            child.kill()
        self._spare = None
        if self._children:
            await asyncio.wait([child.gone for child in self._children], timeout=EXIT_WITHIN_S)

    def _break_off(self, status: Status) -> None:
        if self._is_running and self._broken_off is None:
            self._broken_off = status
            if self._current is not None:
                self._current.stop()

    async def _ready_child(self) -> ChildProcess:
        """The current child, which waits for a request unless it has ended at once."""
        async with self._starting:
            spare, self._spare = self._spare, None
        # The system may have killed the spare one, to have its memory.
        if spare is not None and await self._make_current(spare):
            return spare
        child = await self._start()
        await self._make_current(child)
        return child

    async def _make_current(self, child: ChildProcess) -> bool:
        self._current = child
        if self._broken_off:
            child.kill()
        return await child.is_ready()

    def _release(self, child: ChildProcess | None, *, is_well: bool) -> None:
        """Keep `child` for the next run if it is well and there is none, else end it."""
        if child is None:
            return
        if is_well and not child.fault and self._spare is None:
            child.rest()
            self._spare = child
        else:
            child.kill()

    async def _start(self) -> ChildProcess:
        child = await start_child(self._preload, self._threads)
        self._children.add(child)
        child.gone.add_done_callback(lambda _: self._children.discard(child))
        return child

    async def _ending(self, child: ChildProcess, collector: Collector) -> Ending:
        said = collector.ending
        code = collector.exit_code
        if said is None and code is None and not child.fault and not self._broken_off:
            code = await child.exit_code()
        if said is not None and said.status == "done":
            return said
        if self._broken_off == "timed out":
            limit = f"{self._time_limit_s:g} s"
            return Ending("timed out", f"stopped at the time limit of {limit}", child.log)
        if self._broken_off is not None:
            return Ending(self._broken_off)
        if said is not None:
            is_fault = said.status == "failed" and not said.trace
            return said._replace(trace=child.log) if is_fault else said
        if child.fault:
            message = f"the lab's process broke its protocol: {child.fault}"
            return Ending("failed", message, child.log)
        if code is None or code >= 0:
            how = "closed its channel" if code is None else f"left with exit code {code}"
            message = f"the lab's process {how} before the end of its run"
            return Ending("failed", message, child.log)
        if code == -signal.SIGKILL:
            message = "killed by the system, probably out of memory: try a smaller knob"
            return Ending("killed", message, child.log)
        return Ending("killed", f"killed by {_signal_name(-code)}", child.log)


async def _next_message(child: ChildProcess, collector: Collector) -> LabMessage | None:
    """The next message for the front end, or None when there is none to come."""
    while not collector.is_over and (line := await child.read_line()) is not None:
        try:
            message = collector.take(load_line(line, clean))
        except ValueError as error:
            child.fault = f"{error}"
            return None
        if message is not None:
            return message
    return None


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:  # a real-time signal
        name = f"signal {number}"
    return f"{name} ({signal.strsignal(number)})"


async def follow(
    runner: LabRunner,
    header: LabHeader,
    *,
    knobs: Knobs,
    seeds: Sequence[int],
    device: str,
    on_message: Callable[[LabMessage], object],
    budget: float = 1.0,
) -> RunResult:
    """Run a lab to its end, give every message to `on_message`, return the result."""
    messages = runner.run(header, knobs=knobs, seeds=seeds, device=device, budget=budget)
    async with contextlib.aclosing(messages):
        async for message in messages:
            on_message(message)
            if isinstance(message, Finished):
                return message.result
    raise AssertionError("a run ends with Finished")


class Stoppable(Protocol):
    """What runs labs and can be told to stop."""

    def cancel(self) -> None: ...

    async def close(self) -> None: ...


@contextlib.asynccontextmanager
async def interruptible(runner: Stoppable) -> AsyncGenerator[None, None]:
    """Let Ctrl-C cancel what `runner` runs, and end its children at the end."""

    # Only a main thread hears signals; elsewhere Ctrl-C does not come.
    with contextlib.suppress(RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, runner.cancel)
    try:
        yield
    finally:
        await runner.close()


def run_lab(
    root: Path,
    header: LabHeader,
    knobs: Knobs,
    seeds: Sequence[int],
    device: str,
    on_message: Callable[[LabMessage], object],
    *,
    budget: float = 1.0,
    threads: int = 0,
    time_limit_s: float,
    clock: Clock | None = None,
    preload: Sequence[str] = ("torch",),
) -> RunResult:
    """Run a lab and wait for its result; Ctrl-C cancels it and keeps what was measured."""

    async def run() -> RunResult:
        runner = LabRunner(
            root, threads=threads, time_limit_s=time_limit_s, clock=clock, preload=preload
        )
        async with interruptible(runner):
            return await follow(
                runner,
                header,
                knobs=knobs,
                seeds=seeds,
                device=device,
                on_message=on_message,
                budget=budget,
            )

    return asyncio.run(run())
