#!/usr/bin/env bash
# An nn.Embedding on the meta device imports PyTorch's compiler; an nn.Linear of any size is free.
#
# Seen with torch 2.13.0 (CPU) on Python 3.11. The download is about 200 MB.
#
# The usual guess: the meta device has shapes and no numbers, so building a model there costs next
# to nothing, whatever it is made of. That is what it is recommended for: lay the model out, then
# `load_state_dict(…, assign=True)`.
#
# What happens: an embedding draws its starting values with `normal_`, which on a meta tensor is
# carried out by a decomposition in Python, and the first one imports `torch._dynamo` and with it
# SymPy: over eight hundred modules. A linear layer draws with `uniform_`, which has a kernel of its
# own there and imports nothing.
#
# What helps: draw nothing on the meta device. Give an Embedding subclass a `reset_parameters` that
# returns where `self.weight.is_meta`, or build with `torch.nn.Embedding.from_pretrained(
# torch.empty(n, d, device="meta"))`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'torch==2.13.0' 'numpy==2.3.5'

cat > "$folder/layout.py" <<'PYTHON'
import sys

import torch

build = {
    "nn.Linear": lambda: torch.nn.Linear(100_000, 100_000, device="meta"),
    "nn.Embedding": lambda: torch.nn.Embedding(4, 4, device="meta"),
    "nn.Embedding.from_pretrained": lambda: torch.nn.Embedding.from_pretrained(
        torch.empty(4, 4, device="meta")
    ),
}[sys.argv[1]]
before = len(sys.modules)
build()
print("yes" if "torch._dynamo" in sys.modules else "no", len(sys.modules) - before)
PYTHON

expect() {
    read -r compiler n_modules < <("$folder/venv/bin/python" "$folder/layout.py" "$1")
    echo "torch 2.13.0, $1 on the meta device: $n_modules more modules, the compiler: $compiler"
    [ "$compiler" = "$2" ] || { echo "changed: expected $2"; exit 1; }
}

expect nn.Linear no
expect nn.Embedding yes
expect nn.Embedding.from_pretrained no
echo "as found: four embeddings cost more to lay out than ten billion weights of a linear layer"
