#!/usr/bin/env bash
# torch.set_flush_denormal reaches one thread: one product of equal numbers gives two results.
#
# Seen with torch 2.13.0 (CPU) on Python 3.11. The download is about 200 MB.
#
# The usual guess: the documentation says that it "disables denormal floating numbers on CPU" and
# answers True, so from that call on every operation treats numbers below 1e-38 as 0.
#
# What happens: the mode belongs to the calling thread, and threads take it over when they are
# born. Large operations are spread over PyTorch's own threads, which are born with the first large
# operation. Called before it, the mode holds everywhere. Called after it, the other threads go on
# as before: a tensor whose elements are all 1e-39, times 1, is 0 in the parts that the calling
# thread computed and 1e-39 in the rest. Which parts those are depends on size and thread count, so
# results do, and the rest is as slow as it was.
#
# What helps: call it first of all, or in every thread that computes (as an initializer of a pool)
# with `torch.set_num_threads(1)`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'torch==2.13.0' 'numpy==2.3.5'

cat > "$folder/product.py" <<'PYTHON'
import sys

import torch

torch.set_num_threads(2)
if sys.argv[1] == "first":
    assert torch.set_flush_denormal(True)
# 1e-39 as bits: written as a number, the mode would make it 0 at once.
numbers = torch.full((1 << 22,), 713_624, dtype=torch.int32).view(torch.float32)
numbers * 1.0  # by now PyTorch's threads are born
if sys.argv[1] == "later":
    assert torch.set_flush_denormal(True)
print(int((numbers * 1.0 == 0).sum()), len(numbers))
PYTHON

for order in first later; do
    read -r n_zero n_all < <("$folder/venv/bin/python" "$folder/product.py" "$order")
    echo "torch 2.13.0, mode set $order: $n_zero of $n_all products of 1e-39 and 1 are 0"
    if [ "$order" = first ]; then
        [ "$n_zero" -eq "$n_all" ] || { echo "changed: not all are 0"; exit 1; }
    else
        { [ "$n_zero" -gt 0 ] && [ "$n_zero" -lt "$n_all" ]; } || { echo "changed: all alike"; exit 1; }
    fi
done
echo "as found: the mode is the calling thread's, and its operations have several"
