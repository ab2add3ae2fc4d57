#!/usr/bin/env bash
# A CPU generator of PyTorch accepts a seed of 64 bits, reports it, and uses its lower 32.
#
# Seen with torch 2.13.0 (CPU) on Python 3.11. The download is about 200 MB.
#
# The usual guess: seeds that differ give different numbers. `Generator.manual_seed` takes any whole
# number of 64 bits and `initial_seed` returns it as given, so two counters can be packed into one
# seed, one in the upper half: (run << 32) + part.
#
# What happens: seeds that are equal modulo 2^32 give the same stream. All runs that are told apart
# by the upper half draw the same numbers, and a comparison over such seeds shows no variation.
# Python's own `random.Random` uses all bits of its seed.
#
# What helps: hash what tells the streams apart into 32 bits, for instance
# zlib.crc32(f"{run} {part}".encode()).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'torch==2.13.0' 'numpy==2.3.5'

"$folder/venv/bin/python" - <<'PYTHON'
import random

import torch

print(f"torch {torch.__version__}")


def drawn(seed: int) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    assert generator.initial_seed() == seed, "it reports the seed that it was given"
    return torch.rand(4, generator=generator).tolist()


for seed in (7 + (1 << 32), 7 + (5 << 40), 7 + (1 << 63)):
    print(f"seed {seed}: the numbers of seed 7: {drawn(seed) == drawn(7)}")
    assert drawn(seed) == drawn(7), "changed: the upper half of a seed counts"
assert drawn(7) != drawn(8)
assert random.Random(7).random() != random.Random(7 + (1 << 32)).random()
print("as found: two seeds that are equal modulo 2^32 are one seed")
PYTHON
