"""One text on its way through four transformers: each does the same five things.

A text becomes tokens, tokens become vectors, attention exchanges something between them, a
feed-forward network changes each by itself, layers repeat that, and something is read off at the
end. The lab walks your text through the encoder of a translator (a transformer of 2017), MiniLM (a
BERT), GPT-2 small and SmolLM2 (a Llama), with the shape of what stands after each step and the
parameters that it takes. The weights are real but for GPT-2, which is built without any: its shapes
and counts are exact, and it has nothing to say.

How to read it. The walk covers the shapes, so that they can be guessed. Shapes are those of one
text: tokens × width, and heads × tokens × tokens for the weights of attention. GPT-2 gets as many
tokens as SmolLM2, whose tokenizer is of the same kind. Beside the walk, one token is exchanged, and
the first layer's attention and feed-forward network show at which tokens that changes what they put
out.

What the literature reports. Shares of parameters are counted from the sizes that the papers give
(Vaswani et al. 2017, Table 3; Devlin et al. 2019; Radford et al. 2019; Touvron et al. 2023,
Table 2).

Out of scope: training, and the translator's decoder, whose self-attention is a recurrent unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import torch
from torch import Tensor, nn

from labs.kit.journey import COLUMNS, STAGES, Reader, walked, watched_shapes
from labs.models import load_encoder, load_language_model, load_translator
from labs.transformer import EncoderDecoder, Transformer
from labs.transformer.diagram import parameters_by_component
from labs.transformer.families import FAMILIES
from labs.transformer.loading import blank
from labs.transformer.model import Block
from studykit.lab.events import Event, Measurement, Step, Table, Walk

QUESTION = "What do all transformers do to a text, whatever their family?"
POINTS = ("7.1.1", "7.1.2", "7.1.3", "7.1.4", "7.1.5")
NEEDS = ("model:smollm2", "model:minilm", "model:translator")
CLAIMS = {
    "exchange": "In the first layer of three real models, exchanging one token changes what "
    "attention puts out at every token that may see it and at no other, and what the feed-forward "
    "network puts out at that token only.",
    "width": "In all four models every sublayer gives each token a vector as wide as it got one.",
    "feedforward": "Feed-forward networks hold over half of the layers' parameters in the original "
    "transformer, BERT, GPT-2 and LLaMA.",
    "vocabulary": "Embeddings and output hold over a quarter of GPT-2 small's parameters, and less "
    "than a twentieth of LLaMA 7B's.",
}
HOLDS_IF = {
    "exchange": "attention_missed == 0 and attention_leaked == 0 and feedforward_elsewhere == 0",
    "width": "widths_changed == 0",
    "feedforward": "feedforward_least > 0.5",
    "vocabulary": "vocabulary_gpt2 > 0.25 and vocabulary_llama < 0.05",
}
KNOBS = {"text": ("The old bridge was closed for the winter.", "She reads to her son at night.")}
TEXT_KNOBS = ("text",)
KNOB_HELP = {"text": "what is walked through: one of these, or a text of your own"}
SEEDS = 3
SECONDS = {"cpu": 3}

MOST_TOKENS = 24


@torch.no_grad()
def run(*, text: str, seed: int, device: str) -> Iterator[Event]:
    """Walk the text through all four, then exchange a token of it in the three real ones."""
    translator, bert, llama = real(text, device)
    steps: list[Step] = []
    changed = 0
    readers = (translator, bert, unfilled(text), llama)
    for row, reader in enumerate(readers):
        shapes, wrong = watched_shapes(reader)
        changed += wrong
        steps += walked(row, reader, shapes)
    families = [reader.family for reader in readers]
    yield Walk("A text on its way", families, STAGES, COLUMNS, steps, covered=("shape",))
    label = "sublayers whose output has not the width of the stream"
    yield Measurement("widths_changed", changed, "", label)
    yield from exchanged((translator, bert, llama), Random(seed))
    yield from shares()


def real(text: str, device: str) -> Iterator[Reader]:
    """The three models with real weights."""
    translator = load_translator("translator", device)
    source, _ = translator.encode([text])
    source = source[:, :MOST_TOKENS]
    use = f"A decoder looks at these vectors and writes: {translator.translate([text])[0]}"
    encoder = translator.model.encoder
    pieces = translator.tokenizer.pieces(source[0].tolist())
    yield Reader(
        "Transformer", "The translator", encoder, pieces, source, use, "a decoder's source"
    )
    minilm = load_encoder("minilm", device)
    tokens, _ = minilm.batch([text])
    tokens = tokens[:, :MOST_TOKENS]
    use = "The mean of all vectors stands for the sentence; other heads would read [CLS]."
    pieces = minilm.tokenizer.pieces(tokens[0].tolist())
    end = f"{minilm.model.config.d_model:,}"
    yield Reader("BERT", "MiniLM", minilm.model, pieces, tokens, use, end)
    language = load_language_model("smollm2", device)
    ids = [language.begin, *language.tokenizer.encode(text)][:MOST_TOKENS]
    tokens = torch.tensor([ids], device=device)
    best = language.model(tokens)[0, -1].topk(3).indices.tolist()
    use = "The last vector scores every token; likeliest: " + " ".join(
        f"“{piece}”" for piece in language.tokenizer.pieces(best)
    )
    end = f"{len(ids)} × {language.model.config.vocab_size:,}"
    pieces = language.tokenizer.pieces(ids)
    yield Reader("Llama", "SmolLM2", language.model, pieces, tokens, use, end)


def unfilled(text: str) -> Reader:
    """GPT-2 without numbers, which still has shapes."""
    tokenizer = load_language_model("smollm2").tokenizer
    ids = tokenizer.encode(text)[: MOST_TOKENS - 1]
    config = FAMILIES["gpt2"].config
    tokens = torch.zeros(1, len(ids), dtype=torch.long, device="meta")  # shapes only
    use = "The last vector scores every token, by the embeddings once more."
    end = f"{len(ids)} × {config.vocab_size:,}"
    model = blank(Transformer, config).to("meta")
    return Reader(
        "GPT-2",
        "SmolLM2's tokenizer, like GPT-2's,",
        model,
        tokenizer.pieces(ids),
        tokens,
        use,
        end,
    )


def exchanged(readers: Sequence[Reader], draw: Random) -> Iterator[Event]:
    """Where the outputs of the first layer change when one token is exchanged for another."""
    missed = leaked = elsewhere = 0
    rows = []
    for reader in readers:
        stack, block = reader.stack, reader.stack.blocks[0]
        assert isinstance(block, Block)
        n_tokens = reader.tokens.shape[1]
        place, vocab_size = draw.randrange(n_tokens), stack.config.vocab_size
        other = reader.tokens.clone()
        other[0, place] = (other[0, place] + draw.randrange(1, vocab_size)) % vocab_size
        before, after = (stack.embedded(tokens) for tokens in (reader.tokens, other))
        attention, feedforward = (
            places_changed(norm, part, before, after)
            for norm, part in (
                (block.attention_pre_norm, block.attention),
                (block.feedforward_pre_norm, block.feedforward),
            )
        )
        sees = set(range(place if stack.config.kind == "decoder" else 0, n_tokens))
        missed += len(sees - attention)
        leaked += len(attention - sees)
        elsewhere += len(feedforward - {place})
        rows.append((reader.name, n_tokens, place + 1, len(attention), len(feedforward)))
    columns = ("model", "tokens", "exchanged", "changed by attention", "by feed-forward")
    yield Table("Tokens whose output changes in the first layer", columns, rows)
    for name, count, label in (
        ("attention_missed", missed, "tokens that see the exchanged one, attention unchanged"),
        ("attention_leaked", leaked, "tokens that do not see it, attention changed"),
        ("feedforward_elsewhere", elsewhere, "other tokens, feed-forward output changed"),
    ):
        yield Measurement(name, count, "tokens", label)


def places_changed(norm: nn.Module, part: nn.Module, before: Tensor, after: Tensor) -> set[int]:
    """The tokens at which a sublayer puts out something else for another stream."""
    outs = [part(norm(resid)) for resid in (before, after)]
    change = (outs[1] - outs[0]).abs().amax(dim=-1)[0]  # (seq_len,)
    return set((change > 1e-6 * outs[0].abs().max()).nonzero().flatten().tolist())


def shares() -> Iterator[Event]:
    """Whose parameters the models of the papers have."""
    feedforward = []
    for name in ("transformer", "bert", "gpt2", "llama"):
        config = FAMILIES[name].config
        is_pair = config.kind == "encoder-decoder"
        counts = parameters_by_component(
            blank(EncoderDecoder, config) if is_pair else blank(Transformer, config)
        )
        attention = counts["self-attention"] + counts.get("cross-attention", 0)
        feedforward.append(counts["feed-forward"] / (counts["feed-forward"] + attention))
        vocabulary = counts["embeddings"] + counts.get("output", 0)
        share, label = vocabulary / sum(counts.values()), FAMILIES[name].member
        yield Measurement(f"vocabulary_{name}", share, "", f"embeddings and output, {label}")
    label = "feed-forward networks' share of the layers' parameters, the least of four models"
    yield Measurement("feedforward_least", min(feedforward), "", label)
