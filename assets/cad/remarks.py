"""Remarks on what a model lacks, in the words of `dcign assets check` and of `dcign render`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from assets.cad.parts import Part

MOST_REMARKS = 20  # on one model; the rest is counted


def remarks_on(parts: Sequence[Part]) -> list[str]:
    """List what the parts of a model lack: textures, and uv and normals that others of their corners have."""
    found = [part.material.fault for part in parts if part.material.fault]
    for part in parts:
        name = part.material.name or "(no name)"
        if part.material.image is not None and part.uv is None:
            found.append(f"material {name} has a texture but no uv")
        for what, array in (("uv", part.uv), ("normals", part.normals)):
            used = what == "normals" or part.material.image is not None
            if array is not None and used and len(part.triangles):
                known = np.asarray(np.isfinite(array).all(axis=1))
                gaps = int((~known[part.triangles]).sum())
                if gaps:
                    found.append(f"{gaps} of {part.triangles.size} corners of material {name} have no {what}")
    return sorted(set(found))


def shortened(remarks: Iterable[str]) -> tuple[str, ...]:
    """Return each remark once, in one line of printable characters, and of too many the number."""
    lines = list(dict.fromkeys(" ".join(remark.split()) for remark in remarks))
    more = len(lines) - MOST_REMARKS
    return tuple(lines if more <= 0 else [*lines[:MOST_REMARKS], f"and {more} more of this kind"])
