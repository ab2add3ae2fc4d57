"""Folders as Hugging Face writes them, read by us and by `transformers`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from labs.models.checkpoints import build, read_config
from labs.models.errors import ModelError
from labs.models.filling import LONGEST_TEXT
from labs.models.folders import open_weights
from labs.transformer import Transformer
from labs.transformer.model import Stack

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity

ENCODER = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 20,
    "pad_token_id": 1,
}
LLAMA = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
}
GPT2 = {"vocab_size": 50, "n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 20}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertModel", ENCODER),
    "bert-fills-in": ("BertForMaskedLM", {**ENCODER, "hidden_act": "relu"}),
    "roberta": ("RobertaModel", {**ENCODER, "type_vocab_size": 1}),
    "roberta-fills-in": ("RobertaForMaskedLM", {**ENCODER, "layer_norm_eps": 1e-3}),
    "gpt2": ("GPT2LMHeadModel", GPT2),
    "gpt2-wide": ("GPT2LMHeadModel", {**GPT2, "n_inner": 30, "activation_function": "gelu"}),
    "llama": ("LlamaForCausalLM", LLAMA),
    "llama-grouped": ("LlamaForCausalLM", {**LLAMA, "num_key_value_heads": 2, "head_dim": 8}),
    "llama-tied": (
        "LlamaForCausalLM",
        {
            **LLAMA,
            "num_key_value_heads": 1,
            "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
        },
    ),
    "qwen2": ("Qwen2ForCausalLM", {**LLAMA, "num_key_value_heads": 2, "tie_word_embeddings": True}),
}  # fmt: skip


def write(folder: Path, kind: str, options: dict[str, Any], **saving: Any) -> Any:
    """A random model of theirs, in which no parameter is 0 or 1, also written to the folder."""
    family = getattr(transformers, kind)
    model = family(family.config_class(**options)).eval()
    generator = Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            gain = 1.0 if "norm" in name.lower() or "ln_" in name else 0.0
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(gain + 0.3 * noise)
    model.save_pretrained(folder, **saving)
    return model


def load(folder: Path, **options: Any) -> Stack:
    return build(read_config(folder / "config.json"), open_weights(folder), **options)


def tokens(*, pad: int = 1) -> tuple[Tensor, Tensor]:
    """A batch whose last row is padded on the right, and where it is not."""
    batch = torch.randint(2, 50, (3, 9), generator=Generator().manual_seed(0))
    visible = torch.ones(3, 9, dtype=torch.bool)
    visible[2, 6:] = False
    return batch.masked_fill(~visible, pad), visible


def assert_alike(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_a_folder_gives_the_model_that_transformers_reads(name: str, tmp_path: Path) -> None:
    reference = write(tmp_path, *MODELS[name])
    batch, visible = tokens()
    theirs = reference(batch, attention_mask=visible.long())[0]
    ours = load(tmp_path)(batch, visible=visible)
    assert_alike(ours[visible], theirs[visible])


@torch.no_grad()
def test_two_kinds_of_text_are_told_apart(tmp_path: Path) -> None:
    reference = write(tmp_path, *MODELS["bert"])
    batch, visible = tokens()
    segments = (torch.arange(9) > 4).long().expand(3, 9)
    theirs = reference(batch, attention_mask=visible.long(), token_type_ids=segments)[0]
    ours = load(tmp_path)(batch, visible=visible, segments=segments)
    assert_alike(ours[visible], theirs[visible])


@torch.no_grad()
def test_the_output_for_masked_words_can_be_left_out(tmp_path: Path) -> None:
    reference = write(tmp_path, *MODELS["roberta-fills-in"])
    batch, _ = tokens()
    model = load(tmp_path, with_output=False)
    assert not isinstance(model, Transformer)
    assert_alike(model(batch[:2]), reference.roberta(batch[:2])[0])


@torch.no_grad()
def test_weights_in_several_files_are_one_model(tmp_path: Path) -> None:
    reference = write(tmp_path, *MODELS["llama"], max_shard_size="10KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    batch, _ = tokens()
    assert_alike(load(tmp_path)(batch), reference(batch)[0])


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_with_in_full(dtype: torch.dtype, tmp_path: Path) -> None:
    reference = write(tmp_path / "full", *MODELS["gpt2"]).to(dtype)
    reference.save_pretrained(tmp_path / "half")
    batch, _ = tokens()
    assert_alike(load(tmp_path / "half")(batch), reference.float()(batch)[0])


def test_nothing_asks_for_gradients(tmp_path: Path) -> None:
    write(tmp_path, *MODELS["llama"])
    model = load(tmp_path)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("llama", {"model_type": "qwen3"}, "model_type is 'qwen3'"),
        ("llama", {"model_type": "qwen2"}, r"lacks tensor '.*q_proj\.bias'"),
        ("qwen2", {"model_type": "llama"}, "no place"),
        ("qwen2", {"use_sliding_window": True}, "use_sliding_window is True"),
        ("llama", {"model_type": None}, "model_type is None"),
        ("llama", {"attention_bias": True}, "attention_bias is True"),
        ("llama", {"rope_scaling": {"rope_type": "llama3", "factor": 8}}, "rope_scaling"),
        ("llama", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "'yarn'"),
        ("llama", {"hidden_act": "mish"}, "hidden_act is 'mish'"),
        ("llama", {"hidden_size": "24"}, "hidden_size is '24'"),
        ("llama", {"hidden_size": 10**4000}, "hidden_size is 1000"),
        ("llama", {"rms_norm_eps": 10**400}, "rms_norm_eps is 1000"),
        ("llama", {"rms_norm_eps": float("nan")}, "norm_eps is nan"),
        ("llama", {"num_attention_heads": 5}, "n_heads is 5 and n_kv_heads is 6"),
        ("llama", {"num_key_value_heads": 4}, "multiple"),
        ("llama", {"num_hidden_layers": 3}, "lacks tensor 'model.layers.2"),
        ("llama", {"num_hidden_layers": 1}, "no place"),
        ("llama", {"vocab_size": 49}, "embed.weight has the shape"),
        ("llama", {"tie_word_embeddings": None}, ""),
        ("llama", {"hidden_size": 24_000_000}, "larger model"),
        ("llama", {"num_hidden_layers": 2_000_000_000}, "larger model"),
        ("llama", {"vocab_size": 2_000_000_000}, "larger model"),
        ("llama", {"intermediate_size": 2_000_000_000}, "larger model"),
        ("llama", {"num_attention_heads": 600_000_000, "head_dim": 8}, "larger model"),
        ("gpt2", {"n_positions": 2_000_000_000}, "larger model"),
        ("gpt2", {"n_positions": -1}, "seq_len is -1"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx"),
        ("gpt2", {"tie_word_embeddings": False}, "tie_word_embeddings"),
        ("bert", {"position_embedding_type": "relative_key"}, "'relative_key'"),
        ("bert", {"is_decoder": True}, "is_decoder"),
        ("roberta", {"pad_token_id": "\x1b[2J\n"}, r"'\\x1b\[2J\\n'"),
    ],
)  # fmt: skip
def test_a_variant_is_refused_in_one_line(
    name: str, change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    write(tmp_path, *MODELS[name])
    config = tmp_path / "config.json"
    fields = {**json.loads(config.read_text()), **change}
    config.write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))
    if not says:  # what need not be said has a default
        load(tmp_path)
        return
    with pytest.raises(ModelError, match=says) as raised:
        load(tmp_path)
    assert str(raised.value).isprintable()


def test_no_tables_are_made_for_as_many_places_as_a_file_may_say(tmp_path: Path) -> None:
    kind, options = MODELS["llama"]
    write(tmp_path, kind, {**options, "max_position_embeddings": LONGEST_TEXT + 1})
    assert load(tmp_path).config.seq_len == LONGEST_TEXT


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"model_type":', "[" * 100_000, '{"a": "' + "x" * 300_000 + '"}']
)
def test_a_damaged_config_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        read_config(tmp_path / "config.json")


@pytest.mark.parametrize(
    "names", [None, {}, {"a": "../b.safetensors"}, {"a": ["b"]}, {"a": "/b.safetensors"}]
)
def test_an_index_names_files_beside_it(names: object, tmp_path: Path) -> None:
    write(tmp_path, *MODELS["llama"], max_shard_size="10KB")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    with pytest.raises(ModelError, match=r"index\.json"):
        load(tmp_path)


def test_a_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path, *MODELS["llama"], max_shard_size="10KB")
    first, *_, last = sorted(tmp_path.glob("*.safetensors"))
    shutil.copy(first, last)
    with pytest.raises(ModelError, match="also in another file"):
        load(tmp_path)
