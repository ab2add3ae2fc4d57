from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
import torch

from labs.tasks.entropy import bigram_entropy, unigram_entropy


def test_of_a_small_text_counted_by_hand() -> None:
    """ "abab…" is certain after its first token; one fair coin is worth ln 2."""
    tokens = torch.tensor([0, 1] * 50)
    assert unigram_entropy(tokens) == pytest.approx(math.log(2))
    assert bigram_entropy(tokens) == pytest.approx(0.0, abs=1e-9)


def test_equals_an_independent_count() -> None:
    tokens = torch.randint(6, (500,), generator=torch.Generator().manual_seed(0)).square()
    values = tokens.tolist()
    shares = [n / len(values) for n in Counter(values).values()]
    assert unigram_entropy(tokens) == pytest.approx(-sum(p * math.log(p) for p in shares))
    pairs = Counter(pairwise(values))
    before = Counter(values[:-1])
    loss = -sum(n * math.log(n / before[a]) for (a, _), n in pairs.items()) / (len(values) - 1)
    assert bigram_entropy(tokens) == pytest.approx(loss)
