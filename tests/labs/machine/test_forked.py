from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from labs.machine.forked import run_apart, run_forked
from labs.machine.fresh_process import FreshProcessError

# What the copies call.


def add(a: int, b: int) -> tuple[int, int]:
    return a + b, os.getpid()


def torch_is_there() -> bool:
    return "torch" in sys.modules


def raise_error() -> None:
    raise LookupError("nothing\nthere")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    os._exit(3)


def write_and_wait(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def test_every_call_has_a_process_of_its_own() -> None:
    results = [run_forked(add, 2, n, timeout_s=60) for n in (3, 4)]
    assert [total for total, _ in results] == [5, 6]
    assert len({pid for _, pid in results} | {os.getpid()}) == 3


def test_torch_is_imported_already() -> None:
    assert run_forked(torch_is_there, timeout_s=60)


@pytest.mark.parametrize(
    ("function", "cause", "message"),
    [
        (raise_error, "LookupError", "raise_error: LookupError: nothing"),
        (die, "SIGKILL", "the process of die was killed by SIGKILL"),
        (leave, "exit", "the process of leave left with exit code 3"),
    ],
)
def test_an_error_or_a_death_is_one_clear_error(function, cause, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(FreshProcessError) as caught:
        run_forked(function, timeout_s=60)
    assert caught.value.cause == cause
    assert str(caught.value) == message


def test_a_call_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    run_forked(add, 1, 1, timeout_s=60)  # whatever is slow the first time
    pid_file = tmp_path / "pid"
    with pytest.raises(FreshProcessError, match=r"took longer than 0\.5 s") as caught:
        run_forked(write_and_wait, str(pid_file), timeout_s=0.5)
    assert caught.value.cause == "timeout"
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_a_gpu_is_asked_in_this_process() -> None:
    assert run_apart(add, 1, 2, device="cuda", timeout_s=60) == (3, os.getpid())
    total, pid = run_apart(add, 1, 2, device="cpu", timeout_s=60)
    assert total == 3
    assert pid != os.getpid()
