"""Folders with everything a checkpoint has, loaded as a lab loads them by ``--model``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from labs.models import ModelError, load_encoder, load_language_model
from labs.transformer.generation import generate
from tests.labs.models.test_checkpoints import ENCODER, GPT2, LLAMA, write
from tests.labs.models.test_tokenizer_files import byte_pairs, hf, word_pieces

pytestmark = pytest.mark.parity

SENTENCES = ["Return the name.", "A longer sentence, of two parts."]


def check_sentences(folder: Path, reference: Any, begin: str, end: str) -> None:
    encoder = load_encoder(str(folder))
    tokens, visible = encoder.batch(SENTENCES)
    words = encoder.tokenizer.pieces(tokens[1].tolist())
    assert (words[0], words[-1]) == (begin, end)
    with torch.no_grad():
        theirs = reference(tokens, attention_mask=visible.long())[0]
        ours = encoder.model(tokens, visible=visible)
    assert (ours - theirs)[visible].abs().max() <= 1e-5 * theirs.abs().max()
    assert torch.allclose(encoder.embed(SENTENCES).norm(dim=1), torch.ones(2))


def test_a_bert(tmp_path: Path) -> None:
    options = {**ENCODER, "vocab_size": 900, "max_position_embeddings": 40, "pad_token_id": 0}
    reference = write(tmp_path, "BertModel", options)
    word_pieces(lowercase=True).save(str(tmp_path / "tokenizer.json"))
    check_sentences(tmp_path, reference, "[CLS]", "[SEP]")


def test_a_roberta_that_fills_in_words(tmp_path: Path) -> None:
    options = {**ENCODER, "vocab_size": 700, "max_position_embeddings": 42}
    reference = write(tmp_path, "RobertaForMaskedLM", options)
    special = ["<s>", "<pad>", "</s>", "<unk>", hf.AddedToken("<mask>", lstrip=True)]
    byte_pairs(special=special).save(str(tmp_path / "tokenizer.json"))
    check_sentences(tmp_path, reference.roberta, "<s>", "</s>")


@pytest.mark.parametrize(
    ("kind", "options"), [("GPT2LMHeadModel", GPT2), ("LlamaForCausalLM", LLAMA)]
)
def test_a_model_that_writes(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    reference = write(tmp_path, kind, {**options, "vocab_size": 704})  # rows to spare
    byte_pairs(special=["<|endoftext|>"]).save(str(tmp_path / "tokenizer.json"))
    loaded = load_language_model(str(tmp_path))
    assert loaded.tokenizer.tokens[loaded.begin] == "<|endoftext|>"
    prompt = torch.tensor([[loaded.begin, *loaded.tokenizer.encode("Return the")[:5]]])
    reference.generation_config.eos_token_id = None
    theirs = reference.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=8,
        do_sample=False,
        pad_token_id=0,
    )
    written = generate(loaded.model, prompt, 8)
    assert written.tolist() == theirs[:, prompt.shape[1] :].tolist()
    assert isinstance(loaded.tokenizer.decode(written[0].tolist()), str)


def test_without_a_tokenizer_the_missing_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, "GPT2LMHeadModel", GPT2)
    with pytest.raises(ModelError, match=r"tokenizer\.json: cannot be read"):
        load_language_model(str(tmp_path))


def test_a_folder_whose_weights_are_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    (tmp_path / "pytorch_model.bin").write_bytes(b"code")
    with pytest.raises(ModelError, match=r"holds no model\.safetensors.*can run code"):
        load_language_model(str(tmp_path))
