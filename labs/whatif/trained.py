"""Two small models that differ in what you choose, trained side by side on the same rows.

Both start from a family, and from the same weights wherever they have the same layers. The base is
the family, or what `base` makes of it; the other model is the base as `change` changes it. They see
the same batches in the same order, at two learning rates each, of which the better counts.

What they learn depends on the family. GPT-2, Llama and a stack of nothing but embeddings predict
the next symbol. BERT finds symbols that are hidden. The transformer's decoder writes backwards what
its encoder reads. In "copying" a row is random letters that come twice, so that attention can find
each in the other copy; the transformer's come once. In "letters" the rows are docstrings of Python.

How to read it. The change is the loss of the changed model less that of the base, in nats: more is
worse. One seed says little: look at the interval over seeds. The charts by layer show both models
before and after training: the gradient's norm, the size of the stream, how far its tokens differ.
A decoder without its mask reads the answers: the loss of the last symbol of each row, whose answer
it cannot see, tells whether it has learned to predict. Where the base ends no better than a model
that ignores the context, "same" says nothing, and is undecided.

What the literature reports. The labs and cards of each family say it of each part.

Out of scope: large models and long training. A part that is hardly missed here may be needed at a
hundred times the size; one that is hard to train without may be spared with patience (n_steps).
"""

from __future__ import annotations

from collections.abc import Iterator

from labs.kit.assembly import Sizes, assemble, two_models
from labs.kit.budget import Budget, one_thread
from labs.kit.drills import Drill, Material
from labs.kit.side_by_side import last_losses, parts_table, train_both, writing
from labs.transformer.config import Kind
from studykit.lab.events import Event

QUESTION = "What if I take a part out of a model before it is trained, or swap it?"
POINTS = ("8.3.1", "8.3.2", "8.3.3", "8.4.2", "8.4.4")
CLAIMS = {
    "much_worse": "The changed model ends more than 0.5 nats above the base, or diverges.",
    "worse": "The changed model ends 0.05 to 0.5 nats above the base.",
    "same": "The changed model ends within 0.05 nats of the base.",
    "better": "The changed model ends more than 0.05 nats below the base.",
}
HOLDS_IF = {
    "much_worse": "loss_change > 0.5 or diverged(loss_changed)",
    "worse": "0.05 < loss_change <= 0.5",
    "same": "abs(loss_change) <= 0.05 if loss_base <= no_context - 0.2 else unknown",
    "better": "loss_change < -0.05",
}
KNOBS = {
    "family": ("gpt2", "llama", "bert", "transformer", "nothing"),
    "base": ("", "norm=none", "residual=off"),
    "change": ("residual=off", "norm=none", "norm=post", "positions=none", "attention=off", ""),
    "task": ("copying", "letters"),
    "n_layers": (4, 1, 2, 8),
    "d_model": (32, 16, 64),
    "n_steps": (150, 50, 300, 600),
    "learning_rate": (0.01, 0.001, 0.003, 0.03),
}
TEXT_KNOBS = ("base", "change")
KNOB_HELP = {
    "family": "what both models start from",
    "base": "how the base differs from its family",
    "change": "how the other model differs from the base",
    "task": "what they read: random symbols that come twice, or docstrings",
    "n_layers": "layers of each model; the transformer has half of them in its encoder",
    "d_model": "width of the stream; feed-forward networks are four times as wide",
    "n_steps": "steps of training",
    "learning_rate": "the higher of the two; the other is a third of it",
}
SEEDS = 3
SECONDS = {"cpu": 8}
PARTS = {
    "attention": ("on", "uniform", "off"),
    "scale": ("on", "off"),
    "heads": ("4", "1", "2", "8"),
    "kv_heads": ("all", "half", "one"),
    "mask": ("causal", "none"),
    "cross_attention": ("on", "off"),
    "feedforward": ("plain", "gated", "off"),
    "activation": ("relu", "gelu", "silu"),
    "residual": ("on", "off"),
    "norm": ("pre", "post", "none"),
    "norm_kind": ("layernorm", "rmsnorm"),
    "positions": ("learned", "sinusoidal", "rope", "alibi", "buckets", "none"),
    "rope_theta": ("10000", "100", "1000000"),
    "segments": ("none", "two"),
    "embedding_norm": ("off", "on"),
    "unembedding": ("own", "tied"),
    "output_layer": ("off", "on"),
    "biases": ("on", "qkv", "off"),
    "init": ("xavier", "small"),
}
FAMILIES = {
    "gpt2": "attention=on, scale=on, heads=4, kv_heads=all, mask=causal, feedforward=plain, "
    "activation=gelu, residual=on, norm=pre, norm_kind=layernorm, positions=learned, "
    "embedding_norm=off, unembedding=tied, output_layer=off, biases=on, init=small",
    "llama": "attention=on, scale=on, heads=4, kv_heads=all, mask=causal, feedforward=gated, "
    "activation=silu, residual=on, norm=pre, norm_kind=rmsnorm, positions=rope, rope_theta=10000, "
    "embedding_norm=off, unembedding=own, output_layer=off, biases=off, init=xavier",
    "bert": "attention=on, scale=on, heads=4, kv_heads=all, mask=none, feedforward=plain, "
    "activation=gelu, residual=on, norm=post, norm_kind=layernorm, positions=learned, "
    "segments=two, embedding_norm=on, unembedding=tied, output_layer=on, biases=on, init=small",
    "transformer": "attention=on, scale=on, heads=4, kv_heads=all, mask=causal, "
    "cross_attention=on, feedforward=plain, activation=relu, residual=on, norm=post, "
    "norm_kind=layernorm, positions=sinusoidal, embedding_norm=off, unembedding=tied, "
    "output_layer=off, biases=on, init=xavier",
    "nothing": "attention=off, scale=on, heads=4, kv_heads=all, mask=causal, feedforward=off, "
    "activation=gelu, residual=off, norm=none, norm_kind=layernorm, positions=none, "
    "rope_theta=10000, embedding_norm=off, unembedding=own, output_layer=off, biases=on, "
    "init=xavier",
}
WORDS = {
    "attention=off": ("remove attention", "no attention", "tokens cannot see one another"),
    "attention=uniform": ("uniform attention", "average instead of attention", "no queries"),
    "attention=on": ("add attention",),
    "scale=off": ("remove the attention scale", "no 1/√d", "unscaled scores"),
    "heads=1": ("a single head", "one head"),
    "heads=2": ("fewer heads", "two heads"),
    "heads=8": ("more heads", "eight heads"),
    "kv_heads=half": ("grouped-query attention", "GQA", "fewer kv heads"),
    "kv_heads=one": ("multi-query attention", "MQA", "a single kv head"),
    "kv_heads=all": ("multi-head attention", "MHA", "all kv heads"),
    "mask=none": ("remove the causal mask", "bidirectional attention", "see the future"),
    "mask=causal": ("add a causal mask", "left-to-right attention", "unidirectional"),
    "cross_attention=off": ("remove cross-attention", "cut off the encoder", "no encoder"),
    "feedforward=off": ("remove the feed-forward networks", "no FFN", "no MLP"),
    "feedforward=gated": ("gated feed-forward networks", "SwiGLU", "GEGLU", "add gates"),
    "feedforward=plain": ("remove the gates", "plain feed-forward networks", "no SwiGLU"),
    "activation=relu": ("ReLU",),
    "activation=gelu": ("GELU",),
    "activation=silu": ("SiLU", "Swish"),
    "residual=off": ("remove the residual connections", "no skip connections", "no residuals"),
    "residual=on": ("add residual connections", "add skip connections"),
    "norm=none": ("remove the normalisation", "no layer norm", "no norms"),
    "norm=post": ("post-norm", "post-LN", "norm after each sublayer"),
    "norm=pre": ("pre-norm", "pre-LN", "norm before each sublayer"),
    "norm_kind=layernorm": ("LayerNorm", "subtract the mean"),
    "norm_kind=rmsnorm": ("RMSNorm", "no mean subtraction"),
    "positions=none": ("remove the positions", "no position encoding", "NoPE", "no RoPE"),
    "positions=rope": ("rotary positions", "RoPE"),
    "positions=learned": ("learned positions", "absolute position embeddings"),
    "positions=sinusoidal": ("sinusoidal positions", "sine and cosine positions"),
    "positions=alibi": ("ALiBi", "linear position biases"),
    "positions=buckets": ("T5 position biases", "relative position buckets"),
    "rope_theta=100": ("smaller RoPE theta", "rope theta", "lower RoPE base"),
    "rope_theta=1000000": ("larger RoPE theta", "higher RoPE base"),
    "segments=none": ("remove the segment embeddings", "no token types"),
    "embedding_norm=off": ("remove the norm of the embeddings",),
    "embedding_norm=on": ("normalise the embeddings",),
    "unembedding=own": ("untie the embeddings", "an output matrix of its own"),
    "unembedding=tied": ("tie the embeddings", "shared embeddings", "weight tying"),
    "output_layer=off": ("remove BERT's output layer", "no transform before the output"),
    "output_layer=on": ("add an output layer",),
    "biases=qkv": ("biases for queries, keys and values only",),
    "biases=off": ("remove the biases", "no bias terms"),
    "biases=on": ("add biases",),
    "init=small": ("small initialisation", "smaller starting weights"),
    "init=xavier": ("Xavier initialisation", "Glorot initialisation"),
}
DIFFERENCES = ("loss_change",)

KINDS: dict[str, Kind] = {"bert": "encoder", "transformer": "encoder-decoder"}
"""Of the families that are no decoders."""
SEQ_LENS: dict[Kind, int] = {"decoder": 16, "encoder": 8, "encoder-decoder": 8}
"""Short, so that every family learns within a few seconds."""
SYMBOLS_A_STEP = 256


@one_thread
def run(
    *,
    family: str,
    base: str,
    change: str,
    task: Material,
    n_layers: int,
    d_model: int,
    n_steps: int,
    learning_rate: float,
    seed: int,
    device: str,
    budget: float = 1.0,
) -> Iterator[Event]:
    """Train both models, looking into them before and after, and let them write."""
    kind = KINDS.get(family, "decoder")
    seq_len = SEQ_LENS[kind]
    n_rows = SYMBOLS_A_STEP // seq_len
    size = Budget(n_steps=n_steps, batch_size=n_rows, n_held_out=256, n_evaluations=10)
    drill = Drill(
        kind, task, size := size.scaled(budget), seq_len=seq_len, seed=seed, device=device
    )
    sizes = Sizes(
        kind=kind,
        vocab_size=drill.vocab_size,
        seq_len=seq_len,
        n_layers=max(1, n_layers // 2) if kind == "encoder-decoder" else n_layers,
        d_model=d_model,
    )
    parts = dict(zip(("base", "changed"), two_models(FAMILIES, family, base, change), strict=True))
    yield parts_table(parts["base"], parts["changed"])
    yield from drill.yardsticks()
    rates = (learning_rate, learning_rate / 3)
    arms = {
        arm: [assemble(own, sizes, seed).to(device) for _ in rates] for arm, own in parts.items()
    }
    models = yield from train_both(arms, rates, drill, size.recipe(warmup=0.3, final_share=0.1))
    if kind == "decoder":
        yield from last_losses(models, drill.held_out)
    yield writing(models, drill, 3)
