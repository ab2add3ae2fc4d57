from __future__ import annotations

import math

import pytest
from torch import Generator, Tensor

from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Init


def build_model(init: Init) -> Transformer:
    config = TransformerConfig(vocab_size=300, seq_len=100, d_model=96, d_ff=384, init=init)
    return Transformer(config, Generator().manual_seed(0))


def std(parameter: Tensor) -> float:
    return float(parameter.detach().std())


def test_xavier_keeps_the_scale_of_signals_and_gradients() -> None:
    """Variance 2 / (inputs + outputs) for each matrix, separately for query, key and value."""
    parameters = dict(build_model("xavier").named_parameters())
    expected = {
        "blocks.0.attention.query.weight": math.sqrt(2 / (96 + 96)),
        "blocks.0.attention.key.weight": math.sqrt(2 / (96 + 96)),
        "blocks.0.attention.value.weight": math.sqrt(2 / (96 + 96)),
        "blocks.0.attention.out.weight": math.sqrt(2 / (96 + 96)),
        "blocks.0.feedforward.up.weight": math.sqrt(2 / (96 + 384)),
        "blocks.0.feedforward.down.weight": math.sqrt(2 / (96 + 384)),
        "unembed.weight": math.sqrt(2 / (96 + 300)),
        "embed.weight": 1.0,
        "positions.table": 0.3,
    }
    for name, scale in expected.items():
        assert std(parameters[name]) == pytest.approx(scale, rel=0.05), name


def test_small_gives_every_weight_one_small_scale() -> None:
    for name, parameter in build_model("small").named_parameters():
        if parameter.dim() > 1:
            assert std(parameter) == pytest.approx(0.05, rel=0.05), name


@pytest.mark.parametrize("init", ["xavier", "small"])
def test_biases_start_at_zero_and_gains_at_one(init: Init) -> None:
    for name, parameter in build_model(init).named_parameters():
        if parameter.dim() == 1:
            assert (parameter == (1.0 if name.endswith("gain") else 0.0)).all(), name
