"""The package chooses EGL by itself, and says in one line where OpenGL is missing."""

import os
import subprocess
import sys

import pytest

from render import opengl
from render.errors import Failure
from render.opengl.context import on_first_device

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


REFERENCE = """
from render.errors import Failure
try:
    from render.opengl.reference import ReferenceRenderer
    ReferenceRenderer(16)
except Failure as failure:
    print(failure)
"""


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("GALLIUM_DRIVER", "no-such-driver", NO_DEVICE),
        ("MESA_GL_VERSION_OVERRIDE", "2.1", NO_DEVICE),
        ("MESA_GL_VERSION_OVERRIDE", "2.1", REFERENCE),
        ("PYTHONOPTIMIZE", "1", REFERENCE),
    ],
)
def test_a_variable_that_takes_opengl_away_is_named_in_one_line(name, value, code):
    (line,) = output(code, **{name: value}).splitlines()
    assert f"unset {name}" in line
    assert "install" not in line


def opening(devices):
    """Opens device n of `devices`, each 'good' or what is wrong with it, as moderngl does."""

    def attempt(number):
        if number >= len(devices):
            raise Exception(f"requested device index {number}, but found {len(devices)} devices")
        if devices[number] != "good":
            raise Exception(devices[number])
        return number

    return attempt


def test_where_the_first_devices_cannot_be_opened_the_next_one_is(monkeypatch):
    monkeypatch.delenv("EGL_DEVICE_ID", raising=False)
    assert on_first_device(opening(["eglInitialize failed (0x3001)", "no", "good", "good"])) == 2
    with pytest.raises(Failure, match=r"\(Exception: eglInitialize failed \(0x3001\)\); install"):
        on_first_device(opening(["eglInitialize failed (0x3001)", "no"]))
    with pytest.raises(Failure, match="requested device index 0"):
        on_first_device(opening([]))
    monkeypatch.setenv("EGL_DEVICE_ID", "1")  # chosen by hand: no other
    with pytest.raises(Failure, match=r"\(Exception: no\)"):
        on_first_device(opening(["good", "no", "good"]))


def test_on_a_machine_of_nvidia_s_without_their_vendor_file_that_is_named(monkeypatch):
    monkeypatch.setattr(opengl, "nvidia_driver", lambda: "NVIDIA UNIX x86_64 Kernel Module 580.00")
    monkeypatch.setattr(opengl, "nvidia_egl", lambda: {"library": True, "vendor_file": False})
    assert "10_nvidia.json is missing" in str(opengl.no_context(Exception("eglInitialize failed")))


def test_errors_of_pyopengl_become_one_line():
    from OpenGL.error import GLError

    error = GLError(0x3009, baseOperation=on_first_device, cArguments=(1, 2), result=None)
    assert "\n" in str(error)
    assert "(GLError: on_first_device failed (0x3009))" in str(opengl.no_context(error))
