from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from labs.gpt import pre_post_norm
from labs.kit.budget import generator
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import skipped
from labs.transformer.model import Block
from labs.transformer.probes import layer_gradients
from studykit.lab.events import Measurement

CONFIG = TransformerConfig(vocab_size=11, seq_len=6, n_layers=2)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.randint(11, (4, 7), generator=generator(0, "probe"))
    return tokens[:, :-1], tokens[:, 1:]


def test_all_of_the_embedding_is_left_where_sublayers_add_nothing() -> None:
    model = Transformer(replace(CONFIG, n_layers=1), generator(0, "weights"))
    (block,) = model.blocks
    assert isinstance(block, Block)
    with skipped(block, "attention"), skipped(block, "feedforward"):
        assert pre_post_norm.left_of_embedding(model, batch()) == pytest.approx(1)
    assert pre_post_norm.left_of_embedding(model, batch()) < 0.95


def test_the_gradient_is_that_of_the_last_layer() -> None:
    model = Transformer(CONFIG, generator(0, "weights"))
    gradient = pre_post_norm.last_layer_gradient(model, batch())
    assert gradient == pytest.approx(layer_gradients(model, batch())[-1])


def test_a_setting_counts_as_learned_by_its_loss_and_nan_does_not() -> None:
    losses = {
        "pre_xavier": (3.0, 3.1),
        "pre_small": (3.0, 3.3),
        "post_xavier": (math.nan, 3.3),
        "post_small": (3.2, math.inf),
    }
    labels = {arm: arm for arm in losses}
    events = pre_post_norm.outcomes(losses, labels, learnt=3.2)
    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert (m["learns_pre"], m["learns_pre_xavier"]) == (3, 2)
    assert (m["learns_post"], m["learns_post_xavier"]) == (1, 0)


def test_a_run_measures_what_theory_says_of_untrained_models() -> None:
    arguments = {"n_layers": 1, "warmup": 0.0, "seed": 0, "device": "cpu"}
    events = list(pre_post_norm.run(**arguments, budget=0.02))
    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert m["gradient_pre"] < 0.5 < m["gradient_post"]  # 1/√16 = 0.25 in theory
    assert abs(m["left_post"]) < 0.1 < m["left_pre"]
    losses = {name: value for name, value in m.items() if name.startswith("loss_p")}
    assert len(set(losses.values())) == len(losses) == 8  # each setting is one of its own
