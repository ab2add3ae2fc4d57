"""Labs of section 3 on SmolLM2, each at the smallest size at which its parts can be told apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from labs.gpt import facts, in_context, leak, neurons, sampling
from labs.models import LanguageModel, load_language_model
from labs.tasks.capitals import LAST, Capitals, ask_capitals
from labs.transformer.interventions import skipped, unmasked
from labs.transformer.model import Block
from studykit.lab.events import Event, Measurement, Table

pytestmark = pytest.mark.weights("smollm2")


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture
def language() -> LanguageModel:
    return load_language_model()


@pytest.fixture
def known(language: LanguageModel) -> Capitals:
    asked = ask_capitals(language, 6, seed=0)
    right = language.model(asked.prompts)[:, LAST].argmax(dim=-1) == asked.answers
    return asked.chosen(right.nonzero()[:3, 0])


def measurements(events: Iterator[Event]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def test_the_fair_test_is_the_reported_loss_with_the_mask_and_not_without(
    language: LanguageModel,
) -> None:
    ids = language.tokenizer.encode("The quick brown fox jumps over the lazy dog. " * 4)
    tokens = torch.tensor([[language.begin, *ids][:32]])
    places = [length - 1 for length in leak.ASKED]
    masked = leak.losses(language.model, tokens)[:, places]
    torch.testing.assert_close(
        leak.fair_losses(language.model, tokens), masked, rtol=1e-3, atol=1e-3
    )
    with unmasked(language.model):
        open_ = leak.losses(language.model, tokens)[:, places]
        assert not torch.allclose(leak.fair_losses(language.model, tokens), open_, atol=0.1)


def test_the_expected_token_has_rank_1(language: LanguageModel) -> None:
    ids = language.tokenizer.encode("The capital of France is Paris")
    other = language.tokenizer.encode("The capital of France is Tokyo")
    ranks = leak.ranks(language.model, torch.tensor([[language.begin, *ids]]))[0]
    assert ranks[-1] == 1
    assert leak.ranks(language.model, torch.tensor([[language.begin, *other]]))[0, -1] > 1
    assert len(ranks) == len(ids)


def test_a_patched_fact_moves_from_the_country_to_the_end(
    language: LanguageModel, known: Capitals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "PATCHED", (22, 24))
    stream = language.model.residual_stream(known.prompts)
    m = measurements(facts.patching(language.model, stream, known.answers))
    assert (m["country_22"], m["end_22"]) == (1, 0)
    assert (m["country_24"], m["end_24"]) == (0, 1)


def test_without_the_attention_of_one_layer_the_answers_are_lost(
    language: LanguageModel, known: Capitals, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = language.model
    monkeypatch.setattr(facts, "LEFT_OUT", (20, 23))
    stream = model.residual_stream(known.prompts)
    m = measurements(facts.leaving_out(model, stream, known.answers, known.prompts))
    assert (m["right_without_20"], m["right_without_23"]) == (1, 0)
    intact = facts.loss(model(known.prompts), known.prompts)
    block = model.blocks[23]
    assert isinstance(block, Block)
    with skipped(block, "attention"):
        cost = facts.loss(model(known.prompts), known.prompts) - intact
    assert m["cost_without_23"] == pytest.approx(cost, abs=1e-4)


def test_shares_count_what_is_added_for_an_answer_only() -> None:
    added = torch.tensor([[1.0, -5.0, 4.0, 3.0, 2.0], [0.0, 0.0, -1.0, 0.0, 6.0]])
    m = measurements(neurons.shares(added))
    assert m == {"first_1": pytest.approx((0.4 + 1) / 2), "first_3": pytest.approx((0.9 + 1) / 2)}


def test_neurons_add_up_to_what_the_feed_forward_networks_write(
    language: LanguageModel, known: Capitals
) -> None:
    model = language.model
    activations = neurons.read_activations(model, known.prompts)
    written: list[torch.Tensor] = []
    hooks = [
        down.register_forward_hook(lambda module, args, out: written.append(out[0, LAST]))
        for down in neurons.output_matrices(model)
    ]
    resid = model.residual_stream(known.prompts)[-1][0, LAST]
    for hook in hooks:
        hook.remove()
    added = neurons.added_for(model, resid, activations[0], known.answers, 0)
    rows = model.unembed.weight[known.answers]
    scale = model.final_norm.get_parameter("gain") / resid.square().mean().sqrt()
    expected = (sum(written) * scale) @ (rows[0] - rows[1:].mean(dim=0))
    assert float(added.sum()) == pytest.approx(float(expected), rel=1e-3)


def test_silencing_works_from_the_first_layer_that_changes_and_is_undone(
    language: LanguageModel, known: Capitals
) -> None:
    model = language.model
    stream = model.residual_stream(known.prompts)
    d_ff = model.config.d_ff
    whole_layer = torch.arange(23 * d_ff, 30 * d_ff)
    assert not neurons.still_right(model, stream, known, whole_layer).any()
    assert neurons.still_right(model, stream, known, torch.tensor([5])).all()
    assert (model(known.prompts)[:, LAST].argmax(dim=-1) == known.answers).all()


def test_only_a_complete_answer_counts(language: LanguageModel) -> None:
    right = [("The capital of France is", " Paris"), ("The capital of Japan is", " Tokyo")]
    wrong = [("The capital of France is", " Paris Tokyo"), ("The capital of Japan is", " Rome")]
    assert in_context.share_right(language, "", right) == 1
    assert in_context.share_right(language, "", right + wrong) == 0.5
    prompt = "hot -> cold\nup -> down\nbig -> small\n"
    assert in_context.share_right(language, prompt, [("rich ->", " poor\n")]) == 1


def test_no_word_is_asked_for_that_the_examples_show(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[tuple[str, str]]]] = []

    def keep(language: LanguageModel, prompt: str, questions: list[tuple[str, str]]) -> float:
        asked.append((prompt, questions))
        return 0.0

    monkeypatch.setattr(in_context, "share_right", keep)
    m = measurements(in_context.run(n_asked=4, seed=0, device="cpu", model="smollm2"))

    assert len(m) == len(asked) == 2 * 4 + 1
    for prompt, questions in asked:
        assert len(questions) == 4
        words = {line.split(" -> ")[0] for line in prompt.splitlines()}
        assert not words & {question.removesuffix(" ->") for question, _ in questions}
    of_a_task = [prompt.splitlines() for prompt, _ in asked[:4]]
    assert [len(lines) for lines in of_a_task] == [0, 2, 8, 8]
    right, wrong = of_a_task[2:]
    assert not set(right) & set(wrong)
    for side in (0, 1):  # the same words, in other pairs
        assert {line.split(" -> ")[side] for line in right} == {
            line.split(" -> ")[side] for line in wrong
        }


def test_a_beginning_of_ones_own_is_continued_beside_the_docstrings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sampling, "N_NEW", 3)
    beginning = "The capital of France is"
    events = list(sampling.run(beginning=beginning, seed=0, device="cpu", model="smollm2"))
    table = next(event for event in events if isinstance(event, Table))
    assert table.rows[0][0] == "greedy"
    assert str(table.rows[0][2]).startswith("Paris")
    m = measurements(iter(events))
    assert m["loss_greedy"] < m["loss_hot"]
