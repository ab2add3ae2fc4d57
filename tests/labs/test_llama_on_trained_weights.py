from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Generator, nn
from torch.nn import functional as F

from labs.kit.reading import losses, mean_loss
from labs.llama import gated_units, grouped_queries, rms_norm, rope, rope_length
from labs.llama.grouped_queries import HeadMean, as_rows, cache_sizes
from labs.llama.rope import identity, loss_turned, turned_otherwise
from labs.llama.rope_length import loss_over
from labs.models import LanguageModel, load_language_model
from labs.models.byte_pair import BytePairTokenizer
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import module_swapped, modules_swapped, self_attentions
from labs.transformer.norms import LayerNorm, RMSNorm
from labs.transformer.positions import angles
from studykit.lab.events import Event, Measurement
from tests.labs.conftest import Randomise

CONFIG = TransformerConfig(
    vocab_size=11,
    seq_len=64,
    d_model=16,
    n_layers=3,
    n_heads=4,
    n_kv_heads=2,
    d_ff=20,
    norm_kind="rmsnorm",
    positions="rope",
    feedforward="gated",
    activation="silu",
    biases="off",
)
TOKENS = torch.randint(0, 11, (2, 9), generator=Generator().manual_seed(1))


@pytest.fixture
def model(randomise: Randomise) -> Transformer:
    """A small Llama in which nothing is 0 or 1."""
    built = Transformer(CONFIG, Generator().manual_seed(0))
    randomise(built)
    return built.requires_grad_(False)


def measured(events: list[Event]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def test_norms_are_found_and_become_layer_norms(model: Transformer) -> None:
    found = rms_norm.norms(model)
    assert len(found) == 2 * CONFIG.n_layers + 1
    norm = found[0][2]
    reference = LayerNorm(16, norm.eps)
    reference.gain = norm.gain
    x = torch.randn(2, 5, 16, generator=Generator().manual_seed(2)) + 3

    assert rms_norm.LayerNormed(norm)(x).allclose(reference(x), atol=1e-6)
    assert not rms_norm.LayerNormed(norm)(x).allclose(norm(x), atol=0.1)


def test_one_middle_layer_or_all_are_left_without_division(model: Transformer) -> None:
    intact = mean_loss(model(TOKENS), TOKENS)

    values = measured(list(rms_norm.changed(model, TOKENS)))

    def loss_with(kind: type[nn.Module], within: nn.Module) -> float:
        parts = [part for part in rms_norm.norms(model) if part[0] is within or within is model]
        with modules_swapped([(parent, name, kind(norm)) for parent, name, norm in parts]):
            return mean_loss(model(TOKENS), TOKENS)

    centred = loss_with(rms_norm.LayerNormed, model) - intact
    assert values["cost_centred"] == pytest.approx(centred, abs=1e-4)
    one = loss_with(rms_norm.GainOnly, model.blocks[1]) - intact
    assert values["cost_one"] == pytest.approx(one, abs=1e-4)
    assert values["loss_bare"] == pytest.approx(loss_with(rms_norm.GainOnly, model), abs=1e-4)


def test_the_norms_that_are_timed_compute_what_pytorch_does() -> None:
    draw = Generator().manual_seed(0)
    x, gain, bias = torch.randn(4, 576, generator=draw), *torch.rand(2, 576, generator=draw)

    layer = F.layer_norm(x, (576,), gain, bias, rms_norm.EPS)
    assert rms_norm.written_layer_norm(x, gain, bias).allclose(layer, atol=1e-5)
    rms = F.rms_norm(x, (576,), gain, rms_norm.EPS)
    assert rms_norm.written_rms_norm(x, gain).allclose(rms, atol=1e-5)


def test_the_mean_counts_where_there_is_one() -> None:
    x = torch.tensor([[[1.0, -1.0, 1.0, -1.0], [2.0, 2.0, 2.0, 2.0]]])
    assert rms_norm.mean_share(x) == pytest.approx(0.5)


def test_turned_vectors_know_their_distance_and_added_sinusoids_do_not() -> None:
    values = measured(list(identity(3)))
    assert values["score_error"] < 1e-9
    assert values["length_error"] < 1e-9
    assert values["sinusoid_change"] > 1


def test_the_angles_given_are_those_used(model: Transformer) -> None:
    theta = angles(torch.arange(9.0), CONFIG.head_dim // 2, CONFIG.rope_base)
    intact = mean_loss(model(TOKENS), TOKENS)

    assert loss_turned(model, TOKENS, theta) == pytest.approx(intact, abs=1e-5)
    assert loss_turned(model, TOKENS, theta + 5) == pytest.approx(intact, abs=1e-4)
    assert loss_turned(model, TOKENS, 2 * theta) != pytest.approx(intact, abs=1e-3)


def test_pairs_are_stopped_and_angles_rounded_as_the_labels_say(
    monkeypatch: pytest.MonkeyPatch, randomise: Randomise
) -> None:
    wide = Transformer(replace(CONFIG, d_model=64, n_heads=1, n_kv_heads=1), Generator())
    randomise(wide)
    monkeypatch.setattr(rope, "N_TOKENS", TOKENS.shape[1])
    thetas: list[torch.Tensor] = []

    def keep(model: Transformer, texts: torch.Tensor, theta: torch.Tensor) -> float:
        thetas.append(theta)
        return 0.0

    monkeypatch.setattr(rope, "loss_turned", keep)

    with torch.no_grad():
        values = measured(list(turned_otherwise(wide, TOKENS, 4000)))

    assert abs(values["cost_shifted"]) < 1e-3 < abs(values["cost_stretched"])
    fast, slow, rounded = thetas  # (seq_len, 32) each
    exact = angles(torch.arange(9.0), 32, CONFIG.rope_base)
    assert (fast[:, :4] == 0).all() and fast[:, 4:].equal(exact[:, 4:])
    assert (slow[:, 12:] == 0).all() and slow[:, :12].equal(exact[:, :12])
    assert rounded[:, 0].tolist() == [4000] * 9  # the fastest pair: places come in steps of 16


def test_a_gap_moves_the_second_half_and_squeezing_brings_it_back(model: Transformer) -> None:
    at_rest = loss_over(model, TOKENS, 0)

    # A token to begin with and twice four: the second four, less the first of them.
    assert at_rest == pytest.approx(float(losses(model(TOKENS), TOKENS)[:, 5:].mean()))
    assert loss_over(model, TOKENS, 7) != pytest.approx(at_rest, abs=1e-4)
    assert loss_over(model, TOKENS, 0, longest=100) == at_rest
    assert loss_over(model, TOKENS, 7, longest=5) != loss_over(model, TOKENS, 7)


def test_each_activation_differs_from_silu_on_one_side_only() -> None:
    x = torch.tensor([-2.0, -0.5, 0.5, 2.0])
    silu, relu = F.silu(x), F.relu(x)

    no_dip, straight = gated_units.NoDip()(x), gated_units.StraightAbove()(x)

    assert no_dip.equal(torch.cat((relu[:2], silu[2:])))
    assert straight.equal(torch.cat((silu[:2], relu[2:])))
    assert gated_units.Ungated()(x).equal(torch.ones(4))


def test_a_third_of_the_layers_is_swapped(model: Transformer) -> None:
    intact = mean_loss(model(TOKENS), TOKENS)

    values = measured(list(gated_units.swaps(model, TOKENS, "middle third")))

    network = model.blocks[1].get_submodule("feedforward")
    with module_swapped(network, "activation", nn.ReLU()):
        assert values["cost_relu"] == pytest.approx(mean_loss(model(TOKENS), TOKENS) - intact)
    with module_swapped(network, "activation", gated_units.Ungated()):
        assert values["loss_ungated"] == pytest.approx(mean_loss(model(TOKENS), TOKENS))


def test_gates_below_zero_are_counted_layer_by_layer(model: Transformer) -> None:
    gate = model.blocks[1].get_submodule("feedforward.gate")
    norm = model.blocks[1].get_submodule("feedforward_pre_norm")
    assert isinstance(gate, nn.Module)
    assert isinstance(norm, RMSNorm)
    with torch.no_grad():
        model.blocks[1].get_submodule("feedforward_pre_norm").get_parameter("gain").zero_()

    shares = gated_units.below_zero(model, TOKENS)

    assert len(shares) == CONFIG.n_layers
    assert shares[1] == 0  # all gates are exactly 0, and none is below
    assert 0 < shares[0] < 1


def test_a_cache_of_fewer_heads_is_smaller_by_as_much() -> None:
    values = measured(list(cache_sizes(CONFIG, {"mha": 4, "gqa": 2, "mqa": 1})))
    assert values["excess_bytes"] == 0
    assert values["bytes_mha"] == 2 * 3 * 16 * 4
    assert values["bytes_mha"] == 2 * values["bytes_gqa"] == 4 * values["bytes_mqa"]


def test_queries_as_rows_attend_as_with_the_switch() -> None:
    draw = Generator().manual_seed(0)
    q = torch.randn(2, 6, 1, 8, generator=draw)
    k, v = torch.randn(2, 2, 3, 5, 8, generator=draw)

    rows = F.scaled_dot_product_attention(as_rows(q, 3), k, v).view(q.shape)
    assert rows.allclose(F.scaled_dot_product_attention(q, k, v, enable_gqa=True), atol=1e-6)


def test_merged_heads_are_the_mean_of_all() -> None:
    projection = nn.Identity()
    x = torch.tensor([[[1.0, 2.0, 3.0, 6.0]]])
    assert HeadMean(projection, 2)(x).tolist() == [[[2.0, 4.0, 2.0, 4.0]]]


def test_keys_and_values_are_merged_apart(model: Transformer) -> None:
    for attention in self_attentions(model):
        weight = attention.key.weight  # (2 heads · 4, d_model)
        weight[4:] = weight[:4]

    values = measured(list(grouped_queries.merged(model, TOKENS)))

    assert values["cost_keys"] == pytest.approx(0, abs=1e-5)
    assert values["cost_merged"] == pytest.approx(values["cost_values"], abs=1e-5)
    assert len({0.0, values["cost_values"], values["cost_one"]}) == 3


@pytest.mark.weights("smollm2")
@pytest.mark.parametrize("lab", [rms_norm, rope, rope_length, gated_units, grouped_queries])
def test_the_real_model_is_left_as_it_was(lab: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "N_TOKENS", 8)
    monkeypatch.setattr(lab, "N_TEXTS", 1)
    language = load_language_model()
    tokens = torch.tensor([[language.begin, *language.tokenizer.encode("All is well.")]])
    before = language.model(tokens)
    knobs = {name: values[0] for name, values in lab.KNOBS.items()}  # type: ignore[attr-defined]

    events = list(
        lab.run(**knobs, seed=0, device="cpu", model="smollm2")  # type: ignore[attr-defined]
    )

    assert measured(events)
    assert language.model(tokens).equal(before)


def test_another_kind_of_network_is_refused_in_a_line(
    model: Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.config = replace(CONFIG, activation="gelu")
    language = LanguageModel("mine", model, BytePairTokenizer.__new__(BytePairTokenizer), 0)
    monkeypatch.setattr(gated_units, "load_language_model", lambda *args: language)
    with pytest.raises(ValueError, match="mine: its feed-forward networks are no SwiGLU"):
        next(gated_units.run(layers="all", seed=0, device="cpu", model="mine"))
