"""The batched renderer: draws the scenes of a mini-batch in one go, with the shading of shaders/tile.frag.

Scenes are drawn one after another into the tiles of one target, which are read at once; a surface seen under many
lights is rasterised once and its samples are shaded for each light.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import moderngl
import numpy as np
from numpy.typing import NDArray

from render.errors import Failure
from render.opengl.buffers import Framebuffer, MeshBuffers, Multisampled, TileColumn, most_tiles
from render.opengl.context import gl_strings, open_context
from render.opengl.programs import FIVE, ONE, Pattern, SamplesProgram, mesh_programs, tile_block, towards_light
from render.scene import Scene

BLOCK = 64  # floats of a scene in the uniform buffer: offsets are multiples of at most 256 bytes

CHANNELS = 4  # lights shaded at once: one in each channel


class BatchedRenderer:
    """Draws scenes as (size, size) uint8 grey images, row 0 at the top, 4x multisampled.

    Shows what `render.opengl.reference.ReferenceRenderer` shows, quicker: meshes are uploaded once a batch, images are
    tiles of one target and read back together, and a surface seen under many lights is rasterised once.
    Make one a process and keep it.

    multisampled  take the samples of a pixel as the reference does, for thin bars on white; slower
    """

    def __init__(self, size: int, multisampled: bool = False) -> None:
        self.size = size
        self._context = context = open_context()
        self.gl = gl_strings(context)
        self._buffers = MeshBuffers(context)
        self._tiles: Pass = MultisamplePass(context, size) if multisampled else SamplePass(context, size)
        self._light_pass: Pass = self._tiles if multisampled else LightPass(context, size)

    def draw(self, scene: Scene) -> NDArray[np.uint8]:
        """Draw `scene`: (size, size) uint8."""
        return self.draw_batch([scene])[0]

    def draw_batch(self, scenes: Sequence[Scene]) -> NDArray[np.uint8]:
        """Draw N >= 1 scenes: (N, size, size) uint8."""
        self._buffers.upload(list({id(scene.mesh): scene.mesh for scene in scenes}.values()))
        how = self._light_pass if len(scenes) > 1 and same_view(scenes) else self._tiles
        images = np.empty((len(scenes), self.size, self.size), np.uint8)
        for first in range(0, len(scenes), how.most):
            part = scenes[first : first + how.most]
            images[first : first + how.most] = how.draw(part, self._buffers)
        if (error := self._context.error) != "GL_NO_ERROR":
            raise Failure(f"the OpenGL driver could not draw {len(scenes)} images of {self.size} pixels: {error}")
        return images


class Pass(Protocol):
    """A way to draw scenes, at most `most` at once."""

    most: int

    def draw(self, scenes: Sequence[Scene], buffers: MeshBuffers) -> NDArray[np.uint8]:
        """Draw scenes whose meshes `buffers` holds: (N, size, size) uint8."""


class TileUniforms:
    """The block `Tile` of tile.vert and tile.frag for several scenes, one after another."""

    def __init__(self, context: moderngl.Context) -> None:
        self._buffer = context.buffer(reserve=4 * BLOCK)

    def upload(self, scenes: Sequence[Scene], size: int, pattern: Pattern) -> None:
        blocks = np.zeros((len(scenes), BLOCK), np.float32)
        for k, scene in enumerate(scenes):
            blocks[k, :40] = tile_block(scene, size, pattern)
        self._buffer.orphan(blocks.nbytes)
        self._buffer.write(blocks)

    def bind(self, k: int) -> None:
        self._buffer.bind_to_uniform_block(0, offset=4 * BLOCK * k, size=4 * BLOCK)


class SamplePass:
    """Draws scene after scene into one target of samples, and the mean of a pixel's samples into a column of tiles."""

    def __init__(self, context: moderngl.Context, size: int) -> None:
        self.size, self.most = size, most_tiles(context, size)
        self._programs = mesh_programs(context)
        self._mean = SamplesProgram(context, "mean.frag", size)
        self._uniforms = TileUniforms(context)
        self._samples = Framebuffer(context, FIVE.side * size, 1)
        self._images = TileColumn(context, size, 1)

    def draw(self, scenes: Sequence[Scene], buffers: MeshBuffers) -> NDArray[np.uint8]:
        self._images.grow(len(scenes))
        self._uniforms.upload(scenes, self.size, FIVE)
        for k, scene in enumerate(scenes):
            background = scene.shading.background
            self._samples.begin(background, background, background, 1.0)
            self._uniforms.bind(k)
            buffers.draw(scene.mesh, self._programs)
            self._images.begin(k)
            self._mean.draw(self._samples.texture, origin=k * self.size)
        return self._images.read(len(scenes))[..., 0]


class MultisamplePass:
    """Draws scene after scene with OpenGL's own samples: as the reference renderer, and slower than `SamplePass`."""

    def __init__(self, context: moderngl.Context, size: int) -> None:
        self.size, self.most = size, most_tiles(context, size)
        self._programs = mesh_programs(context, "MULTISAMPLED")
        self._uniforms = TileUniforms(context)
        self._images = Multisampled(context, size)

    def draw(self, scenes: Sequence[Scene], buffers: MeshBuffers) -> NDArray[np.uint8]:
        self._images.grow(len(scenes))
        self._uniforms.upload(scenes, self.size, ONE)
        for k, scene in enumerate(scenes):
            self._images.begin(scene.shading.background)
            self._uniforms.bind(k)
            buffers.draw(scene.mesh, self._programs)
            self._images.resolve(k)
        return self._images.read(len(scenes))


def same_view(scenes: Sequence[Scene]) -> bool:
    """Tell whether the scenes show the same visible surface, and differ in light and shading at most."""
    first = scenes[0]
    return all(
        scene.mesh is first.mesh
        and (scene.azimuth, scene.elevation, scene.camera) == (first.azimuth, first.elevation, first.camera)
        for scene in scenes
    )


class LightPass:
    """Rasterises a surface once and shades its samples for each scene."""

    def __init__(self, context: moderngl.Context, size: int) -> None:
        self.size, self.most = size, CHANNELS * most_tiles(context, size)
        self._programs = mesh_programs(context, "VISIBLE_SURFACE")
        self._shade = SamplesProgram(context, "light.frag", size)
        self._uniforms = TileUniforms(context)
        self._visible = Framebuffer(context, FIVE.side * size, 4, "f2")
        self._images = TileColumn(context, size, CHANNELS)

    def draw(self, scenes: Sequence[Scene], buffers: MeshBuffers) -> NDArray[np.uint8]:
        """Draw scenes of one view, whose mesh `buffers` holds: (N, size, size) uint8."""
        self._uniforms.upload(scenes[:1], self.size, FIVE)
        self._uniforms.bind(0)
        self._visible.begin(0.0, 0.0, 0.0, -1.0)
        buffers.draw(scenes[0].mesh, self._programs)
        tiles = -(-len(scenes) // CHANNELS)
        lights = np.zeros((tiles * CHANNELS, 6), np.float32)
        lights[: len(scenes)] = [_light(scene) for scene in scenes]
        self._images.grow(tiles)
        for k, rows in enumerate(lights.reshape(tiles, CHANNELS, 6)):
            diffuse, ambient, background = (tuple(column) for column in rows[:, 3:].T.tolist())
            self._images.begin(k)
            self._shade.draw(
                self._visible.texture,
                lights=tuple(rows[:, :3].ravel().tolist()),
                diffuse=diffuse,
                ambient=ambient,
                background=background,
                origin=k * self.size,
            )
        images = self._images.read(tiles).transpose(0, 3, 1, 2)
        return images.reshape(-1, self.size, self.size)[: len(scenes)]


def _light(scene: Scene) -> list[float]:
    """Return (6,) the direction of the light in the camera's frame, its strength, the ambient light, the background."""
    return [*towards_light(scene, FIVE), scene.shading.diffuse, scene.shading.ambient, scene.shading.background]
