from __future__ import annotations

import torch
from torch import Generator

from labs.tasks.four_places import FIRST_ASKED, N_PLACES, OFFSETS, VOCAB_SIZE, FourPlaces, Places


def draw(places: Places, seed: int = 0) -> tuple[torch.Tensor, ...]:
    return FourPlaces(places, seq_len=20).draw(200, Generator().manual_seed(seed))


def test_offsets_ask_for_the_bits_that_stand_so_far_back() -> None:
    tokens, targets, sources = draw("offsets")
    assert set(tokens.flatten().tolist()) == {0, 1}
    for place, offset in enumerate(OFFSETS):
        assert torch.equal(targets[:, offset:, place], tokens[:, :-offset])
        assert (sources[:, FIRST_ASKED:, place] == torch.arange(FIRST_ASKED, 20) - offset).all()


def test_marks_ask_for_the_bits_of_the_marked_tokens() -> None:
    tokens, targets, sources = draw("marks")
    bits, marks = tokens % 2, tokens // 2
    for place in range(N_PLACES):
        assert ((marks == place + 1).sum(dim=1) == 1).all()
        marked = (bits * (marks == place + 1)).sum(dim=1)
        assert (targets[:, :, place] == marked[:, None]).all()
        assert (marks.gather(1, sources[:, :, place]) == place + 1).all()
    assert int((marks > 0).nonzero()[:, 1].max()) == FIRST_ASKED - 1
    assert int(tokens.max()) == VOCAB_SIZE - 1


def test_every_bit_is_a_fair_coin() -> None:
    for places in FourPlaces("offsets", 20), FourPlaces("marks", 20):
        _, targets, _ = places.draw(4_000, Generator().manual_seed(0))
        shares = targets[:, FIRST_ASKED].float().mean(dim=0)
        assert float((shares - 0.5).abs().max()) < 0.04


def test_the_generator_decides_the_rows() -> None:
    assert torch.equal(draw("marks")[0], draw("marks")[0])
    assert not torch.equal(draw("marks")[0], draw("marks", seed=1)[0])


def test_each_place_has_a_name() -> None:
    assert FourPlaces("offsets", 20).names == ("1 back", "4 back", "9 back", "14 back")
    assert FourPlaces("marks", 20).names == ("▲", "●", "■", "◆")
