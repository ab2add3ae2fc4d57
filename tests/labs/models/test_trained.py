"""The trained models themselves, and the same figures from the packages of their field."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from labs.models import (
    LanguageModel,
    ModelError,
    SentenceEncoder,
    load_encoder,
    load_language_model,
    preload,
)
from labs.models.gguf_file import GgufFile
from labs.models.shelf import locate
from labs.tasks.docstrings import docstrings_by_module
from labs.transformer.generation import generate

TEXTS = ["The capital of France is", "def fibonacci(n):\n    if n < 2:", "One, two, three. " * 20]


@pytest.fixture(scope="module")
def smollm2() -> LanguageModel:
    return load_language_model()


@pytest.fixture(scope="module")
def minilm() -> SentenceEncoder:
    return load_encoder()


@pytest.mark.weights("smollm2")
class TestSmolLM2:
    def test_it_knows_a_capital(self, smollm2: LanguageModel) -> None:
        tokens = torch.tensor([smollm2.tokenizer.encode(TEXTS[0])])
        written = generate(smollm2.model, tokens, 2)[0].tolist()
        assert smollm2.tokenizer.decode(written) == " Paris."
        assert smollm2.tokenizer.pieces(written) == ["·Paris", "."]

    def test_its_sizes(self, smollm2: LanguageModel) -> None:
        assert sum(p.numel() for p in smollm2.model.parameters()) == 134_515_008
        assert smollm2.tokenizer.decode([smollm2.begin]) == "<|endoftext|>"

    def test_it_is_loaded_once(self, smollm2: LanguageModel) -> None:
        preload("smollm2")
        assert load_language_model("smollm2", "cpu") is smollm2
        assert load_language_model(device="cpu") is smollm2

    def test_a_path_gives_the_same_model(self, smollm2: LanguageModel) -> None:
        path = str(locate("smollm2")["weights"])
        other = load_language_model(path)
        tokens = torch.tensor([smollm2.tokenizer.encode(TEXTS[1])])
        assert other.name == path
        assert torch.equal(other.model(tokens), smollm2.model(tokens))

    @pytest.mark.parity
    def test_every_tensor_is_unpacked_to_the_same_bits(self) -> None:
        gguf = pytest.importorskip("gguf")
        path = locate("smollm2")["weights"]
        ours = GgufFile(path)
        tensors = gguf.GGUFReader(str(path)).tensors
        assert {tensor.name for tensor in tensors} == ours.places.keys()
        for tensor in tensors:
            theirs = gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy()
            assert torch.equal(ours.tensor(tensor.name), torch.from_numpy(theirs))

    @pytest.mark.parity
    def test_its_ids_are_those_of_tokenizers(self, smollm2: LanguageModel) -> None:
        """Not of transformers, which reads this file without the step that parts digits."""
        hf: Any = pytest.importorskip("tokenizers")
        facts = GgufFile(locate("smollm2")["weights"]).facts
        merges = [tuple(merge.split(" ")) for merge in facts["tokenizer.ggml.merges"]]  # type: ignore[attr-defined]
        reference = hf.Tokenizer(hf.models.BPE(smollm2.tokenizer.ids, merges))
        steps = hf.pre_tokenizers
        reference.pre_tokenizer = steps.Sequence(
            [steps.Digits(individual_digits=True), steps.ByteLevel(add_prefix_space=False)]
        )
        reference.add_special_tokens([*smollm2.tokenizer.special])
        for text in docstrings():
            ids = smollm2.tokenizer.encode(text)
            assert ids == reference.encode(text).ids
            assert smollm2.tokenizer.decode(ids) == text

    @pytest.mark.parity
    @torch.no_grad()
    def test_its_logits_are_those_of_transformers(self, smollm2: LanguageModel) -> None:
        transformers: Any = pytest.importorskip("transformers")
        path = locate("smollm2")["weights"]
        reference = transformers.AutoModelForCausalLM.from_pretrained(
            str(path.parent), gguf_file=path.name, dtype=torch.float32
        ).eval()
        for text in TEXTS:
            tokens = torch.tensor([smollm2.tokenizer.encode(text)])
            theirs, ours = reference(tokens).logits, smollm2.model(tokens)
            assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
            assert torch.equal(ours.argmax(-1), theirs.argmax(-1))


@pytest.mark.weights("minilm")
class TestMiniLM:
    def test_what_means_the_same_is_near(self, minilm: SentenceEncoder) -> None:
        cat, feline, stocks = minilm.embed(
            ["The cat sat on the mat.", "A feline rested on a rug.", "Stocks fell sharply today."]
        )
        assert cat @ feline > 0.5 > 0.2 > cat @ stocks
        assert torch.linalg.vector_norm(cat) == pytest.approx(1)

    def test_a_row_is_padded_and_says_where(self, minilm: SentenceEncoder) -> None:
        tokens, visible = minilm.batch(["Cats.", "The cat sat."])
        assert minilm.tokenizer.pieces(tokens[0].tolist()) == (
            ["[CLS]", "cats", ".", "[SEP]", "[PAD]", "[PAD]"]
        )
        assert visible.sum(dim=1).tolist() == [4, 6]

    def test_padding_changes_nothing(self, minilm: SentenceEncoder) -> None:
        alone = minilm.embed(["Cats."])[0]
        padded = minilm.embed(["Cats.", "A sentence of more than four words."])[0]
        assert torch.allclose(alone, padded, atol=1e-6)

    def test_a_long_text_is_cut(self, minilm: SentenceEncoder) -> None:
        tokens, _ = minilm.batch(["cat " * 1000])
        assert tokens.shape == (1, 256)
        assert tokens[0, -1] == minilm.end

    @pytest.mark.parity
    @torch.no_grad()
    def test_its_vectors_are_those_of_transformers(self, minilm: SentenceEncoder) -> None:
        transformers: Any = pytest.importorskip("transformers")
        folder = locate("minilm")["config"].parent
        reference = transformers.BertModel.from_pretrained(str(folder)).eval()
        tokens, visible = minilm.batch([*TEXTS, "Cats."])
        theirs = reference(tokens, attention_mask=visible.long()).last_hidden_state
        ours = minilm.model(tokens, visible=visible)
        assert (ours - theirs)[visible].abs().max() <= 1e-5 * theirs.abs().max()

    @pytest.mark.parity
    def test_its_ids_are_those_of_tokenizers(self, minilm: SentenceEncoder) -> None:
        hf: Any = pytest.importorskip("tokenizers")
        path = locate("minilm")["config"].with_name("tokenizer.json")
        reference = hf.Tokenizer.from_file(str(path))
        reference.no_truncation()
        reference.no_padding()
        for text in docstrings():
            ids = reference.encode(text, add_special_tokens=False).ids
            assert minilm.tokenizer.encode(text) == ids


def docstrings() -> Iterator[str]:
    """Docstrings of half the standard library, in the two spellings of a line break."""
    for number, text in enumerate(chain.from_iterable([*docstrings_by_module().values()][::2])):
        yield text.replace("\n", "\r\n") if number % 10 == 0 else text


@pytest.mark.weights("smollm2", "minilm")
def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(ModelError, match="model_type is 'bert'"):
        load_language_model(str(locate("minilm")["config"].parent))
    with pytest.raises(ModelError, match="is no encoder"):
        load_encoder("smollm2")
    with pytest.raises(ModelError, match="is no language model"):
        load_language_model("minilm")


@pytest.mark.weights("minilm")
@pytest.mark.parametrize("name", ["owner/model", "model"])
def test_the_hubs_cache_is_searched_for_a_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minilm: SentenceEncoder
) -> None:
    """Also without refs/main, which a download by commit leaves out; the last download counts."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshots = tmp_path / f"models--{name.replace('/', '--')}" / "snapshots"
    for commit, time_of in (("older", 1000), ("newer", 2000), ("broken", 3000)):
        (snapshots / commit).mkdir(parents=True)
        os.utime(snapshots / commit, (time_of, time_of))
    folder = locate("minilm")["config"].parent
    (snapshots / "older" / "config.json").write_text("{}")
    for file in ("config.json", "model.safetensors", "vocab.txt"):
        (snapshots / "newer" / file).symlink_to(folder / file)
    os.utime(snapshots / "older", (1000, 1000))
    other = load_encoder(name)
    assert other.name == name
    assert torch.equal(other.embed(TEXTS), minilm.embed(TEXTS))


@pytest.mark.parametrize("load", [load_language_model, load_encoder])
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no such model", "no such folder"),
        ("../somewhere", "no such folder"),
        ("owner/..", "no such folder"),
        ("owner/model/part", "no such folder"),
        ("owner/model", "or: studykit models pull owner/model"),
        ("smollm3", "not on this machine; give a name of `studykit models`"),
        ("a\x1b[2Jb", r"'a\\x1b\[2Jb'"),
        ("", "no such folder"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(
    load: Any, name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=says) as raised:
        load(name)
    assert str(raised.value).isprintable()
