"""Level of detail for the commands: where it is not known yet, it is chosen in a process of its own, with OpenGL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from assets.catalog import Catalog
from assets.face_catalog import FaceCatalog
from render.batched import BatchedRenderer
from render.lod import with_level_of_detail
from render.scene import Scene
from render.workers import Pool


class _Unknown(Exception):
    """The level of detail has to be chosen: nothing is cached."""


@dataclass(frozen=True)
class _Choosing:
    """The work of one process; see `render.workers.Pool`."""

    catalog: FaceCatalog
    size: int

    def start(self) -> str:
        return ""

    def run(self, task: int, tick: Callable[[int], None]) -> FaceCatalog:
        return with_level_of_detail(self.catalog, self.size, BatchedRenderer(self.size).draw)


def with_detail(catalog: Catalog, size: int) -> Catalog:
    """The catalog with meshes as fine as can be seen in images of `size` pixels; chairs as they are."""
    if not isinstance(catalog, FaceCatalog):
        return catalog
    try:
        chosen = with_level_of_detail(catalog, size, _refuse)
    except _Unknown:
        click.echo("Choosing the level of detail, once for this model and size.")
        found: list[FaceCatalog] = []
        with Pool(_Choosing(catalog, size), 1) as pool:
            pool.first_info()
            pool.run([0], lambda _, result: found.append(result), lambda _: None)
        (chosen,) = found
    detail = chosen.detail
    click.echo(f"Level of detail: {detail['triangles']:,} of {detail['of']:,} triangles.")
    return chosen


def _refuse(scene: Scene) -> Any:
    raise _Unknown
