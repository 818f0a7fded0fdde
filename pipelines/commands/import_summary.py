"""The summary of an import of labelled images: what each factor gave, what is left over and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.console import aligned, counted
from render.imports.dealing import Dealing, DealtImages, counts_of
from render.imports.groups import Groups
from render.imports.image_import import ImageImport
from render.shards.labels import INTRINSIC, Label

MOST_NAMES = 6  # of categories in a line


def summary(job: ImageImport, output: Path) -> Iterator[str]:
    """Yield a table of the factors, and a line for whatever may come as a surprise."""
    images, dealing = job.images, job.dealing
    every = np.unique(images.identity)
    test, train = np.unique(images.identity[job.test]), np.unique(images.identity[~job.test])
    yield (
        f"{output}: {counted(minibatches_in(dealing), 'mini-batch', 'es')} of {job.batch_size} images of {job.size} x "
        f"{job.size} pixels; identities for training: {len(train)}, for testing: {len(test)}."
    )
    meanings = {name: _meaning(label) for name, label in images.labels.items()}
    meanings[INTRINSIC] = counted(len(every), "object")
    yield from aligned(list(_rows(dealing, meanings)))
    missing = {name: label for name, label in images.labels.items() if name not in dealing.factors}
    if never := [name for name, label in missing.items() if label.varies]:
        yield f"Never varying alone, so that no mini-batches show what it does: {', '.join(never)}."
    if fixed := [name for name, label in missing.items() if not label.varies]:
        yield f"The same in all images: {', '.join(fixed)}."
    if INTRINSIC not in dealing.factors:
        yield "No two identities agree in all factors, so that no mini-batches show what an identity is."
    if both := len(np.intersect1d(test, train)):
        yield f"Identities with images both for training and for testing: {both}."
    if not len(test):
        yield "No identity is left for testing."
    if job.unreadable:
        yield f"Left out: {counted(len(job.unreadable), 'image')} that cannot be read."
    for line in images.remarks():
        yield f"{line[0].upper()}{line[1:]}."


def minibatches_in(dealing: Dealing) -> int:
    """Count the mini-batches of all factors and splits."""
    return sum(count for _, _, count in counts_of(dealing))


def _rows(dealing: Dealing, meanings: dict[str, str]) -> Iterator[list[str]]:
    counts: dict[str, list[str]] = {}
    for factor, split, count in counts_of(dealing):
        counts.setdefault(factor, []).append(f"{count} {split}")
    names = [*meanings, *(name for name in dealing.factors if name not in meanings)]
    if not isinstance(dealing, DealtImages):
        yield ["factor", "values", "mini-batches"]
        for name in names:
            yield [name, meanings.get(name, ""), ", ".join(counts.get(name, ["none"]))]
        return
    yield ["factor", "values", "groups", "images", "mini-batches", "left over"]
    for name in names:
        groups = dealing.groups[name]
        dealt = ", ".join(counts.get(name, ["none"]))
        yield [name, meanings[name], str(len(groups.starts)), str(len(groups.rows)), dealt, _left_over(groups)]


def _left_over(groups: Groups) -> str:
    reasons = {"like no other in all else": groups.alone, "like others in this too": groups.alike}
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count) or "-"


def _meaning(label: Label) -> str:
    if label.categories:
        more = len(label.categories) - MOST_NAMES
        return ", ".join(label.categories[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    if not label.varies:
        return label.text(label.low)
    grid = f", {len(label.values)} values" if label.values else ""
    return f"{label.text(label.low)} to {label.text(label.high)}{grid}{', a circle' if label.circular else ''}"
