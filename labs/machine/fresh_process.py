"""Calls a function in a Python process of its own, which is gone afterwards.

A process starts with an empty memory, reads its environment once and can die without harm to
whoever asked: peak memory, a compiler switched by an environment variable and an out-of-memory
kill are each measured there. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from operator import attrgetter
from types import ModuleType
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")


class FreshProcessError(RuntimeError):
    """The process gave no result; the message says what became of it, on one line."""

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause
        """The exception's type as in "MemoryError", the signal's name as in "SIGKILL", "exit" if
        the process left early, or "timeout"."""


def run_fresh(
    function: Callable[..., T] | str,
    *args: Any,
    env: Mapping[str, str | None] | None = None,
    timeout_s: float,
) -> T:
    """What `function(*args)` returns in a new Python process with this one's path and labs.

    `function` is a module's own function, or "package.module:name" when this process shall not
    import the module. Arguments and result travel pickled. `env` is laid over the environment; a
    variable set to None is left out. What the function prints goes nowhere. The process ends with
    this one, whatever ends it.

    Raises `FreshProcessError` if the function raises, if its process dies, or after `timeout_s`,
    and `ValueError` for a function that no other process can find.
    """
    name = function if isinstance(function, str) else _name(function)
    labs = [*sys.modules["labs"].__path__] if "labs" in sys.modules else None
    request = pickle.dumps((sys.path, labs, name, pickle.dumps(args)))
    lifeline, our_end = os.pipe()
    # -P: the folder of this file may not pass for a place of modules.
    command = [sys.executable, "-P", __file__, str(lifeline)]
    changed = {**os.environ, **(env or {})}
    environment = {key: value for key, value in changed.items() if value is not None}
    pipe = subprocess.PIPE
    try:
        with subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, pass_fds=(lifeline,)
        ) as process:
            try:
                reply, log = process.communicate(request, timeout=timeout_s)
            except subprocess.TimeoutExpired:
                message = f"{name} took longer than {timeout_s:g} s"
                raise FreshProcessError(message, "timeout") from None
            finally:
                process.kill()
    finally:
        os.close(lifeline)
        os.close(our_end)
    if process.returncode != 0:
        raise _death(name, process.returncode, log)
    kind, content = pickle.loads(reply)
    if kind == "raised":
        cause, line = content
        raise FreshProcessError(f"{name}: {line}", cause)
    result: T = pickle.loads(content)
    return result


def _name(function: Callable[..., Any]) -> str:
    module, name = function.__module__, function.__qualname__
    if module == "__main__" or "<" in name:
        raise ValueError(f"no other process can import {name}: define it in a module")
    return f"{module}:{name}"


def _death(name: str, code: int, log: bytes) -> FreshProcessError:
    cause = signal.Signals(-code).name if code < 0 else "exit"
    how = f"killed by {cause}" if code < 0 else f"left with exit code {code}"
    lines = log.decode(errors="replace").strip().splitlines()
    last = f": {lines[-1]}" if lines else ""
    return FreshProcessError(f"the process of {name} was {how}{last}", cause)


def _serve(lifeline: int) -> NoReturn:
    """Answer the one request on stdin, in the fresh process, and leave."""
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    # What the function or a C library prints must not mix with the reply.
    with os.fdopen(os.dup(1), "wb") as outlet:
        os.dup2(2, 1)
        reply: tuple[str, Any]
        try:
            path, labs, name, arguments = pickle.load(sys.stdin.buffer)
            sys.path[:] = path
            if labs is not None:
                # Where a lab runs, the course is on no path: its labs are all that it imports.
                package = ModuleType("labs")
                package.__path__ = labs
                sys.modules["labs"] = package
            module, _, attribute = name.partition(":")
            function = attrgetter(attribute)(import_module(module))
            reply = "returned", pickle.dumps(function(*pickle.loads(arguments)))
        except Exception as error:
            lines = traceback.format_exception_only(error)
            reply = "raised", (type(error).__name__, " ".join(lines[-1].split()))
        pickle.dump(reply, outlet)
    # Not sys.exit: torch's handlers at exit take most of a second.
    os._exit(0)


def _end_with_parent(lifeline: int) -> NoReturn:
    with contextlib.suppress(OSError):
        os.read(lifeline, 1)
    os._exit(1)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
