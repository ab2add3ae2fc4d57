from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Generator

from labs.transformer import EncoderDecoder, Transformer, TransformerConfig
from labs.transformer.loading import blank, fill

BASE = TransformerConfig(vocab_size=11, seq_len=9, d_model=16, n_layers=2, d_ff=20)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rope", "alibi"])
@pytest.mark.parametrize("unembedding", ["own", "tied"])
def test_a_filled_model_is_the_model(positions: str, unembedding: str) -> None:
    changes = {"positions": positions, "unembedding": unembedding}
    config = replace(BASE, kind="encoder-decoder", **changes)  # type: ignore[arg-type]
    drawn = EncoderDecoder(config, Generator().manual_seed(0))
    model = blank(EncoderDecoder, config)
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert {buffer.device.type for buffer in model.buffers()} <= {"cpu"}
    fill(model, dict(drawn.named_parameters()))
    tokens = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(model(tokens, tokens), drawn(tokens, tokens), atol=0, rtol=0)
    tied = model.decoder.unembed.weight is model.decoder.embed.weight
    assert tied == (unembedding == "tied")


def test_the_tables_of_other_models_stay_where_they_are() -> None:
    """Rotations are shared between models, one of which may be blank."""
    config = replace(BASE, positions="rope", rope_base=123.0)
    blank(Transformer, config)
    model = Transformer(config, Generator().manual_seed(0))
    assert {buffer.device.type for buffer in model.buffers()} == {"cpu"}


def test_a_tied_matrix_is_given_under_either_name() -> None:
    config = replace(BASE, unembedding="tied")
    drawn = Transformer(config, Generator().manual_seed(0))
    parameters = dict(drawn.named_parameters())
    parameters["unembed.weight"] = parameters.pop("embed.weight")
    model = blank(Transformer, config)
    fill(model, parameters)
    assert model.embed.weight is model.unembed.weight


def test_what_does_not_fit_is_named() -> None:
    parameters = dict(Transformer(BASE, Generator().manual_seed(0)).named_parameters())
    model = blank(Transformer, BASE)
    with pytest.raises(ValueError, match="the model has no parameter pooler"):
        fill(model, {**parameters, "pooler": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"shape \(3, 16\), and the model's has \(11, 16\)"):
        fill(model, {**parameters, "embed.weight": torch.zeros(3, 16)})
    few = {name: given for name, given in parameters.items() if "blocks.1" not in name}
    with pytest.raises(ValueError, match=r"blocks\.1\.attention_pre_norm\.gain.* and \d+ more"):
        fill(model, few)
