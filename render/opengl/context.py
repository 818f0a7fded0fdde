"""OpenGL contexts without a screen, over EGL."""

from __future__ import annotations

import os

import moderngl

from render.opengl import no_context


def open_context() -> moderngl.Context:
    """Open an OpenGL context and make it current, on EGL device `EGL_DEVICE_ID` (default 0). Open one a process.

    Failure if no context can be made.
    """
    try:
        device = int(os.environ.get("EGL_DEVICE_ID", "0"))
        context = moderngl.create_context(
            standalone=True, backend="egl", libgl="libGL.so.1", libegl="libEGL.so.1", device_index=device
        )
    except Exception as error:  # moderngl raises bare Exceptions
        raise no_context(error) from error
    context.gc_mode = "context_gc"  # what Python has let go of is deleted by context.gc()
    return context


def gl_strings(context: moderngl.Context) -> dict[str, str]:
    """Return vendor, renderer and version of an OpenGL context."""
    return {name: str(context.info[f"GL_{name.upper()}"]) for name in ("vendor", "renderer", "version")}


def gl_info() -> dict[str, str]:
    """Open a context and return its vendor, renderer and version."""
    return gl_strings(open_context())
