"""The interpreter in processes of its own, which try everything that was selected at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from labs.machine.fresh_process import run_fresh

Found = dict[str, list[str]]
PROCESSES = 2


@pytest.fixture(scope="session")
def interpreted(request: pytest.FixtureRequest) -> Found:
    """What is wrong in each case and check that this session asks for, by its name."""
    names = [
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "interpreted" in item.fixturenames
    ]
    with ThreadPoolExecutor(PROCESSES) as threads:
        parts = threads.map(find_faults, (names[i::PROCESSES] for i in range(PROCESSES)))
        return {name: faults for part in parts for name, faults in part.items()}


def find_faults(names: list[str]) -> Found:
    function = "tests.labs.kernels.in_interpreter:faults_of"
    found: Found = run_fresh(function, names, env={"TRITON_INTERPRET": "1"}, timeout_s=600)
    return found
