from __future__ import annotations

import pytest
import torch

from labs.core import head_roles
from labs.kit.budget import Budget
from labs.kit.readers import Question
from studykit.lab.events import Measurement
from tests.labs.kit.hand_made import previous_bit_reader

BUDGET = Budget(n_steps=4, batch_size=2, n_held_out=64)


def question() -> Question:
    return Question("offsets", BUDGET, seed=0, device="cpu")


@pytest.mark.parametrize(("arm", "n_different"), [("different", 8), ("two", 2), ("equal", 1)])
def test_arms_differ_in_how_many_heads_start_differently(arm: str, n_different: int) -> None:
    reader, *_ = head_roles.build(arm, 0, "cpu")
    reference, *_ = head_roles.build("different", 0, "cpu")
    attention = reader.attention
    for weight in (attention.query.weight, attention.value.weight, attention.out.weight.mT):
        starts = {tuple(rows.flatten().tolist()) for rows in weight.reshape(8, 4, -1)}
        assert len(starts) == n_different
    # The first head and everything outside attention start as in the layer with eight starts.
    assert torch.equal(attention.key.weight[:4], reference.attention.key.weight[:4])
    assert torch.equal(reader.transformer.embed.weight, reference.transformer.embed.weight)


def test_equal_heads_stay_equal_while_they_are_trained() -> None:
    events = head_roles.run(places="offsets", seed=0, device="cpu", budget=0.05)
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert measured["differ_equal"] < 1e-6


def test_a_place_depends_on_the_only_head_that_reads_it() -> None:
    arms = {arm: [previous_bit_reader(n_heads=8, head=5)] for arm in head_roles.ARMS}
    events = head_roles.without_one_head(question(), arms)
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert measured["read_different"] == measured["hangs_different"] == 1
