"""The course's FlashAttention beside everything that PyTorch offers, on a CUDA GPU.

``python -m benchmarks.flash_attention``; ``--record`` keeps the run in results/.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import torch

from benchmarks.attention_cases import (
    N_ROUNDS,
    OURS,
    Case,
    Outcome,
    Row,
    all_cases,
    goals,
    is_quick,
    rivals_of,
)
from benchmarks.attention_rivals import (
    ROW_LIMIT,
    Inputs,
    Rival,
    action,
    build_rival,
    chosen_backend,
    expected_results,
    largest_error,
    make_inputs,
    results,
)

T = TypeVar("T")
Clock: TypeAlias = Callable[[Callable[[], Any]], float]
"""Milliseconds that an action takes."""

RESULTS = Path(__file__).parent / "results"
PAUSE_S = 0.1
"""Between two timings, so that each begins on a GPU that is as warm as for the others."""


def measure(
    case: Case,
    names: Sequence[str],
    clock: Clock,
    *,
    device: str = "cuda",
    dtype: torch.dtype = torch.bfloat16,
    n_rounds: int = N_ROUNDS,
    pause_s: float = PAUSE_S,
) -> Row:
    """Time each rival that gives the right results, in turn, `n_rounds` times."""
    inputs = make_inputs(case, device=device, dtype=dtype)
    expected = expected_results(case, inputs)
    rivals: dict[str, Rival] = {}
    peaks: dict[str, int | None] = {}
    reasons: dict[str, str] = {}
    for name in names:
        checked, reason = _attempt(partial(_check, name, case, inputs, expected, device))
        if checked is None:
            reasons[name] = reason
            continue
        rivals[name], peaks[name], error = checked
        if error > ROW_LIMIT:
            reasons[name] = f"wrong: a row is {error:.2g} off"
    ms: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(n_rounds):
        for name, rival in rivals.items():
            if name not in reasons:
                time.sleep(pause_s)
                taken, reason = _attempt(partial(_time, rival, case, inputs, clock))
                if taken is None:
                    reasons[name] = reason
                else:
                    ms[name].append(taken)
    outcomes = {
        name: Outcome((), peaks.get(name), reasons[name])
        if name in reasons
        else Outcome(tuple(ms[name]), peaks[name])
        for name in names
    }
    return Row(case, outcomes, chosen_backend(case, inputs), _clock_mhz(device))


def _check(
    name: str, case: Case, inputs: Inputs, expected: list[list[torch.Tensor]], device: str
) -> tuple[Rival, int | None, float]:
    """The rival, the bytes that it needs, and how wrong it is."""
    rival = build_rival(name, case, device)
    with rival.scope():
        results(rival.attend, case, inputs)  # compiles, and lets libraries take their own memory
        before = _reset_peak(device)
        actual = results(rival.attend, case, inputs)
    peak = None if before is None else torch.cuda.max_memory_allocated() - before
    return rival, peak, largest_error(case, actual, expected)


def _time(rival: Rival, case: Case, inputs: Inputs, clock: Clock) -> float:
    with rival.scope(), torch.set_grad_enabled(case.direction == "backward"):
        return clock(action(rival.attend, case, inputs))


def _attempt(call: Callable[[], T]) -> tuple[T | None, str]:
    """What `call` returns, or why it does not: one rival's trouble is no other's."""
    try:
        return call(), ""
    except Exception as error:
        lines = str(error).strip().splitlines()
        return None, f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _reset_peak(device: str) -> int | None:
    """Bytes that are allocated now; None where nothing counts them."""
    if device != "cuda":
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def _clock_mhz(device: str) -> int | None:
    from benchmarks.attention_report import ask_driver

    answer = ask_driver("clocks.sm") if device == "cuda" else ""
    return int(answer) if answer.isdigit() else None


def gpu_clock(call: Callable[[], Any]) -> float:
    """The median of about 100 ms of runs, each with an empty L2 cache."""
    from triton.testing import do_bench

    taken: float = do_bench(call, warmup=25, rep=100, return_mode="median")
    return taken


def why_not_here() -> str:
    """What this machine lacks; empty if nothing."""
    if sys.platform != "linux" or not torch.cuda.is_available() or torch.version.hip:
        return "needs Linux and a CUDA GPU"
    if torch.cuda.get_device_capability() < (8, 0):
        return "needs a GPU of compute capability 8.0 or newer"
    return ""


def wanted_cases(wanted: argparse.Namespace) -> Iterator[Case]:
    """The cases that the options leave."""
    for case in all_cases():
        if (
            (not wanted.quick or is_quick(case))
            and wanted.only in (None, case.direction)
            and wanted.head_dim in (None, case.head_dim)
        ):
            yield case


def write(rows: Sequence[Row], machine: dict[str, Any], folder: Path, at: datetime) -> None:
    """Keep the run beside what an earlier one on this machine measured of other cases."""
    from benchmarks.attention_plot import render_plot
    from benchmarks.attention_report import document, merged

    folder.mkdir(exist_ok=True)
    path = folder / "flash_attention.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rows = merged(kept, rows, machine)
    text = json.dumps(document(rows, machine, at.isoformat(timespec="seconds")), indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    title = f"Attention on {machine['gpu']}, torch {machine['torch']}, triton {machine['triton']}"
    path.with_suffix(".svg").write_text(render_plot(rows, title), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit code 1 if our kernel was wrong, failed, or missed what is demanded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flash_attention")
    parser.add_argument("--quick", action="store_true", help="few cases, without FlexAttention")
    parser.add_argument("--record", action="store_true", help="keep the run in results/")
    parser.add_argument("--only", choices=("forward", "backward", "decode"), help="these cases")
    parser.add_argument("--head-dim", type=int, choices=(64, 128, 256), help="and these")
    wanted = parser.parse_args(arguments)
    if wanted.quick and wanted.record:
        parser.error("--quick measures too little to be recorded: leave one of the two out")
    if lack := why_not_here():
        print(f"{parser.prog} {lack}: nothing was measured", file=sys.stderr)
        return 1
    from benchmarks.attention_report import goal_line, machine_facts, table_head, table_row

    machine = machine_facts()
    print("\n".join(f"{name}: {value}" for name, value in machine.items()))
    print("", *table_head(), sep="\n", flush=True)
    rows = []
    for case in wanted_cases(wanted):
        rows.append(measure(case, rivals_of(case, quick=wanted.quick), gpu_clock))
        print(table_row(rows[-1]), flush=True)
    reached = list(goals(rows))
    print("\nThe goals, set for an H200:", *map(goal_line, reached), sep="\n")
    if wanted.record:
        write(rows, machine, RESULTS, datetime.now(UTC))
    has_failed = any(row.outcomes[OURS].reason for row in rows)
    is_missed = any(goal.is_met is False and goal.counts for goal in reached)
    return 1 if has_failed or (is_missed and "H200" in machine["gpu"]) else 0


if __name__ == "__main__":
    sys.exit(main())
