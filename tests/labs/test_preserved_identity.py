from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import get_args

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from labs.pictures.preserved_identity import (
    N_FITTED,
    N_READ,
    found,
    left_out,
    trained,
    untrained,
)
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Switch
from studykit.lab.events import Curve, Measurement

TABLE = torch.randn(30, 16, generator=Generator().manual_seed(0))
IDS = torch.randint(0, 30, (40, 10), generator=Generator().manual_seed(1))


def test_the_table_itself_is_read_without_a_map() -> None:
    resid = 3 * TABLE[IDS]
    assert found(resid, IDS, 30, TABLE, mapped=False) == 1


def test_a_turned_stream_is_read_by_a_map_only() -> None:
    turn = torch.linalg.qr(torch.randn(16, 16, generator=Generator().manual_seed(2)))[0]
    resid = TABLE[IDS] @ turn
    assert found(resid, IDS, 30, TABLE, mapped=False) < 0.3
    assert found(resid, IDS, 30, TABLE, mapped=True) > 0.95


def test_a_map_that_has_learned_noise_finds_no_more_than_chance() -> None:
    """The map is judged on sequences that it was not fitted on."""
    noise = torch.randn(40, 10, 16, generator=Generator().manual_seed(3))
    assert found(noise, IDS, 30, TABLE, mapped=True) < 0.15


def test_the_map_is_ridge_regression() -> None:
    resid = torch.randn(40, 10, 16, generator=Generator().manual_seed(4)) + TABLE[IDS]
    scaled = F.rms_norm(resid, (16,))
    x, y = scaled[:30].flatten(0, 1), F.normalize(TABLE, dim=-1)[IDS[:30].flatten()]
    weights = torch.linalg.solve(x.T @ x + len(x) / 100 * torch.eye(16), x.T @ y)
    cosines = (
        F.normalize(scaled[30:].flatten(0, 1) @ weights, dim=-1) @ F.normalize(TABLE, dim=-1).T
    )
    cosines[:, [row for row in range(30) if row not in IDS[30:]]] = -2
    expected = float((cosines.argmax(dim=-1) == IDS[30:].flatten()).double().mean())
    assert 0.2 < expected < 1
    assert found(resid, IDS, 30, TABLE, mapped=True) == pytest.approx(expected, abs=0.02)


def test_an_untrained_stack_keeps_tokens_with_pre_norm_only() -> None:
    shares = {e.name: e.value for e in untrained(16, 5, "cpu") if isinstance(e, Measurement)}
    assert shares["untrained_pre"] > 0.8
    assert shares["untrained_cut"] < 0.1
    assert max(shares["untrained_post"], shares["untrained_none"]) < 0.2


@torch.no_grad()
def test_leaving_out_is_cheaper_than_cutting_only_with_residuals() -> None:
    """In a stack that has no residual connections there is nothing to cut."""
    config = TransformerConfig(vocab_size=11, seq_len=16, n_layers=8, residual="off")
    model = Transformer(config, Generator().manual_seed(0))
    texts = torch.randint(0, 11, (2, 9), generator=Generator().manual_seed(1))
    events = left_out(model, texts, Random(0))
    costs = {e.name: e.value for e in events if isinstance(e, Measurement)}
    assert costs["cost_cut"] == pytest.approx(0, abs=1e-5)
    assert abs(costs["cost_left_out"]) > 0.001


@torch.no_grad()
def test_layers_that_add_nothing_cost_nothing_when_left_out() -> None:
    """And to cut the residual connections of one takes all that there is."""
    config = TransformerConfig(vocab_size=11, seq_len=16, n_layers=8)
    model = Transformer(config, Generator().manual_seed(0))
    for block in model.blocks:
        for name in ("attention.out.weight", "feedforward.down.weight"):
            block.get_parameter(name).zero_()
    texts = torch.randint(0, 11, (2, 9), generator=Generator().manual_seed(1))
    costs = {
        e.name: e.value for e in left_out(model, texts, Random(0)) if isinstance(e, Measurement)
    }
    assert costs["cost_left_out"] == pytest.approx(0, abs=1e-5)
    assert abs(costs["cost_cut"]) > 0.001


@torch.no_grad()
def test_four_layers_are_left_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TransformerConfig(vocab_size=11, seq_len=16, n_layers=8)
    model = Transformer(config, Generator().manual_seed(0))
    n_layers: list[int] = []
    resume = model.resume

    def counted(resid: Tensor, layer: int) -> Tensor:
        n_layers.append(len(model.blocks))
        return resume(resid, layer)

    monkeypatch.setattr(model, "resume", counted)
    texts = torch.randint(0, 11, (2, 9), generator=Generator().manual_seed(1))
    list(left_out(model, texts, Random(0)))
    assert n_layers == [4, 4, 4, 8]


@torch.no_grad()
def test_a_trained_model_is_read_whole_and_cut() -> None:
    """The cut model is read as one that was built without residual connections."""
    config = TransformerConfig(vocab_size=30, seq_len=20, d_model=16, n_layers=12, d_ff=16)
    model, cut = (
        Transformer(replace(config, residual=residual), Generator().manual_seed(0))
        for residual in get_args(Switch)
    )
    rows = torch.randint(0, 30, (N_FITTED + N_READ, 12), generator=Generator().manual_seed(1))
    values = {e.name: e.value for e in trained(model, rows) if isinstance(e, Measurement)}
    ids, stream, of_cut = rows[:, 1:], model.residual_stream(rows), cut.residual_stream(rows)
    for name, layer, of, mapped in (
        ("mapped_fifth", 5, stream, True),
        ("mapped_ten", 10, stream, True),
        ("table_middle", 6, stream, False),
        ("mapped_last", 12, stream, True),
        ("cut_ten", 10, of_cut, True),
    ):
        share = found(of[layer][:, 1:], ids, N_FITTED, model.embed.weight, mapped=mapped)
        assert values[name] == share
    assert values["cut_ten"] < values["mapped_ten"]


@torch.no_grad()
def test_the_logit_lens_reads_the_token_that_follows() -> None:
    """A model that writes one symbol after another: the number of each is that before it plus 1."""
    config = TransformerConfig(vocab_size=30, seq_len=20, d_model=32, n_layers=1, norm="none")
    model = Transformer(config, Generator().manual_seed(0))
    for parameter in model.parameters():
        parameter.zero_()
    model.embed.weight[:, :30] = torch.eye(30)
    model.unembed.weight[:, :30] = torch.eye(30).roll(1, dims=0)
    rows = (torch.arange(12) + torch.arange(N_FITTED + N_READ)[:, None]) % 30
    curves = [e for e in trained(model, rows) if isinstance(e, Curve)]
    next_shares = [e.ys for e in curves if e.name == "next, by the logit lens"]
    assert next_shares == [[1.0], [1.0]]
