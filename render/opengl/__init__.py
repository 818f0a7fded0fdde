"""OpenGL renderers without a screen. Importing this package chooses EGL and loads moderngl, or raises Failure.

Import it where something is drawn, not at the top of a module: loading takes time, and machines that train may lack it.
"""

import os

from render.errors import Failure

os.environ["PYOPENGL_PLATFORM"] = "egl"  # of the reference renderer
os.environ["PYGLET_HEADLESS"] = "true"  # pyrender imports its viewer, and pyglet would load X11 libraries for it

REMEDY = "install Mesa's software GL (apt-get install libegl1 libgl1 libgl1-mesa-dri) or run `dcign doctor`"


def no_context(error: Exception) -> Failure:
    """Make the Failure to raise if no OpenGL context can be had because of `error`."""
    return Failure(f"no OpenGL context over EGL ({type(error).__name__}: {error}); {REMEDY}")


try:
    import moderngl  # noqa: F401
except Exception as error:
    raise no_context(error) from error
