from __future__ import annotations

import torch

from labs.gpt import generation
from labs.kit.budget import generator
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import unmasked
from studykit.lab.events import Measurement, Table


def test_the_cache_saves_positions_and_changes_no_letter() -> None:
    events = list(generation.run(n_new=24, seed=0, device="cpu", budget=0.02))
    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert m["differences"] == 0
    assert m["positions_cached"] == 16 + 23  # the last letter is not read again
    assert m["positions_uncached"] == sum(range(16, 16 + 24))
    assert m["loss_greedy"] < m["loss_drawn"] < m["loss_hot"]
    table = next(event for event in events if isinstance(event, Table))
    assert table.rows[0][0] == "real text"


def test_without_the_mask_a_cache_is_not_exact() -> None:
    config = TransformerConfig(vocab_size=11, seq_len=40, positions="rope")
    model = Transformer(config, generator(0, "weights"))
    prompts = torch.randint(11, (4, 16), generator=generator(0, "probe"))
    with unmasked(model):
        first = next(iter(generation.cached_and_not(model, prompts, 24)))
    assert isinstance(first, Measurement)
    assert first.value > 0
