"""Labs on the translator with other weights: a T5 of random numbers, out of a folder."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from labs.bert import later_words
from labs.core import alignment, bridge
from studykit.lab.events import HeatMap, Measurement, UnmetNeedError
from tests.labs.models.files import piece

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a model that knows three words of nothing."""
    folder: Path = tmp_path_factory.mktemp("t5")
    sizes = {"vocab_size": 50, "d_model": 16, "d_kv": 4, "d_ff": 20, "num_layers": 2}
    config = transformers.T5Config(**sizes, num_heads=2, decoder_start_token_id=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    words = [(f"▁{word}", -1.0, 1) for word in ("the", "of", "a")]
    pieces = [("<pad>", 0.0, 3), ("</s>", 0.0, 3), ("<unk>", 0.0, 2), *words]
    (folder / "spiece.model").write_bytes(b"".join(piece(*fields) for fields in pieces))
    return str(folder)


def test_the_bridge_of_any_translator_is_broken(t5: str) -> None:
    events = list(bridge.run(sentence="the a", model=t5, seed=0, device="cpu"))
    measured = {e.name: e.value for e in events if isinstance(e, Measurement)}
    assert measured["uniform_entropy"] == pytest.approx(math.log(50))
    assert measured["loss_shuffled"] == pytest.approx(measured["loss_full"], abs=1e-4)
    assert measured["loss_zeros"] != measured["loss_full"]


def test_where_no_word_is_right_none_can_be_kept(t5: str) -> None:
    events = list(later_words.run(sentence="the a of", model=t5, seed=0, device="cpu"))
    measured = {e.name: e.value for e in events if isinstance(e, Measurement)}
    assert measured["right_full"] == 0 and math.isnan(measured["kept_causal"])
    assert measured["cosine_causal"] == pytest.approx(1, abs=1e-5)
    (moved,) = (e for e in events if isinstance(e, HeatMap))
    assert list(moved.rows) == ["the", "a", "of", "</s>"]


def test_a_model_without_the_lab_s_words_gets_one_line(t5: str) -> None:
    with pytest.raises(UnmetNeedError, match="none of the Portuguese words") as raised:
        list(alignment.run(sentence="the a", head=1, model=t5, seed=0, device="cpu"))
    assert str(raised.value).isprintable()


def test_a_head_that_the_model_lacks_gets_one_line(t5: str) -> None:
    with pytest.raises(UnmetNeedError, match="head is 3, and this model has 2"):
        list(alignment.run(sentence="the a", head=3, model=t5, seed=0, device="cpu"))
