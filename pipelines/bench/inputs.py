"""Inputs of benchmarks where nothing real is at hand: shards of lit balls or of noise, and face models of full size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

from render.factors import DEFAULT_RANGES, EXTRINSIC, MAIN, draw_values, generator
from render.jobs.job import Task, tasks_of
from render.shards.manifest import Entry, Manifest
from render.shards.shard_file import write_shard

SIZE, IMAGES = 150, 20  # pixels, and images a mini-batch
BALLS = 1000  # sizes of the ball
VERTICES, GRID = 53_490, 231  # of the published Basel models
MODES, EXPRESSIONS = 199, 100


def write_discs(folder: Path, count: int, size: int = SIZE, images: int = IMAGES) -> None:
    """Write `count` training mini-batches of each main factor into `folder`: lit balls that move and grow with it.

    Something to learn from without a renderer, in shards as large as those of `dcign render`.
    """

    def balls(task: Task) -> dict[str, NDArray[Any]]:
        values = [_minibatch(task.factor, index, images) for index in range(task.first, task.first + task.count)]
        arrays: dict[str, NDArray[Any]] = {name: np.stack([each[name] for each in values]) for name in values[0]}
        arrays["images"] = np.stack([draw_discs(each, size) for each in values])
        return arrays

    _write_shards(folder, "discs", count, size, images, balls)


def write_noise(folder: Path, count: int) -> None:
    """Write `count` mini-batches of random pixels for each factor, in shards as large as those of `dcign render`."""
    rng = np.random.default_rng(0)

    def noise(task: Task) -> dict[str, NDArray[Any]]:
        shape = (task.count, IMAGES)
        arrays: dict[str, NDArray[Any]] = {name: np.zeros(shape, np.float32) for name in EXTRINSIC}
        arrays["identity"] = np.zeros(shape, np.int64)
        arrays["images"] = rng.integers(256, size=(*shape, SIZE, SIZE), dtype=np.uint8)
        return arrays

    _write_shards(folder, "random pixels", count, SIZE, IMAGES, noise)


def _write_shards(
    folder: Path, name: str, count: int, size: int, images: int, arrays: Callable[[Task], dict[str, NDArray[Any]]]
) -> None:
    """Write the shards of `count` mini-batches of each main factor, of `arrays(task)` each, and their manifest."""
    settings = {
        "object": "face", "assets": {"name": name, "models": {}}, "size": size, "batch_size": images,
        "ranges": {factor: list(limits) for factor, limits in DEFAULT_RANGES["face"].items()}, "seed": 0, "camera": {},
        "shading": {}, "renderer": "none", "gl": "none",
    }  # fmt: skip
    manifest = Manifest(settings)
    for task in (task for factor in MAIN for task in tasks_of(factor, "train", count)):
        written = write_shard(folder / task.name, arrays(task))
        manifest.shards[task.name] = Entry(*written, task.factor, task.split, task.index, task.first, task.count)
    manifest.write(folder)


def _minibatch(factor: str, index: int, images: int) -> dict[str, NDArray[Any]]:
    """Draw the values of a mini-batch in which only `factor` varies: (N,) float32 degrees, and identity (N,) int64."""
    rng = generator(0, "train", factor, index, "discs")
    values: dict[str, NDArray[Any]] = {}
    for name in EXTRINSIC:
        varied = draw_values(*DEFAULT_RANGES["face"][name], images, rng).astype(np.float32)
        values[name] = varied if name == factor else varied[:1].repeat(images)
    balls = rng.integers(BALLS, size=images)
    values["identity"] = balls if factor == "intrinsic" else balls[:1].repeat(images)
    return values


def draw_discs(values: dict[str, NDArray[Any]], size: int) -> NDArray[np.uint8]:
    """Draw one ball for each of N values, (N, size, size): azimuth and elevation place it, light shades it."""
    azimuth, elevation, light, ball = (
        values[name].astype(np.float32)[:, None, None] for name in (*EXTRINSIC, "identity")
    )
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / (size - 1) * 2 - 1
    radius = 0.35 + 0.25 * ball / BALLS
    x, y = (columns - azimuth / 180) / radius, (rows + elevation / 60) / radius  # (N, size, size) by broadcasting
    depth = np.sqrt(np.maximum(1 - x * x - y * y, 0))
    lit = np.maximum(x * np.sin(np.radians(light)) + depth * np.cos(np.radians(light)), 0)
    return np.where(depth > 0, 255 * (0.3 + 0.6 * lit), 0).astype(np.uint8)


def write_full_size(folder: Path) -> tuple[Path, Path]:
    """Write synthetic Basel models of the published sizes, `basel-2009.mat` and `basel-2017.h5`; return their paths.

    To measure readers where no licensed file is at hand: a curved sheet with random modes.
    """
    rng = np.random.default_rng(0)
    u, v = (grid.ravel()[:VERTICES] for grid in np.meshgrid(*[np.linspace(-1.4, 1.4, n) for n in (GRID, GRID + 1)]))
    mean = np.stack([8 * np.sin(u), 11 * np.sin(v), 9 * np.cos(u) * np.cos(v)], axis=1)  # centimetres
    corner = (np.arange(GRID)[:, None] * GRID + np.arange(GRID - 1)).ravel()
    squares = np.stack([corner, corner + 1, corner + GRID + 1, corner + GRID], axis=1)
    triangles = np.concatenate([squares[:, [0, 1, 2]], squares[:, [0, 2, 3]]])
    triangles = triangles[triangles.max(axis=1) < VERTICES]
    deviations = 60 * np.exp(-np.arange(MODES) / 30)  # centimetres, of all vertices together
    shape, colour, expression = (_basis(rng, count) for count in (MODES, MODES, EXPRESSIONS))

    mat, h5 = folder / "basel-2009.mat", folder / "basel-2017.h5"
    variables: dict[str, NDArray[np.floating]] = {
        "shapeMU": mean.reshape(-1, 1) * 1e4, "shapePC": shape, "shapeEV": deviations[:, None] * 1e4,
        "texMU": np.full((mean.size, 1), 120.0), "texPC": colour, "texEV": deviations[:, None] * 50,
    }  # fmt: skip
    stored = {name: array.astype(np.float32) for name, array in variables.items()}
    scipy.io.savemat(mat, {**stored, "tl": triangles[:, [1, 0, 2]] + 1.0}, do_compression=True)
    with h5py.File(h5, "w") as file:
        for group, average, basis, scale in (
            ("shape", mean * 10, shape, 10.0),
            ("color", np.full_like(mean, 0.5), colour, 0.2),
            ("expression", np.full_like(mean, 0.01), expression, 10.0),
        ):
            file[f"{group}/model/mean"] = average.ravel().astype(np.float32)
            file[f"{group}/model/pcaBasis"] = basis
            file[f"{group}/model/pcaVariance"] = ((deviations[: basis.shape[1]] * scale) ** 2).astype(np.float32)
            file[f"{group}/representer/cells"] = triangles.T.astype(np.int32)
            file[f"{group}/representer/points"] = (mean.T * 10).astype(np.float32)
        file["version/majorVersion"], file["version/minorVersion"] = 0, 9
    return mat, h5


def _basis(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Draw (3V, count) random columns of length 1."""
    columns = rng.standard_normal((3 * VERTICES, count), np.float32)
    return columns / np.linalg.norm(columns, axis=0)
