"""The EGL devices of this machine, and the choice of those that render workers draw on: GPUs if there are any."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from render.errors import BadInput

WORKERS_PER_GPU = 4  # meshes are made on the CPU, where one process does not keep a GPU busy
VENDOR_FILE = Path("/usr/share/glvnd/egl_vendor.d/10_nvidia.json")
VENDOR_LINE = (
    f"sudo mkdir -p {VENDOR_FILE.parent} && "
    """echo '{"file_format_version": "1.0.0", "ICD": {"library_path": "libEGL_nvidia.so.0"}}' | """
    f"sudo tee {VENDOR_FILE}"
)


def gpus() -> list[int]:
    """List the EGL devices of the GPUs to draw on, as EGL_DEVICE_ID counts them; none if GL runs on the CPU.

    EGL_DEVICE_ID in the environment picks one device, so that nothing is listed. CUDA_VISIBLE_DEVICES is honoured;
    raises BadInput if it cannot be.
    """
    if "EGL_DEVICE_ID" in os.environ:
        return []
    return visible(_ask("egl_devices"), os.environ)


def visible(devices: list[dict[str, Any]], environment: Mapping[str, str]) -> list[int]:
    """List those of `devices` (see `egl_devices`) that CUDA_VISIBLE_DEVICES shows, in its order, by their EGL index."""
    found = {device["cuda"]: device["index"] for device in devices if device["cuda"] is not None}
    text = environment.get("CUDA_VISIBLE_DEVICES")
    if text is None or not found:
        return [found[cuda] for cuda in sorted(found)]
    words = [word.strip() for word in text.split(",")] if text.strip() else []
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
    """Return what a function of this module lists, called in a process of its own; [] when a driver crashes it.

    CUDA's indices are asked for unmasked: masks are read here.
    """
    environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    code = f"import json; from render.jobs import devices; print('\\n' + json.dumps(devices.{function}()))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment
        )
    except subprocess.TimeoutExpired:
        return []
    found = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else []
    return found if isinstance(found, list) else []


def nvidia_driver() -> str | None:
    """Return the loaded NVIDIA kernel driver in its own words, or None without one."""
    try:
        return Path("/proc/driver/nvidia/version").read_text().splitlines()[0].removeprefix("NVRM version:").strip()
    except (OSError, IndexError):
        return None


def nvidia_egl() -> dict[str, bool]:
    """Tell whether NVIDIA's EGL library loads, and whether a file tells the GL dispatch library about it."""
    folders = (VENDOR_FILE.parent, Path("/etc/glvnd/egl_vendor.d"))
    try:
        ctypes.CDLL("libEGL_nvidia.so.0")
        loads = True
    except OSError:
        loads = False
    return {"library": loads, "vendor_file": any(list(folder.glob("*nvidia*.json")) for folder in folders)}


def egl_devices() -> list[dict[str, Any]]:
    """List the EGL devices in the order that EGL_DEVICE_ID counts them, with their CUDA index if they have one.

    EGL orders devices by itself: the CUDA index is the only sound way to tell which GPU a device is.
    Loads libEGL; raises OSError if it, or its device extension, is missing.
    """
    egl = ctypes.CDLL("libEGL.so.1")
    egl.eglGetProcAddress.restype = ctypes.c_void_p

    def function(name: str, result: Any, *arguments: Any) -> Any:
        address = egl.eglGetProcAddress(name.encode())
        if not address:
            raise OSError(f"libEGL.so.1 has no {name}")
        return ctypes.CFUNCTYPE(result, *arguments)(address)

    number, text, handle = ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p
    query = function("eglQueryDevicesEXT", number, number, ctypes.POINTER(handle), ctypes.POINTER(number))
    string = function("eglQueryDeviceStringEXT", text, handle, number)
    attribute = function("eglQueryDeviceAttribEXT", number, handle, number, ctypes.POINTER(ctypes.c_ssize_t))

    found, count = (handle * 32)(), number()
    if not query(len(found), found, ctypes.byref(count)):
        return []
    devices = []
    for index in range(count.value):
        extensions = (string(found[index], 0x3055) or b"").decode().split()  # EGL_EXTENSIONS
        cuda, path = ctypes.c_ssize_t(), None
        has_cuda = "EGL_NV_device_cuda" in extensions and attribute(found[index], 0x323A, ctypes.byref(cuda))
        if "EGL_EXT_device_drm" in extensions:
            path = string(found[index], 0x3233)  # EGL_DRM_DEVICE_FILE_EXT
        devices.append({
            "index": index,
            "file": path.decode() if path else None,
            "cuda": cuda.value if has_cuda else None,
            "software": "EGL_MESA_device_software" in extensions,
        })  # fmt: skip
    return devices


def nvidia_remedy(egl: dict[str, bool], devices: Any) -> str:
    """Return the remedy if OpenGL misses the NVIDIA GPU, given the findings of `nvidia_egl` and `egl_devices`."""
    if not egl["library"]:
        return (
            "install the GL part of the driver, which brings libEGL_nvidia.so.0 (Debian: libegl-nvidia0, Ubuntu: "
            "libnvidia-gl-<version>); in a container, start it with NVIDIA_DRIVER_CAPABILITIES=all"
        )
    if not egl["vendor_file"]:
        return f"{VENDOR_FILE.name} is missing: {VENDOR_LINE}"
    usable = (
        [str(device["index"]) for device in devices if device["cuda"] is not None] if isinstance(devices, list) else []
    )
    if usable:
        return f"choose the GPU: export EGL_DEVICE_ID={usable[0]} (EGL devices with CUDA: {', '.join(usable)})"
    return "EGL finds no NVIDIA device: check that /dev/nvidia* and /dev/dri can be read and that nvidia-smi works"
