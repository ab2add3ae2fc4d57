from __future__ import annotations

import torch
from torch import Generator

from labs.core import projections as lab
from labs.tasks.wanted import WantedTask
from labs.transformer.train import ModelStack

TASK = WantedTask(n_names=8, n_values=lab.N_VALUES, n_tokens=6)
WANTS = TASK.draw(4, Generator().manual_seed(0))


def head(arm: str) -> lab.Head:
    return lab.Head(TASK, 16, lab.ARMS[arm], Generator().manual_seed(1))


def round_a_triangle(arm: str) -> torch.Tensor:
    """Score of 0 for 1, 1 for 2 and 2 for 0, minus the other way round; 0 if it is symmetric.

    A row of weights tells its scores up to a number, and the three numbers cancel.
    """
    logs = head(arm).read(WANTS.tokens)[0].double().log()
    return (
        logs[:, 0, 1]
        + logs[:, 1, 2]
        + logs[:, 2, 0]
        - logs[:, 0, 2]
        - logs[:, 2, 1]
        - logs[:, 1, 0]
    )


def test_one_projection_for_query_and_key_makes_scores_symmetric() -> None:
    assert (round_a_triangle("query_key").abs() < 1e-4).all()
    assert (round_a_triangle("separate").abs() > 0.1).all()


def test_heads_see_what_their_arm_says() -> None:
    visible = {arm: head(arm).read(WANTS.tokens)[0][0] > 0 for arm in lab.ARMS}
    everything = torch.ones(6, 6, dtype=torch.bool)
    assert torch.equal(visible["separate"], everything)
    assert torch.equal(visible["others"], ~torch.eye(6, dtype=torch.bool))
    earlier = everything.tril(-1)
    earlier[0, 0] = True
    assert torch.equal(visible["earlier"], earlier)


def test_weights_are_told_apart_by_their_direction() -> None:
    """A head set by hand to read the wanted token gives it all its weight, and gets none back."""
    n, names = TASK.vocab_size, TASK.n_names
    reader = lab.Head(TASK, n, lab.ARMS["separate"], Generator())
    reader.embed.weight = torch.nn.Parameter(torch.eye(n))
    reader.query.weight = torch.nn.Parameter(torch.zeros(n, n))
    reader.key.weight = torch.nn.Parameter(torch.eye(n))
    reader.value.weight = torch.nn.Parameter(torch.eye(n))
    with torch.no_grad():
        reader.query.weight[:names, names : 2 * names] = 100 * torch.eye(names)
    itself, to_wanted, from_wanted = lab.where(reader, WANTS.tokens, WANTS.wanted)
    assert (round(itself, 3), round(to_wanted, 3), round(from_wanted, 3)) == (0, 1, 0)


def test_a_shared_projection_is_one_in_a_stack_too() -> None:
    heads = [lab.Head(TASK, 16, lab.ARMS["query_key"], Generator().manual_seed(s)) for s in (1, 2)]
    alone = [ModelStack([single]).losses(WANTS[:2]) for single in heads]
    torch.testing.assert_close(ModelStack(heads).losses(WANTS[:2]), torch.cat(alone))
