"""Rechecks a shard folder against its manifest, byte for byte and value for value, and names what is bad."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import ShardError
from render.factors import EXTRINSIC
from render.manifest import NAME, Entry, Manifest
from render.shard_file import hash_file
from render.shards import map_entry


def verify_shard(folder: Path, name: str, entry: Entry, settings: dict[str, Any]) -> list[str]:
    """What is wrong with one shard, one line each; an empty list if nothing is."""
    try:
        arrays = map_entry(folder, name, entry, settings)
    except ShardError as error:
        return [str(error)]
    found = hash_file(folder / name)
    if found != entry.sha256:
        return [f"{folder / name}: expected sha256 {entry.sha256[:12]}... as in the manifest, found {found[:12]}..."]
    return [f"{folder / name}: {fault}" for fault in _faults(arrays, entry, settings)]


def strangers(folder: Path, manifest: Manifest) -> list[str]:
    """Files in the folder that its manifest does not know."""
    known = {NAME, *manifest.shards}
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name.endswith(".tmp"):
            lines.append(f"{path}: left over from an interrupted render; the next `dcign render` removes it")
        elif path.name not in known:
            lines.append(f"{path}: expected only files of the manifest, found this one")
    return lines


def _faults(arrays: dict[str, NDArray[Any]], entry: Entry, settings: dict[str, Any]) -> Iterator[str]:
    for name in (*EXTRINSIC, "identity"):
        values = arrays[name]
        active = name == entry.factor or (name == "identity" and entry.factor == "intrinsic")
        if not active and (values != values[:, :1]).any():
            yield f"expected one {name} in each mini-batch of {entry.factor}, found several"
        if name in EXTRINSIC:
            low, high = settings["ranges"][name]
            if not (np.isfinite(values).all() and values.min() >= low - 1e-3 and values.max() <= high + 1e-3):
                yield f"expected {name} within {low}..{high} degrees, found {values.min()}..{values.max()}"
        elif entry.split == "test" and settings["object"] == "face" and (values % 2 == 0).any():
            yield "expected identities of the test split, found others"
    if "coefficients" in arrays and not np.isfinite(arrays["coefficients"]).all():
        yield "expected finite coefficients, found NaN or infinity"
