"""Draws scenes one after another and reads their images at once.

Importing this module needs an OpenGL platform to be chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

from render._framebuffers import Column, Framebuffer, Multisampled, most_tiles
from render._mesh_buffers import MeshBuffers
from render._programs import mesh_program, samples_program
from render._samples import FIVE, ONE, Pattern, tile_block
from render.scene import Scene

BLOCK = 64  # floats of a scene in the uniform buffer: offsets are multiples of at most 256 bytes


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


class Tiles:
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
        self._images = Column(size, GL.GL_R8)

    def draw(self, scenes: Sequence[Scene], buffers: MeshBuffers) -> NDArray[np.uint8]:
        """(N, size, size) uint8 images of at most `most` scenes, whose meshes `buffers` holds."""
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


class MultisampledTiles:
    """Draws scene after scene with OpenGL's own samples: as the reference renderer, and slower than `Tiles`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.most = most_tiles(size)
        self._plain, self._textured = mesh_program("MULTISAMPLED"), mesh_program("MULTISAMPLED", "TEXTURED")
        self._uniforms = TileUniforms()
        self._samples, self._images = Multisampled(size), Column(size, GL.GL_R8)

    def draw(self, scenes: Sequence[Scene], buffers: MeshBuffers) -> NDArray[np.uint8]:
        """(N, size, size) uint8 images of at most `most` scenes, whose meshes `buffers` holds."""
        self._images.grow(len(scenes))
        self._uniforms.upload(scenes, self.size, ONE)
        for k, scene in enumerate(scenes):
            self._samples.begin(scene.shading.background)
            self._uniforms.bind(k)
            buffers.draw(scene.mesh, self._plain, self._textured)
            self._samples.resolve(self._images.name, k * self.size)
        return self._images.read(len(scenes), GL.GL_RED, 1)[..., 0]
