"""OpenGL renderers without a screen. Importing this package chooses EGL and loads moderngl, or raises Failure.

Import it where something is drawn, not at the top of a module: loading takes time, and machines that train may lack it.
"""

import os

from render.egl import GL_PACKAGES, nvidia_driver, nvidia_egl, nvidia_remedy, overrides
from render.errors import Failure

os.environ["PYOPENGL_PLATFORM"] = "egl"  # of the reference renderer
os.environ["PYGLET_HEADLESS"] = "true"  # pyrender imports its viewer, and pyglet would load X11 libraries for it


def no_context(error: Exception) -> Failure:
    """Make the Failure to raise if no OpenGL context can be had because of `error`: one line, with the remedy."""
    installed = not isinstance(error, ImportError)
    if installed and (said := overrides(os.environ)):
        remedy = f"{said} and try again, or run `dcign doctor`"
    elif installed and nvidia_driver() and not (egl := nvidia_egl())["vendor_file"]:
        remedy = nvidia_remedy(egl, [])
    else:
        remedy = f"install Mesa's software GL (apt-get install {' '.join(GL_PACKAGES)}) or run `dcign doctor`"
    return Failure(f"no OpenGL context over EGL ({type(error).__name__}: {in_words(error)}); {remedy}")


def in_words(error: Exception) -> str:
    """Return what an error of a GL library says, in one line."""
    operation = getattr(error, "baseOperation", None)  # of PyOpenGL, which goes on with all arguments
    if operation is not None:
        number = getattr(error, "err", None)
        name = getattr(operation, "__name__", operation)
        return f"{name} failed ({number:#x})" if isinstance(number, int) else f"{name} failed"
    return " ".join(str(error).split())


try:
    import moderngl  # noqa: F401
except Exception as error:
    raise no_context(error) from error
