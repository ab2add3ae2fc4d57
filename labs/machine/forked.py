"""Calls a function in a process that has imported torch already and done nothing else.

A new Python process takes a second to import torch, too long for an experiment with dozens of
them. Here one process imports it, keeps still and is copied for every call, where the system can
copy a process; elsewhere each call starts anew. The copy begins with no memory of the caller.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from labs.machine.fresh_process import FreshProcessError

T = TypeVar("T")

PRELOAD = ("torch", "torch.fx.experimental.symbolic_shapes")
"""What the process imports that is copied; the second is what a first backward pass imports."""


def run_forked(function: Callable[..., T], *args: Any, timeout_s: float) -> T:
    """What `function(*args)` returns in a copy of a process that has only imported torch.

    `function` is a module's own function; arguments and result travel pickled. The copy ends with
    this process, whatever ends it. Raises `FreshProcessError` if the function raises, if its
    process dies, or after `timeout_s`.
    """
    context: Any = multiprocessing.get_context(_start_method())
    if _start_method() == "forkserver":
        context.set_forkserver_preload([*PRELOAD])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, function, args), daemon=True)
    process.start()
    theirs.close()
    name = function.__qualname__
    try:
        if not ours.poll(timeout_s):
            raise FreshProcessError(f"{name} took longer than {timeout_s:g} s", "timeout")
        kind, content = ours.recv()
    except EOFError:
        process.join()
        raise _death(name, process.exitcode) from None
    finally:
        ours.close()
        process.kill()
        process.join()
    if kind == "raised":
        raise FreshProcessError(f"{name}: {content}", content.partition(":")[0])
    result: T = content
    return result


def run_apart(function: Callable[..., T], *args: Any, device: str, timeout_s: float) -> T:
    """What `function(*args)` returns, with the memory of `device` to itself.

    On the CPU that takes a process of its own, as in `run_forked`. A GPU's memory is counted to
    the byte in any process, and would have to be set up again in another: there it is called here.
    """
    return run_forked(function, *args, timeout_s=timeout_s) if device == "cpu" else function(*args)


def _start_method() -> str:
    methods = multiprocessing.get_all_start_methods()
    return "forkserver" if "forkserver" in methods else "spawn"


def _serve(outlet: Connection, function: Callable[..., object], args: tuple[Any, ...]) -> None:
    """Answer the one call, in the copy."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Looking through torch's objects for garbage would copy the pages on which they lie.
    gc.freeze()
    try:
        outlet.send(("returned", function(*args)))
    except Exception as error:
        lines = str(error).splitlines() or [""]
        outlet.send(("raised", f"{type(error).__name__}: {lines[0]}"))
    # Not a return: torch's handlers at exit take most of a second.
    os._exit(0)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _death(name: str, code: int | None) -> FreshProcessError:
    if code is not None and code < 0:
        cause = signal.Signals(-code).name
        return FreshProcessError(f"the process of {name} was killed by {cause}", cause)
    return FreshProcessError(f"the process of {name} left with exit code {code}", "exit")
