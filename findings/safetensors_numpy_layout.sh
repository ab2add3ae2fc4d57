#!/usr/bin/env bash
# safetensors.numpy writes the memory of an array, not the array.
#
# Seen with safetensors 0.8.0 and numpy 2.3.5 on Python 3.11.
#
# The usual guess: `save` keeps what `array[i, j]` says, as `numpy.save` does, or it refuses an
# array that is not contiguous, as `safetensors.torch` does.
#
# What happens: shape and dtype are right, no warning is given, and the numbers stand in the order
# in which they lie in memory. A transposed view, a Fortran-ordered array and a strided slice come
# back with their numbers in other places; of the slice, numbers come back that were never in it.
# A weight matrix exported as `w.T` is silently another matrix.
#
# What helps: `numpy.ascontiguousarray` before saving, and a round-trip test.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'safetensors==0.8.0' 'numpy==2.3.5'

"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import safetensors
from safetensors.numpy import load, save

print(f"safetensors {safetensors.__version__}, numpy {np.__version__}")
matrix = np.arange(6, dtype=np.float32).reshape(2, 3)  # [[0, 1, 2], [3, 4, 5]]
surprises = 0
for name, array in {
    "contiguous": matrix,
    "transposed view": matrix.T,
    "Fortran order": np.asfortranarray(matrix),
    "every second column": matrix[:, ::2],
    "transposed, made contiguous": np.ascontiguousarray(matrix.T),
}.items():
    back = load(save({"w": array}))["w"]
    assert back.shape == array.shape and back.dtype == array.dtype
    is_equal = np.array_equal(back, array)
    print(f"{name:28} {array.tolist()} -> {back.tolist()}  {'equal' if is_equal else 'DIFFERS'}")
    contiguous = array.flags.c_contiguous
    if is_equal != contiguous:
        raise SystemExit(f"changed: {name} is now {'equal' if is_equal else 'different'}")
    surprises += not is_equal
assert surprises == 3
print("as found: what is not C-contiguous is saved in the order of its memory, without a word")
PYTHON
