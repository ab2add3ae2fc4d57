from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from random import Random

import pytest
import torch
from torch import Generator

from labs.practice import component_function
from labs.practice.component_function import Undivided, build, costs, parts_of, spearman
from labs.transformer.norms import RMSNorm
from studykit.lab.events import Measurement, Table
from tests.labs.conftest import Randomise


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.randint(0, 11, (3, 9), generator=Generator().manual_seed(1))
    return tokens[:, :-1], tokens[:, 1:]


@torch.no_grad()
def test_a_cost_is_what_the_whole_model_loses_with_the_part_gone(randomise: Randomise) -> None:
    model = build(11, 0)
    randomise(model)
    tokens, targets = batch()

    def loss() -> float:
        logits = model(tokens).flatten(0, 1)
        return float(torch.nn.functional.cross_entropy(logits, targets.flatten()))

    whole, found = costs(model, (tokens, targets), 0.5, Random(2))

    assert whole == pytest.approx(loss(), abs=1e-5)
    for name, (label, changes, _) in parts_of(model, 0.5, Random(2)).items():
        with ExitStack() as out:
            for change in changes:
                out.enter_context(change)
            assert found[name][0] == label
            assert found[name][1] == pytest.approx(loss() - whole, abs=1e-4), name
    assert loss() == pytest.approx(whole, abs=1e-5)
    assert all(abs(cost) > 1e-4 for _, cost in found.values())


@pytest.mark.parametrize(
    ("part", "silent", "cut", "layers"),
    [
        ("cut_attention", [], ["attention"], range(4)),
        ("cut_feedforward", [], ["feedforward"], range(4)),
        ("cut_layer", [], ["attention", "feedforward"], [2]),
        ("attention", ["attention.out"], [], range(4)),
        ("feedforward", ["feedforward.down"], [], range(4)),
        ("first_layer", ["attention.out", "feedforward.down"], [], [0]),
        ("layer", ["attention.out", "feedforward.down"], [], [2]),
        ("last_layer", ["attention.out", "feedforward.down"], [], [3]),
    ],
)
@torch.no_grad()
def test_a_part_is_the_one_that_its_name_says(
    part: str, silent: list[str], cut: list[str], layers: Sequence[int], randomise: Randomise
) -> None:
    model = build(11, 0)
    randomise(model)
    whole, found = costs(model, batch(), 0.5, Random(2))

    for layer in layers:
        for name in silent:  # a matrix of zeros puts out nothing
            model.blocks[layer].get_parameter(f"{name}.weight").zero_()
        for name in cut:
            model.blocks[layer].get_buffer(f"{name}_skip").zero_()

    assert costs(model, batch(), 0.5, Random(2))[0] - whole == pytest.approx(
        found[part][1], abs=1e-4
    )


@torch.no_grad()
def test_one_head_falls_silent_where_its_columns_are_zero(randomise: Randomise) -> None:
    model = build(11, 0)
    randomise(model)
    whole, found = costs(model, batch(), 0.5, Random(2))
    head_dim = model.config.head_dim

    model.blocks[2].get_parameter("attention.out.weight")[:, :head_dim] = 0

    assert costs(model, batch(), 0.5, Random(2))[0] - whole == pytest.approx(
        found["head"][1], abs=1e-4
    )


@torch.no_grad()
def test_both_norms_of_the_middle_layer_lose_their_division(randomise: Randomise) -> None:
    model = build(11, 0)
    randomise(model)
    whole, found = costs(model, batch(), 0.5, Random(2))
    middle = model.blocks[2]

    for name in ("attention_pre_norm", "feedforward_pre_norm"):
        setattr(middle, name, Undivided(middle.get_submodule(name)))

    with pytest.MonkeyPatch.context() as patch:
        # What has lost its division already can lose it again without a cost.
        patch.setattr(component_function, "Undivided", lambda norm: norm)
        after, again = costs(model, batch(), 0.5, Random(2))
    assert after - whole == pytest.approx(found["norms"][1], abs=1e-4)
    assert again["norms"][1] == 0


@torch.no_grad()
def test_without_positions_the_order_of_earlier_letters_does_not_matter(
    randomise: Randomise,
) -> None:
    """In the first layer: a mask tells the higher ones who stood where."""
    model = build(11, 0)
    randomise(model)
    (change,) = parts_of(model, 0.5, Random(2))["positions"][1]
    tokens = torch.tensor([[1, 2, 3, 4], [3, 1, 2, 4]])
    with change:
        first = model.residual_stream(tokens)[1][:, -1]
    whole = model.residual_stream(tokens)[1][:, -1]

    assert torch.allclose(first[0], first[1], atol=1e-4)
    assert not torch.allclose(whole[0], whole[1], atol=1e-2)


def test_the_share_of_heads_that_fall_silent_is_the_knobs(randomise: Randomise) -> None:
    model = build(11, 0)
    randomise(model)

    none, every = (costs(model, batch(), share, Random(2))[1]["heads"][1] for share in (0, 1))

    assert none == 0
    assert every == pytest.approx(
        costs(model, batch(), 0.5, Random(2))[1]["attention"][1], abs=1e-4
    )


def test_without_its_division_a_norm_keeps_its_gain() -> None:
    norm = RMSNorm(3)
    norm.gain.data = torch.tensor([1.0, 2.0, 3.0])

    assert Undivided(norm)(torch.tensor([10.0, 1.0, 2.0])).tolist() == [10.0, 2.0, 6.0]


def test_rank_correlation_compares_orders_only() -> None:
    assert spearman([1.0, 2.0, 30.0], [0.1, 0.2, 0.3]) == 1
    assert spearman([1.0, 2.0, 30.0], [3.0, 2.0, 1.0]) == -1
    assert spearman([1.0, 2.0, 3.0, 4.0], [2.0, 1.0, 4.0, 3.0]) == pytest.approx(0.6)


@pytest.mark.weights("smollm2")
def test_both_models_yield_the_same_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(component_function, "N_TEXTS", 1)
    monkeypatch.setattr(component_function, "N_TOKENS", 8)
    run = component_function.run(silenced=0.5, seed=0, device="cpu", model="smollm2", budget=0.05)
    events = list(run)

    (table,) = (event for event in events if isinstance(event, Table))
    of = {name: [row[1] for row in table.rows if row[0] == name] for name, *_ in table.rows}
    assert of["SmolLM2"] == of["the small model"]
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert measured["real_cut_layer"] > measured["real_layer"]
    # After six steps nothing of the small model is worth what it is worth in the large one.
    assert abs(measured["toy_attention"]) < 1 < measured["real_attention"]
    assert -1 <= measured["rank_correlation"] < 1
