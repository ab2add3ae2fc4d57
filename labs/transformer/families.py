"""The families of transformers, each as a configuration of the one model.

What distinguishes them are a few switches; the sizes are those of a well-known member. Print one
with ``python -m labs.transformer.families llama``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from labs.transformer.config import TransformerConfig
from labs.transformer.diagram import diagram


@dataclass(frozen=True, slots=True)
class Family:
    """A family by one of its members."""

    member: str
    """The model whose sizes these are."""
    paper: str
    config: TransformerConfig


FAMILIES = {
    "transformer": Family(
        "Transformer base",
        "Vaswani et al. 2017",
        TransformerConfig(
            vocab_size=37_000,
            seq_len=1024,
            d_model=512,
            n_layers=6,
            n_heads=8,
            d_ff=2048,
            kind="encoder-decoder",
            norm="post",
            positions="sinusoidal",
            embedding_scale=512**0.5,
            source_embedding="tied",
            unembedding="tied",
            unembedding_bias="off",
        ),
    ),
    "bert": Family(
        "BERT base, uncased",
        "Devlin et al. 2019",
        TransformerConfig(
            vocab_size=30_522,
            seq_len=512,
            d_model=768,
            n_layers=12,
            n_heads=12,
            d_ff=3072,
            kind="encoder",
            norm="post",
            norm_eps=1e-12,
            activation="gelu",
            n_segments=2,
            embedding_norm="on",
            unembedding="tied",
            output_transform="on",
        ),
    ),
    "roberta": Family(
        "RoBERTa base",
        "Liu et al. 2019",
        TransformerConfig(
            vocab_size=50_265,
            seq_len=512,
            d_model=768,
            n_layers=12,
            n_heads=12,
            d_ff=3072,
            kind="encoder",
            norm="post",
            activation="gelu",
            n_segments=1,
            embedding_norm="on",
            unembedding="tied",
            output_transform="on",
        ),
    ),
    "gpt2": Family(
        "GPT-2 small",
        "Radford et al. 2019",
        TransformerConfig(
            vocab_size=50_257,
            seq_len=1024,
            d_model=768,
            n_layers=12,
            n_heads=12,
            d_ff=3072,
            activation="gelu_tanh",
            unembedding="tied",
            unembedding_bias="off",
        ),
    ),
    "llama": Family(
        "LLaMA 7B",
        "Touvron et al. 2023",
        TransformerConfig(
            vocab_size=32_000,
            seq_len=2048,
            d_model=4096,
            n_layers=32,
            n_heads=32,
            d_ff=11_008,
            norm_kind="rmsnorm",
            norm_eps=1e-6,
            biases="off",
            positions="rope",
            feedforward="gated",
            activation="silu",
            unembedding_bias="off",
        ),
    ),
    "t5": Family(
        "T5 base",
        "Raffel et al. 2020",
        TransformerConfig(
            vocab_size=32_128,
            seq_len=512,
            d_model=768,
            n_layers=12,
            n_heads=12,
            d_ff=3072,
            kind="encoder-decoder",
            norm_kind="rmsnorm",
            norm_eps=1e-6,
            biases="off",
            positions="buckets",
            source_embedding="tied",
            unembedding="tied",
            unembedding_bias="off",
        ),
    ),
    "bart": Family(
        "BART base",
        "Lewis et al. 2020",
        TransformerConfig(
            vocab_size=50_265,
            seq_len=1024,
            d_model=768,
            n_layers=6,
            n_heads=12,
            d_ff=3072,
            kind="encoder-decoder",
            norm="post",
            activation="gelu",
            embedding_norm="on",
            source_embedding="tied",
            unembedding="tied",
        ),
    ),
}


def main(arguments: list[str]) -> int:
    """Print the diagram of a family, or the families there are."""
    if len(arguments) == 1 and arguments[0] in FAMILIES:
        family = FAMILIES[arguments[0]]
        print(f"{family.member} ({family.paper})\n")
        print(diagram(family.config))
        return 0
    for name, family in FAMILIES.items():
        print(f"{name:<13}{family.member} ({family.paper})")
    if arguments:
        print(f"no family {' '.join(arguments)!r}: give one of these", file=sys.stderr)
    return 1 if arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
