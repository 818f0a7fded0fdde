"""OpenGL renderers without a screen. Importing this package chooses EGL and loads OpenGL; Failure where that cannot be.

Import it where something is drawn, not at the top of a module: loading takes time, and machines that train may lack it.
"""

import os

from render.errors import Failure

os.environ["PYOPENGL_PLATFORM"] = "egl"
os.environ["PYGLET_HEADLESS"] = "true"  # pyrender imports its viewer, and pyglet would load X11 libraries for it

REMEDY = "install Mesa's software GL (apt-get install libegl1 libgl1 libgl1-mesa-dri) or run `dcign doctor`"


def no_context(error: Exception) -> Failure:
    """Make the Failure to raise if no OpenGL context can be had because of `error`."""
    return Failure(f"no OpenGL context over EGL ({type(error).__name__}: {error}); {REMEDY}")


try:
    from OpenGL import GL  # noqa: F401
    from OpenGL.plugins import FormatHandler
except Exception as error:  # PyOpenGL raises anything from AttributeError to EGLError where libraries are missing
    raise no_context(error) from error

# Since Python 3.12 `ctypes.byref` gives a `_ctypes.CArgObject`, which PyOpenGL 3.1.0 does not know: no textures
FormatHandler.by_name("ctypesparameter").check.append("_ctypes.CArgObject")
