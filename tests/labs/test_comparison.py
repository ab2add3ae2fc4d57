from __future__ import annotations

from dataclasses import replace

import pytest

from labs.practice import comparison
from labs.practice.comparison import CHOICES, SWAPS, side_by_side
from labs.transformer.families import FAMILIES
from studykit.lab.events import Measurement, Table


def test_each_choice_is_read_from_the_part_that_it_is_named_after() -> None:
    gpt2 = FAMILIES["gpt2"].config
    changes = {
        "what a token sees": {"kind": "encoder"},
        "positions": {"positions": "rope"},
        "kind of norm": {"norm_kind": "rmsnorm"},
        "place of the norms": {"norm": "post"},
        "feed-forward network": {"feedforward": "gated"},
        "biases of the matrices": {"biases": "off"},
        "output matrix": {"unembedding": "own"},
        "segment embeddings": {"n_segments": 2},
    }

    assert set(changes) == set(CHOICES)
    for part, change in changes.items():
        other = replace(gpt2, **change)  # type: ignore[arg-type]
        assert [name for name, read in CHOICES.items() if read(gpt2) != read(other)] == [part]


def test_what_two_models_share_is_what_both_chose() -> None:
    events = list(side_by_side())
    choices, pairs = (event for event in events if isinstance(event, Table))
    chosen = {(part, model): choice for part, model, choice in choices.rows}

    assert len(pairs.rows) == 20 * len(CHOICES)  # BERT and LLaMA share nothing, and are left out
    assert not any(
        {"BERT", "LLaMA"} <= set(str(row[0]).replace(",", "").split()) for row in pairs.rows
    )
    for pair, part, verdict in pairs.rows:
        one, other = str(pair).split(" and ")
        same = chosen[part, one] == chosen[part, other]
        assert verdict == ("the same" if same else "different")
    shared = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert shared == {"shared_gpt2_llama": 3, "shared_bert_gpt2": 5, "most_shared": 7}


def test_every_swap_but_the_base_changes_one_thing() -> None:
    assert [name for name, (_, swap) in SWAPS.items() if not swap] == ["base"]
    widths = {"feedforward", "activation", "d_ff"}
    assert all(len(swap) == 1 or set(swap) == widths for name, (_, swap) in SWAPS.items() if swap)


def test_a_short_training_shows_the_leak() -> None:
    run = comparison.run(n_layers=1, seed=0, device="cpu", budget=0.4)
    events = list(run)
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}

    table = [event for event in events if isinstance(event, Table)][-1]
    assert table.rows == [
        (label, round(measured[f"change_{name}"], 3))
        for name, (label, swap) in SWAPS.items()
        if swap
    ]
    assert {f"change_{name}" for name in SWAPS if name != "base"} <= set(measured)
    assert measured["change_later"] < min(
        value
        for name, value in measured.items()
        if name.startswith("change_") and "later" not in name
    )
    assert measured["change_no_biases"] == pytest.approx(0, abs=0.05)
