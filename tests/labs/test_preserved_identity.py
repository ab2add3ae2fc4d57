from __future__ import annotations

from random import Random

import pytest
import torch
from torch import Generator
from torch.nn import functional as F

from labs.pictures.preserved_identity import found, left_out, untrained
from labs.transformer import Transformer, TransformerConfig
from studykit.lab.events import Measurement

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
