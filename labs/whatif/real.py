"""Parts taken out of trained models while they read and write.

The parts are taken out of SmolLM2-135M (a Llama that predicts the next token), of MiniLM (a BERT
that makes vectors of sentences) or of a small translator from English to Portuguese (a transformer
with encoder and decoder), in all layers or in some, and put back. Nothing is trained again. What
is measured is the loss of the changed model less that of the base on the same texts: of the next
token; of finding, by the cosine of their vectors, the continuation of a docstring among 16; and of
each token of the translation that the whole model writes.

How to read it. A loss at the level of a uniform guess means that nothing is left of what the model
knew; a broken model is sure of the wrong tokens, and loses more. The loss of MiniLM is that of a
softmax over 20 times the cosines, as such encoders are trained with. Charts by layer show the size
of the stream and how far its tokens differ; of the translator they show the encoder. The table
shows what the models write after a beginning, which may be your own, how they translate it, or
which of a few sentences MiniLM finds nearest to it.

What the texts are. Docstrings of Python's standard library, other ones for each seed: two of 24
tokens for SmolLM2, 16 pairs of halves for MiniLM, four first sentences for the translator.

What the literature reports. The labs and cards of each family say it of each part.

Out of scope: what a model could learn without the part (whatif/trained). An ablation of a trained
model shows what it relies on, not what the part is needed for.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from labs.kit.assembly import two_models
from labs.kit.charts import by_layer
from labs.kit.patients import admit
from labs.kit.side_by_side import LINES, parts_table
from labs.transformer.probes import diversity, rms
from studykit.lab.events import Event, Measurement, Progress, Table

QUESTION = "What if I take a part out of a trained model, or swap it?"
POINTS = ("8.3.1", "8.3.2", "8.3.3")
NEEDS = ("model:smollm2", "model:minilm", "model:translator")
CLAIMS = {
    "ruined": "Nothing is left: the changed model does no better than a uniform guess, to within "
    "0.05 nats.",
    "much_worse": "The changed model loses over 0.5 nats and still beats a uniform guess.",
    "worse": "The changed model loses 0.05 to 0.5 nats and still beats a uniform guess.",
    "same": "The changed model's loss is within 0.05 nats of the base's.",
    "better": "The changed model's loss is over 0.05 nats lower.",
}
HOLDS_IF = {
    "ruined": "loss_changed >= uniform_entropy - 0.05 or diverged(loss_changed)",
    "much_worse": "loss_change > 0.5 and loss_changed < uniform_entropy - 0.05",
    "worse": "0.05 < loss_change <= 0.5 and loss_changed < uniform_entropy - 0.05",
    "same": "abs(loss_change) <= 0.05 and loss_changed < uniform_entropy - 0.05",
    "better": "loss_change < -0.05 and loss_changed < uniform_entropy - 0.05",
}
KNOBS = {
    "family": ("llama", "bert", "transformer"),
    "base": ("",),
    "change": ("residual=off", "norm=off", "positions=off", "heads=half", "attention=off", ""),
    "layers": ("all", "first", "middle", "last", "middle third"),
    "text": ("The capital of France is Paris, and the capital of Italy is", "The old dog sleeps."),
}
TEXT_KNOBS = ("base", "change", "text")
KNOB_HELP = {
    "family": "SmolLM2, MiniLM or the translator, or other weights of that kind (model)",
    "base": "how the base differs from the whole model",
    "change": "how the other model differs from the base",
    "layers": "in which parts are changed; positions and masks are the whole model's",
    "text": "for the table: one of these, or one of your own",
}
SEEDS = 3
SECONDS = {"cpu": 8}
PARTS = {
    "attention": ("on", "uniform", "off"),
    "scale": ("on", "off"),
    "heads": ("all", "half", "one"),
    "kv_heads": ("own", "one"),
    "mask": ("causal", "none"),
    "cross_attention": ("on", "off"),
    "feedforward": ("on", "off"),
    "gates": ("on", "off"),
    "activation": ("silu", "gelu", "relu"),
    "residual": ("on", "off"),
    "norm": ("on", "off"),
    "norm_kind": ("layernorm", "rmsnorm"),
    "positions": ("on", "shuffled", "off"),
    "rope_theta": ("own", "tenth", "tenfold"),
    "order": ("own", "reversed"),
}
FAMILIES = {
    "llama": "attention=on, scale=on, heads=all, kv_heads=own, mask=causal, feedforward=on, "
    "gates=on, activation=silu, residual=on, norm=on, norm_kind=rmsnorm, positions=on, "
    "rope_theta=own, order=own",
    "bert": "attention=on, scale=on, heads=all, kv_heads=own, mask=none, feedforward=on, "
    "activation=gelu, residual=on, norm=on, norm_kind=layernorm, positions=on, order=own",
    "transformer": "attention=on, scale=on, heads=all, kv_heads=own, cross_attention=on, "
    "feedforward=on, activation=relu, residual=on, norm=on, norm_kind=layernorm, positions=on, "
    "order=own",
}
WORDS = {
    "attention=off": ("remove attention", "no attention", "tokens cannot see one another"),
    "attention=uniform": ("uniform attention", "average instead of attention", "no queries"),
    "scale=off": ("remove the attention scale", "no 1/√d", "unscaled scores"),
    "heads=half": ("remove half of the heads", "fewer heads"),
    "heads=one": ("a single head", "one head", "remove all heads but one"),
    "kv_heads=one": ("merge the kv heads", "fewer kv heads", "multi-query attention", "MQA"),
    "mask=none": ("remove the causal mask", "bidirectional attention", "see the future"),
    "mask=causal": ("add a causal mask", "left-to-right attention"),
    "cross_attention=off": ("remove cross-attention", "cut off the encoder"),
    "feedforward=off": ("remove the feed-forward networks", "no FFN", "no MLP"),
    "gates=off": ("remove the gates", "no SwiGLU", "gates of 1"),
    "activation=relu": ("ReLU",),
    "activation=gelu": ("GELU",),
    "activation=silu": ("SiLU", "Swish"),
    "residual=off": ("remove the residual connections", "no skip connections", "no residuals"),
    "norm=off": ("remove the normalisation", "no layer norm", "no norms"),
    "norm_kind=layernorm": ("LayerNorm", "subtract the mean"),
    "norm_kind=rmsnorm": ("RMSNorm", "no mean subtraction"),
    "positions=off": ("remove the positions", "no position encoding", "no RoPE", "NoPE"),
    "positions=shuffled": ("shuffle the positions", "wrong positions"),
    "rope_theta=tenth": ("smaller RoPE theta", "rope theta", "lower RoPE base"),
    "rope_theta=tenfold": ("larger RoPE theta", "higher RoPE base"),
    "order=reversed": ("reverse the layers", "layers in another order"),
}
DIFFERENCES = ("loss_change",)


@torch.no_grad()
def run(
    *,
    family: str,
    base: str,
    change: str,
    layers: str,
    text: str,
    seed: int,
    device: str,
    model: str,
) -> Iterator[Event]:
    """Read the same texts with both models, then let both write."""
    parts = dict(zip(LINES, two_models(FAMILIES, family, base, change), strict=True))
    yield parts_table(parts["base"], parts["changed"])
    yield Progress(0, 4, "reading texts")
    patient = admit(FAMILIES, family, layers=layers, model=model, device=device, seed=seed)
    yield Measurement("uniform_entropy", patient.uniform, "nats", "uniform guess", yardstick=True)
    losses: dict[str, float] = {}
    written: dict[str, list[str]] = {}
    for number, (arm, line) in enumerate(LINES.items()):
        with patient.operated(parts[arm]):
            losses[arm] = patient.loss()
            yield Measurement(f"loss_{arm}", losses[arm], "nats", f"loss, {line}")
            score, label = patient.score(losses[arm])
            yield Measurement(f"score_{arm}", score, "", f"{label}, {line}")
            stream = patient.stream()
            sizes = [rms(resid) for resid in stream]
            yield by_layer("Size of the stream", line, sizes, "RMS")
            yield by_layer("Token diversity", line, [diversity(resid) for resid in stream])
            yield Progress(2 * number + 1, 4, f"writing with the {arm} model")
            written[arm] = patient.write(text)
    difference = losses["changed"] - losses["base"]
    yield Measurement("loss_change", difference, "nats", "loss, changed less base")
    rows = list(zip(*written.values(), strict=True))
    yield Table(patient.title(text), tuple(LINES), rows)
