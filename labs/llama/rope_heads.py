"""RoPE forces no score to fall with distance; most heads learned to fall, for trained distances.

For given vectors a score under RoPE cannot exceed a bound that shrinks, on the whole, as two tokens
move apart (Su et al. 2021, Sec. 3.4.3). From this it is often concluded that RoPE weakens far
tokens. The lab puts three things side by side: that bound, scores of random queries and keys, and
the scores of all heads of SmolLM2-135M. A head's score is split into what its queries and keys have
in common, their means over all tokens, and the rest, in which contents differ. The mean query and
the mean key, turned against each other, give a score for every distance, far beyond any text read.

How to read it. Scores are those that the softmax takes: one more by 1 has e times the weight.
"Near" is the mean of distances 1 to 8, "far" that of the second half of the distances up to the
chosen one. The first token is left out, as most heads rest their attention there. To see that the
turned means describe the heads, they are compared with the mean scores measured in the texts, at
distances 1 to 31: the correlation is that of the median head. One chart goes to twice the length
of the training, 8,192 tokens.

What the texts are. Three docstrings of Python's standard library, 64 tokens each, other ones for
each seed.

What the literature reports. See the notes beside the claims.

Out of scope: weights of attention, which depend on all other scores and on contents as well, and
whether heads that fall were better for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Generator, Tensor

from labs.models import load_language_model
from labs.tasks.passages import token_rows
from labs.transformer.positions import angles
from labs.transformer.probes import queries_keys
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Do attention scores under RoPE fall with distance, and must they?"
POINTS = ("5.2.2", "5.2.3", "5.2.5")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "bound": "The bound falls to less than half by distance 512, but not steadily: somewhere "
    "farther out it is higher again.",
    "unforced": "Scores of random queries and keys scatter as widely at the far distance as at 0, "
    "to within a tenth.",
    "falls": "In over nine tenths of the heads the mean score falls by over 1 from near to far.",
    "peak": "In over half of the heads the mean score is largest at another distance than 0, where "
    "the bound is largest.",
    "again": "Beyond the training they rise again: in over four fifths of the heads the mean score "
    "is higher at 1.5 to 2 trained lengths than at 0.5 to 1.",
    "means": "The turned means say how scores depend on distance: in the median head they "
    "correlate with the measured scores by over 0.9.",
}
HOLDS_IF = {
    "bound": "bound_512 < 0.5 and bound_rise > 0.05",
    "unforced": "abs(random_ratio - 1) < 0.1",
    "falls": "share_falling > 0.9",
    "peak": "share_elsewhere > 0.5",
    "again": "share_rising > 0.8",
    "means": "correlation > 0.9",
}
KNOBS = {"far": (1024, 128, 8192)}
KNOB_HELP = {"far": "the farthest distance, in tokens"}
SEEDS = 3
SECONDS = {"cpu": 6}
LITERATURE = {
    "bound": "Shown for distances up to about 250, at the base 10,000 (Su et al. 2021, Fig. 2).",
    "unforced": "For random queries and keys the expected score is 0 at every distance, and for "
    "any distance there is a key that has its largest score there (Barbero et al. 2024, Prop. 3.1 "
    "and 3.2).",
}

N_TEXTS, N_TOKENS = 3, 64
N_NEAR = 8
N_MEASURED = 32
N_RANDOM = 4096
FALL = 1.0
DRAWN = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


@torch.no_grad()
def run(*, far: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """The bound, random vectors, then all heads."""
    language = load_language_model(model, device)
    config = language.model.config
    if config.positions != "rope":
        raise ValueError(f"{model}: its positions are no RoPE, give a Llama")
    n_pairs, base = config.head_dim // 2, config.rope_base
    yield from bounded(n_pairs, base)
    draw = Generator().manual_seed(seed)
    q, k = torch.randn(2, N_RANDOM, config.head_dim, generator=draw)
    spread = turned_scores(q, k, torch.tensor([0.0, float(far)]), base).std(dim=0)
    ratio = float(spread[1] / spread[0])
    yield Measurement("random_ratio", ratio, "", f"random vectors, spread at {far:,} / at 0")
    encode, begin = language.tokenizer.encode, [language.begin]
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    yield Progress(1, 2, "reading")
    # Each (n_layers, batch, seq_len - 1, n_heads, head_dim), before it is turned.
    queries, keys = (x[:, :, 1:].cpu() for x in queries_keys(language.model, texts))
    yield from heads(queries, keys, far, base)
    yield from beyond(queries, keys, config.seq_len, base)


def bounded(n_pairs: int, base: float) -> Iterator[Event]:
    """The bound by distance, as a share of what it is at distance 0."""
    whole = bound(torch.arange(float(DRAWN[-1] + 1)), n_pairs, base)
    share = whole / whole[0]
    values = share[list(DRAWN)].tolist()
    yield Curve("Bound on a score", "share of that at 0", DRAWN, values, "distance")
    yield Measurement("bound_512", float(share[512]), "", "bound at 512 / at 0")
    lowest = int(share.argmin())
    rise = float(share[lowest:].max() - share[lowest])
    yield Measurement("bound_rise", rise, "", f"rise of the bound beyond its lowest, at {lowest:,}")


def bound(distances: Tensor, n_pairs: int, base: float) -> Tensor:
    """Mean over j of |Σ_{i<j} exp(𝑖 · distance · θ_i)|, (n_distances,) (Su et al. 2021, eq. 37)."""
    theta = angles(distances, n_pairs, base)
    return torch.polar(torch.ones_like(theta), theta).cumsum(dim=-1).abs().mean(dim=-1)


def turned_scores(q: Tensor, k: Tensor, distances: Tensor, base: float) -> Tensor:
    """Score of each query with its key so many places before it: (…, head_dim) -> (…, n_distances).

    Scaled by 1/√head_dim, as for the softmax.
    """
    n_pairs = q.shape[-1] // 2
    # A pair of dimensions is one complex number, and turning it a product.
    product = as_pairs(q) * as_pairs(k).conj()  # (…, n_pairs)
    theta = angles(distances, n_pairs, base)
    turned = product[..., None, :] * torch.polar(torch.ones_like(theta), theta)
    scores: Tensor = turned.sum(dim=-1).real / (2 * n_pairs) ** 0.5
    return scores


def as_pairs(x: Tensor) -> Tensor:
    """(…, head_dim) -> complex (…, head_dim / 2): dimension i and i + head_dim / 2 are a pair."""
    return torch.complex(*x.chunk(2, dim=-1))


def heads(queries: Tensor, keys: Tensor, far: int, base: float) -> Iterator[Event]:
    """How the scores of all heads depend on distance."""
    scores = of_means(queries, keys, torch.arange(float(far + 1)), base)  # (all heads, far + 1)
    near = scores[:, 1 : N_NEAR + 1].mean(dim=1)
    fall = near - scores[:, far // 2 :].mean(dim=1)
    where = f"near less {far // 2:,} to {far:,}"
    yield Measurement("fall", float(fall.median()), "", f"score of the median head, {where}")
    falling = float((fall > FALL).double().mean())
    yield Measurement("share_falling", falling, "", f"share of heads that fall by over {FALL:g}")
    peaks = scores.argmax(dim=1)
    elsewhere = float((peaks > 0).double().mean())
    yield Measurement("share_elsewhere", elsewhere, "", "share of heads with their peak beyond 0")
    rows = [("itself", float((peaks == 0).double().mean()))]
    ends = (1, 2, N_NEAR, 64, far + 1)
    for first, end in pairwise(ends):
        what = f"{first:,}" if end == first + 1 else f"{first:,} to {end - 1:,}"
        rows.append((what, float(((peaks >= first) & (peaks < end)).double().mean())))
    yield Table("Distance at which a head's mean score is largest", ("distance", "share"), rows)
    correlation = float(agreement(queries, keys, scores, base).median())
    yield Measurement("correlation", correlation, "", "turned means and measured, median head")


def of_means(queries: Tensor, keys: Tensor, distances: Tensor, base: float) -> Tensor:
    """Score of each head's mean query and mean key: (n_layers · n_heads, n_distances)."""
    mean_q, mean_k = (x.mean(dim=(1, 2)).flatten(0, 1) for x in (queries, keys))
    return turned_scores(mean_q, mean_k, distances, base)


def beyond(queries: Tensor, keys: Tensor, trained: int, base: float) -> Iterator[Event]:
    """The same scores up to twice the length of the training."""
    distances = torch.arange(0.0, 2 * trained + 1, trained / 64)
    scores = of_means(queries, keys, distances, base)  # (all heads, 129)
    for name, share in (("highest tenth", 0.9), ("median head", 0.5), ("lowest tenth", 0.1)):
        values = scores.quantile(share, dim=0).tolist()
        yield Curve("Mean score of a head", name, distances.tolist(), values, "distance")
    inside, outside = scores[:, 32:65].mean(dim=1), scores[:, 96:].mean(dim=1)
    rising = float((outside > inside).double().mean())
    yield Measurement("share_rising", rising, "", "share of heads higher at 1.5 to 2 lengths")
    rise = float((outside - inside).median())
    yield Measurement("rise", rise, "", "by so much, the median head")


def agreement(queries: Tensor, keys: Tensor, scores: Tensor, base: float) -> Tensor:
    """Correlation of each head's `scores` with its mean scores in the texts: (all heads,)."""
    theta = angles(torch.arange(float(queries.shape[2])), queries.shape[-1] // 2, base)
    turn = torch.polar(torch.ones_like(theta), theta)[:, None]  # (seq_len - 1, 1, n_pairs)
    q, k = as_pairs(queries) * turn, as_pairs(keys) * turn
    of_all = torch.einsum("lbqhd,lbkhd->lbhqk", q, k.conj()).real
    by_distance = [
        of_all.diagonal(-far, 3, 4).mean(dim=(1, 3)).flatten() for far in range(1, N_MEASURED)
    ]
    both = torch.stack((torch.stack(by_distance, dim=1), scores[:, 1:N_MEASURED]))
    centred = both - both.mean(dim=-1, keepdim=True)
    first, second = centred / centred.norm(dim=-1, keepdim=True)
    found: Tensor = (first * second).sum(dim=-1)
    return found
