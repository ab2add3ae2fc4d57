from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Generator, nn

from labs.transformer import EncoderDecoder, TransformerConfig
from labs.transformer.cache import Cache
from labs.transformer.generation import generate
from labs.transformer.recurrent import Gru, Ssru


def test_it_is_pytorchs_gru() -> None:
    ours = Gru(6, Generator().manual_seed(0))
    theirs = nn.GRU(6, 6, batch_first=True)

    def as_theirs(rows: torch.Tensor) -> torch.Tensor:
        keep, reset, candidate = rows.chunk(3)
        return torch.cat((reset, keep, candidate))  # PyTorch's order

    with torch.no_grad():
        for layer, suffix in ((ours.read, "ih_l0"), (ours.recur, "hh_l0")):
            theirs.get_parameter(f"weight_{suffix}").copy_(as_theirs(layer.weight))
            theirs.get_parameter(f"bias_{suffix}").copy_(as_theirs(layer.bias))
    x = torch.randn(2, 5, 6, generator=Generator().manual_seed(1))
    torch.testing.assert_close(ours(x), theirs(x)[0])


def test_a_state_is_kept_and_written_by_shares() -> None:
    """The gates open and shut by hand: what is written, and what is left of it two tokens on."""
    layer = Ssru(2)
    with torch.no_grad():
        layer.write.weight.copy_(torch.eye(2))
        layer.forget.weight.zero_()
        layer.forget.bias.copy_(torch.tensor([0.0, -100.0]))  # keeps a half, keeps nothing
    out = layer(torch.tensor([[[4.0, -1.0], [0.0, 3.0], [2.0, 0.0]]]))
    torch.testing.assert_close(out, torch.tensor([[[2.0, 0.0], [1.0, 3.0], [1.5, 0.0]]]))


def test_a_recurrent_decoder_writes_from_its_state(randomise: Callable[[nn.Module], None]) -> None:
    """Step by step it writes what it expects when it reads the same text at once."""
    config = TransformerConfig(
        vocab_size=11,
        seq_len=12,
        d_model=16,
        n_layers=2,
        n_encoder_layers=3,
        kind="encoder-decoder",
        source_embedding="tied",
        norm="post",
    )
    model = EncoderDecoder(config, Generator().manual_seed(0))
    for block in model.decoder.blocks:
        block.add_module("attention", Ssru(16))
    randomise(model)
    assert len(model.encoder.blocks) == 3
    assert model.encoder.embed is model.decoder.embed
    source = torch.randint(11, (2, 5), generator=Generator().manual_seed(1))
    begin = torch.tensor([[3], [4]])
    encoded = model.encoder(source)
    written = generate(model.decoder, begin, 8, encoded=encoded)
    read = torch.cat((begin, written[:, :-1]), dim=1)
    assert model.decoder(read, encoded).argmax(dim=-1).tolist() == written.tolist()
    cache = Cache(config)
    model.decoder(read[:1, :4], encoded[:1], cache=cache)
    again = model.decoder(read[:1, 4:].expand(2, -1), encoded, cache=cache.repeat(2))
    torch.testing.assert_close(again[0], model.decoder(read, encoded)[0, 4:])
    with pytest.raises(ValueError, match="cannot forget"):
        cache.forget(2)
