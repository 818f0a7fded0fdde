"""Draws one visible surface under many lights. Importing this module needs an OpenGL platform to be chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

from render._framebuffers import Column, Framebuffer, most_tiles
from render._mesh_buffers import MeshBuffers
from render._programs import mesh_program, samples_program
from render._samples import FIVE, towards_light
from render._tiles import TileUniforms
from render.scene import Scene

CHANNELS = 4  # lights shaded at once: one in each channel


def same_view(scenes: Sequence[Scene]) -> bool:
    """Whether the scenes show the same visible surface, and differ in light and shading at most."""
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
        self._images = Column(size, GL.GL_RGBA8)

    def draw(self, scenes: Sequence[Scene], buffers: MeshBuffers) -> NDArray[np.uint8]:
        """(N, size, size) uint8 images of at most `most` scenes of one view, whose mesh `buffers` holds."""
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
    """(6,) where the light comes from in the camera's frame, its strength, the ambient light, the background."""
    return [*towards_light(scene, FIVE), scene.shading.diffuse, scene.shading.ambient, scene.shading.background]
