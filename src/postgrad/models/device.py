"""What this machine computes best with: probed, never assumed. On CPUs without bf16 units float32 is far faster."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from postgrad.errors import UsageError


@dataclass(frozen=True)
class Device:
    """A device with its measured speed.

    Attributes:
        kind: `cpu`, `cuda` or `mps`.
        name: For people.
        dtype: The fastest of those probed, `float32` or `bfloat16`.
        gflops: Matrix-product rate by dtype, in 10⁹ operations a second.
        memory_bytes: Memory that a run may use.
    """

    kind: str
    name: str
    dtype: str
    gflops: dict[str, float]
    memory_bytes: int

    @property
    def torch_dtype(self) -> torch.dtype:
        return getattr(torch, self.dtype)


def device_kind() -> str:
    """`cuda`, `mps` or `cpu`: what `POSTGRAD_DEVICE` says, else a GPU where there is one.

    Raises:
        UsageError: there is no such device here.
    """
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    there = [kind for kind, found in has.items() if found]
    asked = os.environ.get("POSTGRAD_DEVICE") or there[0]
    if asked not in there:
        raise UsageError(
            f"This machine has no device {asked!r} that torch can use.", f"--device takes {' or '.join(there)} here."
        )
    return asked


def probe() -> Device:
    """This machine's device: a GPU where there is one. Measured once a process; `POSTGRAD_DEVICE` (`cpu`, `cuda` or
    `mps`, what `--device` sets) and `POSTGRAD_DTYPE` (`float32` or `bfloat16`) go before the measurement.

    The variables are read at each call: whoever sets one after a first look at the device (a job that resumes in the
    dtype that it began with) gets what it says.

    Raises:
        UsageError: there is no such device here, or `POSTGRAD_DTYPE` names no such dtype.
    """
    kind, rates, memory = _measured(device_kind())
    wish = os.environ.get("POSTGRAD_DTYPE")
    if wish and wish not in rates:
        raise UsageError(
            f"POSTGRAD_DTYPE is {wish!r}; it can be {' or '.join(rates)}.", "Unset it to have it measured."
        )
    return Device(kind, _name(kind), wish or max(rates, key=lambda name: rates[name]), rates, memory)


@functools.lru_cache(maxsize=3)
def _measured(kind: str) -> tuple[str, dict[str, float], int]:
    """Kind of device, rate by dtype, bytes of memory. Products of a transformer's size, for a third of a second.

    The dtypes take turns and each one's best turn counts, so that a neighbour who computes for a moment decides
    nothing.
    """
    turns = [{name: _rate(kind, getattr(torch, name)) for name in ("float32", "bfloat16")} for _ in range(3)]
    return kind, {name: max(turn[name] for turn in turns) for name in turns[0]}, _memory(kind)


def _rate(kind: str, dtype: torch.dtype) -> float:
    left = torch.ones(512, 576, dtype=dtype, device=kind)
    right = torch.ones(576, 1536, dtype=dtype, device=kind)
    torch.mm(left, right)
    _wait(kind)
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < 0.05:
        torch.mm(left, right)
        _wait(kind)
        rounds += 1
    return 2 * 512 * 576 * 1536 * rounds / (time.perf_counter() - start) / 1e9


def _wait(kind: str) -> None:
    if kind == "cuda":
        torch.cuda.synchronize()
    elif kind == "mps":
        torch.mps.synchronize()


def _name(kind: str) -> str:
    if kind == "cuda":
        return torch.cuda.get_device_name()
    return (
        f"{torch.get_num_threads()} threads of {platform.processor() or platform.machine()}"
        if kind == "cpu"
        else "Apple GPU"
    )


def _memory(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.get_device_properties(0).total_memory
    import psutil

    return psutil.virtual_memory().available


def sums_in(like: torch.Tensor) -> torch.dtype:
    """What sums are added up in on a tensor's device: float64, which Apple's GPUs alone have not."""
    return torch.float32 if like.device.type == "mps" else torch.float64


def peak_memory(kind: str) -> int:
    """Peak bytes of this process: device memory on a GPU, resident memory elsewhere.

    On Linux from VmHWM, because the figure of getrusage begins with that of the process which started this one.
    """
    if kind == "cuda":
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():
        line = next((line for line in status.read_text("utf-8").splitlines() if line.startswith("VmHWM:")), None)
        if line is not None:
            return int(line.split()[1]) * 1024
    import resource

    unit: Any = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def room_for(kind: str) -> int:
    """Bytes that this process may come to use: what is free and what it has already."""
    if kind == "cuda":
        return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()
    import psutil

    return psutil.virtual_memory().available + psutil.Process().memory_info().rss


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch says that a tensor found no room, on a GPU or on the machine."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


@contextlib.contextmanager
def memory_kept() -> Iterator[None]:
    """While the block runs, glibc keeps freed memory for the next tensor instead of giving it back page by page.

    Large tensors come and go with every layer; without this the kernel clears their pages anew each time, a tenth of
    the time of a training. Does nothing with other C libraries. Afterwards all is given back.
    """
    library: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(library, "mallopt"):
        yield
        return
    trim_threshold, top_pad, mmap_max = -1, -2, -4
    library.mallopt(mmap_max, 0)
    library.mallopt(trim_threshold, 2**31 - 1)
    library.mallopt(top_pad, 1 << 26)
    try:
        yield
    finally:
        library.mallopt(mmap_max, 65536)
        library.mallopt(trim_threshold, 1 << 17)
        library.mallopt(top_pad, 1 << 17)
        library.malloc_trim(0)
