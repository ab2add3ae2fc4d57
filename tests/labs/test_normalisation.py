from __future__ import annotations

import math

import pytest
import torch

from labs.core import normalisation
from labs.kit.budget import generator
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.probes import attention_weights
from studykit.lab.events import Curve, Measurement, Table


def test_uniform_attention_is_uniform_and_changes_nothing_else() -> None:
    config = TransformerConfig(vocab_size=11, seq_len=6, d_model=16, n_layers=1, norm="none")
    free, uniform = (Transformer(config, generator(0, "weights")) for _ in range(2))
    normalisation.attend_uniformly(uniform)
    (attention,) = (m for m in uniform.modules() if isinstance(m, MultiHeadAttention))
    weights = attention_weights(uniform, attention, torch.randint(11, (2, 6)))
    n_visible = torch.arange(1, 7)[:, None]
    torch.testing.assert_close(
        weights, (1 / n_visible * torch.ones(6, 6).tril()).expand(2, 4, 6, 6)
    )
    after = dict(uniform.named_parameters())
    changed = [name for name, old in free.named_parameters() if not torch.equal(old, after[name])]
    assert changed == ["blocks.0.attention.query.weight"]


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (4.7, 3.1, "learns"),
        (4.7, 3.22, "stuck"),
        (4.7, 3.4, "slow"),
        (137.0, 18.0, "slow"),  # far above a uniform guess, and on its way down
        (4.7, 4.8, "diverged"),
        (137.0, math.nan, "diverged"),
        (137.0, math.inf, "diverged"),
    ],
)
def test_a_model_has_diverged_if_it_ends_above_its_own_start(
    before: float, after: float, word: str
) -> None:
    assert normalisation.outcome(before, after, letters=3.25) == word


def test_a_run_measures_what_theory_says_of_norms() -> None:
    arguments = {"n_layers": 4, "init": "xavier", "warmup": 0.0, "seed": 0, "device": "cpu"}
    events = list(normalisation.run(**arguments, budget=0.02))
    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert 2 * m["growth_pre"] < m["growth_none"]  # a sum against a product
    sizes = {e.name: e.ys for e in events if isinstance(e, Curve) and e.chart.startswith("Size")}
    assert list(sizes["post"]) == pytest.approx([1] * 3, abs=0.05)  # whatever the rate
    assert m["batch_dependence_layer"] < 1e-6 < 0.1 < m["batch_dependence_batch"]
    ends = next(e for e in events if isinstance(e, Table) and e.title == "How it ends")
    for norm, *words in ends.rows:
        assert m[f"diverged_{norm}"] == words.count("diverged")
