from __future__ import annotations

import pytest
import torch
from torch import Generator
from torch.nn import functional as F

from labs.llama import trained_alike
from labs.llama.trained_alike import CONFIGS, OTHER, CentredNorm, built
from labs.transformer.norms import LayerNorm, RMSNorm
from labs.transformer.train import ModelStack
from studykit.lab.events import Measurement, Table


def test_all_models_have_as_many_parameters() -> None:
    counts = {
        arm: sum(parameter.numel() for parameter in built(arm, 95, 0).parameters())
        for arm in CONFIGS
    }
    assert max(counts.values()) <= 1.01 * min(counts.values())


def test_models_of_equal_shapes_begin_alike_and_differ_in_one_part() -> None:
    llama, centred, geglu = (built(arm, 95, 3) for arm in ("swiglu", "centred", "geglu"))

    for ours, *others in zip(
        *(model.parameters() for model in (llama, centred, geglu)), strict=True
    ):
        assert all(ours.equal(other) for other in others)
    assert [type(part) for part in centred.modules()].count(CentredNorm) == 3
    assert not any(isinstance(part, CentredNorm) for part in llama.modules())
    assert any(isinstance(part, LayerNorm) for part in built("layer", 95, 3).modules())


def test_a_centred_norm_is_a_layer_norm_without_a_bias() -> None:
    norm = CentredNorm(8)
    norm.gain.data = torch.rand(8, generator=Generator().manual_seed(0))
    x = torch.randn(2, 3, 8, generator=Generator().manual_seed(1)) + 2

    assert norm(x).allclose(F.layer_norm(x, (8,), norm.gain, eps=norm.eps))
    assert not norm(x).allclose(RMSNorm.forward(norm, x), atol=0.1)


def test_a_centred_norm_knows_of_stacks() -> None:
    models = [built("centred", 11, seed) for seed in (0, 1)]
    tokens = torch.randint(11, (2, 4, 9), generator=Generator().manual_seed(2))
    batch = (tokens[0], tokens[1])
    apart = [ModelStack([model]).evaluate(batch)[0] for model in models]

    assert ModelStack(models).evaluate(batch) == pytest.approx(apart, abs=1e-5)


def test_differences_are_those_of_the_losses_in_the_table() -> None:
    events = list(trained_alike.run(learning_rate=0.02, seed=0, device="cpu", budget=0.02))

    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    (table,) = (event for event in events if isinstance(event, Table))
    losses = dict(zip(CONFIGS, (float(row[2]) for row in table.rows), strict=True))
    assert len(set(losses.values())) == len(CONFIGS)
    assert measured["loss"] == losses["swiglu"]
    for arm, other in OTHER.items():
        less = losses[arm] - losses[other]
        assert measured[f"{arm}_less_{other}"] == pytest.approx(less)
    assert set(trained_alike.DIFFERENCES) <= measured.keys()
