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

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from assets.mesh import GREY_WEIGHTS
from render.errors import Failure
from render.scene import Scene, camera_pose, light_direction, model_matrix

SHADERS = Path(__file__).with_name("shaders")


@dataclass(frozen=True)
class MeshPrograms:
    """The programs that draw surfaces without and with a texture; their block `Tile` is at binding 0."""

    plain: moderngl.Program
    textured: moderngl.Program


def mesh_programs(context: moderngl.Context, *defines: str) -> MeshPrograms:
    """Link tile.vert and tile.frag with `defines` set."""
    linked = []
    for more in ((), ("TEXTURED",)):
        words = (f"GREY_WEIGHTS vec3{GREY_WEIGHTS}", *defines, *more)
        before = "".join(f"#define {define}\n" for define in words)
        with refusals(f"{SHADERS}/tile.vert, tile.frag"):
            program = context.program(_source("tile.vert", before), _source("tile.frag", before))
        program["Tile"].binding = 0
        linked.append(program)
    return MeshPrograms(*linked)


class SamplesProgram:
    """Fills images of `size` pixels from samples: cover.vert, and `fragment` after samples.glsl."""

    def __init__(self, context: moderngl.Context, fragment: str, size: int) -> None:
        with refusals(f"{SHADERS}/cover.vert, {fragment}"):
            source = _source(fragment, (SHADERS / "samples.glsl").read_text())
            self._program = context.program(_source("cover.vert"), source)
        self._program["size"] = size
        self._no_vertices = context.vertex_array(self._program, [])

    def draw(self, samples: moderngl.Texture, **uniforms: Any) -> None:
        """Fill the tile in use."""
        samples.use()
        for name, value in uniforms.items():
            self._program[name] = value
        self._no_vertices.render(moderngl.TRIANGLES, vertices=3)


def _source(name: str, before: str = "") -> str:
    """Read a file of shaders/, with the text `before` after its line #version."""
    version, _, rest = (SHADERS / name).read_text().partition("\n")
    return f"{version}\n{before}#line 2\n{rest}"


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn what moderngl raises in the body into a Failure that names `what`."""
    try:
        yield
    except moderngl.Error as error:
        raise Failure(f"{what}: the OpenGL driver refuses it: {error}") from error


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
