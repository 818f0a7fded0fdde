"""The package chooses EGL by itself, and says in one line where OpenGL is missing."""

import os
import subprocess
import sys

MISSING = """
import sys
sys.modules["moderngl"] = None
from render.errors import Failure
try:
    import render.opengl.batched
except Failure as failure:
    print(failure)
"""
CHOSEN = """
import os
import render.opengl.programs
print(os.environ["PYOPENGL_PLATFORM"], os.environ["PYGLET_HEADLESS"])
"""
NO_DEVICE = """
from render.errors import Failure
from render.opengl.context import gl_info
try:
    gl_info()
except Failure as failure:
    print(failure)
"""


def output(code, **environment):
    """Run code in a fresh Python and return what it prints."""
    without = {key: value for key, value in os.environ.items() if key not in ("PYOPENGL_PLATFORM", "PYGLET_HEADLESS")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=without | environment).stdout


def test_importing_the_package_is_all_that_chooses_the_platform():
    assert output(CHOSEN) == output(CHOSEN, PYOPENGL_PLATFORM="osmesa") == "egl true\n"


def test_where_opengl_is_missing_the_remedy_is_named():
    assert output(MISSING).startswith("no OpenGL context over EGL (ModuleNotFoundError: ")
    assert "libegl1" in output(MISSING)


def test_a_device_that_is_not_there_is_no_traceback():
    assert output(NO_DEVICE, EGL_DEVICE_ID="99").startswith("no OpenGL context over EGL (")
