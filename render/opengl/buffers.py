"""Meshes and framebuffers on the graphics device, for the batched renderer."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

from assets.mesh import Grey, Index, Mesh, Surface
from render.errors import Failure
from render.opengl.programs import FIVE

STREAMS = {"vertices": 3, "normals": 3, "albedo": 3, "uv": 2}  # member of a surface -> floats; attributes 0, 1, 2, 3

SAMPLES = 4  # of a pixel, where OpenGL is to take several
PIXELS = 2**24  # of the largest image or column of images


@dataclass(frozen=True)
class DrawCall:
    """One draw call: `count` indices from byte `first` on, counted from vertex `base`."""

    first: int
    count: int
    base: int
    texture: int | None


class MeshBuffers:
    """Holds the meshes of one batch: the vertices of all in one buffer a stream, their triangles in one buffer.

    Meshes, triangles and textures that the next batch shares with this one stay where they are.
    """

    def __init__(self) -> None:
        self._meshes: list[Mesh] = []
        self._calls: dict[int, list[DrawCall]] = {}  # by id of the mesh
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

    def upload(self, meshes: Sequence[Mesh]) -> None:
        """Upload `meshes`, each a different object, in place of those of the last batch."""
        if len(meshes) == len(self._meshes) and all(a is b for a, b in zip(meshes, self._meshes, strict=True)):
            return
        groups = [_drawn_together(mesh) for mesh in meshes]
        self._upload_triangles(group for of_mesh in groups for group in of_mesh)
        self._upload_textures([group[0] for of_mesh in groups for group in of_mesh if _textured(group[0])])
        self._upload_vertices([surface for of_mesh in groups for group in of_mesh for surface in group])
        base = 0
        self._calls = {}
        for mesh, of_mesh in zip(meshes, groups, strict=True):
            calls = self._calls[id(mesh)] = []
            for group in of_mesh:
                count = 3 * sum(len(surface.triangles) for surface in group)
                texture = self._textures[id(group[0].texture)][1] if _textured(group[0]) else None
                calls.append(DrawCall(self._indices[_key(group)], count, base, texture))
                base += sum(len(surface.vertices) for surface in group)
        self._meshes = list(meshes)

    def draw(self, mesh: Mesh, plain: int, textured: int) -> None:
        """Draw an uploaded mesh, its surfaces by the program `plain`, or by `textured` if they have a texture."""
        GL.glBindVertexArray(self._vertex_array)
        for call in self._calls[id(mesh)]:
            GL.glUseProgram(plain if call.texture is None else textured)
            if call.texture is not None:
                GL.glBindTexture(GL.GL_TEXTURE_2D, call.texture)
            GL.glDrawElementsBaseVertex(
                GL.GL_TRIANGLES, call.count, GL.GL_UNSIGNED_INT, ctypes.c_void_p(call.first), call.base
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
        self._textures = {key: texture for key, texture in self._textures.items() if key in wanted}
        for key, pixels in wanted.items():
            if key not in self._textures:
                self._textures[key] = (pixels, _texture(pixels))


def _textured(surface: Surface) -> bool:
    return surface.texture is not None and surface.uv is not None


def _drawn_together(mesh: Mesh) -> list[list[Surface]]:
    """Group the surfaces without texture together, and each of the others alone."""
    plain = [surface for surface in mesh.surfaces if not _textured(surface)]
    return [group for group in (plain, *([s] for s in mesh.surfaces if _textured(s))) if group]


def _key(group: list[Surface]) -> tuple[tuple[int, int], ...]:
    """Return the triangles' ids, each with the number of vertices in the surfaces before."""
    firsts = np.cumsum([0, *(len(surface.vertices) for surface in group)])
    return tuple((id(surface.triangles), int(first)) for surface, first in zip(group, firsts[:-1], strict=True))


def _fill(target: Any, first: int, values: Any) -> None:
    GL.glBufferSubData(target, first, values.nbytes, values)


def _texture(pixels: Grey) -> int:
    """Make a texture of (h, w, 3) `pixels`, row 0 at the top, that repeats, filtered like pyrender's."""
    name = int(GL.glGenTextures(1))
    height, width = pixels.shape[:2]
    GL.glBindTexture(GL.GL_TEXTURE_2D, name)
    rows = np.ascontiguousarray(pixels[::-1])
    GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, GL.GL_RGB8, width, height, 0, GL.GL_RGB, GL.GL_UNSIGNED_BYTE, rows)
    GL.glGenerateMipmap(GL.GL_TEXTURE_2D)
    GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MAG_FILTER, GL.GL_LINEAR)
    GL.glTexParameteri(GL.GL_TEXTURE_2D, GL.GL_TEXTURE_MIN_FILTER, GL.GL_LINEAR_MIPMAP_LINEAR)
    return name  # GL_REPEAT is how textures start


class Framebuffer:
    """A framebuffer of `width` x `height` pixels of colour, kept in a texture, and of depth if asked for."""

    def __init__(self, width: int, height: int, colour: Any, depth: bool = False) -> None:
        self.width, self.height = width, height
        self.name = int(GL.glGenFramebuffers(1))
        self.texture = int(GL.glGenTextures(1))
        self._depth = int(GL.glGenRenderbuffers(1)) if depth else None
        GL.glBindTexture(GL.GL_TEXTURE_2D, self.texture)
        GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, colour, width, height, 0, GL.GL_RED, GL.GL_UNSIGNED_BYTE, None)
        for side in (GL.GL_TEXTURE_MIN_FILTER, GL.GL_TEXTURE_MAG_FILTER):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, side, GL.GL_NEAREST)  # the default asks for mipmaps
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self.name)
        GL.glFramebufferTexture2D(GL.GL_FRAMEBUFFER, GL.GL_COLOR_ATTACHMENT0, GL.GL_TEXTURE_2D, self.texture, 0)
        if depth:
            GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, self._depth)
            GL.glRenderbufferStorage(GL.GL_RENDERBUFFER, GL.GL_DEPTH_COMPONENT24, width, height)
            GL.glFramebufferRenderbuffer(GL.GL_FRAMEBUFFER, GL.GL_DEPTH_ATTACHMENT, GL.GL_RENDERBUFFER, self._depth)
        check_complete(width, height)

    def delete(self) -> None:
        GL.glDeleteFramebuffers(1, [self.name])
        GL.glDeleteTextures([self.texture])
        if self._depth is not None:
            GL.glDeleteRenderbuffers(1, [self._depth])

    def begin(self, *clear: float) -> None:
        """Draw into this from now on, from `clear` red, green, blue and alpha, and the farthest depth."""
        begin(self.name, self.width, self.height, clear)


class Multisampled:
    """A framebuffer of `size` x `size` pixels of grey and depth, of `SAMPLES` samples each."""

    def __init__(self, size: int) -> None:
        self.size, self.name = size, int(GL.glGenFramebuffers(1))
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self.name)
        for form, place in (
            (GL.GL_R8, GL.GL_COLOR_ATTACHMENT0),
            (GL.GL_DEPTH_COMPONENT24, GL.GL_DEPTH_ATTACHMENT),
        ):
            buffer = int(GL.glGenRenderbuffers(1))
            GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, buffer)
            GL.glRenderbufferStorageMultisample(GL.GL_RENDERBUFFER, SAMPLES, form, size, size)
            GL.glFramebufferRenderbuffer(GL.GL_FRAMEBUFFER, place, GL.GL_RENDERBUFFER, buffer)
        check_complete(size, size)

    def begin(self, grey: float) -> None:
        """Draw into this from now on, from `grey` and the farthest depth."""
        begin(self.name, self.size, self.size, (grey, grey, grey, 1.0))

    def resolve(self, into: int, row: int) -> None:
        """Put the means of the samples into the framebuffer `into`, from `row` up."""
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self.name)
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, into)
        size = self.size
        GL.glBlitFramebuffer(0, 0, size, size, 0, row, size, row + size, GL.GL_COLOR_BUFFER_BIT, GL.GL_NEAREST)


def begin(name: int, width: int, height: int, clear: tuple[float, ...]) -> None:
    """Draw into the framebuffer `name` from now on, from `clear` red, green, blue and alpha, and the farthest depth."""
    GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, name)
    GL.glViewport(0, 0, width, height)
    GL.glEnable(GL.GL_DEPTH_TEST)
    GL.glClearColor(*clear)
    GL.glClear(GL.GL_COLOR_BUFFER_BIT | GL.GL_DEPTH_BUFFER_BIT)


def check_complete(width: int, height: int) -> None:
    """Raise Failure unless the framebuffer in use can be drawn to."""
    status = GL.glCheckFramebufferStatus(GL.GL_FRAMEBUFFER)
    if status != GL.GL_FRAMEBUFFER_COMPLETE:
        raise Failure(f"OpenGL refuses a framebuffer of {width} x {height} pixels (status {status:#x})")


class TileColumn:
    """A column of tiles of `size` x `size` pixels of `colour`, the first one lowest; grows with the largest batch."""

    def __init__(self, size: int, colour: Any) -> None:
        self.size, self._colour = size, colour
        self._made: Framebuffer | None = None

    def grow(self, count: int) -> None:
        """Make room for `count` tiles."""
        if self._made is None or self._made.height < count * self.size:
            if self._made is not None:
                self._made.delete()
            self._made = Framebuffer(self.size, count * self.size, self._colour)
        self.name = self._made.name

    def begin(self, k: int) -> None:
        """Draw all of tile `k` afresh from now on."""
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self.name)
        GL.glViewport(0, k * self.size, self.size, self.size)
        GL.glDisable(GL.GL_DEPTH_TEST)

    def read(self, count: int, form: Any, channels: int) -> NDArray[np.uint8]:
        """Read the first `count` tiles, row 0 at the top: (count, size, size, channels) uint8."""
        pixels = np.empty((count, self.size, self.size, channels), np.uint8)
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self.name)
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)  # rows of any width
        GL.glReadPixels(0, 0, self.size, count * self.size, form, GL.GL_UNSIGNED_BYTE, pixels)
        return pixels[:, ::-1]


def most_tiles(size: int) -> int:
    """Return the number of tiles that a column may have."""
    limit = int(GL.glGetIntegerv(GL.GL_MAX_TEXTURE_SIZE))
    if FIVE.side * size > limit:
        raise Failure(f"OpenGL draws images of at most {limit // FIVE.side} pixels here, asked for are {size}")
    return max(1, min(limit // size, PIXELS // size**2))
