"""`dcign bench parity`: the same scenes by both renderers, how far they differ, and a sheet to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from render.factors import MAIN

if TYPE_CHECKING:
    from assets.catalog import Catalog
    from pipelines.drawing.sheet import Row
    from render.jobs.pool import Pool
    from render.scene import Scene

# Wider than by default, so that extreme poses and lights are among them
EXTREMES = {"azimuth": (-180.0, 180.0), "elevation": (-30.0, 50.0), "light": (-90.0, 90.0)}
SHOWN = 4  # images of each mini-batch on the sheet


@dataclass(frozen=True)
class _Drawing:
    """The work of one process: draws mini-batches of scenes. See `render.jobs.pool.Pool`."""

    renderer: str
    size: int
    kind: str

    def start(self) -> str:
        from render.jobs.job import open_renderer

        global _opened
        _opened = open_renderer(self.renderer, self.size, self.kind)
        return ""

    def run(self, batch: tuple[Scene, ...], tick: Callable[[int], None]) -> NDArray[np.uint8]:
        images: NDArray[np.uint8] = _opened.draw_batch(batch)
        return images


_opened: Any = None


@click.command(name="parity", context_settings={"show_default": True})
@click.option("--size", type=click.IntRange(16, 1024), default=150, help="Image width and height in pixels.")
@click.option("--n", "count", type=click.IntRange(min=1), default=2, help="Mini-batches of each factor and object.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default="parity.png", help="Picture to write.")
def command(size: int, count: int, output: Path) -> None:
    """Draw mini-batches of built-in faces and chairs, at extreme poses and lights, by both renderers, and compare them.

    The sheet shows reference, batched, and ten times their difference.

    \b
    Example:
      dcign bench parity -o parity.png
    """
    from assets.chairs.catalog import open_chairs
    from assets.faces.catalog import open_faces
    from pipelines.drawing.sheet import save_sheet
    from render.jobs.job import shading_for
    from render.minibatch import Sampling, sample_minibatch, scenes
    from render.scene import frame_camera
    from render.similarity import mean_difference, ssim

    rows = []
    catalogs: list[Catalog] = [open_faces(None), open_chairs(None)[0]]
    click.echo(f"{'':<18} {'mean difference':>16} {'largest':>9} {'SSIM, least':>12}   of 255 grey levels")
    for catalog in catalogs:
        camera, sampling = frame_camera(catalog.target, catalog.radius, size), Sampling(EXTREMES)
        batches = {}
        for factor in MAIN:
            draws = [sample_minibatch(catalog, sampling, 20, 0, "test", factor, k) for k in range(count)]
            batches[factor] = [tuple(scenes(draw, catalog, camera, shading_for(catalog))) for draw in draws]
        by_reference, by_batched = (_drawn(name, size, catalog.object, batches) for name in ("reference", "batched"))
        for factor in MAIN:
            first, other = by_reference[factor], by_batched[factor]
            apart = [mean_difference(a, b) for a, b in zip(first, other, strict=True)]
            alike = min(ssim(a, b) for a, b in zip(first, other, strict=True))
            title = f"{catalog.object} {factor}"
            click.echo(f"{title:<18} {np.mean(apart):>16.3f} {max(apart):>9.3f} {alike:>12.4f}")
            rows.append(_row(title, first, other))
    sheet = save_sheet(rows, output)
    click.echo(f"{output}: {sheet.width} x {sheet.height} pixels.")


def _drawn(
    renderer: str, size: int, kind: str, batches: dict[str, list[tuple[Scene, ...]]]
) -> dict[str, NDArray[np.uint8]]:
    """Draw factor -> (B * N, size, size) images in a process of its own: one OpenGL context each."""
    from render.jobs.pool import Pool

    with Pool(_Drawing(renderer, size, kind), 1) as pool:
        pool.first_info()
        return {factor: np.concatenate(_results(pool, several)) for factor, several in batches.items()}


def _results(pool: Pool, batches: list[tuple[Scene, ...]]) -> list[NDArray[np.uint8]]:
    results: list[NDArray[np.uint8]] = []
    pool.run(batches, lambda _, result: results.append(result), lambda _: None)  # one worker: in their order
    return results


def _row(title: str, first: NDArray[np.uint8], other: NDArray[np.uint8]) -> Row:
    from pipelines.drawing.sheet import Row
    from render.similarity import mean_difference

    chosen = np.linspace(0, len(first) - 1, SHOWN).astype(int)
    images, captions = [], []
    for i in chosen:
        apart = np.clip(10 * np.abs(first[i].astype(int) - other[i]), 0, 255).astype(np.uint8)
        images += [first[i], other[i], apart]
        captions += ["reference", "batched", f"x 10: {mean_difference(first[i], other[i]):.2f}"]
    return Row(title, images, captions)
