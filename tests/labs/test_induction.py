from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from labs.core import induction
from labs.core.induction import N_HEADS, N_ROWS, N_WORDS, Reading, find_heads
from labs.kit.reading import losses
from labs.models import load_language_model
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import silenced_heads
from studykit.lab.events import Measurement, Table
from tests.labs.conftest import Randomise

CONFIG = TransformerConfig(vocab_size=11, seq_len=64, d_model=16, n_layers=4, n_heads=4, d_ff=16)


@pytest.fixture
def model(randomise: Randomise) -> Transformer:
    model = Transformer(CONFIG, Generator().manual_seed(0))
    randomise(model)
    return model


@torch.no_grad()
@pytest.mark.parametrize("heads", [[], [(2, 1)], [(3, 0), (1, 3)]])
def test_going_on_from_the_lowest_silenced_head_is_running_the_whole_model(
    model: Transformer, heads: list[tuple[int, int]]
) -> None:
    tokens = torch.randint(0, 11, (3, 9), generator=Generator().manual_seed(1))

    with silenced_heads(model, heads):
        whole = losses(model(tokens), tokens).mean(dim=0)

    torch.testing.assert_close(Reading(model, tokens).losses(heads), whole)


def test_a_head_is_known_by_where_it_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    length = 1 + 2 * N_WORDS
    maps = [torch.zeros(N_ROWS, 4, length, length) for _ in range(4)]
    second = torch.arange(N_WORDS + 1, length)
    maps[3][:, 2, second, second - N_WORDS + 1] = 0.9  # what followed the last time
    maps[3][:, 1, second, second - N_WORDS] = 0.9  # the same word itself: no induction
    maps[1][:, 3, second, second - 1] = 0.8
    monkeypatch.setattr(induction, "attention_maps", lambda model, words: maps)

    copying, others, previous = find_heads(
        Transformer(CONFIG, Generator()), torch.zeros(N_ROWS, length)
    )

    assert next(iter(copying)) == (3, 2)
    assert copying[3, 2] == pytest.approx(0.9)
    assert previous[0] == (1, 3)
    assert len(copying) == N_HEADS
    assert not {(3, 2), (1, 3)} & set(others)


@pytest.mark.weights("smollm2")
def test_the_model_is_left_as_it_was_and_the_text_is_read_twice() -> None:
    language = load_language_model()
    tokens = torch.tensor([[language.begin, *language.tokenizer.encode("All is well.")]])
    before: Tensor = language.model(tokens)
    text = "red red blue"

    events = list(induction.run(text=text, seed=0, device="cpu", model="smollm2"))

    assert language.model(tokens).equal(before)
    table = next(e for e in events if isinstance(e, Table) and e.title.startswith("Loss of each"))
    assert [row[0] for row in table.rows] == ["red", "·red", "·blue"]
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert measured["loss_second"] < measured["loss_first"]
    assert measured["cost_others"] < 1 < min(measured["cost_ten"], measured["cost_previous"])
