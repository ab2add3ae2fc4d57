from __future__ import annotations

from contextlib import ExitStack

import torch

from labs.bert.boundaries import ARMS, ORDINARY, Judge, draw
from labs.kit.budget import generator
from labs.tasks.two_parts import VOCAB_SIZE, Inputs, TwoParts
from labs.transformer import TransformerConfig
from labs.transformer.interventions import skipped
from labs.transformer.model import Block

TASK = TwoParts(9)
CONFIG = TransformerConfig(
    vocab_size=VOCAB_SIZE, seq_len=TASK.seq_len, d_model=16, d_ff=16, kind="encoder"
)


def logits(arm: str, inputs: Inputs) -> torch.Tensor:
    found: torch.Tensor = Judge(ARMS[arm], CONFIG, generator(0, "weights"))(*inputs[:3])
    return found.detach()


def test_an_arm_sees_the_marks_that_its_name_says() -> None:
    inputs = draw(TASK, 6, seed=0)
    unseparated = inputs._replace(separated=inputs.unmarked)
    unsegmented = inputs._replace(segments=torch.zeros_like(inputs.segments))

    for arm, of in ARMS.items():
        seen = logits(arm, inputs)
        assert torch.equal(seen, logits(arm, unseparated)) is not of.separator
        assert torch.equal(seen, logits(arm, unsegmented)) is not of.segments


def test_arms_start_from_the_same_weights() -> None:
    judges = [Judge(arm, CONFIG, generator(0, "weights")) for arm in ARMS.values()]
    first = torch.nn.utils.parameters_to_vector(judges[0].parameters())
    for judge in judges[1:]:
        assert torch.equal(first, torch.nn.utils.parameters_to_vector(judge.parameters()))


def test_without_positions_the_order_of_the_tokens_does_not_matter() -> None:
    inputs = draw(TASK, 6, seed=0)
    order = torch.tensor([0, 5, 3, 1, 9, 7, 2, 8, 4, 6])  # [CLS] stays in front
    unmarked, separated, segments = (part[:, order] for part in inputs[:3])
    moved = Inputs(unmarked, separated, segments, inputs.answers)

    for arm in ("sep", "sep_set", "segments_set"):
        same = torch.allclose(logits(arm, inputs), logits(arm, moved), atol=1e-5)
        assert same is not ARMS[arm].places


def test_the_answer_is_read_where_the_arm_says() -> None:
    inputs = draw(TASK, 6, seed=0)
    last, fourth = (inputs.separated.clone() for _ in range(2))
    last[:, -1] = (last[:, -1] + 1) % VOCAB_SIZE
    fourth[:, ORDINARY] = (fourth[:, ORDINARY] + 1) % VOCAB_SIZE

    for arm in ("sep", "ordinary"):
        judge = Judge(ARMS[arm], CONFIG, generator(0, "weights"))
        with ExitStack() as cut:
            for block in judge.stack.blocks:  # now no token knows of any other
                assert isinstance(block, Block)
                cut.enter_context(skipped(block, "attention"))
            plain, other, own = (
                judge(inputs.unmarked, tokens, inputs.segments)
                for tokens in (inputs.separated, last, fourth)
            )
        assert torch.equal(plain, other)
        assert torch.equal(plain, own) is (arm == "sep")
