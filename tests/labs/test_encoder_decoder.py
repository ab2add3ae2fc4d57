from __future__ import annotations

import math
from functools import cache

import torch
from torch import Generator

from labs.core import encoder_decoder
from labs.tasks.mirror_writing import MirrorWriting
from studykit.lab.events import Event, HeatMap, Measurement

TASK = MirrorWriting(n_letters=5, n_symbols=4)


@cache
def short_run() -> tuple[Event, ...]:
    """All events of a run that is far too short to learn anything."""
    run = encoder_decoder.run(n_letters=5, n_symbols=4, seed=0, device="cpu", budget=0.02)
    return tuple(run)


def sources() -> tuple[torch.Tensor, torch.Tensor]:
    source, written, _ = TASK.draw(3, Generator().manual_seed(0))
    return source, written


def test_all_models_start_from_the_same_weights() -> None:
    models = {arm: encoder_decoder.build(arm, TASK, 0) for arm in encoder_decoder.ARMS}
    base = dict(models["base"].named_parameters())
    for model in models.values():
        assert all(p.equal(base[name]) for name, p in model.named_parameters())


def test_what_the_decoder_is_handed() -> None:
    source, written = sources()
    models = {arm: encoder_decoder.build(arm, TASK, 0) for arm in encoder_decoder.ARMS}
    handed = {arm: model.mixture @ model.encoder(source) for arm, model in models.items()}
    assert not handed["none"].any()
    torch.testing.assert_close(handed["mean"], handed["base"].mean(1, True).expand(3, 5, 32))
    # Bare embeddings: a letter's vector does not know of a letter that was changed elsewhere.
    changed = source.clone()
    changed[:, 0] = (changed[:, 0] + 1) % TASK.n_symbols
    for arm, knows in (("raw", False), ("base", True)):
        now = models[arm].encoder(changed)[:, 1:]
        assert now.equal(handed[arm][:, 1:]) is not knows
    assert models["base"](source, written).shape == (3, 5, TASK.vocab_size)


def test_cross_attention_does_not_see_the_order_of_the_vectors() -> None:
    source, written = sources()
    model = encoder_decoder.build("base", TASK, 0)
    shuffled = model.handing(model.mixture.roll(1, dims=1))
    torch.testing.assert_close(shuffled(source, written), model(source, written))
    moved = model(source.roll(1, dims=1), written)
    assert not torch.allclose(moved, model(source, written), atol=0.1)


def test_without_a_moment_to_compare_at_nothing_is_compared() -> None:
    measured = {event.name: event.value for event in short_run() if isinstance(event, Measurement)}
    assert measured["right_base"] < 0.9
    assert math.isnan(measured["then_base"])
    assert math.isnan(measured["then_mean"])


def test_heat_maps_are_labelled_with_the_letters() -> None:
    cross, inside = (event for event in short_run() if isinstance(event, HeatMap))
    assert [x.lower() for x in cross.rows] == list(reversed(cross.columns))
    assert inside.rows == inside.columns == cross.columns
