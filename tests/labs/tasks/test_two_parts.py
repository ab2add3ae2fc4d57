from __future__ import annotations

import torch
from torch import Generator

from labs.tasks.two_parts import CLS, MARK, N_WORDS, SEP, SHORTEST, TwoParts


def test_marks_agree_and_the_unmarked_input_has_neither() -> None:
    task = TwoParts(9)
    inputs = task.draw(500, Generator().manual_seed(1))

    assert inputs.unmarked.shape == inputs.separated.shape == (500, task.seq_len)
    assert (inputs.unmarked[:, 0] == CLS).all() and (inputs.unmarked != SEP).all()
    assert ((inputs.unmarked == MARK).sum(dim=1) == 1).all()
    assert ((inputs.separated == SEP).sum(dim=1) == 1).all()
    differ = inputs.unmarked != inputs.separated
    assert torch.equal(differ, inputs.separated == SEP)
    assert (inputs.unmarked[differ] < N_WORDS).all()

    boundary = (inputs.separated == SEP).int().argmax(dim=1)
    marked = (inputs.separated == MARK).int().argmax(dim=1)
    assert torch.equal(inputs.answers, (marked > boundary).long())
    assert torch.equal(inputs.segments, (torch.arange(10) > boundary[:, None]).long())
    assert int(boundary.min()) == 1 + SHORTEST and int(boundary.max()) == 9 - SHORTEST


def test_nobody_beats_the_best_share_without_marks() -> None:
    task = TwoParts(9)
    inputs = task.draw(40_000, Generator().manual_seed(2))
    marked = (inputs.unmarked == MARK).int().argmax(dim=1)

    right = 0
    for place in range(1, 10):
        answers = inputs.answers[marked == place]
        right += max(int(answers.sum()), len(answers) - int(answers.sum()))

    assert abs(right / 40_000 - task.best_unmarked) < 0.01
