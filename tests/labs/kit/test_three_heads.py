from __future__ import annotations

import pytest
import torch

from labs.kit.budget import generator
from labs.kit.three_heads import Examples, Heads, examples, right
from labs.models import SentenceEncoder
from labs.models.word_piece import SPECIAL, WordPieceTokenizer
from labs.tasks.who_did_what import Deed
from labs.transformer import TransformerConfig
from labs.transformer.init import initialise
from labs.transformer.model import Stack
from labs.transformer.train import UNCOUNTED

WORDS = ["the", "king", "nurse", "helped", "robbed", ".", "today"]
PIECES = WordPieceTokenizer([*SPECIAL, *WORDS])
CONFIG = TransformerConfig(vocab_size=12, seq_len=10, d_model=16, d_ff=16, kind="encoder")
STACK = Stack(CONFIG).requires_grad_(False)
initialise(STACK, CONFIG.init, generator(0, "weights"))
ENCODER = SentenceEncoder("toy", STACK, PIECES, PIECES.cls, PIECES.sep, PIECES.pad)
DEEDS = [
    Deed(("the", "king", "helped", "the", "nurse", "."), 1, 4, True),
    Deed(("today", "the", "nurse", "robbed", "the", "king", "."), 2, 5, False),
]


def build() -> Examples:
    return examples(ENCODER, DEEDS)


def test_places_of_words_become_places_of_tokens() -> None:
    given = build()
    words = [ENCODER.tokenizer.pieces(row) for row in given.tokens.tolist()]
    for row, (agent, patient) in enumerate((("king", "nurse"), ("nurse", "king"))):
        tags = given.tags[row].tolist()
        assert words[row][tags.index(1)] == agent
        assert words[row][tags.index(2)] == patient
        assert words[row][int(given.last[row]) - 1 : int(given.last[row]) + 1] == ["the", agent]
    assert given.kind.tolist() == [1, 0]
    assert torch.equal(given.tags == UNCOUNTED, ~given.visible)


class KnowsAll(Heads):
    """Heads that answer as they are told."""

    answers: tuple[torch.Tensor, torch.Tensor, torch.Tensor]

    def forward(
        self, vectors: torch.Tensor, visible: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.answers


def right_answers(given: Examples) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits that leave no doubt about any of the tasks."""
    row = torch.arange(len(given.kind))
    pointers = torch.zeros(*given.tags.shape, 2)
    pointers[row, given.last - 1, 0] = pointers[row, given.last, 1] = 1
    tags = torch.nn.functional.one_hot(given.tags.clamp(min=0), 3)
    return 50 * torch.eye(2)[given.kind], 50 * tags.float(), 50 * pointers


def test_every_task_has_its_part_in_the_loss() -> None:
    given = build()
    heads = KnowsAll(4, generator(0, "weights"))
    kinds, tags, pointers = heads.answers = right_answers(given)
    assert float(heads.loss(torch.zeros(1), given)) == pytest.approx(0, abs=1e-6)

    first_wrong, last_wrong = pointers.clone(), pointers.clone()
    first_wrong[0, :, 0] = pointers[0, :, 0].roll(1)
    last_wrong[0, :, 1] = pointers[0, :, 1].roll(1)
    for wrong in (
        (kinds.flip(1), tags, pointers),
        (kinds, tags.roll(1, dims=2), pointers),
        (kinds, tags, first_wrong),
        (kinds, tags, last_wrong),
    ):
        heads.answers = wrong
        assert heads.loss(torch.zeros(1), given) > 1


def test_right_answers_are_counted_task_by_task() -> None:
    given = build()
    heads = KnowsAll(4, generator(0, "weights"))
    kinds = torch.eye(2)[[1, 1]]  # the second is wrong
    tags = torch.nn.functional.one_hot(given.tags.clamp(min=0), 3).float()
    tags[1, int(given.last[1])] = torch.tensor([9.0, 0.0, 1.0])  # one role of four is wrong
    pointers = torch.zeros(*given.tags.shape, 2)
    for row in range(2):
        pointers[row, given.last[row] - 1, 0] = 1
        pointers[row, given.last[row] - row, 1] = 1  # the second one ends too early
    heads.answers = (kinds, tags, pointers)

    shares = right(torch.zeros(1), heads, given)
    assert shares == {"class": 0.5, "tag": pytest.approx(0.75), "span": 0.5}


def test_no_pointer_points_at_padding_and_heads_can_learn() -> None:
    given = build()
    heads = Heads(CONFIG.d_model, generator(0, "weights"))
    vectors = ENCODER.model.embedded(given.tokens, visible=given.visible).detach()
    _, _, pointers = heads(vectors, given.visible)
    assert (pointers[~given.visible] == -torch.inf).all()

    before = heads.loss(vectors, given)
    optimiser = torch.optim.Adam(heads.parameters(), 0.05)
    for _ in range(20):
        optimiser.zero_grad()
        heads.loss(vectors, given).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert heads.loss(vectors, given) < 0.8 * before
