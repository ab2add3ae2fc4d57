"""What the compiler makes of a kernel for a given GPU, found out without that GPU.

Triton compiles for any NVIDIA architecture on any machine; what needs a GPU is only to run the
result. The compiled kernel says how many registers a thread takes, how many bytes of them had to
be put into slow memory, how much shared memory a block wants, and which instructions it uses. How
many blocks then fit on one multiprocessor is arithmetic. None of it says how fast the kernel is.

Blocks (CTAs) are groups of warps that share memory; a warp is 32 threads; a multiprocessor (SM)
holds several blocks at once if its registers and shared memory suffice for all of them.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget

from labs.kernels.launch import Launch

WARP_SIZE = 32


@dataclass(frozen=True, slots=True)
class Multiprocessor:
    """What one multiprocessor of an architecture has to give."""

    shared_bytes: int
    """Shared memory of all its blocks together."""
    shared_bytes_per_block: int
    """The most that one block may ask for."""
    registers: int = 65_536
    """Of 4 bytes each."""
    warps: int = 64
    blocks: int = 32


# NVIDIA, CUDA Programming Guide, "Compute Capabilities", table of technical specifications.
MULTIPROCESSORS = {
    80: Multiprocessor(shared_bytes=164 * 1024, shared_bytes_per_block=163 * 1024),
    90: Multiprocessor(shared_bytes=228 * 1024, shared_bytes_per_block=227 * 1024),
    100: Multiprocessor(shared_bytes=228 * 1024, shared_bytes_per_block=227 * 1024),
}
"""By compute capability times ten: 80 is an A100, 90 an H100 or H200, 100 a B200."""

RESERVED_SHARED_BYTES = 1024
"""The system's own part of each block's shared memory (NVIDIA's tuning guides for 8.0 and 9.0)."""
REGISTER_UNIT = 256
"""Registers are given to a warp in portions of so many (``cuda_occupancy.h`` of the toolkit)."""


@dataclass(frozen=True, slots=True)
class CompiledFacts:
    """One kernel with its tile sizes, as compiled for one architecture."""

    name: str
    capability: int
    num_warps: int
    registers: int
    """Of each thread; 255 is the most there can be."""
    stack_bytes: int
    """Of each thread: what did not fit into its registers and lies in slow memory ("spills")."""
    shared_bytes: int
    """Of each block."""
    ctas_per_sm: int
    """Blocks that fit on one multiprocessor at once; 0: not even one."""
    wgmma: int
    """Matrix instructions of Hopper's tensor cores in the code, each issued by four warps."""
    mma_sync: int
    """Matrix instructions of the older form, each issued by one warp."""
    tcgen05: int
    """Matrix instructions of Blackwell's tensor cores."""
    tma: int
    """Copies of whole tiles by the tensor memory accelerator."""
    cp_async: int
    """Copies of 16 bytes or fewer, global to shared memory, that nobody waits for at once."""
    setmaxnreg: int
    """Changes of a warp group's share of the registers: a mark of specialised warps."""


def facts(launch: Launch, capability: int) -> CompiledFacts:
    """Compile `launch` for `capability` (80, 90 or 100) and read the result.

    Takes half a second to a few seconds. Raises `RuntimeError` if the kernel was imported with
    TRITON_INTERPRET set, which leaves nothing to compile. The compiler's files go to a temporary
    folder, or to TRITON_CACHE_DIR if that is set.
    """
    if not isinstance(launch.kernel, triton.JITFunction):
        raise RuntimeError(
            f"{launch.kernel} cannot be compiled: it was imported with TRITON_INTERPRET set. "
            "Ask for its facts in a process without it"
        )
    with _pretending(capability), _cache():
        compiled = launch.compile()
    ptx, num_warps = compiled.asm["ptx"], compiled.metadata.num_warps
    registers, stack_bytes = _resources(compiled.asm["cubin"])
    shared_bytes = compiled.metadata.shared
    return CompiledFacts(
        name=compiled.metadata.name,
        capability=capability,
        num_warps=num_warps,
        registers=registers,
        stack_bytes=stack_bytes,
        shared_bytes=shared_bytes,
        ctas_per_sm=ctas_per_sm(capability, num_warps, registers, shared_bytes),
        wgmma=_count(r"wgmma\.mma_async", ptx),
        mma_sync=_count(r"mma\.sync", ptx),
        tcgen05=_count(r"tcgen05\.mma", ptx),
        tma=_count(r"cp\.async\.bulk\.tensor", ptx),
        cp_async=_count(r"cp\.async\.c[ag]", ptx),
        setmaxnreg=_count(r"setmaxnreg", ptx),
    )


def ctas_per_sm(capability: int, num_warps: int, registers: int, shared_bytes: int) -> int:
    """How many blocks of `num_warps` warps fit on one multiprocessor at once.

    `registers` are those of a thread, `shared_bytes` those of a block.
    """
    sm = MULTIPROCESSORS[capability]
    if shared_bytes > sm.shared_bytes_per_block:
        return 0
    registers_per_warp = -(-registers * WARP_SIZE // REGISTER_UNIT) * REGISTER_UNIT
    return min(
        sm.registers // (registers_per_warp * num_warps),
        sm.shared_bytes // (shared_bytes + RESERVED_SHARED_BYTES),
        sm.warps // num_warps,
        sm.blocks,
    )


class _Stub:
    """As much of a driver as the compiler asks for; it can start nothing.

    The device's number is its capability: Triton keeps compiled kernels by device, and would hand
    out one architecture's for another.
    """

    def __init__(self, capability: int) -> None:
        self._capability = capability

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self._capability, WARP_SIZE)

    def get_current_device(self) -> int:
        return self._capability

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")


@contextmanager
def _pretending(capability: int) -> Iterator[None]:
    """Triton believes that there is a GPU of this capability."""
    drivers: Any = triton.runtime.driver
    try:
        before = drivers.active
    except RuntimeError:  # no GPU
        before = None
    drivers.set_active(_Stub(capability))
    try:
        yield
    finally:
        drivers.set_active(before)


@contextmanager
def _cache() -> Iterator[None]:
    """The compiler leaves nothing behind, unless TRITON_CACHE_DIR says where."""
    with ExitStack() as stack:
        if not os.environ.get("TRITON_CACHE_DIR"):
            stack.enter_context(triton.knobs.cache.scope())
            triton.knobs.cache.dir = stack.enter_context(tempfile.TemporaryDirectory())
        yield


def _resources(cubin: bytes) -> tuple[int, int]:
    """Registers and bytes of stack of a thread, as the tool in Triton's package reads them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        report = subprocess.run(
            [triton.knobs.nvidia.cuobjdump.path, "--dump-resource-usage", path],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", report)
    assert found, report
    return int(found[1]), int(found[2])


def _count(pattern: str, ptx: str) -> int:
    # At the start of an instruction or after its predicate; `mma.sync` is also part of other words.
    return len(re.findall(rf"^\s*(?:@\S+\s+)?{pattern}", ptx, flags=re.MULTILINE))
