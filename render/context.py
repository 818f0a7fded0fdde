"""Headless OpenGL: opens an EGL context through pyrender's platform, and says what was found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from render.errors import Failure

if TYPE_CHECKING:
    from pyrender.platforms.egl import EGLPlatform

_kept: list[EGLPlatform] = []
REMEDY = "install Mesa's software GL (apt-get install libegl1 libgl1 libgl1-mesa-dri) or run `dcign doctor`"


def open_platform(size: int) -> EGLPlatform:
    """A pyrender EGL platform with a current OpenGL context, on EGL device `EGL_DEVICE_ID` (default 0).

    One a process: a second one, or closing and opening again, is a known source of crashes in pyrender. It is kept to
    the end: a platform that is collected closes the display, and with it every other context of the process.
    Raises Failure where no context can be made.
    """
    try:
        prepare_pyrender()
        from pyrender.platforms import egl

        device = egl.get_device_by_index(int(os.environ.get("EGL_DEVICE_ID", "0")))
        platform = egl.EGLPlatform(size, size, device=device)
        platform.init_context()
    except Exception as error:  # PyOpenGL raises anything from AttributeError to EGLError where libraries are missing
        raise Failure(f"no OpenGL context over EGL ({type(error).__name__}: {error}); {REMEDY}") from error
    _kept.append(platform)
    return platform


def prepare_pyrender() -> None:
    """What has to be done before pyrender is imported: EGL, no X11, and textures on Python 3.12."""
    os.environ["PYOPENGL_PLATFORM"] = "egl"
    os.environ["PYGLET_HEADLESS"] = "true"  # pyrender imports its viewer, and pyglet would load X11 libraries for it
    from OpenGL.plugins import FormatHandler

    # Since Python 3.12 `ctypes.byref` gives a `_ctypes.CArgObject`, which PyOpenGL 3.1.0 does not know: no textures
    FormatHandler.by_name("ctypesparameter").check.append("_ctypes.CArgObject")


def gl_strings() -> dict[str, str]:
    """Vendor, renderer and version of the current OpenGL context."""
    from OpenGL import GL

    names = {"vendor": GL.GL_VENDOR, "renderer": GL.GL_RENDERER, "version": GL.GL_VERSION}
    return {key: (GL.glGetString(name) or b"?").decode("ascii", "replace") for key, name in names.items()}


def gl_info() -> dict[str, str]:
    """Open a context and say what it is: vendor, renderer, version."""
    open_platform(16)
    return gl_strings()
