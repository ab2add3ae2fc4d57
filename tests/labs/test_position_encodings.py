from __future__ import annotations

import pytest
import torch
from torch.nn.functional import one_hot

from labs.kit.budget import generator
from labs.patterns import position_encodings
from labs.patterns.position_encodings import (
    KINDS,
    SEQ_LEN,
    VOCAB_SIZE,
    drawn,
    reordered,
    right_share,
    windows,
)
from labs.transformer.train import UNCOUNTED
from studykit.lab.events import Measurement


@pytest.mark.parametrize("offset", [1, 3])
def test_each_token_is_asked_for_the_one_so_many_places_before(offset: int) -> None:
    tokens, targets = drawn(5, SEQ_LEN, offset, generator(0, "probe"), "cpu")

    assert targets[:, offset:].equal(tokens[:, :-offset])
    assert (targets[:, :offset] == UNCOUNTED).all()


def test_a_stretch_is_asked_for_its_end() -> None:
    tokens, targets = drawn(3, 4 * SEQ_LEN, 1, generator(0, "probe"), "cpu")

    stretches, ends = windows((tokens, targets))

    assert stretches.shape == ends.shape == (3 * 2 * SEQ_LEN, SEQ_LEN)
    assert (ends[:, :-1] == UNCOUNTED).all()
    assert ends[:, -1].equal(stretches[:, -2])
    assert ends[: 2 * SEQ_LEN, -1].equal(targets[0, 2 * SEQ_LEN :])


def test_right_answers_are_counted_in_the_second_half() -> None:
    tokens, targets = drawn(5, SEQ_LEN, 1, generator(0, "probe"), "cpu")
    answers = targets.clamp(min=0)

    def right_from(place: int) -> float:
        """The share of a model that is right from a place on and nowhere before."""
        late = torch.arange(SEQ_LEN) >= place
        answered = torch.where(late, answers, (answers + 1) % VOCAB_SIZE)
        logits = one_hot(answered, VOCAB_SIZE).float()
        return right_share(lambda tokens: logits, (tokens, targets))  # type: ignore[arg-type]

    assert right_from(SEQ_LEN // 2) == 1
    assert right_from(SEQ_LEN // 2 + 2) == 0.75


def test_only_the_encoder_takes_its_tokens_as_a_bag() -> None:
    changed = {e.name: e.value for e in reordered(0) if isinstance(e, Measurement)}

    assert changed["bag_encoder"] < 1e-9
    assert changed["bag_decoder"] > 0.01


def test_turned_queries_and_keys_know_distances_only() -> None:
    """A short training is enough to see what an added table and a rotation do elsewhere."""
    run = position_encodings.run(offset=1, seed=0, device="cpu", budget=0.1)
    measured = {event.name: event.value for event in run if isinstance(event, Measurement)}

    assert measured["changed_rope"] < 1e-3 < 0.1 < measured["changed_learned"]
    assert measured["shifted_rope"] == measured["right_rope_1"]
    assert {f"right_{kind}_4" for kind in KINDS} <= set(measured)
    assert torch.get_num_threads() == 1
