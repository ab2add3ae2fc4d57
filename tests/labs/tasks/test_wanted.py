from __future__ import annotations

import torch
from torch import Generator

from labs.tasks.wanted import WantedTask
from labs.transformer.train import UNCOUNTED


def test_answers_are_the_values_of_the_tokens_wanted() -> None:
    task = WantedTask(n_names=9, n_values=4, n_tokens=6)
    tokens, answers, wanted = task.draw(32, Generator().manual_seed(0))
    names, wants, values = tokens.unbind(dim=-1)
    assert torch.equal(names.gather(1, wanted), wants - task.n_names)
    assert torch.equal(values.gather(1, wanted) - 2 * task.n_names, answers)
    assert all(len(set(row)) == 6 for row in names.tolist())


def test_in_a_ring_nobody_wants_itself_or_who_wants_it_and_all_are_wanted() -> None:
    task = WantedTask(n_names=6, n_values=4, n_tokens=6)
    wanted = task.draw(64, Generator().manual_seed(0)).wanted
    places = torch.arange(6).expand_as(wanted)
    assert (wanted != places).all()
    assert (wanted.gather(1, wanted) != places).all()
    assert torch.equal(wanted.sort(dim=1).values, places)


def test_earlier_tokens_are_wanted_and_the_first_is_not_asked() -> None:
    task = WantedTask(n_names=6, n_values=4, n_tokens=6, direction="earlier")
    _, answers, wanted = task.draw(64, Generator().manual_seed(0))
    assert (wanted[:, 1:] < torch.arange(1, 6)).all()
    assert (answers[:, 0] == UNCOUNTED).all()
    assert (answers[:, 1:] >= 0).all()
