"""T5 and BART out of folders as Hugging Face writes them; tests/labs/transformer/test_parity.py
compares every form with `transformers`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator

from labs.models.checkpoints import read_config
from labs.models.encoder_decoders import build_pair
from labs.models.errors import ModelError
from labs.models.folders import open_weights
from labs.transformer import EncoderDecoder

transformers = pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")
pytestmark = pytest.mark.parity

T5: dict[str, Any] = {
    "vocab_size": 50,
    "d_model": 16,
    "d_kv": 4,
    "d_ff": 20,
    "num_layers": 2,
    "num_heads": 2,
    "feed_forward_proj": "gated-gelu",
    "decoder_start_token_id": 0,
}
BART: dict[str, Any] = {
    "vocab_size": 50,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 20,
    "max_position_embeddings": 20,
}


def write(folder: Path, kind: str, change: dict[str, Any]) -> None:
    """A checkpoint of theirs, whose config.json is changed afterwards; None takes a field out."""
    family, options = {
        "t5": (transformers.T5ForConditionalGeneration, T5),
        "bart": (transformers.BartForConditionalGeneration, BART),
    }[kind]
    family(family.config_class(**options)).save_pretrained(folder)
    fields = {**json.loads((folder / "config.json").read_text()), **change}
    kept = {name: value for name, value in fields.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))


def load(folder: Path) -> EncoderDecoder:
    return build_pair(read_config(folder / "config.json"), open_weights(folder))


@torch.no_grad()
def test_version_1_1_has_an_output_of_its_own(tmp_path: Path) -> None:
    """As google/t5-v1_1 is stored: not tied, and nothing is scaled."""
    write(tmp_path, "t5", {"tie_word_embeddings": False, "scale_decoder_outputs": None})
    weights = tmp_path / "model.safetensors"
    output = torch.randn(50, 16, generator=Generator().manual_seed(0))
    stored = {**safetensors.load_file(weights), "lm_head.weight": output}
    safetensors.save_file(stored, weights, metadata={"format": "pt"})
    theirs = transformers.T5ForConditionalGeneration.from_pretrained(tmp_path).eval()
    tokens = torch.randint(2, 50, (2, 7), generator=Generator().manual_seed(1))
    expected = theirs(input_ids=tokens, decoder_input_ids=tokens).logits
    model = load(tmp_path)
    assert torch.equal(model.decoder.unembed.weight, output)
    difference = (model(tokens, tokens) - expected).abs().max()
    assert difference <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("t5", {"model_type": "mt5"}, "model_type is 'mt5'; offered are t5, bart"),
        ("t5", {"model_type": None}, "model_type is None"),
        ("t5", {"feed_forward_proj": "gated-\x1b"}, r"feed_forward_proj is 'gated-\\x1b'"),
        ("t5", {"feed_forward_proj": "relu"}, "lacks tensor .*wi.weight"),
        ("t5", {"num_layers": 1}, "no place"),
        ("t5", {"num_layers": 3}, "lacks tensor 'encoder.block.2"),
        ("t5", {"num_layers": 2_000_000_000}, "larger model"),
        ("t5", {"num_decoder_layers": 2_000_000_000}, "larger model"),
        ("t5", {"relative_attention_num_buckets": 500}, "n_buckets is 500"),
        ("t5", {"relative_attention_num_buckets": 16}, "has the shape"),
        ("t5", {"d_kv": 8}, "has the shape"),
        ("bart", {"decoder_ffn_dim": 21}, "decoder_ffn_dim is 21; only 20 is offered"),
        ("bart", {"decoder_attention_heads": 4}, "decoder_attention_heads"),
        ("bart", {"scale_embedding": "yes"}, "scale_embedding is 'yes'"),
        ("bart", {"d_model": -16}, "d_model is -16"),
        ("bart", {"normalize_before": True}, "normalize_before"),
        ("bart", {"encoder_layers": 2_000_000_000}, "larger model"),
    ],
)
def test_a_variant_is_refused_in_one_line(
    name: str, change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    write(tmp_path, name, change)
    with pytest.raises(ModelError, match=says) as raised:
        load(tmp_path)
    assert str(raised.value).isprintable()
