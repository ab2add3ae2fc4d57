from __future__ import annotations

from dataclasses import replace

import pytest
from torch import Generator

from labs.transformer import EncoderDecoder, Transformer
from labs.transformer.diagram import diagram, parameters_by_component
from labs.transformer.families import FAMILIES, main

PARAMETERS = {
    "bert": 109_514_298,  # with the head that fills in words, without the pooler
    "gpt2": 124_439_808,
    "llama": 6_738_415_616,
    "t5": 222_903_552,
}
"""As published checkpoints of these members have them."""


@pytest.mark.parametrize("name", FAMILIES)
def test_a_diagram_fits_and_counts_every_parameter_once(name: str) -> None:
    lines = diagram(FAMILIES[name].config).splitlines()
    assert max(map(len, lines)) <= 76
    last = lines[-1].split()
    total = int(last[-2].replace(",", ""))
    assert last[:2] == ["all", "parameters"]
    assert total == PARAMETERS.get(name, total)


def test_a_row_is_what_one_layer_has() -> None:
    """Sizes of the rows of a small model, added up by hand, are all of its parameters."""
    config = replace(FAMILIES["llama"].config, vocab_size=7, d_model=16, n_layers=3, n_heads=4)
    rows = [line.split() for line in diagram(replace(config, d_ff=24)).splitlines()]
    sizes = [int(row[-1].replace(",", "")) for row in rows if row and row[-1][-1].isdigit()]
    embed, *layer, norm, unembed = sizes
    model = Transformer(replace(config, d_ff=24), Generator().manual_seed(0))
    total = sum(parameter.numel() for parameter in model.parameters())
    assert embed + 3 * sum(layer) + norm + unembed == total


def test_components_are_told_apart() -> None:
    config = replace(
        FAMILIES["t5"].config, vocab_size=7, d_model=16, n_layers=2, n_heads=4, d_ff=24
    )
    counts = parameters_by_component(EncoderDecoder(config, Generator().manual_seed(0)))
    assert counts == {
        "self-attention": 2 * 2 * 4 * 16 * 16,
        "feed-forward": 2 * 2 * 2 * 16 * 24,
        "cross-attention": 2 * 4 * 16 * 16,
        "norms": (2 * 2 + 2 * 3 + 2) * 16,
        "embeddings": 7 * 16,
        "positions": 2 * 32 * 4,
    }


def test_families_are_printed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gpt2"]) == 0
    assert "GPT-2 small" in capsys.readouterr().out
    assert main([]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FAMILIES)
    assert main(["gpt5"]) == 1
    assert "no family 'gpt5'" in capsys.readouterr().err
