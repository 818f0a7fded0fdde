"""A small data set of images that no renderer drew: labels of every kind, learnt in seconds of training.

    write_labelled(folder)                           train shards; write_labelled(folder, split="test") adds others
    write_labelled(folder, counts={"colour": 2})     so many mini-batches of these factors only
    labelled_images(values, identity, size)          the image of any values, which is what a decoder should show

Each shows a spot on a wall:

    azimuth   degrees, circular     from where the wall is lit, clockwise from the top
    distance  cm, of 20, 40 and 60  how small the spot is
    colour    red, green or blue    how bright it is
    tilt      no unit, -1 to 1      how far to the right it is

and the identity makes it a diamond, a disc, a square or something between. Every kind of mini-batch is there.

A run of these images with its initial weights: `untrained_run.write_untrained(folder, object=OBJECT, labels=LABELS)`;
with curves of all labels too: `untrained_run.write_calibrated_labelled(folder)`. One that learns all of it in 15
seconds of a processor: `write_labelled(folder, size=32, counts=dict.fromkeys(FACTORS, 40), batch_size=10)`, then
`dcign train` with the options `LEARN`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from render.factors import generator
from render.shards.labels import Label, labels_to_json
from render.shards.manifest import NAME, Entry, Manifest, read_manifest
from render.shards.shard_file import shard_name, write_shard

LABELS = {
    "azimuth": Label("azimuth", 0.0, 360.0, circular=True),
    "distance": Label("distance", 20.0, 60.0, "cm", values=(20.0, 40.0, 60.0)),
    "colour": Label("colour", 0.0, 2.0, "", categories=("red", "green", "blue")),
    "tilt": Label("tilt", -1.0, 1.0, ""),
}
FACTORS = (*LABELS, "intrinsic")
CODE = "azimuth:2,distance:1,colour:2,tilt:1,intrinsic:6"
LEARN = (
    *("--network", "modulated", "--widths", "4/6/8/16/32", "--code", CODE, "--ratio", "1:1:1:1:1", "--steps", "1000"),
    *("--optimizer", "muon", "--learning-rate", "0.003", "--learning-rate-fall", "600", "--precision", "fp32"),
    *("--likelihood", "gaussian", "--deviation", "0.07"),
    *("--invariance-unit", "noise", "--invariance-strength", "10", "--inactive-gradient", "shared"),
)
OBJECT, BACKGROUND = "spot", 0.2


def labelled_images(values, identity, size):
    """(N, size, size) uint8 of `values`, label -> (N,), and `identity` (N,)."""
    azimuth, distance, colour, tilt = (np.asarray(values[name], np.float64)[:, None, None] for name in LABELS)
    rows, columns = np.mgrid[0:size, 0:size] / (size - 1) * 2 - 1
    angle = np.radians(azimuth)
    behind = BACKGROUND + 0.13 * (columns * np.sin(angle) - rows * np.cos(angle))
    dx, dy = np.abs(columns - 0.4 * tilt), np.abs(rows)
    power = 2.0 ** (np.asarray(identity)[:, None, None] // 2 % 5)  # 1: a diamond, 2: a disc, 16: nearly a square
    inside = np.clip(((90 - distance) / 120 - (dx**power + dy**power) ** (1 / power)) * size / 8, 0, 1)
    return np.round(255 * (behind + inside * (0.45 + 0.275 * colour - behind))).astype(np.uint8)


def draw(name, count, rng):
    """(count,) float32 values of a label: of its grid or categories, or from anywhere in its range."""
    label = LABELS[name]
    choices = label.values or tuple(map(float, range(len(label.categories))))
    return (rng.choice(choices, count) if choices else rng.uniform(label.low, label.high, count)).astype(np.float32)


def write_labelled(folder: Path, *, size=54, counts=None, split="train", seed=0, batch_size=6):
    """Write (or add to) a shard folder: `counts` maps factors to numbers of mini-batches, one shard a factor."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "object": OBJECT,
        "assets": {"name": "images", "models": {"spots": "0" * 64}, "parts": {}, "sampling": {}},
        "size": size,
        "batch_size": batch_size,
        **labels_to_json(LABELS),
        "seed": seed,
        "camera": {"crop": "square"},
        "shading": {"background": BACKGROUND},
        "renderer": "imported",
        "gl": "",
    }
    manifest = read_manifest(folder) if (folder / NAME).exists() else Manifest(settings)
    for factor, count in (counts or dict.fromkeys(FACTORS, 4)).items():
        shape = (count, batch_size)
        arrays = {name: np.empty(shape, np.float32) for name in LABELS}
        arrays["identity"] = np.empty(shape, np.int64)
        arrays["images"] = np.empty((*shape, size, size), np.uint8)
        for index in range(count):
            rng = generator(seed, split, factor, index, "labelled")
            for name in LABELS:
                drawn = draw(name, batch_size, rng)
                arrays[name][index] = drawn if name == factor else drawn[0]
            people = rng.integers(0, 1000, batch_size) * 2 + (split == "test")
            arrays["identity"][index] = people if factor == "intrinsic" else people[0]
            values = {name: arrays[name][index] for name in LABELS}
            arrays["images"][index] = labelled_images(values, arrays["identity"][index], size)
        name = shard_name(factor, split, 0)
        sha256, size_in_bytes = write_shard(folder / name, arrays)
        manifest.shards[name] = Entry(sha256, size_in_bytes, factor, split, 0, 0, count)
    manifest.write(folder)
    return folder
