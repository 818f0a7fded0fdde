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
from render.shards.labels import DEGREES, Label, labels_of
from render.shards.manifest import NAME, Entry, Manifest, is_part_file

ROUNDING = 1e-6  # of float32, as a share


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
    for name, label in labels_of(settings).items():
        values = arrays[name]
        if not np.isfinite(values).all():
            yield f"expected finite numbers as {name}, found NaN or infinity"
            continue
        if name != entry.factor and differences(values, label).max() > passing(values, label):
            yield f"expected one {name} in each mini-batch of {entry.factor}, found several"
        slack = 1e-3 if "labels" not in settings else ROUNDING * max(abs(label.low), abs(label.high))
        if not (values.min() >= label.low - slack and values.max() <= label.high + slack):
            ends = f"{label.low}..{label.high}{label.symbol if label.unit != DEGREES else ' degrees'}"
            yield f"expected {name} within {ends}, found {values.min()}..{values.max()}"
        if label.categories and (values != np.round(values)).any():
            yield f"expected the numbers of categories as {name}, found fractions"
    varying = FACTORS[entry.factor].parts if entry.factor in FACTORS else ()
    if not set(varying) - {"expression"} and _differ(arrays["identity"]):
        yield f"expected one identity in each mini-batch of {entry.factor}, found several"
    if (
        entry.split == "test"
        and settings["object"] == "face"
        and "labels" not in settings
        and (arrays["identity"] % 2 == 0).any()
    ):
        yield "expected identities of the test split, found others"
    if "coefficients" in arrays:
        yield from _coefficient_faults(arrays["coefficients"], entry, varying, settings["assets"].get("parts", {}))


def _coefficient_faults(
    coefficients: NDArray[Any], entry: Entry, varying: tuple[str, ...], parts: dict[str, int]
) -> Iterator[str]:
    if not np.isfinite(coefficients).all():
        yield "expected finite coefficients, found NaN or infinity"
    if parts and sum(parts.values()) != coefficients.shape[2]:
        yield f"expected {sum(parts.values())} coefficients as in the manifest, found {coefficients.shape[2]}"
        return
    start = 0
    for part, count in parts.items():
        if part not in varying and _differ(coefficients[:, :, start : start + count]):
            yield f"expected one {part} in each mini-batch of {entry.factor}, found several"
        start += count


def differences(values: NDArray[Any], label: Label) -> NDArray[np.float64]:
    """Return how far `values` (B, N) lie from the first of their mini-batch, (B, N), the short way round a circle."""
    difference = abs(values - values[:, :1]).astype(np.float64)
    if label.circular:
        turn = label.high - label.low
        difference = np.minimum(difference % turn, turn - difference % turn)
    return difference


def passing(values: NDArray[Any], label: Label) -> float:
    """Return the difference up to which `values` pass for the same: the tolerance, and what rounding takes."""
    return label.tolerance * (1 + ROUNDING) + ROUNDING * float(abs(values).max())


def _differ(values: NDArray[Any]) -> bool:
    """Tell whether the images of any mini-batch differ in `values` (B, N, ...)."""
    return bool((values != values[:, :1]).any())
