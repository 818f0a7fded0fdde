"""Verification of a shard folder against its manifest, byte for byte and value for value; whatever is bad is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import ShardError
from render.factors import FACTORS
from render.shards.data_set import open_entry
from render.shards.manifest import NAME, Entry, Manifest, is_part_file


def verify_shard(folder: Path, name: str, entry: Entry, settings: dict[str, Any]) -> list[str]:
    """Describe what is wrong with one shard, one line each; an empty list if nothing is."""
    try:
        file = open_entry(folder, name, entry, settings)
        found = file.hash()
        if found != entry.sha256:
            was = f"expected sha256 {entry.sha256[:12]}... as in the manifest, found {found[:12]}..."
            return [f"{folder / name}: {was}"]
        read = ("coefficients",) if "coefficients" in file.shapes else ()
        arrays = {**file.labels, **{name: file.read(name) for name in read}}
    except ShardError as error:
        return [str(error)]
    return [f"{folder / name}: {fault}" for fault in _faults(arrays, entry, settings)]


def unknown_files(folder: Path, manifest: Manifest) -> list[str]:
    """List the files in the folder that its manifests do not know, one line each."""
    known = {NAME, *manifest.shards}
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name.endswith(".tmp"):
            lines.append(f"{path}: left over from an interrupted render; the next `dcign render` removes it")
        elif path.name not in known and not is_part_file(path.name):
            lines.append(f"{path}: expected only files of the manifest, found this one")
    return lines


def _faults(arrays: dict[str, NDArray[Any]], entry: Entry, settings: dict[str, Any]) -> Iterator[str]:
    for name, (low, high) in settings["ranges"].items():
        values = arrays[name]
        if name != entry.factor and _differ(values):
            yield f"expected one {name} in each mini-batch of {entry.factor}, found several"
        if not (np.isfinite(values).all() and values.min() >= low - 1e-3 and values.max() <= high + 1e-3):
            yield f"expected {name} within {low}..{high} degrees, found {values.min()}..{values.max()}"
    varying = FACTORS[entry.factor].parts
    if not set(varying) - {"expression"} and _differ(arrays["identity"]):
        yield f"expected one identity in each mini-batch of {entry.factor}, found several"
    if entry.split == "test" and settings["object"] == "face" and (arrays["identity"] % 2 == 0).any():
        yield "expected identities of the test split, found others"
    if "coefficients" in arrays:
        yield from _coefficient_faults(arrays["coefficients"], entry, settings["assets"].get("parts", {}))


def _coefficient_faults(coefficients: NDArray[Any], entry: Entry, parts: dict[str, int]) -> Iterator[str]:
    if not np.isfinite(coefficients).all():
        yield "expected finite coefficients, found NaN or infinity"
    if parts and sum(parts.values()) != coefficients.shape[2]:
        yield f"expected {sum(parts.values())} coefficients as in the manifest, found {coefficients.shape[2]}"
        return
    start = 0
    for part, count in parts.items():
        if part not in FACTORS[entry.factor].parts and _differ(coefficients[:, :, start : start + count]):
            yield f"expected one {part} in each mini-batch of {entry.factor}, found several"
        start += count


def _differ(values: NDArray[Any]) -> bool:
    """Tell whether the images of any mini-batch differ in `values` (B, N, ...)."""
    return bool((values != values[:, :1]).any())
