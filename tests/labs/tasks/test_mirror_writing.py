from __future__ import annotations

import torch
from torch import Generator

from labs.tasks.mirror_writing import MirrorWriting


def test_sources_are_written_backwards_with_capitals_for_repeated_letters() -> None:
    task = MirrorWriting(n_letters=7, n_symbols=7)
    source, written, answers = task.draw(50, Generator().manual_seed(0))
    for row in range(50):
        letters = task.spell(source[row])
        expected = [x.upper() if letters.count(x) > 1 else x for x in reversed(letters)]
        assert task.spell(answers[row]) == expected
    assert (written[:, 0] == task.vocab_size - 1).all()
    assert torch.equal(written[:, 1:], answers[:, :-1])


def test_tokens_are_spelt_as_small_letters_then_capitals() -> None:
    assert MirrorWriting(4, 7).spell(torch.tensor([2, 0, 1, 8])) == ["c", "a", "b", "B"]


def test_the_seed_decides_what_is_drawn() -> None:
    task = MirrorWriting(n_letters=5, n_symbols=9)
    first, again, other = (task.draw(8, Generator().manual_seed(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
