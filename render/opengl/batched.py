"""The batched renderer: draws the scenes of a mini-batch in one go, with the shading of shaders/tile.frag.

Scenes are drawn one after another into the tiles of one target, which are read at once; a surface seen under many
lights is rasterised once and its samples are shaded for each light.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

from render.opengl.buffers import Framebuffer, MeshBuffers, Multisampled, TileColumn, most_tiles
from render.opengl.context import gl_strings, open_platform
from render.opengl.programs import FIVE, ONE, Pattern, mesh_program, samples_program, tile_block, towards_light
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
        self._platform = open_platform(size)
        self.gl = gl_strings()
        self._buffers = MeshBuffers()
        self._tiles: SamplePass | MultisamplePass = MultisamplePass(size) if multisampled else SamplePass(size)
        self._light_pass: LightPass | SamplePass | MultisamplePass = self._tiles if multisampled else LightPass(size)

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
        return images


class TileUniforms:
    """The block `Tile` of tile.vert and tile.frag for several scenes, one after another."""

    def __init__(self) -> None:
        self._buffer = GL.glGenBuffers(1)

    def upload(self, scenes: Sequence[Scene], size: int, pattern: Pattern) -> None:
        blocks = np.zeros((len(scenes), BLOCK), np.float32)
        for k, scene in enumerate(scenes):
            blocks[k, :40] = tile_block(scene, size, pattern)
        GL.glBindBuffer(GL.GL_UNIFORM_BUFFER, self._buffer)
        GL.glBufferData(GL.GL_UNIFORM_BUFFER, blocks.nbytes, blocks, GL.GL_STREAM_DRAW)

    def bind(self, k: int) -> None:
        GL.glBindBufferRange(GL.GL_UNIFORM_BUFFER, 0, self._buffer, 4 * BLOCK * k, 4 * BLOCK)


class SamplePass:
    """Draws scene after scene into one target of samples, and the mean of a pixel's samples into a column of tiles."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.most = most_tiles(size)
        self._plain, self._textured = mesh_program(), mesh_program("TEXTURED")
        self._mean = samples_program("mean.frag", size)
        self._origin = GL.glGetUniformLocation(self._mean, "origin")
        self._uniforms = TileUniforms()
        self._no_vertices = GL.glGenVertexArrays(1)
        self._samples = Framebuffer(FIVE.side * size, FIVE.side * size, GL.GL_R8, depth=True)
        self._images = TileColumn(size, GL.GL_R8)

    def draw(self, scenes: Sequence[Scene], buffers: MeshBuffers) -> NDArray[np.uint8]:
        """Draw at most `most` scenes, whose meshes `buffers` holds: (N, size, size) uint8."""
        self._images.grow(len(scenes))
        self._uniforms.upload(scenes, self.size, FIVE)
        for k, scene in enumerate(scenes):
            background = scene.shading.background
            self._samples.begin(background, background, background, 1.0)
            self._uniforms.bind(k)
            buffers.draw(scene.mesh, self._plain, self._textured)
            self._images.begin(k)
            GL.glUseProgram(self._mean)
            GL.glUniform1i(self._origin, k * self.size)
            GL.glBindTexture(GL.GL_TEXTURE_2D, self._samples.texture)
            GL.glBindVertexArray(self._no_vertices)
            GL.glDrawArrays(GL.GL_TRIANGLES, 0, 3)
        return self._images.read(len(scenes), GL.GL_RED, 1)[..., 0]


class MultisamplePass:
    """Draws scene after scene with OpenGL's own samples: as the reference renderer, and slower than `SamplePass`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.most = most_tiles(size)
        self._plain, self._textured = mesh_program("MULTISAMPLED"), mesh_program("MULTISAMPLED", "TEXTURED")
        self._uniforms = TileUniforms()
        self._samples, self._images = Multisampled(size), TileColumn(size, GL.GL_R8)

    def draw(self, scenes: Sequence[Scene], buffers: MeshBuffers) -> NDArray[np.uint8]:
        """Draw at most `most` scenes, whose meshes `buffers` holds: (N, size, size) uint8."""
        self._images.grow(len(scenes))
        self._uniforms.upload(scenes, self.size, ONE)
        for k, scene in enumerate(scenes):
            self._samples.begin(scene.shading.background)
            self._uniforms.bind(k)
            buffers.draw(scene.mesh, self._plain, self._textured)
            self._samples.resolve(self._images.name, k * self.size)
        return self._images.read(len(scenes), GL.GL_RED, 1)[..., 0]


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

    def __init__(self, size: int) -> None:
        self.size = size
        self.most = CHANNELS * most_tiles(size)
        self._plain, self._textured = mesh_program("VISIBLE_SURFACE"), mesh_program("VISIBLE_SURFACE", "TEXTURED")
        self._shade = samples_program("light.frag", size)
        names = ("lights", "diffuse", "ambient", "background", "origin")
        self._places = {name: GL.glGetUniformLocation(self._shade, name) for name in names}
        self._uniforms = TileUniforms()
        self._no_vertices = GL.glGenVertexArrays(1)
        self._visible = Framebuffer(FIVE.side * size, FIVE.side * size, GL.GL_RGBA16F, depth=True)
        self._images = TileColumn(size, GL.GL_RGBA8)

    def draw(self, scenes: Sequence[Scene], buffers: MeshBuffers) -> NDArray[np.uint8]:
        """Draw at most `most` scenes of one view, whose mesh `buffers` holds: (N, size, size) uint8."""
        self._rasterise(scenes[0], buffers)
        tiles = -(-len(scenes) // CHANNELS)
        lights = np.zeros((tiles * CHANNELS, 6), np.float32)
        lights[: len(scenes)] = [_light(scene) for scene in scenes]
        self._images.grow(tiles)
        GL.glUseProgram(self._shade)
        GL.glBindVertexArray(self._no_vertices)
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._visible.texture)
        for k, rows in enumerate(lights.reshape(tiles, CHANNELS, 6)):
            self._images.begin(k)
            GL.glUniformMatrix4x3fv(self._places["lights"], 1, GL.GL_FALSE, np.ascontiguousarray(rows[:, :3]))
            for column, name in enumerate(("diffuse", "ambient", "background"), start=3):
                GL.glUniform4f(self._places[name], *rows[:, column].tolist())
            GL.glUniform1i(self._places["origin"], k * self.size)
            GL.glDrawArrays(GL.GL_TRIANGLES, 0, 3)
        images = self._images.read(tiles, GL.GL_RGBA, CHANNELS).transpose(0, 3, 1, 2)
        return images.reshape(-1, self.size, self.size)[: len(scenes)]

    def _rasterise(self, scene: Scene, buffers: MeshBuffers) -> None:
        self._uniforms.upload([scene], self.size, FIVE)
        self._uniforms.bind(0)
        self._visible.begin(0.0, 0.0, 0.0, -1.0)
        buffers.draw(scene.mesh, self._plain, self._textured)


def _light(scene: Scene) -> list[float]:
    """Return (6,) the direction of the light in the camera's frame, its strength, the ambient light, the background."""
    return [*towards_light(scene, FIVE), scene.shading.diffuse, scene.shading.ambient, scene.shading.background]
