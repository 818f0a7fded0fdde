"""pyrender's renderer with a grey read-back: importing this module needs an OpenGL platform to be chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL
from pyrender.renderer import Renderer


class GreyRenderer(Renderer):  # type: ignore[misc]
    """Reads one byte a pixel and no depth; pyrender reads depth first, which is where a frame waits."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)  # rows of any width, read back ...
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)  # ... and uploaded as textures

    def _read_main_framebuffer(self, scene: Any, flags: int) -> NDArray[np.uint8]:
        width, height = self._main_fb_dims
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._main_fb_ms)
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self._main_fb)
        GL.glBlitFramebuffer(0, 0, width, height, 0, 0, width, height, GL.GL_COLOR_BUFFER_BIT, GL.GL_LINEAR)
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._main_fb)
        data = GL.glReadPixels(0, 0, width, height, GL.GL_RED, GL.GL_UNSIGNED_BYTE)
        return np.flip(np.frombuffer(data, dtype=np.uint8).reshape(height, width), axis=0)
