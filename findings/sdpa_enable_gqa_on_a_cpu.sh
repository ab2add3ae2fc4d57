#!/usr/bin/env bash
# On a CPU, enable_gqa=True reads shared keys and values once for every query head.
#
# Seen with torch 2.13.0 (CPU) on Python 3.11. The download is about 200 MB.
#
# The usual guess: `scaled_dot_product_attention(..., enable_gqa=True)` is how to get what grouped
# queries promise. A new token that attends to a long context waits for keys and values to come from
# memory; with one head of them for nine query heads it should wait a ninth of the time.
#
# What happens: the results are right, and the time is several times what it could be. The same
# function, called with the nine queries as nine rows of one head, reads keys and values once and
# takes about a third of the time or less.
#
# What helps: for a single new token, which sees the whole context and needs no mask, view the
# queries as (batch, n_kv_heads, queries of a group, head_dim) and leave the switch off.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'torch==2.13.0' 'numpy==2.3.5'

"$folder/venv/bin/python" - <<'PYTHON'
import time

import torch
from torch.nn.functional import scaled_dot_product_attention as attend

print(f"torch {torch.__version__}")
torch.set_num_threads(1)
torch.manual_seed(0)
n_tokens, head_dim, n_heads = 8192, 64, 9
q = torch.randn(1, n_heads, 1, head_dim)
k, v = torch.randn(2, 1, 1, n_tokens, head_dim)


def by_switch():
    return attend(q, k, v, enable_gqa=True)


def as_rows():
    return attend(q.view(1, 1, n_heads, head_dim), k, v).view(q.shape)


torch.testing.assert_close(by_switch(), as_rows(), atol=1e-5, rtol=1e-5)
least = {by_switch: float("inf"), as_rows: float("inf")}
for _ in range(20):  # in turn; the least processor time is the least disturbed
    for way in least:
        began = time.process_time()
        for _ in range(10):
            way()
        least[way] = min(least[way], (time.process_time() - began) / 10)
for way, seconds in least.items():
    print(f"{way.__name__:9}  {1000 * seconds:.2f} ms")
ratio = least[by_switch] / least[as_rows]
assert ratio > 1.5, f"changed: the switch takes only {ratio:.2f} times as long"
print(f"as found: with enable_gqa it takes {ratio:.1f} times as long")
PYTHON
