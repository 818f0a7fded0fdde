"""Shader programs of the batched renderer, and the two patterns by which it samples a scene.

FIVE: five points a pixel, on a grid turned by 26.6 degrees. The samples are the pixels of a plain target of three times
the width and height, drawn by a camera that is rolled by atan(1/2) and zoomed so that neighbours lie 1/sqrt(5) of an
image's pixel apart. A pixel then owns the sample at its centre and the four next to it, at (+-0.4, +-0.2) and
(-+0.2, +-0.4) pixel: five rows and columns, so that edges in any direction come out in even steps (see
shaders/samples.glsl), where a plain grid of 2 x 2 gives upright edges two. And software GL draws small triangles so
about twice as fast as with 4 samples a pixel of its own.

ONE: the pixels themselves, each with the 4 samples of OpenGL: what the reference renderer does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

from assets.mesh import GREY_WEIGHTS
from render.errors import Failure
from render.scene import Scene, camera_pose, light_direction, model_matrix

SHADERS = Path(__file__).with_name("shaders")
BOTH = (GL.GL_VERTEX_SHADER, GL.GL_FRAGMENT_SHADER)


def mesh_program(*defines: str) -> int:
    """Link the program that draws meshes: tile.vert and tile.frag with `defines` set; block `Tile` is at binding 0."""
    before = "".join(f"#define {define}\n" for define in (f"GREY_WEIGHTS vec3{GREY_WEIGHTS}", *defines))
    linked = _link("tile.vert", "tile.frag", before, BOTH)
    GL.glUniformBlockBinding(linked, GL.glGetUniformBlockIndex(linked, "Tile"), 0)
    return linked


def samples_program(fragment: str, size: int) -> int:
    """Link the program that fills images of `size` pixels from samples: cover.vert, `fragment` after samples.glsl.

    It is left in use.
    """
    linked = _link("cover.vert", fragment, (SHADERS / "samples.glsl").read_text(), BOTH[1:])
    GL.glUseProgram(linked)
    GL.glUniform1i(GL.glGetUniformLocation(linked, "size"), size)
    return linked


def _link(vertex: str, fragment: str, before: str, stages: tuple[Any, ...]) -> int:
    """Link the program of two files of shaders/, with the text `before` after the line #version of `stages`."""
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


@dataclass(frozen=True, eq=False)
class Pattern:
    """The place of the target that is drawn over an image.

    side  pixels of the target along each side of an image's pixel
    turn  (3, 3) image coordinates, with the origin at the centre, to those of the target, but for `zoom`
    """

    side: int
    turn: NDArray[np.float64]
    zoom: float


# To the coordinates (2x + y, 2y - x) of the target
FIVE = Pattern(
    3, np.array([[2.0, 1.0, 0.0], [-1.0, 2.0, 0.0], [0.0, 0.0, np.sqrt(5.0)]]) / np.sqrt(5.0), np.sqrt(5.0) / 3
)
ONE = Pattern(1, np.eye(3), 1.0)


def towards_light(scene: Scene, pattern: Pattern) -> NDArray[np.float64]:
    """Return (3,) the unit vector towards the light, in the frame of the rolled camera."""
    return pattern.turn @ camera_pose(scene)[:3, :3].T @ light_direction(scene)


def tile_block(scene: Scene, size: int, pattern: Pattern) -> NDArray[np.float64]:
    """Return (40,) the block `Tile` of tile.vert for images of `size` pixels: two matrices in columns, two vectors."""
    roll, zoom = np.eye(4), np.diag([pattern.zoom, pattern.zoom, 1.0, 1.0])
    roll[:3, :3] = pattern.turn
    projection = zoom @ scene.camera.projection
    view = roll @ np.linalg.inv(camera_pose(scene)) @ model_matrix(scene)
    centre = pattern.side * size / 2
    return np.concatenate(
        [
            (projection @ view).T.ravel(),
            view.T.ravel(),
            [*towards_light(scene, pattern), scene.shading.diffuse],
            [centre, centre, projection[1, 1] * centre, scene.shading.ambient],
        ]
    )
