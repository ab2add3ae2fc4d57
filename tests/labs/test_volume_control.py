from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Generator

from labs.kit.reading import mean_loss
from labs.models import load_encoder, load_language_model
from labs.pictures import volume_control
from labs.pictures.volume_control import additions_scaled, untrained
from labs.tasks.passages import token_rows
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Norm
from labs.transformer.interventions import patched
from labs.transformer.probes import rms
from studykit.lab.events import Measurement, Table
from tests.labs.conftest import Randomise

CONFIG = TransformerConfig(
    vocab_size=11, seq_len=16, d_model=16, n_layers=4, n_heads=4, d_ff=16, norm_eps=1e-12
)
TOKENS = torch.randint(0, 11, (2, 9), generator=Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("norm", get_args(Norm))
def test_a_common_factor_is_seen_by_no_one_but_models_without_pre_norm(
    norm: Norm, randomise: Randomise
) -> None:
    model = Transformer(replace(CONFIG, norm=norm), Generator().manual_seed(0))
    randomise(model)
    whole, first = model(TOKENS), model.embedded(TOKENS)
    with additions_scaled(model, 10.0):
        together = model.resume(10 * first, 0)
        alone = model.resume(first, 0)
    assert torch.allclose(together, whole, atol=1e-3) == (norm == "pre")
    assert not torch.allclose(alone, whole, atol=1e-1)
    assert model(TOKENS).equal(whole)


@torch.no_grad()
def test_untrained_streams_grow_as_their_wiring_says() -> None:
    events = list(untrained(8, 3, "cpu"))
    values = {e.name: e.value for e in events if isinstance(e, Measurement)}
    assert values["strong_none"] > 10 > values["strong_pre"] > 2
    assert values["strong_post"] == pytest.approx(1, abs=0.1)
    assert values["weak_none"] < 0.1
    assert values["doubled_post"] == pytest.approx(1, abs=1e-3)
    assert 3 < values["doubled_pre"] < 5
    assert values["doubled_none"] > 1000


@torch.no_grad()
def test_the_table_has_every_stack_at_every_depth() -> None:
    table = next(e for e in untrained(8, 3, "cpu") if isinstance(e, Table))
    stacks = {str(row[0]) for row in table.rows}
    assert len(stacks) == 12
    assert {row[1] for row in table.rows} == {"4", "8"}
    config = TransformerConfig(vocab_size=64, seq_len=16, d_model=64, n_layers=8)
    symbols = torch.randint(64, (8, 16), generator=Generator().manual_seed(3 * 4 + 3))
    stream = Transformer(config, Generator().manual_seed(3 * 4)).residual_stream(symbols)
    growth = rms(stream[4]) / rms(stream[0])
    assert ("pre-norm", "4", pytest.approx(growth)) in table.rows


@pytest.mark.weights("smollm2")
@torch.no_grad()
def test_the_stream_is_made_louder_and_quieter_in_the_middle() -> None:
    events = volume_control.pre_norm(5.0, 0, "cpu")
    values = {e.name: e.value for e in events if isinstance(e, Measurement)}
    language = load_language_model()
    model, encode = language.model, language.tokenizer.encode
    texts = token_rows(encode, 3, 24, seed=0, begin=[language.begin])
    intact = mean_loss(model(texts), texts)
    for name, factor in (("louder", 5.0), ("quieter", 0.2)):
        with patched(model, 15, lambda resid, by=factor: by * resid):  # type: ignore[misc]
            cost = mean_loss(model(texts), texts) - intact
        assert values[f"cost_{name}"] == pytest.approx(cost, abs=1e-3)
    assert abs(values["cost_all_scaled"]) < 0.01
    sizes = [rms(resid[:, 1:]) for resid in model.residual_stream(texts)]
    assert values["left_pre"] == pytest.approx(sizes[1] / sizes[30], rel=1e-3)
    assert values["growth_pre"] == pytest.approx(sizes[30] / sizes[0], rel=1e-3)


@pytest.mark.weights("minilm")
def test_what_is_left_of_the_first_layer_follows_from_later_norms() -> None:
    """Post-norm: the stream after layer 1, scaled along by every later norm, beside the end's."""
    values = {
        e.name: e.value for e in volume_control.post_norm(0, "cpu") if isinstance(e, Measurement)
    }
    encoder = load_encoder("minilm")
    model, encode = encoder.model, encoder.tokenizer.encode
    texts = token_rows(encode, 3, 24, seed=0, begin=[encoder.begin])
    embedded, resid, *_ = model.residual_stream(texts)
    first, left = rms(resid[:, 1:]), 1.0
    for block in model.blocks[1:]:
        for name in ("attention", "feedforward"):
            sublayer = block.get_submodule(name)
            norm = block.get_submodule(f"{name}_post_norm")
            added = resid + sublayer(resid)
            resid = norm(added)
            scale = norm.get_parameter("gain") / added[:, 1:].std(-1, correction=0, keepdim=True)
            left *= rms(scale)
    assert values["left_post"] == pytest.approx(left * first / rms(resid[:, 1:]), rel=1e-3)
    growth = rms(resid[:, 1:]) / rms(embedded[:, 1:])
    assert values["growth_post"] == pytest.approx(growth, rel=1e-3)
    assert 0.05 < values["left_post"] < 0.6
