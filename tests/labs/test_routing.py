from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor

from labs.kit import two_words
from labs.kit.reading import mean_loss
from labs.kit.two_words import maps_of_both, variants
from labs.models import load_language_model
from labs.pictures.routing import WORD, detour, frozen, moved
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import self_attentions
from labs.transformer.probes import attention_maps
from studykit.lab.events import Curve, Event, HeatMap, Measurement, UnmetNeedError
from tests.labs.conftest import Randomise

CONFIG = TransformerConfig(
    vocab_size=11, seq_len=24, d_model=16, n_layers=3, n_heads=4, n_kv_heads=2, d_ff=16
)
TOKENS = torch.randint(0, 11, (7, 20), generator=Generator().manual_seed(1))


@pytest.fixture
def model(randomise: Randomise) -> Transformer:
    built = Transformer(CONFIG, Generator().manual_seed(0))
    randomise(built)
    return built.requires_grad_(False)


def exchanged(tokens: Tensor) -> Tensor:
    changed = tokens.clone()
    changed[:, WORD] = (changed[:, WORD] + 1) % 11
    return changed


def measured(events: Iterator[Event]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def test_weights_that_ignore_the_content_lose_nothing_when_frozen(model: Transformer) -> None:
    """With queries of 0 all weights are even in any text; with real ones they are not."""
    costs = measured(frozen(model, TOKENS[:3], TOKENS[3:]))
    assert abs(costs["cost_frozen"]) > 0.001
    assert abs(costs["cost_frozen_layer"]) > 0.0001
    for name, parameter in model.named_parameters():
        if ".query." in name:
            parameter.zero_()
    even = measured(frozen(model, TOKENS[:3], TOKENS[3:]))
    assert even["cost_frozen"] == pytest.approx(0, abs=1e-4)
    assert even["cost_even"] == pytest.approx(0, abs=1e-4)
    assert abs(even["cost_none"]) > 0.001


def test_frozen_weights_are_the_mean_of_the_other_texts(model: Transformer) -> None:
    """As if the model had only these for every text: what it then loses, less what it loses."""
    texts, others = TOKENS[:3], TOKENS[3:]
    found = measured(frozen(model, texts, others))
    attentions = self_attentions(model)
    mean = [weights.mean(dim=0, keepdim=True) for weights in attention_maps(model, others)]
    intact = mean_loss(model(texts), texts)
    for name, layers in (("frozen", (0, 1, 2)), ("frozen_layer", (1,))):
        with pytest.MonkeyPatch.context() as patch:
            for layer in layers:
                constant = mean[layer].expand(3, -1, -1, -1)
                patch.setattr(attentions[layer], "weights", lambda *args, by=constant: by)
            cost = mean_loss(model(texts), texts) - intact
        assert found[f"cost_{name}"] == pytest.approx(cost, abs=1e-5)


def test_what_goes_elsewhere_is_a_share_of_all_attention(model: Transformer) -> None:
    """Half the sum of the changes: a row that moves altogether has moved by 1."""
    tokens = TOKENS[:2]
    (curve,) = (e for e in moved(model, tokens, exchanged(tokens)) if isinstance(e, Curve))
    for share, before, after in zip(
        curve.ys,
        *(attention_maps(model, rows) for rows in (tokens, exchanged(tokens))),
        strict=True,
    ):
        gained = (after - before).clamp(min=0)[:, :, WORD + 1 :].sum(dim=-1)
        assert share == pytest.approx(float(gained.mean()), abs=1e-5)
    assert len(curve.ys) == 3


def test_ratios_move_from_the_second_layer_on(model: Transformer) -> None:
    found = measured(moved(model, TOKENS, exchanged(TOKENS)))
    assert found["ratio_first"] < 1e-5
    assert found["ratio_higher"] > 0.001


def test_short_values_deliver_less_than_their_weight(model: Transformer) -> None:
    before = measured(moved(model, TOKENS, exchanged(TOKENS)))
    assert abs(before["delivered_first"] - before["weight_first"]) < 0.1
    for block in model.blocks:
        value = block.get_submodule("attention.value")

        def shortened(part: object, args: object, out: Tensor) -> Tensor:
            return torch.cat((out[:, :1] / 100, out[:, 1:]), dim=1)

        value.register_forward_hook(shortened)
    after = measured(moved(model, TOKENS, exchanged(TOKENS)))
    assert after["delivered_first"] < after["weight_first"] / 3


@pytest.mark.parametrize("n_layers", [1, 3])
def test_a_detour_takes_two_layers(n_layers: int, randomise: Randomise) -> None:
    model = Transformer(replace(CONFIG, n_layers=n_layers), Generator().manual_seed(0))
    randomise(model)
    with torch.no_grad():
        left = measured(detour(model, TOKENS, exchanged(TOKENS)))["effect_detour"]
    assert (left > 0.01) == (n_layers > 1)
    assert left == pytest.approx(0, abs=1e-5) or n_layers > 1


@torch.no_grad()
def test_a_detour_is_a_share_of_the_whole_effect(model: Transformer) -> None:
    """Of logits ten times as large it is the same."""
    before = measured(detour(model, TOKENS, exchanged(TOKENS)))["effect_detour"]
    model.unembed.weight.mul_(10)
    after = measured(detour(model, TOKENS, exchanged(TOKENS)))["effect_detour"]
    assert after == pytest.approx(before, rel=1e-4)


def test_two_words_make_two_sentences() -> None:
    assert variants("The [river/city] bank.") == ("The river bank.", "The city bank.")


@pytest.mark.parametrize("text", ["The bank.", "The [river] bank.", "A [b/c] d [e/f].", "[/c] d"])
def test_a_sentence_without_two_words_says_what_to_write(text: str) -> None:
    with pytest.raises(UnmetNeedError, match=r"in brackets.*\[river/city\]"):
        variants(text)


@pytest.mark.weights("smollm2")
def test_maps_differ_from_the_exchanged_word_on() -> None:
    language = load_language_model()
    sentence = "The [river/city] bank was closed."
    maps = [e for e in maps_of_both(language, sentence, "19.7", "cpu") if isinstance(e, HeatMap)]
    whole, first, second, difference = maps
    gained = [sum(max(0.0, cell or 0) for cell in row) for row in difference.values]
    assert whole.values[18][6] == pytest.approx(sum(gained) / len(gained), abs=1e-5)
    changes = torch.tensor(whole.values)
    layer, number = divmod(int(changes.argmax()), 9)
    _, most, *_ = maps_of_both(language, sentence, two_words.MOST_CHANGED, "cpu")
    assert isinstance(most, HeatMap)
    assert most.title.endswith(f"head {layer + 1}.{number + 1}, first word")
    assert (len(whole.rows), len(whole.columns)) == (30, 9)
    assert "head 19.7" in first.title
    assert first.rows[2] == "·river"
    assert second.rows[2] == "·city"
    for row, cells in enumerate(difference.values):
        seen = [cell for cell in cells if cell is not None]
        assert len(seen) == row + 1
        assert math.fsum(seen) == pytest.approx(0, abs=1e-5)
        if row < 2:
            assert seen == pytest.approx([0] * (row + 1), abs=1e-6)
    for head in ("31.1", "1.10", "0.1", "nonsense"):
        with pytest.raises(UnmetNeedError, match=rf"{two_words.MOST_CHANGED}.*30\.9"):
            list(maps_of_both(language, sentence, head, "cpu"))
    with pytest.raises(UnmetNeedError, match="of as many tokens for this model"):
        list(maps_of_both(language, "The [dog/hippopotamuses] ran.", "1.1", "cpu"))
