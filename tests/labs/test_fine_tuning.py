from __future__ import annotations

from copy import deepcopy
from typing import get_args

import pytest
import torch

from labs.bert import fine_tuning
from labs.bert.fine_tuning import Arm, read, trained
from labs.kit.budget import generator
from labs.kit.three_heads import Heads
from labs.models import load_encoder
from studykit.lab.events import Table
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


@pytest.mark.weights("minilm")
def test_the_encoder_that_labs_share_is_not_the_one_that_is_tuned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fine_tuning, "N_TRAIN", 8)
    monkeypatch.setattr(fine_tuning, "N_TEST", 8)
    monkeypatch.setattr(fine_tuning, "N_EPOCHS", 1)
    encoder = load_encoder()
    before = encoder.embed(["A sentence of no importance."])
    events = list(
        fine_tuning.run(sentence="the king was ignored", model="minilm", seed=0, device="cpu")
    )

    yours = next(event for event in events if isinstance(event, Table))
    assert [row[0] for row in yours.rows] == ["[CLS]", "the", "king", "was", "ignored", "[SEP]"]
    assert sum(float(row[3]) for row in yours.rows) == pytest.approx(1)  # one softmax over tokens
    assert sum(float(row[4]) for row in yours.rows) == pytest.approx(1)
    assert torch.equal(before, encoder.embed(["A sentence of no importance."]))
    assert not any(parameter.requires_grad for parameter in encoder.model.parameters())
