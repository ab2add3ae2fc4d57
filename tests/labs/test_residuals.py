from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from labs.core import residuals
from labs.kit.budget import generator
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.probes import attention_weights
from studykit.lab.events import Curve, Measurement, Table


def find_attentions(model: Transformer) -> Iterator[MultiHeadAttention]:
    return (module for module in model.modules() if isinstance(module, MultiHeadAttention))


def test_the_bias_moves_attention_to_the_token_itself_and_changes_nothing_else() -> None:
    config = TransformerConfig(vocab_size=11, seq_len=6, d_model=16, n_layers=2)
    free, biased = (Transformer(config, generator(0, "weights")) for _ in range(2))
    residuals.attend_to_self(biased)
    tokens = torch.randint(11, (3, 6), generator=generator(0, "probe"))
    # The first layer reads the same in both: (batch, n_heads, seq_len, seq_len).
    before, after = (
        attention_weights(model, next(find_attentions(model)), tokens) for model in (free, biased)
    )
    odds = [each.diagonal(dim1=-2, dim2=-1) / each[..., 0] for each in (before, after)]
    torch.testing.assert_close(odds[1][..., 1:], math.e**8 * odds[0][..., 1:], rtol=1e-3, atol=0)
    others = [each[..., 5, 1:5] / each[..., 5, :1] for each in (before, after)]
    torch.testing.assert_close(*others, rtol=1e-3, atol=1e-6)
    for one, other in zip(free.parameters(), biased.parameters(), strict=True):
        assert torch.equal(one, other)


def test_arms_differ_before_training_in_what_their_names_say() -> None:
    events = list(residuals.run(n_layers=8, init="xavier", seed=0, device="cpu", budget=0.02))
    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert m["diversity_no_residual"] < 0.05 < 0.3 < min(m["diversity_base"], m["diversity_self"])
    # Without norms the stream grows until the logits are large; with them a start is a guess.
    assert m["start_no_norm"] > 10 * m["start_base"] > m["uniform_entropy"]
    # Arms train at once and on the same batches, so that a curve has a point of each.
    losses = [event for event in events if isinstance(event, Curve) and event.x_label == "step"]
    assert {(tuple(curve.xs), curve.name) for curve in losses} >= {
        ((step,), label) for step in (0, 1, 2) for label in residuals.LABELS.values()
    }
    (table,) = (event for event in events if isinstance(event, Table))
    assert [row[-1] for row in table.rows] == [m[f"loss_{arm}"] for arm in residuals.LABELS]
