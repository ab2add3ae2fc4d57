"""The kernel against the reference, in Triton's interpreter: on every machine, without a GPU.

What the interpreter cannot show is tried on a GPU (``test_on_gpu``): bfloat16, races, and how the
compiled code rounds.
"""

from __future__ import annotations

from itertools import combinations, product

import pytest
import torch

pytest.importorskip("triton")

from labs.kernels.flash_attention import flash_attention
from tests.labs.kernels.cases import (
    DTYPES,
    HEAD_DIMS,
    HEADS,
    INTERPRETED,
    LENGTHS,
    MASKS,
    build_cases,
)
from tests.labs.kernels.checks import CHECKS


@pytest.mark.parametrize("name", [case.id for case in INTERPRETED])
def test_results_and_gradients_are_as_right_as_their_precision(
    name: str, interpreted: dict[str, list[str]]
) -> None:
    assert interpreted[name] == [], "\n".join(interpreted[name])


@pytest.mark.parametrize("name", list(CHECKS))
def test_check(name: str, interpreted: dict[str, list[str]]) -> None:
    assert interpreted[name] == [], "\n".join(interpreted[name])


def test_a_cpu_without_the_interpreter_is_refused() -> None:
    """In this process: the kernels were imported to be compiled."""
    q = torch.zeros(1, 1, 4, 16)
    with pytest.raises(ValueError, match=r"needs a CUDA GPU.*TRITON_INTERPRET=1") as raised:
        flash_attention(q, q, q)
    assert "\n" not in str(raised.value)


def test_every_pair_of_values_occurs() -> None:
    dimensions = DTYPES, HEAD_DIMS, LENGTHS, HEADS, MASKS
    rows = [
        (c.dtype, c.head_dim, (c.n_queries, c.n_keys), (c.n_heads, c.n_kv_heads), c.mask)
        for c in build_cases()
    ]
    for a, b in combinations(range(len(dimensions)), 2):
        assert {(row[a], row[b]) for row in rows} == set(product(dimensions[a], dimensions[b]))


def test_names_are_unique() -> None:
    names = [case.id for case in INTERPRETED]
    assert len({*names, *CHECKS}) == len(names) + len(CHECKS)
