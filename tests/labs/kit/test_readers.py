"""Reading four places, judged on a head that was made by hand."""

from __future__ import annotations

import math

import pytest
import torch

from labs.kit.budget import Budget
from labs.kit.readers import Question, n_read, right_answers
from labs.tasks.four_places import FIRST_ASKED
from labs.transformer.train import UNCOUNTED
from tests.labs.kit.hand_made import previous_bit_reader

BUDGET = Budget(n_steps=4, batch_size=2, n_held_out=64)


def question() -> Question:
    return Question("offsets", BUDGET, seed=0, device="cpu")


def test_a_head_made_by_hand_reads_the_token_before() -> None:
    asked, reader = question(), previous_bit_reader()
    first, *others = right_answers(reader, asked.held_out)
    assert first == 1.0
    assert all(0.4 < share < 0.6 for share in others)
    assert n_read([first, *others]) == 1
    looks = asked.attention_to_places(reader)
    assert looks[2][0] > 0.95
    assert looks[1][0] == pytest.approx(1 / 24, abs=0.01)  # looks everywhere alike
    assert [sum(shares) for shares in looks] == pytest.approx([1.0] * 4)


def test_only_the_head_that_reads_is_missed() -> None:
    held_out, reader = question().held_out, previous_bit_reader(head=2)
    for head in (0, 1, 3):
        assert right_answers(reader.without(head), held_out)[0] == 1.0
    assert right_answers(reader.without(2), held_out)[0] < 0.6
    assert right_answers(reader, held_out)[0] == 1.0  # a copy was changed


def test_nothing_is_asked_before_every_place_exists() -> None:
    _, targets = question().held_out
    assert (targets[:, :FIRST_ASKED] == UNCOUNTED).all()
    assert (targets[:, FIRST_ASKED:] >= 0).all()


def test_batches_are_new_sequences_and_the_same_ones_for_every_stack() -> None:
    asked = question()
    first, again = asked.batches(), asked.batches()
    batches = [next(first) for _ in range(2)]
    assert not torch.equal(batches[0][0], batches[1][0])
    for batch in batches:
        assert all(map(torch.equal, batch, next(again)))


def test_a_model_that_diverged_reads_nothing() -> None:
    reader = previous_bit_reader()
    with torch.no_grad():
        reader.transformer.embed.weight.fill_(math.nan)
    assert n_read(right_answers(reader, question().held_out)) == 0
