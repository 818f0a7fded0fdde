"""Shader programs of the batched renderer. Importing this module needs an OpenGL platform to be chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from OpenGL import GL

from render.errors import Failure

SHADERS = Path(__file__).with_name("shaders")
BOTH = (GL.GL_VERTEX_SHADER, GL.GL_FRAGMENT_SHADER)


def mesh_program(*defines: str) -> int:
    """Draws meshes: shaders/tile.vert and tile.frag with `defines` set. Their block `Tile` is at binding 0."""
    linked = _link("tile.vert", "tile.frag", "".join(f"#define {define}\n" for define in defines), BOTH)
    GL.glUniformBlockBinding(linked, GL.glGetUniformBlockIndex(linked, "Tile"), 0)
    return linked


def samples_program(fragment: str, size: int) -> int:
    """Fills images of `size` pixels from samples: shaders/cover.vert and `fragment` after samples.glsl. Left in use."""
    linked = _link("cover.vert", fragment, (SHADERS / "samples.glsl").read_text(), BOTH[1:])
    GL.glUseProgram(linked)
    GL.glUniform1i(GL.glGetUniformLocation(linked, "size"), size)
    return linked


def _link(vertex: str, fragment: str, before: str, stages: tuple[Any, ...]) -> int:
    """The program of two files of shaders/, with the text `before` after the line #version of `stages`."""
    linked = GL.glCreateProgram()
    for name, kind in zip((vertex, fragment), BOTH, strict=True):
        path = SHADERS / name
        version, _, rest = path.read_text().partition("\n")
        shader = GL.glCreateShader(kind)
        GL.glShaderSource(shader, f"{version}\n{before if kind in stages else ''}#line 2\n{rest}")
        GL.glCompileShader(shader)
        if not GL.glGetShaderiv(shader, GL.GL_COMPILE_STATUS):
            raise Failure(f"{path}: the OpenGL driver refuses it: {_text(GL.glGetShaderInfoLog(shader))}")
        GL.glAttachShader(linked, shader)
        GL.glDeleteShader(shader)  # once the program goes
    GL.glLinkProgram(linked)
    if not GL.glGetProgramiv(linked, GL.GL_LINK_STATUS):
        raise Failure(
            f"{SHADERS}/{vertex}, {fragment}: the OpenGL driver refuses it: {_text(GL.glGetProgramInfoLog(linked))}"
        )
    return int(linked)


def _text(log: bytes | str) -> str:
    return (log.decode("utf-8", "replace") if isinstance(log, bytes) else log).strip()
