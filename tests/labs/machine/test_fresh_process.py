from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import labs
from labs.machine.fresh_process import FreshProcessError, run_fresh

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Peak:
    n_bytes: int
    names: tuple[str, ...]


# What the fresh processes call.


def echo(*args: object) -> tuple[object, ...]:
    print("this must not mix with the reply")
    os.system("echo nor this")
    return args


def raise_error() -> None:
    raise LookupError("nothing\nthere")


def die(number: int) -> None:
    print("the last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), number)


def leave() -> None:
    sys.exit("no more")


def return_a_lock() -> object:
    return sys.stdin.buffer


SLEEPER = """
import os, time
def tell_and_sleep(path):
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)
"""


def test_arguments_and_results_of_any_type_travel() -> None:
    sent = (1, "two", 3.5, None, {"five": b"\x06"}, Peak(7, ("eight",)))
    assert run_fresh(echo, *sent, timeout_s=20) == sent


def test_a_function_is_named_without_being_imported_here() -> None:
    sys.modules.pop("colorsys", None)
    assert run_fresh("colorsys:rgb_to_hsv", 1, 1, 1, timeout_s=20) == (0.0, 0.0, 1)
    assert "colorsys" not in sys.modules


def test_the_process_is_a_fresh_one() -> None:
    assert run_fresh("os:getpid", timeout_s=20) != os.getpid()
    assert run_fresh("os:getppid", timeout_s=20) == os.getpid()


def test_the_environment_is_laid_over_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDYKIT_TEST_KEPT", "kept")
    monkeypatch.setenv("STUDYKIT_TEST_TAKEN", "taken")
    env = {"STUDYKIT_TEST_NEW": "new", "STUDYKIT_TEST_TAKEN": None}
    seen: list[str | None] = [
        run_fresh("os:getenv", f"STUDYKIT_TEST_{name}", env=env, timeout_s=20)
        for name in ("KEPT", "NEW", "TAKEN")
    ]
    assert seen == ["kept", "new", None]


def test_our_import_path_is_its_import_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "found_only_here.py").write_text("def answer(): return 42")
    monkeypatch.syspath_prepend(tmp_path)
    assert run_fresh("found_only_here:answer", timeout_s=20) == 42


def test_an_exception_becomes_one_line_and_its_type() -> None:
    with pytest.raises(FreshProcessError) as caught:
        run_fresh(raise_error, timeout_s=20)
    assert caught.value.cause == "LookupError"
    assert str(caught.value).endswith(":raise_error: LookupError: nothing there")


def test_a_result_that_cannot_travel_is_an_exception_too() -> None:
    with pytest.raises(FreshProcessError, match=r"return_a_lock: TypeError: cannot pickle"):
        run_fresh(return_a_lock, timeout_s=20)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_death_by_a_signal_is_named_with_the_last_words(name: str) -> None:
    with pytest.raises(FreshProcessError, match=f"killed by {name}: the last words$") as caught:
        run_fresh(die, int(signal.Signals[name]), timeout_s=20)
    assert caught.value.cause == name


def test_an_early_exit_is_told() -> None:
    with pytest.raises(FreshProcessError, match=r"left with exit code 1: no more$") as caught:
        run_fresh(leave, timeout_s=20)
    assert caught.value.cause == "exit"


def is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        # One that has ended and that nobody has waited for is not alive.
        status = Path(f"/proc/{pid}/status")
        return "State:\tZ" not in status.read_text() if status.exists() else True
    return False


def wait_for_end(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


def test_a_process_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    monkeypatch.syspath_prepend(tmp_path)
    pid_file = tmp_path / "pid"
    with pytest.raises(FreshProcessError, match=r"took longer than 1 s$") as caught:
        run_fresh("sleeper:tell_and_sleep", str(pid_file), timeout_s=1)
    assert caught.value.cause == "timeout"
    assert wait_for_end(int(pid_file.read_text()))


def test_the_process_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    pid_file = tmp_path / "pid"
    code = (
        "from labs.machine.fresh_process import run_fresh\n"
        f"run_fresh('sleeper:tell_and_sleep', {str(pid_file)!r}, timeout_s=60)"
    )
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    with subprocess.Popen([sys.executable, "-c", code], env=os.environ | paths) as parent:
        deadline = time.monotonic() + 20
        while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        parent.kill()
    assert wait_for_end(int(pid_file.read_text()))


def test_a_function_without_a_name_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="no other process can import"):
        run_fresh(lambda: None, timeout_s=20)


def test_it_imports_the_labs_of_a_course_that_is_on_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a lab runs, which imports nothing else of its course."""
    (tmp_path / "elsewhere.py").write_text("def answer():\n    return 42\n")
    monkeypatch.setattr(labs, "__path__", [str(tmp_path), *labs.__path__])

    assert run_fresh("labs.elsewhere:answer", timeout_s=20) == 42
