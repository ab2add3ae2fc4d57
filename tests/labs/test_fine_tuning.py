from __future__ import annotations

from copy import deepcopy
from typing import get_args

import pytest
import torch

from labs.bert import fine_tuning
from labs.bert.fine_tuning import Arm, read, trained
from labs.kit.budget import generator
from labs.kit.three_heads import Heads
from tests.labs.kit.test_three_heads import CONFIG, ENCODER, build


def body_after(arm: Arm) -> tuple[torch.Tensor, torch.Tensor]:
    """What the heads read before and after two steps of an arm."""
    given, dice = build(), generator(0, "weights")
    body, heads = deepcopy(ENCODER.model), Heads(CONFIG.d_model, dice)
    body.requires_grad_(False)
    before = read(arm, body, given)
    steps = trained(arm, body, heads, given, dice)
    next(steps)
    next(steps)
    return before, read(arm, body, given)


@pytest.mark.parametrize("arm", get_args(Arm))
def test_a_frozen_body_stays_as_it_is_and_a_tuned_one_does_not(
    arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tuning, "N_TRAIN", 2)
    before, after = body_after(arm)
    assert torch.equal(before, after) is (arm in ("frozen", "embeddings"))
