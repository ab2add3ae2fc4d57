from __future__ import annotations

import pytest
import torch
from torch import Generator

from labs.tasks.facts import N_ANSWERS, N_NAMES, Facts
from labs.transformer.train import UNCOUNTED


def test_no_question_comes_twice_and_every_answer_comes() -> None:
    facts = Facts(500, "zipf", Generator().manual_seed(0))
    assert len(set(map(tuple, facts.questions.tolist()))) == 500
    assert facts.questions.max() < N_NAMES
    assert set(facts.answers.tolist()) == set(range(N_ANSWERS))


def test_zipf_facts_are_met_by_rank_and_uniform_ones_alike() -> None:
    zipf, uniform = (Facts(100, f, Generator().manual_seed(0)) for f in ("zipf", "uniform"))
    assert float(zipf.frequencies.sum()) == pytest.approx(1)
    assert float(zipf.frequencies[0] / zipf.frequencies[1]) == pytest.approx(2**1.2)
    assert uniform.frequencies.tolist() == pytest.approx([0.01] * 100)


def test_batches_ask_for_the_answer_after_the_relation() -> None:
    facts = Facts(100, "zipf", Generator().manual_seed(0))
    questions, targets = next(facts.batches(64, Generator().manual_seed(1)))
    assert (targets[:, 0] == UNCOUNTED).all()
    known = {tuple(q): a for q, a in zip(facts.questions.tolist(), facts.answers, strict=True)}
    assert [known[tuple(q)] for q in questions.tolist()] == targets[:, 1].tolist()
    most_frequent = (questions == facts.questions[0]).all(dim=1)
    assert int(most_frequent.sum()) > 5  # a hundredth of uniform facts would be under one


def test_there_are_no_more_facts_than_pairs_of_names() -> None:
    with pytest.raises(ValueError, match="there are 4096 pairs of names"):
        Facts(4097, "uniform", Generator())
    assert torch.unique(Facts(4096, "uniform", Generator()).questions, dim=0).shape == (4096, 2)
