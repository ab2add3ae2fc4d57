from __future__ import annotations

from random import Random

import pytest
import torch

from labs.models import load_language_model
from labs.practice import where_tokens_look
from labs.practice.where_tokens_look import HEADS, Text, chosen_heads, follows, sentences, tables
from studykit.lab.events import HeatMap, Measurement, Table

MENTION = ["the", "red", "box", "near", "the", "tree"]
TEXT = Text(["Tom", "saw", *MENTION, "and", "Anna", "hid", *MENTION], len(MENTION))


def test_a_rule_names_the_token_that_a_reader_would_point_at() -> None:
    token = TEXT.names.index("box 2")

    assert {head: TEXT.names[TEXT.rule(head, token)] for head in HEADS} == {
        "before": "red 2",
        "own": "box 2",
        "same": "box",
        "followed": "near",
    }
    assert [TEXT.names[token] for token in TEXT.asked] == ["red 2", "box 2", "near 2", "the 4"]


@pytest.mark.parametrize("n_adjectives", [1, 2, 3])
def test_the_second_mention_repeats_the_first_or_shares_no_word_but_the(n_adjectives: int) -> None:
    same, other = sentences(Random(4), n_adjectives)

    assert len(same.words) == len(other.words)
    for token in same.asked:
        assert same.words[token - 1] == same.words[same.rule("same", token) - 1]
    begin = len(other.words) - other.n_last
    assert set(other.words[begin:]) & set(other.words[:begin]) == {"the"}
    assert same.words[:begin] == other.words[:begin]


def test_a_head_follows_its_rule_where_its_largest_weight_stands_there() -> None:
    weights = torch.zeros(18, 18)
    for place, token in enumerate(TEXT.asked):
        weights[token, 0] = 0.4
        weights[token, TEXT.rule("same", token)] = 0.6 if place else 0.3

    assert follows("same", TEXT, {"same": weights}) == 0.75
    assert follows("before", TEXT, {"before": weights}) == 0


def test_the_tables_leave_out_cells_that_are_neither_dark_nor_white() -> None:
    maps = {head: torch.zeros(18, 18) for head in HEADS}
    token = TEXT.asked[0]
    maps["before"][token, token - 1] = 0.6
    maps["before"][token, 0] = 0.3

    largest, cells = (event for event in tables([(TEXT, maps)]) if isinstance(event, Table))

    assert (" ".join(TEXT.words), "red 2, head for the token before", "the 3") in largest.rows
    shades = {row[1]: row[2] for row in cells.rows if str(row[0]).startswith("the head for the t")}
    assert shades["row red 2, column the 3"] == "dark"
    assert shades["row red 2, column red"] == "white"
    assert "row red 2, column start" not in shades


@pytest.mark.weights("smollm2")
def test_heads_of_a_real_model_follow_their_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where_tokens_look, "N_TEXTS", 2)
    run = where_tokens_look.run(n_adjectives=2, seed=3, device="cpu", model="smollm2")
    events = list(run)
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}

    assert measured["followed"] > 0.75 > 5 * measured["guess"]
    assert measured["start_new"] > measured["start_repeated"]
    assert 0 < measured["moved_place"] < measured["moved_content"] < 1
    shown = [event for event in events if isinstance(event, HeatMap)]
    assert len(shown) == len(HEADS)
    for heat_map in shown:
        assert "the 4" in heat_map.rows  # the thing mentioned again, not another one
        assert heat_map.rows[-1].endswith(" 2")
        for place, cells in enumerate(heat_map.values):
            seen = [cell for cell in cells[: place + 1] if cell is not None]
            assert len(seen) == place + 1 and sum(seen) == pytest.approx(1, abs=0.02)
            assert set(cells[place + 1 :]) <= {None}


@pytest.mark.weights("smollm2")
def test_each_rule_gets_a_head_of_its_own() -> None:
    heads = chosen_heads(load_language_model(), Random(1))

    assert len(set(heads.values())) == len(HEADS)
