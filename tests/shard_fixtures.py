"""A small synthetic data set for tests of the training stage: discs that move, no renderer needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from render.factors import DEFAULT_RANGES, EXTRINSIC, draw_values, generator
from render.shards.manifest import NAME, Entry, Manifest, read_manifest
from render.shards.shard_file import shard_name, write_shard


def synthetic_images(azimuth, elevation, light, identity, size):
    """(N, size, size) uint8: a shaded disc placed by azimuth and elevation, its size by identity."""
    rows, columns = np.mgrid[0:size, 0:size] / (size - 1) * 2 - 1
    x, y = azimuth[:, None, None] / 180, -elevation[:, None, None] / 90
    radius = 0.35 + 0.2 * (identity[:, None, None] % 7) / 7
    dx, dy = (columns - x) / radius, (rows - y) / radius
    inside = np.clip((1 - np.hypot(dx, dy)) * size / 8, 0, 1)
    angle = np.radians(light)[:, None, None]
    shade = 0.3 + 0.6 * np.clip(dx * np.sin(angle) + np.cos(angle) * np.sqrt(np.clip(1 - dx**2 - dy**2, 0, 1)), 0, 1)
    return np.round(255 * inside * shade).astype(np.uint8)


def write_synthetic(folder: Path, *, size=54, counts=None, split="train", object="face", seed=0, batch_size=6):
    """Write (or add to) a shard folder: `counts` maps factors to numbers of mini-batches, one shard a factor."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    counts = counts or {"azimuth": 4, "elevation": 4, "light": 4, "intrinsic": 4}
    ranges = DEFAULT_RANGES[object]
    settings = {
        "object": object,
        "assets": {"name": "discs", "models": {}},
        "size": size,
        "batch_size": batch_size,
        "ranges": {name: list(ranges[name]) for name in EXTRINSIC},
        "seed": seed,
        "camera": {},
        "shading": {},
        "renderer": "synthetic",
        "gl": "none",
    }
    manifest = read_manifest(folder) if (folder / NAME).exists() else Manifest(settings)
    for factor, count in counts.items():
        arrays = {name: np.empty((count, batch_size), np.float32) for name in EXTRINSIC}
        arrays["identity"] = np.empty((count, batch_size), np.int64)
        arrays["images"] = np.empty((count, batch_size, size, size), np.uint8)
        for index in range(count):
            rng = generator(seed, split, factor, index, "synthetic")
            for name in EXTRINSIC:
                angles = draw_values(*ranges[name], batch_size, rng)
                arrays[name][index] = angles if name == factor else angles[0]
            people = rng.integers(0, 2**40, size=batch_size) * 2 + (split == "test")
            arrays["identity"][index] = people if factor == "intrinsic" else people[0]
            arrays["images"][index] = synthetic_images(
                *(arrays[name][index] for name in (*EXTRINSIC, "identity")), size
            )
        name = shard_name(factor, split, 0)
        sha256, size_in_bytes = write_shard(folder / name, arrays)
        manifest.shards[name] = Entry(sha256, size_in_bytes, factor, split, 0, 0, count)
    manifest.write(folder)
    return folder
