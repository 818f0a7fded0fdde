"""Meshes on the graphics device. Importing this module needs an OpenGL platform to be chosen."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from OpenGL import GL

from assets.mesh import Grey, Index, Mesh, Surface

STREAMS = {"vertices": 3, "normals": 3, "albedo": 3, "uv": 2}  # member of a surface -> floats; attributes 0, 1, 2, 3


@dataclass(frozen=True)
class Run:
    """What one call draws: `count` indices from byte `first` on, counted from vertex `base`."""

    first: int
    count: int
    base: int
    texture: int | None


class MeshBuffers:
    """Holds the meshes of one batch: the vertices of all in one buffer a stream, their triangles in one buffer.

    What the next batch shares with this one stays where it is: the meshes themselves, triangles, textures.
    """

    def __init__(self) -> None:
        self._meshes: list[Mesh] = []
        self._runs: dict[int, list[Run]] = {}  # by id of the mesh
        self._indices: dict[tuple[tuple[int, int], ...], int] = {}  # triangles' ids and first vertices -> first byte
        self._triangles: list[Index] = []  # those in the buffer, held so that their ids stay theirs
        self._textures: dict[int, tuple[Grey, int]] = {}  # by id of the array
        self._buffers = [int(name) for name in GL.glGenBuffers(len(STREAMS))]
        self._vertex_array, self._index_buffer = GL.glGenVertexArrays(1), GL.glGenBuffers(1)
        GL.glBindVertexArray(self._vertex_array)
        GL.glBindBuffer(GL.GL_ELEMENT_ARRAY_BUFFER, self._index_buffer)
        for place, (buffer, width) in enumerate(zip(self._buffers, STREAMS.values(), strict=True)):
            GL.glBindBuffer(GL.GL_ARRAY_BUFFER, buffer)
            GL.glEnableVertexAttribArray(place)
            GL.glVertexAttribPointer(place, width, GL.GL_FLOAT, GL.GL_FALSE, 0, None)
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)  # rows of textures have any width

    def hold(self, meshes: Sequence[Mesh]) -> None:
        """Upload `meshes`, each a different object, in place of those held."""
        if len(meshes) == len(self._meshes) and all(a is b for a, b in zip(meshes, self._meshes, strict=True)):
            return
        groups = [_drawn_together(mesh) for mesh in meshes]
        self._upload_triangles(group for of_mesh in groups for group in of_mesh)
        self._upload_textures([group[0] for of_mesh in groups for group in of_mesh if _textured(group[0])])
        self._upload_vertices([surface for of_mesh in groups for group in of_mesh for surface in group])
        base = 0
        self._runs = {}
        for mesh, of_mesh in zip(meshes, groups, strict=True):
            runs = self._runs[id(mesh)] = []
            for group in of_mesh:
                count = 3 * sum(len(surface.triangles) for surface in group)
                texture = self._textures[id(group[0].texture)][1] if _textured(group[0]) else None
                runs.append(Run(self._indices[_key(group)], count, base, texture))
                base += sum(len(surface.vertices) for surface in group)
        self._meshes = list(meshes)

    def draw(self, mesh: Mesh, plain: int, textured: int) -> None:
        """Draw a mesh that is held, its surfaces by the program `plain`, or by `textured` where they have a texture."""
        GL.glBindVertexArray(self._vertex_array)
        for run in self._runs[id(mesh)]:
            GL.glUseProgram(plain if run.texture is None else textured)
            if run.texture is not None:
                GL.glBindTexture(GL.GL_TEXTURE_2D, run.texture)
            GL.glDrawElementsBaseVertex(
                GL.GL_TRIANGLES, run.count, GL.GL_UNSIGNED_INT, ctypes.c_void_p(run.first), run.base
            )

    def _upload_vertices(self, surfaces: list[Surface]) -> None:
        total = sum(len(surface.vertices) for surface in surfaces)
        for buffer, (stream, width) in zip(self._buffers, STREAMS.items(), strict=True):
            GL.glBindBuffer(GL.GL_ARRAY_BUFFER, buffer)
            GL.glBufferData(GL.GL_ARRAY_BUFFER, 4 * width * total, None, GL.GL_STREAM_DRAW)
            first = 0
            for surface in surfaces:
                values = getattr(surface, stream)
                if stream != "uv" or _textured(surface):
                    _fill(GL.GL_ARRAY_BUFFER, 4 * width * first, np.ascontiguousarray(values, np.float32))
                first += len(surface.vertices)

    def _upload_triangles(self, groups: Iterable[list[Surface]]) -> None:
        wanted = {_key(group): group for group in groups}
        if wanted.keys() <= self._indices.keys():
            return
        self._indices, total = {}, 0
        for key, group in wanted.items():
            self._indices[key] = total
            total += sum(12 * len(surface.triangles) for surface in group)
        self._triangles = [surface.triangles for group in wanted.values() for surface in group]
        GL.glBindVertexArray(self._vertex_array)
        GL.glBufferData(GL.GL_ELEMENT_ARRAY_BUFFER, total, None, GL.GL_STREAM_DRAW)
        for key, group in wanted.items():
            place = self._indices[key]
            for surface, (_, first) in zip(group, key, strict=True):
                triangles = surface.triangles + np.int32(first) if first else surface.triangles
                _fill(GL.GL_ELEMENT_ARRAY_BUFFER, place, np.ascontiguousarray(triangles, np.int32))
                place += 12 * len(triangles)

    def _upload_textures(self, surfaces: list[Surface]) -> None:
        wanted: dict[int, Any] = {id(surface.texture): surface.texture for surface in surfaces}
        gone = [name for key, (_, name) in self._textures.items() if key not in wanted]
        if gone:
            GL.glDeleteTextures(gone)
        self._textures = {key: held for key, held in self._textures.items() if key in wanted}
        for key, pixels in wanted.items():
            if key not in self._textures:
                self._textures[key] = (pixels, _texture(pixels))


def _textured(surface: Surface) -> bool:
    return surface.texture is not None and surface.uv is not None


def _drawn_together(mesh: Mesh) -> list[list[Surface]]:
    """The surfaces without texture, then each of the others alone."""
    plain = [surface for surface in mesh.surfaces if not _textured(surface)]
    return [group for group in (plain, *([s] for s in mesh.surfaces if _textured(s))) if group]


def _key(group: list[Surface]) -> tuple[tuple[int, int], ...]:
    """The triangles' ids, each with the number of vertices in the surfaces before."""
    firsts = np.cumsum([0, *(len(surface.vertices) for surface in group)])
    return tuple((id(surface.triangles), int(first)) for surface, first in zip(group, firsts[:-1], strict=True))


def _fill(target: Any, first: int, values: Any) -> None:
    GL.glBufferSubData(target, first, values.nbytes, values)


def _texture(pixels: Grey) -> int:
    """A texture of (h, w, 3) `pixels`, row 0 at the top, that repeats, filtered like pyrender's."""
    name = int(GL.glGenTextures(1))
    height, width = pixels.shape[:2]
    GL.glBindTexture(GL.GL_TEXTURE_2D, name)
    rows = np.ascontiguousarray(pixels[::-1])
    GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGB8, width, height, 0, GL.GL_RGB, GL.GL_UNSIGNED_BYTE, rows)
    GL.glGenerateMipmap(GL.GL_TEXTURE_2D)
    GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MAG_FILTER, GL.GL_LINEAR)
    GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MIN_FILTER, GL.GL_LINEAR_MIPMAP_LINEAR)
    return name  # GL_REPEAT is how textures start
