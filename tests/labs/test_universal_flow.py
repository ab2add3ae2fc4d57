from __future__ import annotations

from random import Random

import pytest
import torch
from torch import Generator, nn

from labs.kit.journey import COLUMNS, Reader, walked, watched_shapes
from labs.models import load_language_model
from labs.patterns import universal_flow
from labs.patterns.universal_flow import exchanged, places_changed, shares
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import module_swapped
from studykit.lab.events import Measurement, Walk
from tests.labs.conftest import Randomise

CONFIG = TransformerConfig(
    vocab_size=11, seq_len=16, d_model=16, n_layers=3, n_heads=4, n_kv_heads=2, d_ff=24
)
TOKENS = torch.randint(11, (1, 7), generator=Generator().manual_seed(1))


@pytest.fixture
def reader(randomise: Randomise) -> Reader:
    model = Transformer(CONFIG, Generator().manual_seed(0))
    randomise(model)
    return Reader("toys", "A toy", model, list("abcdefg"), TOKENS, "Scores.", "7 × 11")


def numbers(reader: Reader) -> dict[str, float]:
    events = list(exchanged([reader], Random(1)))
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


@torch.no_grad()
def test_shapes_are_those_of_the_model(reader: Reader) -> None:
    shapes, changed = watched_shapes(reader)

    assert changed == 0
    assert shapes == {
        "query": "7 × 16",
        "key": "7 × 8",
        "value": "7 × 8",
        "hidden": "7 × 24",
        "stream": "7 × 16",
    }
    steps = list(walked(0, reader, shapes))
    assert [step.at for step in steps] == [(0, column) for column in range(6)]
    assert all(len(row) == len(COLUMNS) for step in steps for row in step.table)
    assert "a b c d e f g" in steps[0].caption
    layers = sum(parameter.numel() for parameter in reader.stack.blocks.parameters())
    assert steps[4].table[0][2] == f"{layers:,}"


@torch.no_grad()
def test_a_sublayer_of_another_width_is_counted(reader: Reader) -> None:
    with module_swapped(reader.stack.blocks[1], "feedforward", nn.Linear(CONFIG.d_model, 1)):
        assert watched_shapes(reader)[1] == 1


@torch.no_grad()
def test_attention_mixes_and_the_feed_forward_network_does_not(reader: Reader) -> None:
    assert set(numbers(reader).values()) == {0}
    block = reader.stack.blocks[0]
    with module_swapped(block, "feedforward", block.get_submodule("attention")):
        assert numbers(reader)["feedforward_elsewhere"] > 0
    with module_swapped(block, "attention", nn.Identity()):
        assert numbers(reader)["attention_missed"] > 0
    with module_swapped(block.get_submodule("attention"), "mask", nn.Identity()):
        assert numbers(reader)["attention_leaked"] > 0


def test_places_changed_are_those_of_the_changed_tokens() -> None:
    before = torch.ones(1, 4, 3)
    after = before.clone()
    after[0, 2, 1] = 2.0

    assert places_changed(nn.Identity(), nn.Identity(), before, after) == {2}


def test_shares_are_those_of_the_papers_sizes() -> None:
    measured = {event.name: event.value for event in shares() if isinstance(event, Measurement)}

    assert measured["vocabulary_gpt2"] == pytest.approx(50_257 * 768 / 124_439_808)
    assert measured["vocabulary_llama"] == pytest.approx(2 * 32_000 * 4096 / 6_738_415_616)
    assert 0.5 < measured["feedforward_least"] < 2 / 3


@pytest.mark.weights
@pytest.mark.parametrize("text", ["The old bridge was closed.", "a"])
def test_the_real_models_are_walked_through_and_left_as_they_were(text: str) -> None:
    language = load_language_model()
    tokens = torch.tensor([[language.begin, *language.tokenizer.encode("All is well.")]])
    before = language.model(tokens)

    events = list(universal_flow.run(text=text, seed=0, device="cpu"))

    assert language.model(tokens).equal(before)
    (walk,) = (event for event in events if isinstance(event, Walk))
    assert len(walk.steps) == 4 * 6
    assert walk.rows == ["Transformer", "BERT", "GPT-2", "Llama"]
