"""What a device can do at most, measured: operations a second of a matrix product, bytes a second of a copy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices
COPIED = 2**28  # bytes, more than any cache holds
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


def matrix_peak(precision: str, device: torch.device, seconds: float = 0.5) -> float:
    """Operations a second of the fastest of two large square matrices' product and, on a CPU, a wide convolution.

    Each is tried for so many seconds: on a CPU the two go to different libraries, of which either may know it better.

    precision  'fp32', 'bf16', or on CUDA 'tf32': float32 rounded on its way into the product
    """
    side = SIDE[device.type]
    a, b, product = (torch.randn(side, side, device=device).to(DTYPES[precision]) for _ in range(3))
    with _float32_products(precision == "tf32"), torch.inference_mode():
        peak = 2 * side**3 / _fastest(lambda: torch.mm(a, b, out=product), device, seconds)
        if device.type == "cpu":
            image = torch.randn(8, 64, 64, 64).to(DTYPES[precision], memory_format=torch.channels_last)
            kernels = torch.randn(64, 64, 5, 5).to(DTYPES[precision], memory_format=torch.channels_last)
            operations = 2 * 8 * 60 * 60 * 64 * 64 * 5 * 5
            peak = max(peak, operations / _fastest(lambda: torch.conv2d(image, kernels), device, seconds))
    return peak


def copy_bandwidth(device: torch.device, seconds: float = 0.5) -> float:
    """Bytes a second, read and written together, of the fastest copy inside the memory of the device."""
    source, target = (torch.ones(COPIED, dtype=torch.uint8, device=device) for _ in range(2))
    return 2 * COPIED / _fastest(lambda: target.copy_(source), device, seconds)


def _fastest(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Seconds that `work` takes at best; on CUDA in bundles, so that launching costs nothing."""
    bundle = 10 if device.type == "cuda" else 1
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        finish(device)
        started = time.perf_counter()
        for _ in range(bundle):
            work()
        finish(device)
        best = min(best, (time.perf_counter() - started) / bundle)
    return best


def finish(device: torch.device) -> None:
    """Wait for what has been asked of the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _float32_products(tf32: bool) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
