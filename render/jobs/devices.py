"""The choice of EGL devices that render workers draw on: GPUs if there are any."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from render.egl import nvidia_driver, nvidia_egl, nvidia_remedy
from render.errors import BadInput

WORKERS_PER_GPU = 16  # at most: a mini-batch of faces takes 50 ms of a core before the GPU sees it


def gpus() -> list[int]:
    """List the EGL devices of the GPUs to draw on, as EGL_DEVICE_ID counts them; none if GL runs on the CPU.

    EGL_DEVICE_ID in the environment picks one device, so that nothing is listed. CUDA_VISIBLE_DEVICES is honoured;
    raises BadInput if it cannot be.
    """
    if "EGL_DEVICE_ID" in os.environ:
        return []
    return visible(_ask("egl_devices"), os.environ)


def visible(devices: list[dict[str, Any]], environment: Mapping[str, str]) -> list[int]:
    """List those of `devices` that CUDA_VISIBLE_DEVICES shows, in its order, by their EGL index.

    `devices` are those of `render.egl.egl_devices`. Slices of a GPU (MIG-...) have no EGL.
    """
    found = {device["cuda"]: device["index"] for device in devices if device["cuda"] is not None}
    text = environment.get("CUDA_VISIBLE_DEVICES")
    if text is None or not found:
        return [found[cuda] for cuda in sorted(found)]
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    if words and all(word.startswith("MIG-") for word in words):
        return []
    if any(word[:1].isalpha() for word in words):  # GPU-..., MIG-...
        if len(found) <= len(words):
            return [found[cuda] for cuda in sorted(found)]
        raise BadInput(f"CUDA_VISIBLE_DEVICES: expected numbers of GPUs, found {text!r}; or set EGL_DEVICE_ID")
    chosen = []
    for word in words:
        if not word.isdecimal() or int(word) not in found:
            break  # as CUDA does: what follows an unknown device is hidden
        chosen.append(found[int(word)])
    return chosen


def device_environments(workers: int | None) -> list[dict[str, str]]:
    """Return the environment of each render worker: its EGL device, if it is to have one.

    Without a number of `workers`: on GPUs as many as the cores allow, up to WORKERS_PER_GPU on each; else one a core.
    """
    cores, found = len(os.sched_getaffinity(0)), gpus()
    if not found:
        return [{}] * (workers or cores)
    count = workers or len(found) * max(1, min(WORKERS_PER_GPU, cores // len(found)))
    return [{"EGL_DEVICE_ID": str(found[i % len(found)])} for i in range(count)]


def software_warning(gl: str) -> str:
    """Return a warning, with the remedy, if the GL renderer `gl` is the CPU in spite of an NVIDIA GPU; else ''."""
    if "llvmpipe" not in gl or not nvidia_driver():
        return ""
    remedy = nvidia_remedy(nvidia_egl(), _ask("egl_devices"))
    return f"rendering runs on the CPU (llvmpipe) although an NVIDIA GPU exists. Remedy: {remedy}"


def _ask(function: str) -> list[dict[str, Any]]:
    """Return what a function of `render.egl` lists, called in a process of its own; [] when a driver crashes it.

    CUDA's indices are asked for unmasked: masks are read here.
    """
    environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    code = f"import json; from render import egl; print('\\n' + json.dumps(egl.{function}()))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment
        )
    except subprocess.TimeoutExpired:
        return []
    found = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else []
    return found if isinstance(found, list) else []
