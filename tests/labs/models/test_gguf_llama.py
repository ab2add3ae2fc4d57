"""Whole models in GGUF files that are written here: what is built, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from labs.models import ModelError, load_language_model
from labs.models.byte_pair import byte_alphabet
from labs.models.filling import LONGEST_TEXT
from labs.models.gguf_file import GgufFile
from labs.models.gguf_llama import build_llama, half_split
from labs.models.packed import PackedLinear
from labs.transformer.generation import generate
from tests.labs.models.files import fact, row, write_gguf

D_MODEL, N_HEADS, N_KV_HEADS, D_FF, N_LAYERS = 64, 4, 2, 96, 2
TOKENS = ["<|endoftext|>", *byte_alphabet(), "ab"]
FACTS: dict[str, Any] = {
    "general.architecture": "llama",
    "llama.context_length": 50,
    "llama.embedding_length": D_MODEL,
    "llama.block_count": N_LAYERS,
    "llama.attention.head_count": N_HEADS,
    "llama.attention.head_count_kv": N_KV_HEADS,
    "llama.feed_forward_length": D_FF,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.token_type": [3, *[1] * (len(TOKENS) - 1)],
    "tokenizer.ggml.merges": ["a b"],
}
SHAPES: dict[str, tuple[int, ...]] = {
    "token_embd.weight": (len(TOKENS), D_MODEL),
    "output_norm.weight": (D_MODEL,),
}
for layer in range(N_LAYERS):
    for part, shape in {
        "attn_norm": (D_MODEL,),
        "attn_q": (D_MODEL, D_MODEL),
        "attn_k": (D_MODEL // 2, D_MODEL),
        "attn_v": (D_MODEL // 2, D_MODEL),
        "attn_output": (D_MODEL, D_MODEL),
        "ffn_norm": (D_MODEL,),
        "ffn_gate": (D_FF, D_MODEL),
        "ffn_up": (D_FF, D_MODEL),
        "ffn_down": (D_MODEL, D_FF),
    }.items():
        SHAPES[f"blk.{layer}.{part}.weight"] = shape


def write(
    path: Path, facts: dict[str, Any] | None = None, shapes: dict[str, Any] | None = None
) -> Path:
    """A random model, its matrices in Q4_1 or as `shapes` says; None leaves something out."""
    generator = Generator().manual_seed(1)
    rows, data = [], b""
    for name, shape in {**SHAPES, **(shapes or {})}.items():
        if shape is None:
            continue
        numbers = torch.Size(shape).numel()
        if len(shape) == 1 or shape[-1] % 32:
            rows.append(row(name, shape, len(data)))
            data += struct.pack(f"<{numbers}f", *torch.randn(numbers, generator=generator).tolist())
        else:
            rows.append(row(name, shape, len(data), kind=3))
            halves = torch.randint(0, 256, (numbers // 32, 16), generator=generator).tolist()
            data += b"".join(struct.pack("<2e16B", 0.02, -0.15, *block) for block in halves)
        data += bytes(-len(data) % 32)
    kept = {**FACTS, **(facts or {})}
    return write_gguf(path, [fact(k, v) for k, v in kept.items() if v is not None], rows, data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "tiny.gguf")


def test_a_file_gives_a_model_and_its_tokenizer(path: Path) -> None:
    loaded = load_language_model(str(path))
    assert loaded.begin == 0
    assert loaded.tokenizer.pieces(loaded.tokenizer.encode("ab 12")) == ["ab", "·", "1", "2"]
    tokens = torch.tensor([loaded.tokenizer.encode("ab 12")])
    assert loaded.model(tokens).shape == (1, 4, len(TOKENS))
    assert loaded.model.config.kv_heads == N_KV_HEADS
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())


def test_packed_it_gives_the_same_numbers(path: Path) -> None:
    file = GgufFile(path)
    whole, packed = build_llama(file), build_llama(file, packed=True)
    tokens = torch.randint(0, len(TOKENS), (3, 7), generator=Generator().manual_seed(0))
    assert torch.equal(whole(tokens), packed(tokens))
    assert torch.equal(generate(whole, tokens, 5), generate(packed, tokens, 5))
    assert sum(parameter.numel() for parameter in packed.parameters()) == 5 * D_MODEL
    name = "blocks.1.feedforward.gate"
    matrix = packed.get_submodule(name)
    assert isinstance(matrix, PackedLinear)
    assert torch.equal(matrix.weight, whole.get_parameter(f"{name}.weight"))


def test_no_tables_are_made_for_as_many_places_as_a_file_may_say(tmp_path: Path) -> None:
    file = GgufFile(write(tmp_path / "long.gguf", {"llama.context_length": LONGEST_TEXT + 1}))
    assert build_llama(file).config.seq_len == LONGEST_TEXT


def test_pairs_that_turn_together_are_half_a_head_apart() -> None:
    """Rows 0 1 2 3 4 5 of a head are the pairs (0, 1), (2, 3), (4, 5)."""
    rows = torch.arange(12.0)[:, None]
    assert half_split(rows, 6).flatten().tolist() == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]


def test_it_is_the_scores_that_tell_how_rows_are_ordered() -> None:
    """Turned as neighbours before, or half a head apart after: the scores are the same."""
    generator = Generator().manual_seed(0)
    query, key = torch.randn(2, 8, 5, generator=generator)
    x = torch.randn(2, 5, generator=generator)
    angles = torch.tensor([0.3, 0.7, 1.1, 1.9])

    def turned(vector: Tensor, place: int, *, neighbours: bool) -> Tensor:
        first, second = (vector[::2], vector[1::2]) if neighbours else vector.chunk(2)
        cos, sin = (place * angles).cos(), (place * angles).sin()
        return torch.cat((first * cos - second * sin, second * cos + first * sin))

    theirs = turned(query @ x[0], 3, neighbours=True) @ turned(key @ x[1], 1, neighbours=True)
    query, key = half_split(query, 8), half_split(key, 8)
    ours = turned(query @ x[0], 3, neighbours=False) @ turned(key @ x[1], 1, neighbours=False)
    assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("facts", "shapes", "says"),
    [
        ({"general.architecture": "mamba"}, {}, "'mamba'; only 'llama' is offered"),
        ({"general.architecture": None}, {}, "general.architecture"),
        ({"llama.block_count": None}, {}, "llama.block_count is None"),
        ({"llama.block_count": "2"}, {}, "llama.block_count is '2'"),
        ({"llama.block_count": 3}, {}, "lacks tensor 'blk.2.attn_norm.weight'"),
        ({"llama.block_count": 1}, {}, "no place"),
        ({"llama.block_count": 0}, {}, "n_layers is 0"),
        ({"llama.block_count": 2_000_000_000}, {}, "lacks tensor"),
        ({"llama.feed_forward_length": 2_000_000_000}, {}, "larger model"),
        ({"llama.feed_forward_length": 64}, {}, "has the shape"),
        ({"llama.attention.head_count": 3}, {}, "d_model is 64 and n_heads is 3"),
        ({"llama.attention.head_count_kv": 4}, {}, "has the shape"),
        ({"llama.attention.head_count": 0}, {}, "n_heads is 0"),
        ({"llama.expert_count": 8}, {}, "expert_count is 8"),
        ({"llama.rope.scaling.type": "yarn"}, {}, "scaling.type is 'yarn'"),
        ({"llama.rope.dimension_count": 8}, {}, "dimension_count is 8"),
        ({}, {"token_embd.weight": None}, "lacks tensor 'token_embd.weight'"),
        ({}, {"token_embd.weight": (D_MODEL,)}, "axes"),
        ({}, {"blk.0.attn_q.weight": (64,)}, "axes"),
        ({}, {"blk.0.attn_q.weight": (64, 63)}, "has the shape"),
        ({}, {"blk.0.attn_k.weight": (31, 64)}, "has the shape"),
        ({}, {"blk.0.attn_q.weight": (4, 16, 64)}, "axes"),
        ({}, {"blk.0.ffn_up.weight": (4, 24, 64)}, "axes"),
        ({}, {"blk.1.ffn_norm.weight": (32,)}, "has the shape"),
        ({}, {"blk.1.ffn_norm.weight": (1, 64)}, "axes"),
        ({}, {"blk.0.extra\x1b\n.weight": (4,)}, r"'blk.0.extra\\x1b\\n.weight'"),
    ],
)
def test_another_model_is_refused_in_one_line(
    facts: dict[str, Any], shapes: dict[str, Any], says: str, *, packed: bool, tmp_path: Path
) -> None:
    file = GgufFile(write(tmp_path / "tiny.gguf", facts, shapes))
    with pytest.raises(ModelError, match=says) as raised:
        build_llama(file, packed=packed)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"tokenizer.ggml.model": "llama"}, "tokenizer is 'llama' with 'smollm'"),
        ({"tokenizer.ggml.pre": "llama-bpe"}, "'gpt2' with 'llama-bpe'"),
        ({"tokenizer.ggml.pre": None}, "tokenizer.ggml.pre is None"),
        ({"tokenizer.ggml.tokens": 7}, "lacks tokenizer.ggml.tokens"),
        ({"tokenizer.ggml.tokens": [1, 2]}, "type for each"),
        ({"tokenizer.ggml.token_type": [3]}, "type for each"),
        ({"tokenizer.ggml.merges": None}, "lacks tokenizer.ggml.merges"),
        ({"tokenizer.ggml.token_type": [1] * len(TOKENS)}, "starts a text"),
        (
            {"tokenizer.ggml.tokens": TOKENS[:9], "tokenizer.ggml.token_type": [1] * 9},
            "has 9 tokens and embeds 258",
        ),
    ],
)
def test_another_tokenizer_is_refused_in_one_line(
    facts: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=says):
        load_language_model(str(write(tmp_path / "tiny.gguf", facts)))


def test_the_first_token_of_a_text_may_be_another(tmp_path: Path) -> None:
    facts = {"tokenizer.ggml.token_type": [1] * len(TOKENS), "tokenizer.ggml.bos_token_id": 5}
    assert load_language_model(str(write(tmp_path / "tiny.gguf", facts))).begin == 5
