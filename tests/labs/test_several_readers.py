from __future__ import annotations

from random import Random

import pytest
import torch

from labs.kit.margins import Margins
from labs.models import load_language_model
from labs.pictures.several_readers import best_heads, looks, silencing, your_sentence
from labs.tasks.four_jobs import JOBS, WORDS, Beginning, beginnings, halves
from studykit.lab.events import HeatMap, Measurement, UnmetNeedError


def test_words_to_find_heads_on_are_not_words_to_test_them_on() -> None:
    first, second = halves(Random(3))
    for kind, words in WORDS.items():
        assert not set(first[kind]) & set(second[kind])
        assert sorted([*first[kind], *second[kind]]) == sorted(words)
        assert len(first[kind]) >= 2


@pytest.mark.parametrize(
    ("job", "pairs"),
    [
        ("agreement", {("are", "is"), ("is", "are")}),
        ("tone", {("positive", "negative"), ("negative", "positive")}),
    ],
)
def test_both_ways_call_for_opposite_words(job: str, pairs: set[tuple[str, str]]) -> None:
    drawn = beginnings(JOBS[job], WORDS, Random(0), 6)
    assert [(one.right, one.wrong) for one in drawn[:2]] * 3 == [(b.right, b.wrong) for b in drawn]
    assert {(one.right, one.wrong) for one in drawn} == pairs


def test_the_right_word_is_right() -> None:
    for one in beginnings(JOBS["names"], WORDS, Random(1), 20):
        giver = one.text.split(", ")[1].split()[0]
        assert one.wrong == giver
        assert one.right in one.text.split(", ")[0]
        assert one.right != giver
    for one in beginnings(JOBS["verb form"], WORDS, Random(1), 20):
        participle = next(pair for pair in WORDS["verb"] if one.right in pair.split()).split()[1]
        assert (one.right == participle) == ("s have " in one.text)
    for one in beginnings(JOBS["tone"], WORDS, Random(1), 20):
        adjective = one.text.split(".")[0].split()[-1]
        assert adjective in WORDS["praise" if one.right == "positive" else "blame"]
    for one in beginnings(JOBS["agreement"], WORDS, Random(1), 20):
        words = one.text.split()
        assert words[1].endswith("s") == (one.right == "are")
        assert words[1].endswith("s") != words[-1].endswith("s")


def test_heads_of_the_lowest_third_are_left_out() -> None:
    effects = torch.zeros(9, 4)
    effects[2, 1], effects[3, 2], effects[8, 0], effects[5, 3] = 9.0, 3.0, 2.0, -5.0
    assert best_heads(effects, 2) == [(3, 2), (8, 0)]


def test_looks_are_told_in_words() -> None:
    pieces = ["⟨", "The", "keys", "near", "it"]
    weights = torch.zeros(5, 5)
    weights[torch.arange(1, 5), torch.arange(4)] = 0.7
    weights[4, 2] = 0.3
    assert looks(weights, pieces) == "70% at the token before; farther most from it to keys, 30%"


@pytest.mark.weights("smollm2")
@torch.no_grad()
def test_a_margin_is_the_difference_of_two_logits() -> None:
    language = load_language_model()
    rows = [Beginning("The keys near the cabinet", "are", "is")]
    tokens = torch.tensor([[language.begin, *language.tokenizer.encode(rows[0].text)]])
    logits = language.model(tokens)[0, -1]
    right, wrong = (language.tokenizer.encode(word)[0] for word in (" are", " is"))
    margins = Margins(language, rows, "cpu")
    expected = float(logits[right] - logits[wrong])
    assert expected > 1
    assert margins.without([]) == pytest.approx(expected, abs=1e-3)
    assert float(margins.whole()) == pytest.approx(expected, abs=1e-3)
    assert margins.without([(26, 0), (27, 8)]) < expected - 1
    assert language.model(tokens)[0, -1].equal(logits)
    with pytest.raises(UnmetNeedError, match="into pieces"):
        Margins(language, [Beginning("The keys", "hippopotamuses", "is")], "cpu")


@pytest.mark.weights("smollm2")
@torch.no_grad()
def test_the_map_has_a_job_a_row_and_its_heads_a_column() -> None:
    language = load_language_model()
    margins = {
        job: Margins(language, beginnings(JOBS[job], WORDS, Random(0), 2), "cpu")
        for job in ("names", "agreement")
    }
    found = {"names": [(23, 3)], "agreement": [(26, 0), (27, 8)]}
    events = list(silencing(found, margins))
    values = {e.name: e.value for e in events if isinstance(e, Measurement)}
    shown = next(e for e in events if isinstance(e, HeatMap))
    assert shown.rows == ["names", "agreement"]
    assert shown.columns == ["names: 24.4", "agreement: 27.1, 28.9"]
    assert shown.values[1][0] == values["agreement_without_names"]
    assert values["left_agreement"] < 0.5 < values["agreement_without_names"]
    names = margins["names"]
    without = names.without([(23, 4)]) / names.without([])  # the head beside the one found
    assert values["others_left"] == pytest.approx(without, rel=1e-4)
    assert values["left_names"] < 0.8 < values["others_left"]
    table = your_sentence(language, "The keys near the cabinet are old.", "cpu")
    assert len(table.rows) == 6
    assert all("%" in str(row[1]) for row in table.rows)
    assert sum(float(row[2]) for row in table.rows) > 0.5  # nats that the six save
    assert len(your_sentence(language, "Hi", "cpu").rows) == 6
