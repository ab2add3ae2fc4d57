"""Attention written out, by PyTorch's fused kernels and by the course's own: one result."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor, nn

from labs.machine.fresh_process import run_fresh
from labs.transformer import EncoderDecoder, Transformer, TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.config import AttentionBackend
from labs.transformer.probes import attention_weights
from labs.transformer.train import ModelStack

DECODER = TransformerConfig(vocab_size=11, seq_len=19, d_model=48, n_layers=1, n_heads=2, d_ff=20)
PAIR = replace(DECODER, kind="encoder-decoder")
WITHOUT_BIAS = {
    "decoder": DECODER,
    "rotary": replace(DECODER, positions="rope"),
    "encoder": replace(DECODER, kind="encoder"),
    "encoder-decoder": PAIR,
}
BIASED = {
    "biased decoder": replace(DECODER, positions="alibi"),
    "biased encoder": replace(DECODER, kind="encoder", positions="alibi"),
    "biased encoder-decoder": replace(PAIR, positions="alibi"),
}
SOURCE_LEN, SHORT = 23, 7
"""The encoder may read more than the decoder; a sequence may be shorter than the longest."""


def outcome(config: TransformerConfig) -> list[Tensor]:
    """Logits for a long and a short sequence, then the gradient of each parameter."""
    tokens = torch.randint(11, (2, config.seq_len), generator=Generator().manual_seed(1))
    if config.kind == "encoder-decoder":
        model: nn.Module = EncoderDecoder(
            replace(config, seq_len=SOURCE_LEN), Generator().manual_seed(0)
        )
        sources = [torch.randint(11, (2, SOURCE_LEN), generator=Generator().manual_seed(2))]
    else:
        model, sources = Transformer(config, Generator().manual_seed(0)), []
    logits = model(*sources, tokens)
    short = model(*sources, tokens[:, :SHORT])
    loss = logits.square().sum() + short.square().sum()
    return [logits, short, *torch.autograd.grad(loss, list(model.parameters()))]


def outcomes_of_flash() -> list[list[Tensor]]:
    """Of an encoder-decoder, which has attention of all three kinds, and of a stack.

    In a process that was told to interpret the kernel, which is slow.
    """
    outcomes = [tensor.detach() for tensor in outcome(replace(PAIR, attention="flash"))]
    return [outcomes, [stack_gradients(DECODER, "flash")]]


def attention_of(model: Transformer) -> MultiHeadAttention:
    attention = model.blocks[0].attention
    assert isinstance(attention, MultiHeadAttention)
    return attention


def assert_same(actual: list[Tensor], expected: list[Tensor]) -> None:
    for ours, theirs in zip(actual, expected, strict=True):
        # A key's bias moves all scores of a query alike: its gradient is rounding and nothing else.
        scale = max(1.0, float(theirs.detach().abs().max()))
        torch.testing.assert_close(ours, theirs, atol=1e-5 * scale, rtol=1e-5)


@pytest.mark.parametrize("name", [*WITHOUT_BIAS, *BIASED])
def test_sdpa_gives_the_outputs_and_gradients_of_the_reference(name: str) -> None:
    config = (WITHOUT_BIAS | BIASED)[name]
    assert_same(outcome(replace(config, attention="sdpa")), outcome(config))


def test_the_kernel_gives_the_outputs_and_gradients_of_the_reference() -> None:
    pytest.importorskip("triton", reason="Triton exists on Linux only")
    interpreted = {"TRITON_INTERPRET": "1"}
    of_a_pair, of_a_stack = run_fresh(outcomes_of_flash, env=interpreted, timeout_s=120)
    assert_same(of_a_pair, outcome(PAIR))
    assert_same(of_a_stack, [stack_gradients(DECODER, "reference")])


def stack_gradients(config: TransformerConfig, attention: AttentionBackend) -> Tensor:
    """Of two models with different weights, on one batch: (2, n_parameters)."""
    arm = replace(config, attention=attention)
    stack = ModelStack([Transformer(arm, Generator().manual_seed(seed)) for seed in (0, 1)])
    tokens = torch.randint(11, (2, 9), generator=Generator().manual_seed(3))
    return stack.gradients((tokens[:, :-1], tokens[:, 1:]))


def test_a_stack_of_fused_models_gives_each_its_own_gradient() -> None:
    for config in (DECODER, BIASED["biased decoder"]):
        expected = stack_gradients(config, "reference")
        assert (expected.std(dim=0) > 0).float().mean() > 0.5  # the models differ
        assert_same([stack_gradients(config, "sdpa")], [expected])


def test_only_the_reference_has_weights_to_look_at() -> None:
    model = Transformer(replace(DECODER, attention="sdpa"), Generator().manual_seed(0))
    tokens = torch.zeros(1, 4, dtype=torch.long)
    with pytest.raises(ValueError, match="attention is 'sdpa', which keeps no weights: load the"):
        attention_weights(model, attention_of(model), tokens)
    apart = Transformer(DECODER, Generator().manual_seed(1))
    apart.load_state_dict(model.state_dict())
    weights = attention_weights(apart, attention_of(apart), tokens)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(1, 2, 4))


@pytest.mark.parametrize("attention", ["sdpa", "flash"])
def test_a_fused_model_holds_nothing_of_quadratic_size(attention: AttentionBackend) -> None:
    def keeps_mask(config: TransformerConfig) -> bool:
        model = Transformer(config, Generator().manual_seed(0))
        return any(buffer.numel() == config.seq_len**2 for buffer in model.buffers())

    assert keeps_mask(DECODER)
    assert not keeps_mask(replace(DECODER, attention=attention))
