from __future__ import annotations

import torch

from labs.bert.masking import SEQ_LEN, VOCAB_SIZE, MaskedCorpus

SEQUENCES = torch.randint(VOCAB_SIZE, (40, SEQ_LEN), generator=torch.Generator().manual_seed(0))


def masks(n_masks: int, n_epochs: int) -> list[torch.Tensor]:
    epochs = MaskedCorpus(SEQUENCES, n_masks, seed=0).epochs()
    return [next(epochs)[0] == VOCAB_SIZE for _ in range(n_epochs)]


def test_masks_come_again_after_as_many_epochs_as_there_are_masks() -> None:
    for n_masks in (1, 3):
        seen = masks(n_masks, 7)
        for number, mask in enumerate(seen):
            assert torch.equal(mask, seen[number % n_masks])
        assert not any(torch.equal(seen[0], other) for other in seen[1:n_masks])
    new = masks(0, 7)
    assert not any(torch.equal(new[0], other) for other in new[1:])


def test_an_epoch_has_every_sequence_once() -> None:
    batches = MaskedCorpus(SEQUENCES, 1, seed=0).batches(16)
    epoch = [next(batches) for _ in range(3)]
    inputs, targets = (torch.cat([batch[part] for batch in epoch]) for part in (0, 1))

    whole = torch.where(inputs == VOCAB_SIZE, targets, inputs)
    assert sorted(whole.tolist()) == sorted(SEQUENCES.tolist())
