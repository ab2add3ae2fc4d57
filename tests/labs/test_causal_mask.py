from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from labs.gpt import causal_mask
from labs.kit.budget import generator
from labs.transformer import Transformer, TransformerConfig
from studykit.lab.events import HeatMap, Measurement


@pytest.fixture
def model() -> Transformer:
    config = TransformerConfig(
        vocab_size=causal_mask.VOCAB_SIZE, seq_len=causal_mask.SEQ_LEN, positions="rope"
    )
    return Transformer(config, generator(0, "weights"))


@pytest.fixture
def held_out() -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.randint(
        causal_mask.VOCAB_SIZE, (4, causal_mask.SEQ_LEN + 1), generator=generator(0, "held out")
    )
    return tokens[:, :-1], tokens[:, 1:]


@pytest.mark.parametrize("n_ahead", [0, 1, 3])
def test_a_shifted_mask_lets_influence_through_so_far_and_no_further(
    model: Transformer, held_out: tuple[torch.Tensor, torch.Tensor], n_ahead: int
) -> None:
    causal_mask.show_ahead(model, n_ahead)
    del model.blocks[1:]  # a second layer would look as far ahead again
    events = list(causal_mask.influence("causal", model, held_out[0][:1]))
    norms = torch.tensor(next(e.values for e in events if isinstance(e, HeatMap)))
    seen = norms != 0
    assert torch.equal(seen, torch.ones_like(norms).tril(n_ahead).bool())
    largest = next(e.value for e in events if isinstance(e, Measurement))
    assert (largest == 0) == (n_ahead == 0)


@torch.no_grad()
def test_the_fair_test_equals_the_reported_loss_of_a_masked_model_only(
    model: Transformer, held_out: tuple[torch.Tensor, torch.Tensor]
) -> None:
    for n_ahead, is_fair in ((0, True), (1, False)):
        causal_mask.show_ahead(model, n_ahead)
        (fair,) = causal_mask.fair_test("causal", model, held_out)
        assert isinstance(fair, Measurement)
        logits = model(held_out[0]).flatten(0, 1)
        reported = float(F.cross_entropy(logits, held_out[1].flatten()))
        assert (abs(fair.value - reported) < 1e-5) == is_fair


def test_a_run_measures_no_loss_below_the_best_predictor_with_the_mask() -> None:
    events = list(causal_mask.run(n_layers=1, seed=0, device="cpu", budget=0.02))
    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert m["influence_causal"] == 0 < m["influence_none"]
    assert m["best_loss"] == pytest.approx(m["entropy_rate"], abs=0.1)
    assert m["best_loss"] < m["loss_causal"] == pytest.approx(m["fair_causal"], abs=1e-4)
