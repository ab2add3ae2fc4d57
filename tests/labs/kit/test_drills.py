"""What models of each kind read and answer."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from labs.kit.budget import Budget
from labs.kit.drills import N_SYMBOLS, Drill, Material
from labs.tasks import docstrings
from labs.transformer.config import Kind
from labs.transformer.train import UNCOUNTED
from studykit.lab.events import Measurement

BUDGET = Budget(n_steps=1, batch_size=4, n_held_out=64)
KINDS: tuple[Kind, ...] = get_args(Kind)
MATERIALS: tuple[Material, ...] = get_args(Material)


def drill(kind: Kind, material: Material = "copying", *, seed: int = 0) -> Drill:
    seq_len = 16 if kind == "decoder" else 8
    return Drill(kind, material, BUDGET, seq_len=seq_len, seed=seed, device="cpu")


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize("kind", KINDS)
def test_batches_are_the_same_at_every_call_and_held_out_rows_for_every_seed(
    kind: Kind, material: Material
) -> None:
    one, other = drill(kind, material), drill(kind, material, seed=1)
    first, again, of_other = (next(each.batches()) for each in (one, one, other))
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[-1], of_other[-1])
    assert all(map(torch.equal, one.held_out, other.held_out))
    for tokens in first:
        assert tokens.shape == (4, one.seq_len)
        assert int(tokens.max()) < one.vocab_size


def test_a_decoder_predicts_the_second_copy_only() -> None:
    inputs, targets = drill("decoder").held_out
    assert torch.equal(targets[:, 8:], inputs[:, :8])
    assert torch.equal(targets[:, 8:-1], inputs[:, 9:])
    assert bool((targets[:, :8] == UNCOUNTED).all())


def test_a_decoder_predicts_every_letter_of_a_text() -> None:
    inputs, targets = drill("decoder", "letters").held_out
    assert torch.equal(targets[:, :-1], inputs[:, 1:])


@pytest.mark.parametrize("material", MATERIALS)
def test_an_encoder_finds_what_is_hidden(material: Material) -> None:
    task = drill("encoder", material)
    inputs, targets = task.held_out
    hidden = inputs == task.n_symbols
    assert 0.1 < float(hidden.float().mean()) < 0.3
    assert bool((targets[~hidden] == UNCOUNTED).all())
    row = torch.where(hidden, targets, inputs)
    assert int(row.max()) < task.n_symbols
    if material == "copying":
        assert torch.equal(row[:, :4], row[:, 4:])


def test_texts_to_train_on_are_not_those_to_be_judged_on() -> None:
    task, text = drill("decoder", "letters"), docstrings.load()
    trained, held_out = (docstrings.decode(part) for part in (text.train, text.held_out))
    for inputs, own, other in (
        (next(task.batches())[0], trained, held_out),
        (task.held_out[0], held_out, trained),
    ):
        rows = [docstrings.decode(row) for row in inputs]
        assert all(row in own for row in rows)
        assert not all(row in other for row in rows)


def test_an_encoder_reads_two_pieces_of_text() -> None:
    inputs, targets = drill("encoder", "letters").held_out
    text = docstrings.decode(docstrings.load().held_out)
    rows = [docstrings.decode(row) for row in torch.where(targets == UNCOUNTED, inputs, targets)]
    assert all(row[:4] in text and row[4:] in text for row in rows)
    assert not all(row in text for row in rows)


def test_an_encoder_decoder_writes_backwards() -> None:
    task = drill("encoder-decoder")
    source, written, answers = task.held_out
    assert torch.equal(answers, source.flip(1))
    assert torch.equal(written[:, 1:], answers[:, :-1])
    assert bool((written[:, 0] == task.n_symbols).all())


def test_yardsticks_are_what_one_loses_without_the_context() -> None:
    copying = {m.name: m for m in drill("decoder").yardsticks()}
    letters = {m.name: m for m in drill("decoder", "letters").yardsticks()}
    assert copying["no_context"].value == pytest.approx(math.log(N_SYMBOLS))
    assert all(isinstance(m, Measurement) and m.yardstick for m in letters.values())
    assert (
        letters["uniform_entropy"].value
        > letters["no_context"].value
        > letters["bigram_entropy"].value
    )


def test_symbols_are_letters_and_a_line_may_end_in_them() -> None:
    task = drill("encoder", "letters")
    assert task.spell(docstrings.encode("a B\n~")) == "a B↵~"
    assert task.spell(torch.tensor([task.n_symbols])) == "▁"
    assert drill("encoder").spell(torch.tensor([0, 15, N_SYMBOLS])) == "ap▁"


class Oracle(nn.Module):
    """A model that copies what stands so many places before, or mirrors its source."""

    def __init__(self, n_symbols: int) -> None:
        super().__init__()
        self.n_symbols = n_symbols

    def forward(self, *inputs: Tensor) -> Tensor:
        if len(inputs) == 2:
            found = inputs[0].flip(1)[:, : inputs[1].shape[1]]
        elif inputs[0].shape[1] == 8:  # an encoder's row: what stands in the other copy
            found = inputs[0].roll(4, dims=1)
        else:
            found = inputs[0].roll(8, dims=1)
        return torch.eye(self.n_symbols + 1)[found]


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_what_the_model_writes(kind: Kind) -> None:
    task = drill(kind)
    row = next(
        n
        for n in range(64)
        if kind != "encoder" or int((task.held_out[0][n] == task.n_symbols).sum()) == 1
    )
    given, made = task.sample(Oracle(task.n_symbols), row)
    if kind == "decoder":
        assert (len(given), len(made)) == (9, 7)
        assert made == given[:7]
    elif kind == "encoder":
        assert "▁" in given and made[:4] == made[4:] and "▁" not in made
    else:
        assert made == given[::-1][: len(made)] and len(made) == 7
