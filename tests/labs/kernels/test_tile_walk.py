from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from labs.kernels.reference import Causal, reference_attention
from labs.kernels.tile_walk import COLUMNS, tile_walk
from studykit.lab.events import Walk


def walk(causal: Causal = "top-left") -> tuple[Walk, list[float]]:
    """Seven tokens in tiles of three, and the first number of each output."""
    generator = Generator().manual_seed(0)
    q, k, v = (torch.randn(7, 4, dtype=torch.float64, generator=generator) for _ in "qkv")
    out = reference_attention(q[None, None], k[None, None], v[None, None], causal=causal).out
    return tile_walk("a walk", q, k, v, causal=causal, block=3), out[0, 0, :, 0].tolist()


CAUSAL: list[Causal] = ["none", "top-left", "bottom-right"]


@pytest.mark.parametrize("causal", CAUSAL)
def test_it_visits_the_tiles_that_are_seen_row_by_row(causal: Causal) -> None:
    steps = walk(causal)[0].steps
    cells = [(row, column) for row in range(3) for column in range(3)]
    assert [step.at for step in steps] == [at for at in cells if causal == "none" or at[1] <= at[0]]


@pytest.mark.parametrize("causal", CAUSAL)
def test_the_last_tile_of_a_row_leaves_the_output(causal: Causal) -> None:
    found, out = walk(causal)
    last = {step.at[0]: step for step in found.steps}
    assert [row[-1] for step in last.values() for row in step.table] == pytest.approx(out)
    for step in found.steps:
        assert ("is their output" in step.caption) == (step is last[step.at[0]])


def test_what_a_step_begins_with_is_what_the_step_before_left() -> None:
    found, _ = walk()
    before, after, factor = (COLUMNS.index(n) for n in ("row_max before", "row_max", "rescale"))
    for step, following in zip(found.steps, found.steps[1:], strict=False):
        if following.at[1] == 0:
            assert all(row[before] == -math.inf for row in following.table)
        else:
            assert [row[after] for row in step.table] == [row[before] for row in following.table]
        for row in following.table:
            shift = float(row[before]) - float(row[after])
            assert row[factor] == pytest.approx(math.exp(shift))


def test_the_factor_is_covered_as_what_is_shown_decides_it() -> None:
    assert walk()[0].covered == ("rescale",)


@pytest.mark.parametrize("causal", CAUSAL)
def test_captions_say_where_causality_hides_keys(causal: Causal) -> None:
    for step in walk(causal)[0].steps:
        is_cut = causal != "none" and step.at[0] == step.at[1] < 2  # the last tile has one token
        assert ("up to their own place" in step.caption) == is_cut
        assert ("see all of keys" in step.caption) == (not is_cut)


@pytest.mark.parametrize("causal", CAUSAL)
def test_which_maximum_rises_is_told_with_the_factor_only(causal: Causal) -> None:
    """The caption asks for it and does not give it away."""
    for step in walk(causal)[0].steps:
        rising = [row[0] for row in step.table if -math.inf < float(row[1]) < float(row[2])]
        is_said = "rises" in step.answer and "No maximum" not in step.answer
        assert is_said == bool(rising)
        assert all(str(query) in step.answer for query in rising)
        assert not any(word in step.caption for word in ("rises", "factor is", "Nothing"))
        assert step.caption.count("?") == 1
