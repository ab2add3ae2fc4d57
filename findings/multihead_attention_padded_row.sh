#!/usr/bin/env bash
# What nn.MultiheadAttention says of a fully padded sequence depends on three things beside it.
#
# Seen with torch 2.13.0 (CPU) on Python 3.11. The download is about 200 MB.
#
# The usual guess: the output is one function of input, mask and parameters. `need_weights` only
# asks for one more result, `no_grad` only saves memory, and `eval` changes nothing where there
# is no dropout. So a sequence without a single valid key is NaN always (a softmax over
# nothing), or zero always.
#
# What happens: of the eight combinations, five give NaN and three give the output bias alone
# (zero at initialisation). With `need_weights=False` the same module gives finite numbers while
# it trains and NaN once it is evaluated under `no_grad`, where a fused path takes over. So a
# batch filled up with empty sequences trains without a complaint and its validation loss is NaN.
#
# What helps: drop empty sequences before the layer, or keep one key visible in each.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'torch==2.13.0' 'numpy==2.3.5'

"$folder/venv/bin/python" - <<'PYTHON'
from itertools import product

import torch
from torch import nn

print(f"torch {torch.__version__}")
torch.manual_seed(0)
attention = nn.MultiheadAttention(embed_dim=8, num_heads=2, batch_first=True)
x = torch.randn(2, 3, 8)  # (batch, seq_len, d_model)
padding = torch.tensor([[False, False, True], [True, True, True]])  # the second is all padding

found = {}
for training, grad, need_weights in product((True, False), repeat=3):
    attention.train(training)
    with torch.set_grad_enabled(grad):
        out, _ = attention(x, x, x, key_padding_mask=padding, need_weights=need_weights)
    assert out[0].isfinite().all(), "the sequence with valid tokens is fine in every case"
    is_nan = bool(out[1].isnan().all())
    assert is_nan or torch.equal(out[1], attention.out_proj.bias.expand(3, 8))
    found[training, grad, need_weights] = is_nan
    mode = "train" if training else "eval "
    print(f"{mode}  grad={grad!s:5}  need_weights={need_weights!s:5}  {'NaN' if is_nan else 'bias'}")

finite = {case for case, is_nan in found.items() if not is_nan}
expected = {(True, True, False), (True, False, False), (False, True, False)}
assert finite == expected, f"changed: finite in {sorted(finite)}"
print("as found: NaN or not is decided by need_weights, by train or eval, and by grad mode")
PYTHON
