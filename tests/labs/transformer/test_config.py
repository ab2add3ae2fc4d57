from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from labs.transformer import TransformerConfig

BASE = TransformerConfig(vocab_size=10, seq_len=8)


def test_an_ablation_differs_from_its_base_in_one_field() -> None:
    ablation = replace(BASE, residual="off")
    differing = [f.name for f in fields(BASE) if getattr(BASE, f.name) != getattr(ablation, f.name)]
    assert differing == ["residual"]


def test_head_dim_is_the_share_of_one_head() -> None:
    assert replace(BASE, d_model=48, n_heads=3).head_dim == 16


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "both"}, r"norm is 'both': give one of 'pre', 'post', 'none'"),
        ({"residual": True}, r"residual is True: give one of 'on', 'off'"),
        ({"kind": "Decoder"}, r"kind is 'Decoder'"),
        ({"n_layers": 0}, r"n_layers is 0: give a whole number of at least 1"),
        ({"n_segments": -1}, r"n_segments is -1: give a whole number of at least 0"),
        ({"norm_eps": 0.0}, r"norm_eps is 0.0: give a number above 0"),
        ({"n_kv_heads": 3}, r"n_heads is 4 and n_kv_heads is 3: .* a multiple"),
        ({"d_model": 30}, r"d_model is 30 and n_heads is 4"),
        ({"d_model": 36, "n_heads": 4, "positions": "rope"}, r"head_dim .* is 9"),
        ({"d_model": 9, "n_heads": 3, "positions": "sinusoidal"}, r"d_model is 9: sinusoidal"),
        ({"d_model": 36, "n_heads": 6, "positions": "alibi"}, r"n_heads is 6: .* powers of two"),
        ({"attention": "mha"}, r"attention is 'mha': give one of 'reference', 'sdpa', 'flash'"),
        ({"attention": "flash"}, r"attention is 'flash' and head_dim .* is 8: .* 16 to 256"),
        (
            {"attention": "flash", "n_heads": 2, "positions": "alibi"},
            r"attention is 'flash' and positions is 'alibi': .* give attention 'sdpa'",
        ),
    ],
)
def test_a_config_that_cannot_be_built_says_what_to_give(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(BASE, **change)
