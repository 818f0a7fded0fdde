"""The batched renderer: draws the scenes of a mini-batch in one go, with the shading of shaders/tile.frag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.context import gl_strings, open_platform
from render.scene import Scene


class BatchedRenderer:
    """Draws scenes as (size, size) uint8 grey images, row 0 at the top, 4x multisampled.

    Shows what `render.reference.ReferenceRenderer` shows, quicker: meshes are uploaded once a batch, images are tiles
    of one target and read back together, and a surface seen under many lights is rasterised once.
    Make one a process and keep it.

    multisampled  take the samples of a pixel where the reference takes them, for thin bars on white; slower
    """

    def __init__(self, size: int, multisampled: bool = False) -> None:
        self.size = size
        self._platform = open_platform(size)
        self.gl = gl_strings()
        # OpenGL may only be imported once the platform is chosen
        from render._light_pass import LightPass, same_view
        from render._mesh_buffers import MeshBuffers
        from render._tiles import MultisampledTiles, Tiles

        self._buffers, self._same_view = MeshBuffers(), same_view
        self._tiles: Any = MultisampledTiles(size) if multisampled else Tiles(size)
        self._light_pass: Any = self._tiles if multisampled else LightPass(size)

    def draw(self, scene: Scene) -> NDArray[np.uint8]:
        """(size, size) uint8 image of `scene`."""
        return self.draw_batch([scene])[0]

    def draw_batch(self, scenes: Sequence[Scene]) -> NDArray[np.uint8]:
        """(N, size, size) uint8 images of N >= 1 scenes."""
        self._buffers.hold(list({id(scene.mesh): scene.mesh for scene in scenes}.values()))
        how = self._light_pass if len(scenes) > 1 and self._same_view(scenes) else self._tiles
        images = np.empty((len(scenes), self.size, self.size), np.uint8)
        for first in range(0, len(scenes), how.most):
            part = scenes[first : first + how.most]
            images[first : first + how.most] = how.draw(part, self._buffers)
        return images
