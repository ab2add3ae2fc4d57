"""Later words change what an earlier word means, and an encoder can let them.

"The bank of the river" and "the bank of the country" begin alike, and what "bank" means is settled
three words later. The lab takes a trained translator from English to Portuguese, which has to
choose one word for each meaning, and makes its encoder causal: every token sees itself and the
earlier ones only. The decoder stays as it is and still reads every token of the source, so that
whatever is lost was lost in the vectors of the words.

How to read it. Pairs of sentences hold an ambiguous noun, told by a later word; a pair is right if
both translations have the wanted word. The noun is led up to in other ways for each seed. Losses
are those of the translator's own translations of docstring sentences, another set for each seed, in
nats a token. The map shows your sentence: how far each later word, as it arrives, moves the vector
of each earlier one (1 - cosine).

What the literature reports. BERT-base with both sides and with the left side only: MRPC 86.5 and
77.5, SQuAD F1 87.9 and 77.8 (Devlin et al. 2019, Table 5). Those models were trained so; this one
was not trained to do without the right side.

Out of scope: a translator that is trained with a causal encoder, which would learn to make the most
of it. An intervention shows what a trained model relies on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from random import Random

import torch
from torch.nn import functional as F

from labs.kit.budget import one_thread
from labs.models import Translator, load_translator
from labs.tasks.passages import passages
from labs.transformer.interventions import made_causal, skipped
from labs.transformer.model import Block
from studykit.lab.events import Event, HeatMap, Measurement, Progress, Table

QUESTION = "What do later words do to the vector of an earlier one?"
POINTS = ("2.1.1", "2.1.2", "2.1.3", "2.1.4")
NEEDS = ("model:translator",)
CLAIMS = {
    "revised": "Later words move the vectors of earlier ones: those of the whole sentence have a "
    "mean cosine of at most 0.98 to those of its beginning, with a causal encoder 1.",
    "meaning_lost": "With a causal encoder at most half of the pairs that were right stay right: "
    "both sentences get the same word.",
    "meaning_kept": "With a causal encoder more than half of the pairs that were right stay right.",
    "costs": "A causal encoder costs the translation at least 1 nat a token.",
}
HOLDS_IF = {
    "revised": "cosine_full <= 0.98 and cosine_causal > 0.9999",
    "meaning_lost": "kept_causal <= 0.5 if right_full >= 4 else unknown",
    "meaning_kept": "kept_causal > 0.5 if right_full >= 4 else unknown",
    "costs": "loss_causal - loss_full >= 1",
}
KNOBS = {
    "sentence": (
        "The bank of the river was closed.",
        "The old man the boats.",
        "The teacher said that she was ill.",
    )
}
TEXT_KNOBS = ("sentence",)
KNOB_HELP = {"sentence": "English, drawn and translated; what is measured does not depend on it"}
SEEDS = 3
SECONDS = {"cpu": 8}
LITERATURE = {
    "costs": "BERT-base with both sides and with the left side only, trained so: MRPC 86.5 and "
    "77.5, SQuAD F1 87.9 and 77.8 (Devlin et al. 2019, Table 5).",
}

LEADS = ("The", "I heard that the", "Yesterday the", "They say that the", "We saw that the")
PAIRS = (
    ("bank of the river was closed.", "margem", "bank of the country was closed.", "banco"),
    ("pupil of her eye was large.", "pupila", "pupil of the school was tall.", "alun"),
    ("table in the article was new.", "tabela", "table in the kitchen was new.", "mesa"),
    ("chest of drawers was old.", "cômoda", "chest of the man was hurt.", "peito"),
    ("pipe of the old smoker was lost.", "cachimbo", "pipe under the sink was lost.", "tubo"),
    ("teacher said that she was ill.", "professora", "teacher said that he was ill.", "professor "),
    ("fan of the band was happy.", "fã", "fan on the ceiling was loud.", "ventilador"),
    ("bark of the dog was loud.", "latido", "bark of the tree was brown.", "casca"),
    ("nail of her finger was broken.", "unha", "nail in the wall was broken.", "prego"),
    ("trunk of the elephant was grey.", "tromba", "trunk of the tree was grey.", "tronco"),
)
"""Two ends of a sentence, each with a word of Portuguese that tells the meaning."""
N_LEADS = 2
N_SENTENCES = 16
LONGEST_SENTENCE = 20
"""Words of a sentence from a docstring."""


@one_thread
@torch.no_grad()
def run(*, sentence: str, model: str, seed: int, device: str) -> Iterator[Event]:
    """Translate with the encoder as it is and with a causal one, and compare its vectors."""
    translator = load_translator(model, device)
    encoder = translator.model.encoder
    yield from your_sentence(translator, sentence)
    yield Progress(1, 3, "translating ambiguous nouns")
    leads = Random(seed).sample(LEADS, N_LEADS)
    told = [
        tuple(f"{lead} {part}" if n % 2 == 0 else part for n, part in enumerate(pair))
        for lead in leads
        for pair in PAIRS
    ]
    texts = [text for pair in told for text in (pair[0], pair[2])]
    wanted = [word for pair in told for word in (pair[1], pair[3])]
    full = translator.translate(texts)
    with made_causal(encoder):
        causal = translator.translate(texts)
    right_full, right_causal = (pairs_right(found, wanted) for found in (full, causal))
    n_right = sum(right_full)
    kept = sum(a and b for a, b in zip(right_full, right_causal, strict=True))
    yield Measurement("pairs", len(told), "pairs", "pairs asked", yardstick=True)
    yield Measurement("right_full", n_right, "pairs", "pairs right, full encoder")
    share = kept / n_right if n_right else float("nan")
    yield Measurement("kept_causal", share, "", "of those right, with a causal encoder")
    rows = list(zip(texts, full, causal, strict=True))[: 2 * len(PAIRS)]
    columns = ("English", "full encoder", "causal encoder")
    yield Table("Translations of ambiguous nouns", columns, rows)

    yield Progress(2, 3, "translating docstrings")
    sentences = [" ".join(text.split()[:LONGEST_SENTENCE]) for text in first_sentences(seed)]
    pairs = translator.pairs(sentences, translator.translate(sentences))
    n_tokens = int((translator.losses(pairs) != 0).sum())
    yield Measurement("loss_full", float(translator.losses(pairs).sum()) / n_tokens, "nats", "loss")
    with made_causal(encoder):
        loss = float(translator.losses(pairs).sum()) / n_tokens
        yield Measurement("loss_causal", loss, "nats", "loss, causal encoder")
        label = "cosine of a word's vector, whole sentence and first half"
        cosine = to_beginnings(translator, sentences)
        yield Measurement("cosine_causal", cosine, "", f"{label}, causal encoder")
    with ExitStack() as parts:
        for block in encoder.blocks:
            assert isinstance(block, Block)
            parts.enter_context(skipped(block, "attention"))
        loss = float(translator.losses(pairs).sum()) / n_tokens
        without = "loss, encoder without attention"
        yield Measurement("loss_alone", loss, "nats", without, yardstick=True)
    yield Measurement("cosine_full", to_beginnings(translator, sentences), "", label)


def your_sentence(translator: Translator, sentence: str) -> Iterator[Event]:
    """How far each word that arrives moves the earlier ones, and two translations."""
    tokens, _ = translator.encode([sentence])
    pieces = translator.tokenizer.pieces(tokens[0].tolist())
    # The vectors of every beginning, each followed by the end of the sentence.
    moved: list[list[float | None]] = [[None] * len(pieces) for _ in pieces]
    before = translator.model.encoder(tokens[:, :1])[0]
    for n in range(1, len(pieces)):
        now = translator.model.encoder(tokens[:, : n + 1])[0]  # (n + 1, d_model)
        for word, change in enumerate((1 - F.cosine_similarity(before, now[:n])).tolist()):
            moved[word][n] = max(0.0, change)
        before = now
    title = "Your sentence: how far each word (column) moves the earlier ones (rows)"
    yield HeatMap(title, pieces, pieces, moved, "1 - cosine")
    (full,) = translator.translate([sentence])
    with made_causal(translator.model.encoder):
        (causal,) = translator.translate([sentence])
    rows = [("full", full), ("causal", causal)]
    yield Table("Your sentence in Portuguese", ("encoder", "translation"), rows)


def pairs_right(translations: Sequence[str], wanted: Sequence[str]) -> list[bool]:
    """For each two translations, whether both have the word that is wanted."""
    has = [word in text.lower() + " " for text, word in zip(translations, wanted, strict=True)]
    return [first and second for first, second in zip(has[::2], has[1::2], strict=True)]


def first_sentences(seed: int) -> list[str]:
    """The first lines of docstrings, another set for each seed."""
    texts = (text.split("\n")[0] for text in passages(seed))
    return list(islice((text for text in texts if len(text.split()) >= 6), N_SENTENCES))


def to_beginnings(translator: Translator, sentences: Sequence[str]) -> float:
    """Mean cosine of the tokens of each first half, read alone and in the whole sentence."""
    cosines = []
    for sentence in sentences:
        tokens, _ = translator.encode([sentence])
        half = tokens.shape[1] // 2
        whole, alone = (translator.model.encoder(part)[0] for part in (tokens, tokens[:, :half]))
        cosines.append(float(F.cosine_similarity(whole[:half], alone).mean()))
    return sum(cosines) / len(cosines)
