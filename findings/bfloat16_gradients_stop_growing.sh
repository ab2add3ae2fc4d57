#!/usr/bin/env bash
# In bfloat16 on a CPU, gradients of nn.Embedding and nn.LayerNorm stop growing after 256 tokens.
#
# Seen with torch 2.13.0 (CPU) on Python 3.11. The download is about 200 MB.
#
# The usual guess: a gradient that is a sum over tokens is added up in float32 and rounded to
# bfloat16 once, at the end, as matrix products, `sum`, `mean` and `cumsum` are. So it is right to
# within half a per cent however many tokens there are.
#
# What happens: that holds for nn.Linear, nn.GroupNorm, nn.Conv1d and `index_select`. The gradients
# of nn.Embedding (dense and sparse), of nn.EmbeddingBag, of `weight[ids]` and of the bias of
# nn.LayerNorm are added up in bfloat16 itself, whose 8 bits cannot hold 257: 256 + 1 is 256. A
# token that stands in a batch 4,096 times gets the gradient of 256 of them, a 16th, while a rare
# one gets its own in full. `weight[ids]` and `weight.index_select(0, ids)` are the same numbers
# forwards and differ by that factor backwards. nn.LayerNorm keeps one sum per thread, so its
# gradient depends on the number of threads as well. No warning is given, and the loss curve shows a
# model that learns a little worse, which is what bfloat16 is expected to do.
#
# What helps: keep parameters in float32 and compute under `torch.autocast("cpu", torch.bfloat16)`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'torch==2.13.0' 'numpy==2.3.5'

"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torch.nn.functional as F
from torch import nn

TOKENS, WIDTH = 4096, 8
print(f"torch {torch.__version__}, {TOKENS} tokens, each with a gradient of 1")
torch.set_num_threads(1)
torch.manual_seed(0)
ids = torch.zeros(TOKENS, dtype=torch.long)  # one and the same token
x = torch.randn(TOKENS, WIDTH)

EMBEDDINGS = {
    "F.embedding": lambda weight: F.embedding(ids, weight),
    "F.embedding, sparse": lambda weight: F.embedding(ids, weight, sparse=True),
    "F.embedding_bag": lambda weight: F.embedding_bag(ids[None], weight, mode="sum"),
    "weight[ids]": lambda weight: weight[ids],
    "weight.index_select": lambda weight: weight.index_select(0, ids),
}
LAYERS = {
    "nn.LayerNorm, bias": (nn.LayerNorm, x),
    "nn.GroupNorm, bias": (lambda width: nn.GroupNorm(2, width), x),
    "nn.Linear, bias": (lambda width: nn.Linear(width, width), x),
    "nn.Conv1d, bias": (lambda width: nn.Conv1d(width, width, 1), x.T[None]),
}


def gradients(dtype: torch.dtype) -> dict[str, float]:
    found = {}
    for name, look_up in EMBEDDINGS.items():
        weight = torch.zeros(2, WIDTH, dtype=dtype, requires_grad=True)
        look_up(weight).sum().backward()
        found[name] = weight.grad.to_dense()[0, 0].item()
    for name, (make, inputs) in LAYERS.items():
        layer = make(WIDTH).to(dtype)
        layer(inputs.to(dtype)).sum().backward()
        found[name] = layer.bias.grad[0].item()
    return found


exact, rounded = gradients(torch.float32), gradients(torch.bfloat16)
for name, value in rounded.items():
    print(f"{name:20}  float32 {exact[name]:6.0f}   bfloat16 {value:6.0f}")
assert set(exact.values()) == {TOKENS}
small = {name for name, value in rounded.items() if value == 256}
assert {rounded[name] for name in rounded.keys() - small} == {TOKENS}, "changed"
assert small == EMBEDDINGS.keys() - {"weight.index_select"} | {"nn.LayerNorm, bias"}, (
    f"changed: 256 only in {sorted(small)}"
)

torch.set_num_threads(2)
with_two = gradients(torch.bfloat16)["nn.LayerNorm, bias"]
print(f"nn.LayerNorm, bias, with two threads: {with_two:.0f}")
assert with_two == 512, "changed: no longer one sum per thread"

# Weights in float32, computing in bfloat16.
table, norm = nn.Embedding(2, WIDTH), nn.LayerNorm(WIDTH)
with torch.autocast("cpu", torch.bfloat16):
    norm(table(ids)).sum().backward()
    F.linear(table(ids), torch.eye(WIDTH)).sum().backward()
print(f"under autocast: {table.weight.grad[0, 0]:.0f} and {norm.bias.grad[0]:.0f}")
assert norm.bias.grad[0] == TOKENS and abs(table.weight.grad[0, 0] - TOKENS) < 1
print("as found: embedding and LayerNorm add up in bfloat16 and stop, the others do not")
PYTHON
