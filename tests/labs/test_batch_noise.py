from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from labs.bert import batch_noise
from labs.bert.batch_noise import HIDDEN, SEQ_LEN, gain, look_at, of_each_sequence, total_variance
from labs.kit.budget import generator
from labs.tasks.hidden_tokens import choose_hidden, hide
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.train import UNCOUNTED
from studykit.lab.events import Measurement

CONFIG = TransformerConfig(
    vocab_size=9, seq_len=SEQ_LEN, d_model=16, d_ff=16, positions="rope", kind="encoder"
)


def build() -> tuple[Transformer, tuple[torch.Tensor, torch.Tensor]]:
    dice = generator(0, "probe")
    tokens = torch.randint(8, (24, SEQ_LEN), generator=dice)
    sequences = hide(tokens, choose_hidden((24, SEQ_LEN), HIDDEN, dice), 8)
    return Transformer(CONFIG, generator(0, "weights")), sequences


def test_the_mean_of_single_gradients_is_the_gradient_of_the_batch() -> None:
    model, (inputs, targets) = build()
    rows = of_each_sequence(model, (inputs, targets))

    loss = F.cross_entropy(
        model(inputs).flatten(0, 1), targets.flatten(), ignore_index=UNCOUNTED, reduction="sum"
    )
    whole = torch.autograd.grad(loss / (HIDDEN * SEQ_LEN * len(inputs)), list(model.parameters()))
    expected = torch.cat([part.flatten() for part in whole])
    torch.testing.assert_close(rows.mean(dim=0), expected, rtol=1e-4, atol=1e-6)


def test_the_total_variance_of_known_rows() -> None:
    assert total_variance(torch.tensor([[0.0, 1.0], [2.0, 5.0]])) == 2.0 + 8.0


def test_the_noise_scale_of_known_gradients_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sequences = build()
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    draw = generator(0, "probe")
    mean = F.normalize(torch.randn(n_parameters, generator=draw), dim=0)
    noise = torch.randn(1024, n_parameters, generator=draw) * (500 / n_parameters) ** 0.5
    monkeypatch.setattr(batch_noise, "of_each_sequence", lambda model, batch: mean + noise)

    events = look_at(model, "before", sequences, sequences)

    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    # The squared norm of the mean of 1,024 alone would be 1.5 and give a third less.
    assert m["noise_scale_before"] == pytest.approx(500, rel=0.15)
    assert m["slope_before"] == pytest.approx(-1, abs=0.1)


def test_a_step_is_worth_something_and_leaves_the_model_as_it_was() -> None:
    model, sequences = build()
    before = torch.nn.utils.parameters_to_vector(model.parameters()).clone()
    gradients = of_each_sequence(model, sequences)

    assert gain(model, gradients, len(gradients), sequences) > 0
    assert gain(model, -gradients, len(gradients), sequences) == 0  # uphill
    assert torch.equal(before, torch.nn.utils.parameters_to_vector(model.parameters()))
