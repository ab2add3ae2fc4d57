"""The shipped tile sizes, compiled: they fit the GPU that they are for, and use what it has."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

from labs.kernels.compiled import CompiledFacts
from tests.labs.kernels.shipped import BY_NAME, ENTRIES, TRITON, Found, compile_shipped, load_bounds

NAMES = list(BY_NAME)
# The rest multiply no tiles, or, of a few queries, tiles too flat for more than one warp.
MULTIPLY = [
    name
    for name, entry in BY_NAME.items()
    if entry.direction in ("forward", "key_value", "query", "fused") and entry.dtype.itemsize == 2
]


@pytest.fixture(scope="module")
def shipped() -> Found:
    return compile_shipped()


def facts_of(name: str, shipped: Found) -> CompiledFacts:
    found = shipped[name]
    assert isinstance(found, CompiledFacts), found
    return found


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(ENTRIES)


@pytest.mark.parametrize("name", NAMES)
def test_it_compiles_and_fits_the_gpu(name: str, shipped: Found) -> None:
    assert facts_of(name, shipped).ctas_per_sm >= 1


@pytest.mark.parametrize("name", MULTIPLY)
def test_it_multiplies_as_this_gpu_does_best(name: str, shipped: Found) -> None:
    """An A100 warp by warp, an H100 four warps together, a B200 with its tensor memory."""
    found = facts_of(name, shipped)
    used = {"mma_sync": found.mma_sync, "wgmma": found.wgmma, "tcgen05": found.tcgen05}
    best = {80: "mma_sync", 90: "wgmma", 100: "tcgen05"}[found.capability]
    assert [instruction for instruction, times in used.items() if times] == [best]


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_whole_tiles_where_the_gpu_can(name: str, shipped: Found) -> None:
    found = facts_of(name, shipped)
    assert (found.tma > 0) == (found.capability >= 90)


@pytest.mark.skipif(
    TRITON not in load_bounds(),
    reason=f"nothing recorded for Triton {TRITON}: python -m tests.labs.kernels.shipped",
)
@pytest.mark.parametrize("name", NAMES)
def test_it_takes_no_more_than_was_recorded(name: str, shipped: Found) -> None:
    """A little more is a patch release's; a lower number of programs at once never is."""
    found, bounds = facts_of(name, shipped), load_bounds()[TRITON][name]
    assert found.ctas_per_sm >= bounds["ctas_per_sm"]
    assert found.registers <= bounds["registers"] + 8
    assert found.stack_bytes <= bounds["stack_bytes"] + 16
    assert found.shared_bytes <= bounds["shared_bytes"] + 1024
