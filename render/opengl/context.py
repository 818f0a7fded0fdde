"""OpenGL contexts without a screen, over EGL through pyrender's platform."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from OpenGL import GL

from render.opengl import no_context

if TYPE_CHECKING:
    from pyrender.platforms.egl import EGLPlatform

_opened: list[EGLPlatform] = []  # never collected


def open_platform(size: int) -> EGLPlatform:
    """Open a pyrender EGL platform with a current OpenGL context, on EGL device `EGL_DEVICE_ID` (default 0).

    Open one a process: a second one, or closing and opening again, is a known source of crashes in pyrender. It is kept
    to the end: a platform that is collected closes the display, and with it every other context of the process.
    Raises Failure if no context can be made.
    """
    try:
        from pyrender.platforms import egl

        device = egl.get_device_by_index(int(os.environ.get("EGL_DEVICE_ID", "0")))
        platform = egl.EGLPlatform(size, size, device=device)
        platform.init_context()
    except Exception as error:  # PyOpenGL raises anything from AttributeError to EGLError where libraries are missing
        raise no_context(error) from error
    _opened.append(platform)
    return platform


def gl_strings() -> dict[str, str]:
    """Return vendor, renderer and version of the current OpenGL context."""
    names = {"vendor": GL.GL_VENDOR, "renderer": GL.GL_RENDERER, "version": GL.GL_VERSION}
    return {key: (GL.glGetString(name) or b"?").decode("ascii", "replace") for key, name in names.items()}


def gl_info() -> dict[str, str]:
    """Open a context and return its vendor, renderer and version."""
    open_platform(16)
    return gl_strings()
