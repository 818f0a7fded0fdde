"""Device and number format of the computation, and how a CPU is prepared for it.

bfloat16 goes through autocast: weights, optimiser, the two heads, the graphics code and the objective stay float32;
only convolutions and what lies between them are rounded. float32 is float32: NVIDIA's TF32, which torch takes for
convolutions unless told otherwise, is off wherever a device was chosen here.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch

from dcign.errors import ArgumentError

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # glibc's malloc.h


def resolve_device(name: str) -> torch.device:
    """Return the device for 'cpu', 'cuda' or 'auto' (a CUDA GPU if there is one); RunError if it is absent.

    On a GPU float32 is not rounded from then on: see `allow_tf32`.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ArgumentError("device", "expected a CUDA GPU that torch can use, found none; see `dcign doctor`", "cuda")
    if name == "cuda":
        allow_tf32()
    return torch.device(name)


def allow_tf32(convolutions: bool = False, products: bool = False) -> None:
    """Say where GPUs may round float32 to the 10 bits of TF32 on its way into a multiplication; by default nowhere.

    This holds for the whole process. Of torch's two interfaces to it only the newer is used where there is one (2.9):
    once that has been used, torch refuses to answer through the older, `torch.backends.cudnn.flags` included.
    """
    cudnn: Any = torch.backends.cudnn  # whose types tell less than it has
    matmul: Any = torch.backends.cuda.matmul
    if hasattr(torch.backends, "fp32_precision"):
        matmul.fp32_precision = "tf32" if products else "ieee"
        for operations in (cudnn, cudnn.conv, cudnn.rnn):
            operations.fp32_precision = "tf32" if convolutions else "ieee"
    else:
        cudnn.allow_tf32, matmul.allow_tf32 = convolutions, products


def resolve_precision(name: str, device: torch.device) -> str:
    """Return 'fp32' or 'bf16'; 'auto' becomes bf16 where the hardware multiplies it natively."""
    if name != "auto":
        return name
    return "bf16" if has_native_bf16(device) else "fp32"


def has_native_bf16(device: torch.device) -> bool:
    """Tell if the device multiplies bfloat16 in hardware: GPUs from Ampere on; CPUs by their flags (Linux only)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported() and torch.cuda.get_device_capability(device)[0] >= 8
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})  # the last on Arm


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which encoder and decoder run, without a cache of casts: every weight is used once."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)


@contextmanager
def prepared(device: torch.device) -> Iterator[None]:
    """Prepare the device for steps of one shape: see `prepare_cpu`; a GPU tries the algorithms of cuDNN once.

    Afterwards this thread computes with denormal numbers again: without them scipy's cKDTree may recurse for ever.
    """
    if device.type != "cpu":
        torch.backends.cudnn.benchmark = True
        yield
        return
    prepare_cpu()
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def prepare_cpu() -> None:
    """Make training on a CPU faster: keep freed memory, flush denormals. No result that matters changes.

    Momenta of dead units decay towards zero for ever, and arithmetic on denormal numbers is many times slower.
    """
    torch.set_flush_denormal(True)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, since batch after batch allocates and frees the same large activations.

    Left alone it hands such blocks back to the kernel and faults fresh zeroed pages in, which costs a quarter of a step
    of training at widths 24/16/8.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # glibc
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_M_TOP_PAD, 64 * 2**20)
