"""OpenGL contexts without a screen, over EGL."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import moderngl

from render.opengl import no_context

Opened = TypeVar("Opened")

MOST_DEVICES = 32


def open_context() -> moderngl.Context:
    """Open an OpenGL context and make it current, on an EGL device as `on_first_device` has it. Open one a process.

    Failure if no context can be made.
    """
    context = on_first_device(
        lambda device: moderngl.create_context(
            standalone=True, backend="egl", libgl="libGL.so.1", libegl="libEGL.so.1", device_index=device
        )
    )
    context.gc_mode = "context_gc"  # what Python has let go of is deleted by context.gc()
    return context


def on_first_device(attempt: Callable[[int], Opened]) -> Opened:
    """Return what `attempt` opens on EGL device `EGL_DEVICE_ID`, or else on the first on which it does.

    Some devices are listed and cannot be opened, such as the node of a GPU whose driver EGL does not know. Mesa lists
    its software device last. Failure, with the first device's error, if none can be opened.
    """
    chosen = os.environ.get("EGL_DEVICE_ID")
    first: Exception | None = None
    for device in range(MOST_DEVICES) if chosen is None else (chosen,):
        try:
            return attempt(int(device))
        except Exception as error:  # moderngl raises bare Exceptions, PyOpenGL anything
            first = first or error
            if isinstance(error, ValueError) or "device index" in str(error):  # there is no such device, nor another
                break
    assert first is not None
    raise no_context(first) from first


def gl_strings(context: moderngl.Context) -> dict[str, str]:
    """Return vendor, renderer and version of an OpenGL context."""
    return {name: str(context.info[f"GL_{name.upper()}"]) for name in ("vendor", "renderer", "version")}


def gl_info() -> dict[str, str]:
    """Open a context and return its vendor, renderer and version."""
    return gl_strings(open_context())
