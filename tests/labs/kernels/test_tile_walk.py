from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from labs.kernels.reference import reference_attention
from labs.kernels.tile_walk import COLUMNS, causal_walk
from studykit.lab.events import Walk


def walk() -> tuple[Walk, list[float]]:
    """Seven tokens in tiles of three, and the first number of each output."""
    generator = Generator().manual_seed(0)
    q, k, v = (torch.randn(7, 4, dtype=torch.float64, generator=generator) for _ in "qkv")
    out = reference_attention(q[None, None], k[None, None], v[None, None], causal="top-left").out
    return causal_walk("a walk", q, k, v, block=3), out[0, 0, :, 0].tolist()


def test_it_visits_the_lower_triangle_row_by_row() -> None:
    steps = walk()[0].steps
    assert [step.at for step in steps] == [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]


def test_the_last_tile_of_a_row_leaves_the_output() -> None:
    found, out = walk()
    ends = [row[-1] for step in found.steps if step.at[0] == step.at[1] for row in step.table]
    assert ends == pytest.approx(out)


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


def test_captions_say_where_causality_hides_keys() -> None:
    for step in walk()[0].steps:
        on_diagonal = step.at[0] == step.at[1]
        assert ("up to their own place" in step.caption) == on_diagonal
        assert ("see all of keys" in step.caption) == (not on_diagonal)
        assert ("is their output" in step.caption) == on_diagonal


def test_captions_say_which_maximum_rises() -> None:
    for step in walk()[0].steps:
        rising = [row[0] for row in step.table if -math.inf < float(row[1]) < float(row[2])]
        assert ("rises" in step.caption and "No maximum" not in step.caption) == bool(rising)
        assert all(str(query) in step.caption for query in rising)
