"""SmolLM2 in a process of its own, timed; prints what it took as JSON.

``python -m benchmarks.models_probe load ours``: from a process that has torch to the logits of a
first prompt. ``read 8 64 ours``: passes of 8 x 64 tokens. ``decode 2``: ours and transformers' on
the same weights and so many threads, in turn. ``python models_probe.py decode-llama-cpp FILE`` runs
on one thread in an interpreter that has llama-cpp-python, and needs nothing else.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROMPT = "The capital of France is"
N_NEW = 64
N_ROUNDS = 5


def main() -> None:
    kind, *arguments = sys.argv[1:]
    print(json.dumps(KINDS[kind](*arguments)))


def load(whose: str) -> dict[str, float]:
    """Processor time and wall time to the logits of the prompt, and the most memory."""
    import torch

    from labs.models import load_language_model
    from labs.models.shelf import locate

    path = locate("smollm2")["weights"]  # hashed here, for all alike
    torch.set_grad_enabled(False)
    processor, wall = time.process_time(), time.perf_counter()
    if whose == "transformers":
        reference = build_reference(path)
        reference(torch.tensor([[504, 3575, 282, 4649, 314]]))  # the prompt
    else:
        language_model = load_language_model(packed=whose == "packed")
        language_model.model(torch.tensor([language_model.tokenizer.encode(PROMPT)]))
    return {
        "processor_s": time.process_time() - processor,
        "wall_s": time.perf_counter() - wall,
        "memory_mb": peak_memory_mb(),
    }


def peak_memory_mb() -> float:
    """The most memory that this program had resident.

    Not `ru_maxrss`: that starts at what the process which started this one had.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def build_reference(path: Any) -> Any:
    """The model as transformers reads it from the GGUF file, with its eager attention."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        str(path.parent), gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()


def decode(n_threads: str) -> dict[str, float]:
    """Milliseconds a token, greedy and with a cache: ours, and transformers' in two ways.

    Of processor time on one thread, else of wall time.
    """
    import torch

    from labs.models import load_language_model
    from labs.models.shelf import locate
    from labs.transformer.generation import generate

    torch.set_num_threads(int(n_threads))
    torch.set_grad_enabled(False)
    ours = load_language_model()
    prompt = torch.tensor([ours.tokenizer.encode(PROMPT)])
    reference = build_reference(locate("smollm2")["weights"])
    reference.generation_config.eos_token_id = None  # go on to the last token, as ours does
    options = {
        "max_new_tokens": N_NEW,
        "do_sample": False,
        "use_cache": True,
        "pad_token_id": 0,
        "attention_mask": torch.ones_like(prompt),
    }

    def with_attention(kind: str) -> Any:
        reference.set_attn_implementation(kind)
        return reference.generate(prompt, **options)

    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: generate(ours.model, prompt, N_NEW),
        "eager": lambda: with_attention("eager"),
        "sdpa": lambda: with_attention("sdpa"),
    }
    assert ways["ours"]()[0].tolist() == ways["eager"]()[0, prompt.shape[1] :].tolist()
    return in_turn(ways, time.process_time if n_threads == "1" else time.perf_counter)


def in_turn(ways: dict[str, Callable[[], Any]], clock: Callable[[], float]) -> dict[str, float]:
    """Milliseconds a token, the median of the rounds; in each, every way takes its turn."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(N_ROUNDS):
        for name, way in ways.items():
            began = clock()
            way()
            took[name].append(1000 * (clock() - began) / N_NEW)
    return {name: statistics.median(times) for name, times in took.items()}


def decode_llama_cpp(path: str) -> dict[str, float]:
    """Processor time of llama.cpp, which keeps the weights packed and has kernels for them."""
    from llama_cpp import Llama  # type: ignore[import-not-found]

    model = Llama(path, n_ctx=256, n_threads=1, n_threads_batch=1, verbose=False)
    tokens = model.tokenize(PROMPT.encode(), add_bos=False)

    def write() -> None:
        model.reset()
        for number, _ in enumerate(model.generate(tokens, temp=0.0, repeat_penalty=1.0), start=1):
            if number == N_NEW:
                break

    write()
    return in_turn({"llama.cpp": write}, time.process_time)


def read(n_rows: str, n_tokens: str, whose: str) -> dict[str, float]:
    """Passes over so many tokens, the median, on as many threads as OMP_NUM_THREADS says."""
    import torch

    from labs.models import load_language_model

    torch.set_grad_enabled(False)
    model = load_language_model(packed=whose == "packed").model
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 49_152, (int(n_rows), int(n_tokens)), generator=generator)
    processor, wall = [], []
    for _ in range(N_ROUNDS):
        began = time.process_time(), time.perf_counter()
        model(tokens)
        processor.append(time.process_time() - began[0])
        wall.append(time.perf_counter() - began[1])
    return {"processor_s": statistics.median(processor), "wall_s": statistics.median(wall)}


KINDS: dict[str, Callable[..., dict[str, float]]] = {
    "load": load,
    "decode": decode,
    "decode-llama-cpp": decode_llama_cpp,
    "read": read,
}

if __name__ == "__main__":
    main()
