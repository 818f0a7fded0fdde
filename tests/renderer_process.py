"""A renderer in a process of its own, since a process can hold one OpenGL context only."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.scene import Scene

_renderer: Any = None


class RendererProcess:
    """Draws batches of scenes with `kind`, a renderer class made with `arguments`, in another process."""

    def __init__(self, kind: type, *arguments: Any) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_open, initargs=(kind, arguments))

    def draw(self, *batches: Sequence[Scene]) -> list[NDArray[np.uint8]]:
        """One (N, size, size) array for each batch, drawn in this order."""
        return self._pool.submit(_draw, batches).result()

    def close(self) -> None:
        self._pool.shutdown()


def _open(kind: type, arguments: tuple[Any, ...]) -> None:
    global _renderer
    _renderer = kind(*arguments)


def _draw(batches: Sequence[Sequence[Scene]]) -> list[NDArray[np.uint8]]:
    return [_renderer.draw_batch(batch) for batch in batches]
