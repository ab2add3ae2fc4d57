"""What is printed and kept of a run: the table, the goals, the JSON."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import torch

from benchmarks.attention_cases import OURS, RIVALS, SDPA, Case, Goal, Outcome, Row, goals

FORMAT = 1
CONVENTION = (
    "forward: 4 * batch * n_heads * n_queries * n_keys * head_dim, half of it if causal;"
    " backward: 2.5 times forward; decode: bytes of keys and values"
)


def table_head() -> list[str]:
    """The first two lines of the table, as Markdown."""
    titles = ["case", "unit", *RIVALS, "over SDPA's best", "SDPA takes", "peak MiB", "SM MHz"]
    return [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]


def table_row(row: Row) -> str:
    """One line of the table: a rate for each rival, or why there is none."""
    case = row.case
    ratio = row.over(*SDPA)
    peak = row.outcomes[OURS].peak_bytes if OURS in row.outcomes else None
    cells = [
        f"{case.family}, {case.n_keys}",
        case.unit,
        *(_cell(row, name) for name in RIVALS),
        "" if ratio is None else f"{ratio:.2f}",
        row.chosen,
        "" if peak is None else f"{peak / 2**20:.0f}",
        "" if row.clock_mhz is None else str(row.clock_mhz),
    ]
    return f"| {' | '.join(cells)} |"


def _cell(row: Row, name: str) -> str:
    rate = row.rate(name)
    if rate is not None:
        return f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"
    return f"– {short(row.outcomes[name].reason)}" if name in row.outcomes else ""


def short(reason: str) -> str:
    """A reason as it fits into a cell; the JSON has all of it."""
    if "out of memory" in reason.lower():
        return "out of memory"
    if "No available kernel" in reason or "No viable backend" in reason:
        return "no kernel"
    return reason if len(reason) <= 24 else f"{reason[:23].rstrip()}…"


def goal_line(goal: Goal) -> str:
    """One goal beside what was reached."""
    demand = "at least" if goal.at_least is not None else "at most"
    limit = goal.at_least if goal.at_least is not None else goal.at_most
    value = "not measured" if goal.value is None else f"{goal.value:.2f}"
    met = {True: "met", False: "not met", None: "open"}[goal.is_met]
    return f"{met:>8}  {goal.name}: {value}, wanted {demand} {limit:g}"


def machine_facts() -> dict[str, Any]:
    """The GPU and every version that decides which kernels run, the driver's own where it tells."""
    import triton

    properties = torch.cuda.get_device_properties(0)
    return {
        "gpu": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_mib": properties.total_memory // 2**20,
        "driver": ask_driver("driver_version"),
        "max_sm_mhz": ask_driver("clocks.max.sm"),
        "power_limit_w": ask_driver("power.limit"),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cuda": str(torch.version.cuda),
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "triton": str(triton.__version__),
    }


def ask_driver(what: str) -> str:
    """What nvidia-smi says of the GPU in use; empty if it says nothing."""
    identity = str(torch.cuda.get_device_properties(0).uuid).removeprefix("GPU-")
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(
            [*command, f"--id=GPU-{identity}"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def document(rows: Sequence[Row], machine: dict[str, Any], at: str) -> dict[str, Any]:
    """What is kept of a run."""
    return {
        "format": FORMAT,
        "at": at,
        "machine": machine,
        "convention": CONVENTION,
        "goals": [{**asdict(goal), "is_met": goal.is_met} for goal in goals(rows)],
        "cases": [_row_to_json(row) for row in rows],
    }


def rows_of(kept: dict[str, Any]) -> list[Row]:
    """The rows of a `document`."""
    return [
        Row(
            case=Case(**item["case"]),
            outcomes={name: Outcome(**outcome) for name, outcome in item["outcomes"].items()},
            chosen=item["chosen"],
            clock_mhz=item["clock_mhz"],
        )
        for item in kept["cases"]
    ]


def merged(kept: dict[str, Any], rows: Iterable[Row], machine: dict[str, Any]) -> list[Row]:
    """`rows`, and those of an earlier run on the same machine of which there is no newer one."""
    new = list(rows)
    if kept.get("format") != FORMAT or kept.get("machine") != machine:
        return new
    measured = {row.case for row in new}
    return [row for row in rows_of(kept) if row.case not in measured] + new


def _row_to_json(row: Row) -> dict[str, Any]:
    rates = {name: row.rate(name) for name in row.outcomes}
    return {
        **asdict(row),
        "unit": row.case.unit,
        "rates": rates,
        "over_sdpas_best": row.over(*SDPA),
    }
