"""The shipped tile sizes, compiled: they fit the GPU that they are for, and use what it has."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

from labs.kernels.compiled import CompiledFacts
from tests.labs.kernels.shipped import (
    BY_NAME,
    ENTRIES,
    SAMPLE,
    TRITON,
    Found,
    compile_shipped,
    kernel_digest,
    load_bounds,
    unfit,
)

recorded = pytest.mark.skipif(
    TRITON not in load_bounds(),
    reason=f"nothing recorded for Triton {TRITON}: python -m tests.labs.kernels.shipped",
)


@pytest.fixture(scope="module")
def shipped() -> Found:
    return compile_shipped(SAMPLE)


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(ENTRIES)


def test_the_sample_has_every_kernel_and_every_gpu() -> None:
    directions = {entry.direction for entry in ENTRIES}
    assert {BY_NAME[name].direction for name in SAMPLE} == directions
    assert {BY_NAME[name].capability for name in SAMPLE} == {80, 90, 100}


@pytest.mark.parametrize("name", SAMPLE)
def test_it_fits_its_gpu_and_uses_what_that_has(name: str, shipped: Found) -> None:
    """The matrix instructions of its generation, and the unit that loads whole tiles."""
    assert unfit(BY_NAME[name], shipped[name]) == []


@pytest.mark.skipif(
    "kernels" not in load_bounds().get(TRITON, {}),
    reason="the record does not say of which kernels: python -m tests.labs.kernels.shipped",
)
def test_the_record_is_complete_and_was_made_from_these_kernels() -> None:
    digest, *names = load_bounds()[TRITON].items()
    assert digest == ("kernels", kernel_digest()), "run python -m tests.labs.kernels.shipped"
    assert [name for name, _ in names] == [*BY_NAME]


@recorded
@pytest.mark.parametrize("name", SAMPLE)
def test_it_takes_no_more_than_was_recorded(name: str, shipped: Found) -> None:
    """A little more is a patch release's; a lower number of programs at once never is."""
    found, bounds = shipped[name], load_bounds()[TRITON][name]
    assert isinstance(found, CompiledFacts), found
    assert found.ctas_per_sm >= bounds["ctas_per_sm"]
    assert found.registers <= bounds["registers"] + 8
    assert found.stack_bytes <= bounds["stack_bytes"] + 16
    assert found.shared_bytes <= bounds["shared_bytes"] + 1024
