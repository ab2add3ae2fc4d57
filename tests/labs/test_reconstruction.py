from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Generator
from torch.nn.functional import cross_entropy

from labs.practice import reconstruction
from labs.practice.reconstruction import BESIDE, LADDER, LEFT_OUT, Arm, build, outcome, taken_out
from labs.transformer import Transformer, TransformerConfig
from studykit.lab.events import Measurement, Table
from tests.labs.conftest import Randomise

WHOLE = TransformerConfig(
    vocab_size=11, seq_len=8, d_model=16, d_ff=16, n_layers=2, positions="rope"
)
TOKENS = torch.randint(0, 11, (2, 8), generator=Generator().manual_seed(1))


@torch.no_grad()
def test_without_sublayers_the_model_is_its_embeddings() -> None:
    model = build(LADDER["embeddings"], WHOLE, 0)

    assert model(TOKENS).equal(model.unembed(model.embed(TOKENS)))


@torch.no_grad()
@pytest.mark.parametrize("name", ["embeddings", "no_attention"])
def test_without_attention_a_letter_knows_of_no_other(name: str, randomise: Randomise) -> None:
    model = build({**LADDER, **LEFT_OUT}[name], WHOLE, 0)
    randomise(model)
    other = TOKENS.clone()
    other[:, 0] = (other[:, 0] + 1) % 11

    assert model(TOKENS)[:, 1:].equal(model(other)[:, 1:])


@torch.no_grad()
def test_with_attention_alone_nothing_of_the_stream_passes_by(randomise: Randomise) -> None:
    model = build(LADDER["attention"], WHOLE, 0)
    randomise(model)
    assert model(TOKENS).std(dim=(0, 1)).max() > 1e-2  # the missing sublayer lets it pass
    for block in model.blocks:
        torch.nn.init.zeros_(block.get_parameter("attention.out.weight"))

    logits = model(TOKENS)

    assert logits.std(dim=(0, 1)).max() < 1e-5  # every letter gives the same
    passing = build(BESIDE, WHOLE, 0)
    assert passing(TOKENS).std(dim=(0, 1)).max() > 1e-2


def test_arms_start_from_the_same_numbers() -> None:
    whole, other = (build(arm, WHOLE, 0) for arm in (LADDER["whole"], LEFT_OUT["no_attention"]))

    assert whole.embed.weight.equal(other.embed.weight)
    assert len(list(other.parameters())) < len(list(whole.parameters()))


def test_each_rung_has_one_part_more() -> None:
    def parts(arm: Arm) -> set[str]:
        config = replace(WHOLE, **arm.off)
        there = {name for name in ("attention", "feedforward") if name not in arm.without}
        there |= {"residual"} if there and config.residual == "on" else set()
        there |= {"positions"} if "attention" in there and config.positions != "none" else set()
        return there | ({"norms"} if config.norm != "none" else set())

    rungs = [parts(arm) for arm in LADDER.values()]

    assert [len(rung) for rung in rungs] == [0, 1, 2, 3, 4, 5]
    assert all(lower < upper for lower, upper in pairwise(rungs))
    missing = {name: rungs[-1] - parts(arm) for name, arm in LEFT_OUT.items()}
    # Positions live in attention.
    assert missing.pop("no_attention") == {"attention", "positions"}
    assert missing == {f"no_{part}": {part} for part in ("positions", "residual", "norms")}
    assert parts(BESIDE) == {"attention", "residual"}


def test_a_step_is_a_rung_less_the_one_before() -> None:
    names = [*LADDER, *LEFT_OUT, "together"]
    loss = {name: float(place**2) for place, name in enumerate(names)}
    taken = {"attention": 110.0, "positions": 1.0, "residual": 1.0, "feedforward": -90.0}

    events = list(outcome(loss, taken))

    (table,) = (event for event in events if isinstance(event, Table))
    usual = [row[2] for row in table.rows if row[0] == "added in the usual order"]
    assert usual == [1, 3, 5, 7, 9]
    other = [row[1:] for row in table.rows if row[0] == "added in another order"]
    assert other == [
        ("attention and residual connections", 100),
        ("positions", 9 - 100),
        ("feed-forward networks", 81 - 9),
        ("norms", 25 - 81),
    ]
    never = {row[1]: row[2] for row in table.rows if row[0] == "never in the whole model"}
    assert never == {
        "attention": 36 - 25,
        "positions": 49 - 25,
        "residual connections": 64 - 25,
        "norms": 81 - 25,
        "feed-forward networks": 16 - 25,
    }
    (relied,) = (event for event in events if getattr(event, "name", "") == "relied")
    assert isinstance(relied, Measurement)
    assert relied.value == 10


@torch.no_grad()
def test_taking_parts_out_leaves_the_model_as_it_was(randomise: Randomise) -> None:
    model = Transformer(WHOLE, Generator().manual_seed(0))
    randomise(model)
    before = model(TOKENS)

    costs = taken_out(model, (TOKENS, TOKENS.roll(1, dims=1)))

    assert model(TOKENS).equal(before)
    assert all(abs(cost) > 1e-4 for cost in costs.values())


@torch.no_grad()
@pytest.mark.parametrize("part", ["attention", "feedforward", "residual", "positions"])
def test_a_part_taken_out_costs_what_a_model_without_it_loses_more(
    part: str, randomise: Randomise
) -> None:
    model = Transformer(WHOLE, Generator().manual_seed(0))
    randomise(model)
    targets = TOKENS.roll(1, dims=1)
    config = {
        "residual": replace(WHOLE, residual="off"),
        "positions": replace(WHOLE, positions="none"),
    }.get(part, WHOLE)
    other = Transformer(config, Generator().manual_seed(0))
    other.load_state_dict(model.state_dict(), strict=False)
    if config is WHOLE:  # a sublayer that puts out nothing
        for block in other.blocks:
            for name, parameter in block.get_submodule(part).named_parameters():
                if name.startswith(("out.", "down.")):
                    parameter.zero_()

    cost = taken_out(model, (TOKENS, targets))[part]

    lost, whole = (
        float(cross_entropy(each(TOKENS).flatten(0, 1), targets.flatten()))
        for each in (other, model)
    )
    assert cost == pytest.approx(lost - whole, abs=1e-4)


def test_a_short_training_yields_all_that_the_claims_name() -> None:
    run = reconstruction.run(n_layers=1, seed=0, device="cpu", budget=0.1)
    measured = {event.name: event.value for event in run if isinstance(event, Measurement)}

    assert {f"loss_{name}" for name in (*LADDER, *LEFT_OUT, "together")} <= set(measured)
    assert measured["loss_embeddings"] < measured["uniform_entropy"]
