"""Meshes and framebuffers on the graphics device, for the batched renderer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import moderngl
import numpy as np
from moderngl import NEAREST
from numpy.typing import NDArray

from assets.mesh import Grey, Mesh, Surface
from render.errors import Failure
from render.opengl.programs import FIVE, MeshPrograms, refusals

# Member of a surface -> the attribute of tile.vert and its form
STREAMS = {
    "vertices": ("position", "3f"),
    "normals": ("normal", "3f"),
    "albedo": ("albedo", "3f"),
    "uv": ("texture_position", "2f"),
}

SAMPLES = 4  # of a pixel, where OpenGL is to take several
PIXELS = 2**24  # of the largest image or column of images


@dataclass(frozen=True, eq=False)
class DrawCall:
    """Surfaces that are drawn together: their buffers, and a vertex array for each program that has drawn them."""

    streams: list[tuple[moderngl.Buffer, str, str]]
    indices: moderngl.Buffer
    texture: moderngl.Texture | None
    arrays: dict[int, moderngl.VertexArray] = field(default_factory=dict)


class MeshBuffers:
    """Holds the meshes of one batch. Meshes, triangles and textures that the next one shares stay where they are."""

    def __init__(self, context: moderngl.Context) -> None:
        self._context = context
        self._meshes: list[Mesh] = []
        self._calls: dict[int, list[DrawCall]] = {}  # by id of the mesh
        # By ids of arrays, which are held so that their ids stay theirs: what was uploaded of them
        self._kept: dict[tuple[int, ...], tuple[Sequence[NDArray[Any]], Any]] = {}
        self._last = self._kept  # those of the batch before

    def upload(self, meshes: Sequence[Mesh]) -> None:
        """Upload `meshes`, each a different object, in place of those of the last batch."""
        if len(meshes) == len(self._meshes) and all(a is b for a, b in zip(meshes, self._meshes, strict=True)):
            return
        self._last, self._kept = self._kept, {}
        self._calls = {id(mesh): [self._call(group) for group in _drawn_together(mesh)] for mesh in meshes}
        self._last = {}
        self._meshes = list(meshes)
        self._context.gc()

    def draw(self, mesh: Mesh, programs: MeshPrograms) -> None:
        """Draw an uploaded mesh."""
        for call in self._calls[id(mesh)]:
            program = programs.plain if call.texture is None else programs.textured
            if program.glo not in call.arrays:
                call.arrays[program.glo] = self._context.vertex_array(program, call.streams, call.indices)
            if call.texture is not None:
                call.texture.use()
            call.arrays[program.glo].render(moderngl.TRIANGLES)

    def _call(self, group: list[Surface]) -> DrawCall:
        """Upload surfaces that are drawn together."""
        texture = group[0].texture if _textured(group[0]) else None
        streams = [
            (self._context.buffer(_joined([getattr(surface, member) for surface in group], np.float32)), form, name)
            for member, (name, form) in STREAMS.items()
            if member != "uv" or texture is not None
        ]
        indices = self._once([surface.triangles for surface in group], lambda: self._context.buffer(_indices(group)))
        image = None if texture is None else self._once([texture], lambda: self._texture(texture))
        return DrawCall(streams, indices, image)

    def _once(self, arrays: Sequence[NDArray[Any]], upload: Callable[[], Any]) -> Any:
        """Return what this batch or the last one has uploaded of `arrays`; what `upload` returns, if neither has."""
        key = tuple(map(id, arrays))
        if key not in self._kept:
            self._kept[key] = self._last.get(key) or (arrays, upload())
        return self._kept[key][1]

    def _texture(self, pixels: Grey) -> moderngl.Texture:
        """Make a texture of (h, w, 3) `pixels`, row 0 at the top, that repeats, filtered like pyrender's."""
        height, width = pixels.shape[:2]
        texture = self._context.texture((width, height), 3, np.ascontiguousarray(pixels[::-1]))
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        return texture


def _textured(surface: Surface) -> bool:
    return surface.texture is not None and surface.uv is not None


def _drawn_together(mesh: Mesh) -> list[list[Surface]]:
    """Group the surfaces without texture together, and each of the others alone."""
    plain = [surface for surface in mesh.surfaces if not _textured(surface)]
    return [group for group in (plain, *([s] for s in mesh.surfaces if _textured(s))) if group]


def _indices(group: list[Surface]) -> NDArray[np.int32]:
    """Return (F, 3) the triangles of the surfaces, whose vertices follow one another."""
    firsts = np.cumsum([0, *(len(surface.vertices) for surface in group[:-1])])
    moved = [s.triangles + np.int32(first) if first else s.triangles for s, first in zip(group, firsts, strict=True)]
    return _joined(moved, np.int32)


def _joined(arrays: Sequence[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.ascontiguousarray(arrays[0] if len(arrays) == 1 else np.concatenate(arrays), kind)


class Framebuffer:
    """A framebuffer of pixels of `channels` of a kind, "f1" bytes or "f2" half floats, in `texture`, and of depth."""

    def __init__(self, context: moderngl.Context, side: int, channels: int, kind: str = "f1") -> None:
        self._context = context
        with refusals(f"a framebuffer of {side} x {side} pixels"):
            self.texture = context.texture((side, side), channels, dtype=kind)
            self.texture.filter = (NEAREST, NEAREST)
            self._made = context.framebuffer([self.texture], context.depth_renderbuffer((side, side)))

    def begin(self, *clear: float) -> None:
        """Draw into this from now on, from `clear` red, green, blue and alpha, and the farthest depth."""
        begin(self._context, self._made, clear)


class Multisampled:
    """A framebuffer of `size` x `size` pixels of grey and depth, of `SAMPLES` samples each."""

    def __init__(self, context: moderngl.Context, size: int) -> None:
        self.size, self._context = size, context
        with refusals(f"a framebuffer of {size} x {size} pixels of {SAMPLES} samples"):
            grey = context.renderbuffer((size, size), 1, samples=SAMPLES)
            self._made = context.framebuffer([grey], context.depth_renderbuffer((size, size), samples=SAMPLES))
            self._means = context.framebuffer([context.renderbuffer((size, size), 1)])
        self._pixels = context.buffer(reserve=size**2)

    def begin(self, grey: float) -> None:
        """Draw into this from now on, from `grey` and the farthest depth."""
        begin(self._context, self._made, (grey, grey, grey, 1.0))

    def grow(self, count: int) -> None:
        """Make room for `count` images."""
        if self._pixels.size < count * self.size**2:
            self._pixels.orphan(count * self.size**2)

    def resolve(self, k: int) -> None:
        """Keep the means of the samples as image `k`."""
        self._context.copy_framebuffer(self._means, self._made)
        self._means.read_into(self._pixels, components=1, write_offset=k * self.size**2)

    def read(self, count: int) -> NDArray[np.uint8]:
        """Read the first `count` images, row 0 at the top: (count, size, size) uint8."""
        pixels = np.frombuffer(self._pixels.read(count * self.size**2), np.uint8)
        return pixels.reshape(count, self.size, self.size)[:, ::-1]


def begin(context: moderngl.Context, target: moderngl.Framebuffer, clear: tuple[float, ...]) -> None:
    """Draw into `target` from now on, from `clear` red, green, blue and alpha, and the farthest depth."""
    target.use()
    context.enable(moderngl.DEPTH_TEST)
    target.clear(*clear)


class TileColumn:
    """A column of tiles of `size` x `size` pixels of bytes, the first one lowest; grows with the largest batch."""

    def __init__(self, context: moderngl.Context, size: int, channels: int) -> None:
        self.size, self._context, self._channels = size, context, channels
        self._made: moderngl.Framebuffer | None = None

    def grow(self, count: int) -> None:
        """Make room for `count` tiles."""
        if self._made is None or self._made.height < count * self.size:
            size = (self.size, count * self.size)
            with refusals(f"a framebuffer of {size[0]} x {size[1]} pixels"):
                self._made = self._context.framebuffer([self._context.texture(size, self._channels)])

    def begin(self, k: int) -> None:
        """Draw all of tile `k` afresh from now on."""
        assert self._made is not None
        self._made.viewport = (0, k * self.size, self.size, self.size)
        self._made.use()
        self._context.disable(moderngl.DEPTH_TEST)

    def read(self, count: int) -> NDArray[np.uint8]:
        """Read the first `count` tiles, row 0 at the top: (count, size, size, channels) uint8."""
        assert self._made is not None
        pixels = np.empty((count, self.size, self.size, self._channels), np.uint8)
        self._made.read_into(pixels, (self.size, count * self.size), self._channels)
        return pixels[:, ::-1]


def most_tiles(context: moderngl.Context, size: int) -> int:
    """Return the number of tiles that a column may have."""
    limit = int(context.info["GL_MAX_TEXTURE_SIZE"])
    if FIVE.side * size > limit:
        raise Failure(f"OpenGL draws images of at most {limit // FIVE.side} pixels here, asked for are {size}")
    return max(1, min(limit // size, PIXELS // size**2))
