"""EGL as this machine has it: its devices, NVIDIA's part of it, and what to do where OpenGL fails."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VENDOR_FOLDERS = (Path("/etc/glvnd/egl_vendor.d"), Path("/usr/share/glvnd/egl_vendor.d"))
VENDOR_FILE = VENDOR_FOLDERS[1] / "10_nvidia.json"
VENDOR_LINE = (
    f"sudo mkdir -p {VENDOR_FILE.parent} && "
    """echo '{"file_format_version": "1.0.0", "ICD": {"library_path": "libEGL_nvidia.so.0"}}' | """
    f"sudo tee {VENDOR_FILE}"
)
# Variables by which the GL dispatch library finds the vendors' files, the first that is set instead of all others
VENDOR_NAMES, VENDOR_DIRS = "__EGL_VENDOR_LIBRARY_FILENAMES", "__EGL_VENDOR_LIBRARY_DIRS"
# Variables that change which OpenGL there is, or how much of it
OVERRIDES = (
    "GALLIUM_DRIVER", "MESA_GL_VERSION_OVERRIDE", "MESA_GLSL_VERSION_OVERRIDE", "MESA_LOADER_DRIVER_OVERRIDE",
    "LIBGL_ALWAYS_SOFTWARE", "EGL_PLATFORM", VENDOR_NAMES, VENDOR_DIRS,
)  # fmt: skip
GL_PACKAGES = ("libegl1", "libgl1", "libgl1-mesa-dri")  # as scripts/setup installs them
MIG = (
    "the GPU is a MIG slice, which has CUDA and no OpenGL: render on the CPU, or on a GPU that is not divided; "
    "training can use the slice"
)


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


def nvidia_driver() -> str | None:
    """Return the loaded NVIDIA kernel driver in its own words, or None without one."""
    try:
        return Path("/proc/driver/nvidia/version").read_text().splitlines()[0].removeprefix("NVRM version:").strip()
    except (OSError, IndexError):
        return None


def nvidia_egl() -> dict[str, Any]:
    """Tell whether NVIDIA's EGL library loads, and what keeps the GL dispatch library from it.

    library      whether the library loads
    vendor_file  whether a file tells the dispatch library about it
    hidden_by    the variable that says where such files are to be looked for, if one is set
    mig          whether the GPU is a slice of one (Multi-Instance GPU)
    """
    try:
        ctypes.CDLL("libEGL_nvidia.so.0")
        loads = True
    except OSError:
        loads = False
    return {
        "library": loads,
        "vendor_file": any(map(_is_nvidia, vendor_files(os.environ))),
        "hidden_by": next((name for name in (VENDOR_NAMES, VENDOR_DIRS) if os.environ.get(name)), None),
        "mig": is_mig(os.environ),
    }


def vendor_files(environment: Mapping[str, str]) -> list[Path]:
    """List the vendors' files that the GL dispatch library reads."""
    if names := environment.get(VENDOR_NAMES):
        return [Path(name) for name in names.split(":") if name]
    folders = [Path(name) for name in environment.get(VENDOR_DIRS, "").split(":") if name] or VENDOR_FOLDERS
    return [file for folder in folders for file in sorted(folder.glob("*.json"))]


def is_mig(environment: Mapping[str, str]) -> bool:
    """Tell whether what CUDA sees here is a slice of a GPU."""
    visible = environment.get("CUDA_VISIBLE_DEVICES") or environment.get("NVIDIA_VISIBLE_DEVICES") or ""
    slices = Path("/proc/driver/nvidia/capabilities").glob("gpu*/mig/gi*")
    return visible.startswith("MIG-") or next(slices, None) is not None


def _is_nvidia(file: Path) -> bool:
    try:
        return "libEGL_nvidia" in file.read_text(errors="replace")
    except OSError:
        return False


def nvidia_remedy(egl: Mapping[str, Any], devices: Any) -> str:
    """Return the remedy if OpenGL misses the NVIDIA GPU, given the findings of `nvidia_egl` and `egl_devices`."""
    if egl.get("mig"):
        return MIG
    if not egl["library"]:
        return (
            "install the GL part of the driver, which brings libEGL_nvidia.so.0 (Debian: libegl-nvidia0, Ubuntu: "
            "libnvidia-gl-<version>); in a container, start it with NVIDIA_DRIVER_CAPABILITIES=all"
        )
    if not egl["vendor_file"]:
        hidden = egl.get("hidden_by")
        first = f"unset {hidden}, which leads to no file of NVIDIA's; if that is not enough, " if hidden else ""
        return f"{first}{VENDOR_FILE.name} is missing: {VENDOR_LINE}"
    usable = (
        [str(device["index"]) for device in devices if device["cuda"] is not None] if isinstance(devices, list) else []
    )
    if usable:
        return f"choose the GPU: export EGL_DEVICE_ID={usable[0]} (EGL devices with CUDA: {', '.join(usable)})"
    return "EGL finds no NVIDIA device: check that /dev/nvidia* and /dev/dri can be read and that nvidia-smi works"


def overrides(environment: Mapping[str, str]) -> str:
    """Say which variables to unset, those that change which OpenGL there is; '' if none is set."""
    found = [f"{name} (it is {environment[name]})" for name in OVERRIDES if environment.get(name)]
    return f"unset {', '.join(found)}" if found else ""
