"""The encoder-decoder in a Marian file, on the layers that there are.

Its encoder is the original transformer's. Its decoder has a recurrent unit in the place of
self-attention, which makes it fast (Kim et al. 2019), and reads the encoder by cross-attention.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from labs.models.errors import ModelError, quote
from labs.models.filling import Stored, fill
from labs.models.marian_file import MarianFile
from labs.transformer import EncoderDecoder, TransformerConfig
from labs.transformer.positions import SinusoidalPositions
from labs.transformer.recurrent import Ssru

LONGEST = 256
"""Tokens that the model is built for; its positions go on for ever."""
OFFERED = {
    "type": "transformer",
    "transformer-preprocess": "",
    "transformer-postprocess": "dan",
    "transformer-postprocess-top": "",
    "transformer-ffn-activation": "relu",
    "transformer-ffn-depth": "2",
    "transformer-no-projection": "false",
    "transformer-train-position-embeddings": "false",
    "transformer-decoder-autoreg": "rnn",
    "dec-cell": "ssru",
    "dec-cell-base-depth": "2",
    "dec-cell-high-depth": "1",
    "tied-embeddings-all": "true",
}
"""The description of a model of this kind."""


def build_marian(file: MarianFile) -> EncoderDecoder:
    """The model in a Marian file; its vocabulary has one id more, which begins a translation.

    Raises `ModelError` if it is not of the kind of `OFFERED`.
    """
    for key, value in OFFERED.items():
        if file.settings.get(key) != value:
            raise ModelError(
                f"{file.file.path}: {key} is {quote(file.settings.get(key))}; only {value!r} is "
                "offered: give a transformer with an SSRU decoder"
            )
    sizes = {name: math.prod(item.shape) for name, item in file.items.items()}
    stored = Stored(file.file.path, sizes, file.tensor)
    stored.ignore(r".*_QuantMultA")  # how an integer processor rounds activations
    config = _config(file)
    model = fill(_build, config, _parameters(config, stored), stored)
    stored.require_empty()
    return model


def _config(file: MarianFile) -> TransformerConfig:
    def integer(key: str) -> int:
        value = file.settings.get(key, "")
        if not value.isascii() or not value.isdecimal() or len(value) > 9:
            raise ModelError(f"{file.file.path}: {key} is {quote(value)}; give a whole number")
        return int(value)

    embeddings = file.items.get("Wemb")
    if embeddings is None:
        raise file.file.damaged("lacks 'Wemb', the embeddings")
    d_model = integer("dim-emb")
    try:
        return TransformerConfig(
            vocab_size=embeddings.shape[0] + 1,
            seq_len=LONGEST,
            d_model=d_model,
            n_layers=integer("dec-depth"),
            n_encoder_layers=integer("enc-depth"),
            n_heads=integer("transformer-heads"),
            d_ff=integer("transformer-dim-ffn"),
            kind="encoder-decoder",
            norm="post",
            norm_eps=1e-9,
            positions="sinusoidal",
            embedding_scale=math.sqrt(d_model),
            source_embedding="tied",
            unembedding="tied",
        )
    except ValueError as error:
        raise ModelError(f"{file.file.path}: {error}; give an unchanged model") from None


def _build(config: TransformerConfig, generator: Generator) -> EncoderDecoder:
    model = EncoderDecoder(config, generator)
    for block in model.decoder.blocks:
        block.add_module("attention", Ssru(config.d_model))
    for stack in (model.encoder, model.decoder):
        assert isinstance(stack.positions, SinusoidalPositions)
        stack.positions.table = sinusoids(config.seq_len, config.d_model)
    return model


def sinusoids(seq_len: int, d_model: int) -> Tensor:
    """Positions as Marian has them, (seq_len, d_model): all sines, then all cosines.

    The slowest of the d_model / 2 frequencies is 1 / 10,000 exactly.
    """
    n = d_model // 2
    frequencies = torch.exp(torch.arange(n, device="cpu") * (-math.log(10_000) / (n - 1)))
    angles = torch.outer(torch.arange(seq_len, device="cpu"), frequencies)
    return torch.cat((angles.sin(), angles.cos()), dim=1)


def _parameters(config: TransformerConfig, stored: Stored) -> Iterator[tuple[str, Tensor]]:
    def linear(weight: str, bias: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        yield f"{ours}.weight", stored.take(weight)
        yield f"{ours}.bias", stored.take(bias).flatten()

    def norm(theirs: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        yield f"{ours}.gain", stored.take(f"{theirs}_ln_scale").flatten()
        yield f"{ours}.bias", stored.take(f"{theirs}_ln_bias").flatten()

    def attention(theirs: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        parts = {"q": "query", "k": "key", "v": "value", "o": "out"}
        for letter, part in parts.items():
            yield from linear(f"{theirs}_W{letter}", f"{theirs}_b{letter}", f"{ours}.{part}")

    def feedforward(theirs: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        for number, part in ((1, "up"), (2, "down")):
            weight, bias = f"{theirs}_ffn_W{number}", f"{theirs}_ffn_b{number}"
            yield from linear(weight, bias, f"{ours}.feedforward.{part}")
        yield from norm(f"{theirs}_ffn_ffn", f"{ours}.feedforward_post_norm")

    # One row and one bias more, for the id that begins: it embeds as nothing and is never written.
    yield "decoder.embed.weight", F.pad(stored.take("Wemb"), (0, 0, 0, 1))
    bias = stored.take("decoder_ff_logit_out_b").flatten()
    yield "decoder.unembed.bias", F.pad(bias, (0, 1), value=-math.inf)
    for layer in range(config.n_encoder_layers):
        theirs, ours = f"encoder_l{layer + 1}", f"encoder.blocks.{layer}"
        yield from attention(f"{theirs}_self", f"{ours}.attention")
        yield from norm(f"{theirs}_self_Wo", f"{ours}.attention_post_norm")
        yield from feedforward(theirs, ours)
    for layer in range(config.n_layers):
        theirs, ours = f"decoder_l{layer + 1}", f"decoder.blocks.{layer}"
        yield from linear(f"{theirs}_rnn_Wf", f"{theirs}_rnn_bf", f"{ours}.attention.forget")
        yield f"{ours}.attention.write.weight", stored.take(f"{theirs}_rnn_W")
        yield from norm(f"{theirs}_rnn_ffn", f"{ours}.attention_post_norm")
        yield from attention(f"{theirs}_context", f"{ours}.cross_attention")
        yield from norm(f"{theirs}_context_Wo", f"{ours}.cross_post_norm")
        yield from feedforward(theirs, ours)
