from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from labs.models import load_language_model
from labs.patterns import composition
from labs.patterns.composition import find_heads, inputs_of, inputs_replaced
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import silenced_heads
from studykit.lab.events import Measurement
from tests.labs.conftest import Randomise

CONFIG = TransformerConfig(vocab_size=11, seq_len=64, d_model=16, n_layers=4, n_heads=4, d_ff=16)
TOKENS = torch.randint(11, (3, 9), generator=Generator().manual_seed(1))


@pytest.fixture
def model(randomise: Randomise) -> Transformer:
    model = Transformer(CONFIG, Generator().manual_seed(0))
    randomise(model)
    return model


@torch.no_grad()
def test_all_inputs_replaced_is_the_attention_of_the_other_model(model: Transformer) -> None:
    """Queries, keys and values of a changed model make its attention, and no less than all do."""
    attention = model.blocks[2].get_submodule("attention")
    whole = model(TOKENS)
    outputs: dict[str, Tensor] = {}
    hook = attention.register_forward_hook(lambda part, args, out: outputs.__setitem__("last", out))
    with silenced_heads(model, [(1, 0)]), inputs_of(model, [2]) as inputs:
        model(TOKENS)
        wanted = outputs["last"]
    with (
        inputs_replaced(model, "query", inputs),
        inputs_replaced(model, "key", inputs),
        inputs_replaced(model, "value", inputs),
    ):
        model(TOKENS)
        torch.testing.assert_close(outputs["last"], wanted)
    with inputs_replaced(model, "key", inputs):
        model(TOKENS)
        assert not torch.allclose(outputs["last"], wanted, atol=1e-3)
    hook.remove()
    assert model(TOKENS).equal(whole)


def test_heads_are_known_by_where_they_look(monkeypatch: pytest.MonkeyPatch) -> None:
    n_words, n_rows = 6, 2
    length = 1 + 2 * n_words
    maps = [torch.zeros(n_rows, 4, length, length) for _ in range(4)]
    again, places = torch.arange(n_words + 1, length), torch.arange(1, length)
    for layer, head in ((3, 2), (3, 0), (2, 1), (2, 3)):
        maps[layer][:, head, again, again - n_words + 1] = 0.9
    for layer, head, share in ((0, 3, 0.8), (1, 1, 0.7), (1, 2, 0.6), (3, 1, 0.95)):
        maps[layer][:, head, places, places - 1] = share
    monkeypatch.setattr(composition, "attention_maps", lambda model, words: maps)

    induction, previous, control = find_heads(
        Transformer(CONFIG, Generator()), torch.zeros(n_rows, length), n_words
    )

    assert set(induction) == {(3, 2), (3, 0), (2, 1), (2, 3)}
    assert previous == [(0, 3), (1, 1)]  # 3.1 looks at the token before too, but is not below
    assert [layer for layer, _ in control] == [0, 1]
    assert not set(control) & {*previous, (1, 2)}


@pytest.mark.weights("smollm2")
def test_the_real_model_is_left_as_it_was() -> None:
    language = load_language_model()
    tokens = torch.tensor([[language.begin, *language.tokenizer.encode("All is well.")]])
    before = language.model(tokens)

    events = list(composition.run(n_words=10, seed=0, device="cpu", model="smollm2"))

    assert language.model(tokens).equal(before)
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert measured["share_keys"] == pytest.approx(measured["share_silenced"], abs=0.05)
    assert measured["share_keys"] < measured["share"] / 2 < measured["share_values"]
