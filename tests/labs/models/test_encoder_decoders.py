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
from labs.models.translator import load_translator
from labs.transformer import EncoderDecoder
from tests.labs.models.files import piece

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


def test_a_t5_writes_with_the_pieces_beside_it(tmp_path: Path) -> None:
    """What it writes is what theirs writes; ids without a piece are not part of the text."""
    write(tmp_path, "t5", {})
    letters = [(f"▁{letter}", -float(i + 3), 1) for i, letter in enumerate("abcdefgh")]
    pieces = [("<pad>", 0.0, 3), ("</s>", 0.0, 3), ("<unk>", 0.0, 2), *letters]
    (tmp_path / "spiece.model").write_bytes(b"".join(piece(*fields) for fields in pieces))
    translator = load_translator(str(tmp_path))
    source, visible = translator.encode(["a b c", "h"])
    assert source.tolist() == [[3, 4, 5, 1], [10, 1, 1, 1]]
    assert visible.sum(dim=1).tolist() == [4, 2]
    theirs = transformers.T5ForConditionalGeneration.from_pretrained(tmp_path).eval()
    written = theirs.generate(
        input_ids=source, attention_mask=visible.long(), max_new_tokens=10, do_sample=False
    )
    texts = [
        "".join(pieces[i][0] for i in row if 2 < i < len(pieces)).replace("▁", " ").strip()
        for row in written.tolist()
    ]
    assert translator.translate(["a b c", "h"]) == texts
    assert translator.alignment("a b c", "d e").target == ["d", "e", "</s>"]


def test_a_bart_writes_with_the_tokens_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "bart", {"decoder_start_token_id": 2, "bos_token_id": 0, "eos_token_id": 2})
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    vocabulary |= {letter: i for i, letter in enumerate("abcdefghĠ", start=4)}
    special = [{"id": i, "content": token} for token, i in vocabulary.items() if i < 4]
    model = {"type": "BPE", "vocab": vocabulary, "merges": []}
    fields = {"model": model, "added_tokens": special, "pre_tokenizer": {"type": "ByteLevel"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(fields))
    translator = load_translator(str(tmp_path))
    source, _ = translator.encode(["ab", "h"])
    assert source.tolist() == [[0, 4, 5, 2], [0, 11, 2, 2]]
    pairs = translator.pairs(["ab"], ["hg"])
    assert pairs.target.tolist() == [[2, 0, 11, 10]]
    assert pairs.expected.tolist() == [[0, 11, 10, 2]]
    theirs = transformers.BartForConditionalGeneration.from_pretrained(tmp_path).eval()
    known = {"input_ids": pairs.source, "decoder_input_ids": pairs.target}
    expected = theirs(**known, labels=pairs.expected).loss
    torch.testing.assert_close(translator.losses(pairs).mean(), expected.detach())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"decoder_start_token_id": 50}, "names the id 50, of 50"),
        ({"decoder_start_token_id": "0"}, "decoder_start_token_id is '0'"),
        ({"vocab_size": 3}, "larger|shape"),
    ],
)
def test_a_beginning_that_is_no_id_is_refused(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    write(tmp_path, "t5", change)
    (tmp_path / "spiece.model").write_bytes(piece("</s>", 0.0, 3) + piece("<unk>", 0.0, 2))
    with pytest.raises(ModelError, match=says):
        load_translator(str(tmp_path))
