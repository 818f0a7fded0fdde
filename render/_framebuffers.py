"""Framebuffers of the batched renderer. Importing this module needs an OpenGL platform to be chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

from render._samples import FIVE
from render.errors import Failure

SAMPLES = 4  # of a pixel, where OpenGL is to take several
PIXELS = 2**24  # of the largest image or column of images


class Framebuffer:
    """A framebuffer of `width` x `height` pixels of colour, kept in a texture, and of depth where asked for."""

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


class Column:
    """A column of tiles of `size` x `size` pixels of `colour`, the first one lowest; grows with the largest batch."""

    def __init__(self, size: int, colour: Any) -> None:
        self.size, self._colour = size, colour
        self._made: Framebuffer | None = None

    def grow(self, count: int) -> None:
        """Have room for `count` tiles."""
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
        """(count, size, size, channels) uint8: the first `count` tiles, row 0 at the top."""
        pixels = np.empty((count, self.size, self.size, channels), np.uint8)
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self.name)
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)  # rows of any width
        GL.glReadPixels(0, 0, self.size, count * self.size, form, GL.GL_UNSIGNED_BYTE, pixels)
        return pixels[:, ::-1]


def most_tiles(size: int) -> int:
    """How many tiles a column may have."""
    limit = int(GL.glGetIntegerv(GL.GL_MAX_TEXTURE_SIZE))
    if FIVE.side * size > limit:
        raise Failure(f"OpenGL draws images of at most {limit // FIVE.side} pixels here, asked for are {size}")
    return max(1, min(limit // size, PIXELS // size**2))
