from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from labs.bert import parts_removed
from labs.bert.parts_removed import BareGain, MeanKept, found, norms_replaced
from labs.kit.budget import generator
from labs.models import load_encoder
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.model import Block
from labs.transformer.norms import LayerNorm
from studykit.lab.events import Measurement


def test_found_counts_the_others_that_are_less_similar() -> None:
    first = F.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), dim=-1)
    assert found(torch.cat((first, first))) == 1
    assert found(torch.cat((first, first.flip(0)))) == pytest.approx(3 / 6)


def test_norms_that_are_left_out_in_part() -> None:
    norm = LayerNorm(8)
    with torch.no_grad():
        norm.gain.normal_(generator=generator(0, "weights"))
        norm.bias.normal_(generator=generator(1, "weights"))
    x = 3 + torch.randn(5, 8, generator=generator(0, "probe"))
    centred = x - x.mean(dim=-1, keepdim=True)

    torch.testing.assert_close(BareGain(norm)(x), x * norm.gain + norm.bias)
    torch.testing.assert_close(MeanKept(norm)(centred), norm(x))
    assert not torch.allclose(MeanKept(norm)(x), norm(x), atol=0.1)


def test_every_norm_after_a_sublayer_is_replaced_and_put_back() -> None:
    config = TransformerConfig(
        vocab_size=7, seq_len=5, d_model=16, d_ff=16, kind="encoder", norm="post"
    )
    model = Transformer(config, generator(0, "weights"))
    blocks = [block for block in model.blocks if isinstance(block, Block)]
    before = [module for module in model.modules() if isinstance(module, LayerNorm)]
    changes = norms_replaced(blocks, BareGain)
    assert len(changes) == len(before) == 2 * config.n_layers
    for change in changes:
        with change:
            assert sum(isinstance(module, BareGain) for module in model.modules()) == 1
    after = [module for module in model.modules() if isinstance(module, LayerNorm)]
    assert all(one is other for one, other in zip(before, after, strict=True))


@pytest.mark.weights("minilm")
def test_parts_are_worth_something_and_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_removed, "N_TEXTS", 8)
    encoder = load_encoder()
    before = encoder.embed(["A sentence of no importance."])
    events = list(parts_removed.run(n_tokens=12, model="minilm", seed=0, device="cpu"))

    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert m["found_rms"] == pytest.approx(m["found_base"], abs=0.1)
    assert max(m["found_no_norms"], m["found_no_residuals"]) < m["found_base"] - 0.1
    assert m["swapped_base"] < 0.999 < m["swapped_no_positions"]
    assert torch.equal(before, encoder.embed(["A sentence of no importance."]))
