"""Number format and device of the convolutions.

bfloat16 goes through autocast: weights, optimiser, the two heads, the graphics code and the objective stay float32;
only convolutions and what lies between them are rounded.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import torch

from dcign.errors import RunError


def resolve_device(name: str) -> torch.device:
    """'cpu', 'cuda' or 'auto' (a CUDA GPU if there is one); RunError if the device asked for is absent."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise RunError("--device cuda: expected a CUDA GPU that torch can use, found none; see `dcign doctor`")
    return torch.device(name)


def resolve_precision(name: str, device: torch.device) -> str:
    """'fp32' or 'bf16'; 'auto' is bf16 where the hardware multiplies it natively."""
    if name != "auto":
        return name
    return "bf16" if has_native_bf16(device) else "fp32"


def has_native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware: GPUs from Ampere on; CPUs by their flags (Linux only)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported() and torch.cuda.get_device_capability(device)[0] >= 8
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})  # the last on Arm


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which encoder and decoder run. Every weight is used once: a cache of casts would serve nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)
