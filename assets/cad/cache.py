"""Models that were read before, kept as plain arrays: parsing a CAD file takes far longer than loading its mesh.

An entry is `${XDG_CACHE_HOME:-~/.cache}/dcign/models/<key>.npz`; its key is made of the content of the model's files
and of the source of everything that turns them into a mesh, so nothing here is ever out of date. All of it may be
deleted at any time: a missing, damaged or unwritable cache only costs time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from assets.cache import cache_folder, code_sha256, keep_arrays, read_arrays
from assets.mesh import Mesh, Surface

LARGEST = 2 * 2**30  # bytes of all entries
LEFT = 0.8  # share of it that stays when the entries used longest ago are removed
LOOKED_AT_EVERY = 64 * 2**20  # bytes written by one process between two looks at the size of the cache
HERE = Path(__file__).parent
CODE = (HERE, HERE.parent / "archives.py", HERE.parent / "mesh.py")  # that turns files into meshes
_unseen = float(LOOKED_AT_EVERY)  # bytes written since this process last looked: it looks at its first entry


def folder() -> Path:
    """Return the folder of the entries, made or not."""
    return cache_folder() / "models"


def load_model(content: str, name: str) -> Mesh | None:
    """Return the mesh, as `name`, of the model whose files have the SHA-256 `content`; None unless cached whole."""
    path = _path(content)
    arrays = read_arrays(path)
    if arrays is None:
        return None
    with contextlib.suppress(OSError):  # of another user
        os.utime(path)
    return _mesh(arrays, name)


def keep_model(content: str, mesh: Mesh) -> None:
    """Keep `mesh` for `load_model`, if there is a place for it."""
    global _unseen
    path = _path(content)
    keep_arrays(path, _arrays(mesh), packed=True)
    with contextlib.suppress(OSError):
        _unseen += path.stat().st_size
        if _unseen > LOOKED_AT_EVERY:
            _unseen = 0
            _make_room()


def _make_room() -> None:
    """Remove the entries used longest ago if there are too many, and what killed processes left behind."""
    entries = sorted(_entries())
    total = sum(size for _, size, _ in entries)
    if total <= LARGEST:
        return
    for _, size, path in entries:
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size
        if total <= LEFT * LARGEST:
            return


def _entries() -> list[tuple[float, int, Path]]:
    """List for each file when it was last used, its size in bytes, and its path."""
    found = []
    with contextlib.suppress(OSError), os.scandir(folder()) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found.append((entry.stat().st_mtime, entry.stat().st_size, Path(entry.path)))
    return found


def _path(content: str) -> Path:
    """Return the path of an entry; it changes with the model's files, with the readers and with what they rest on."""
    key = f"{content} {code_sha256(*CODE)} numpy {np.__version__} Pillow {PIL.__version__}"
    return folder() / (hashlib.sha256(key.encode()).hexdigest() + ".npz")


def _arrays(mesh: Mesh) -> dict[str, NDArray[Any]]:
    """Pack the mesh into few arrays: those of its surfaces end to end, and how long each is."""
    surfaces = mesh.surfaces
    images = {id(s.texture): s.texture for s in surfaces if s.texture is not None}  # surfaces may share them
    numbers = {key: number for number, key in enumerate(images)}
    lengths = [(len(s.vertices), len(s.triangles), 0 if s.uv is None else len(s.uv)) for s in surfaces]
    arrays: dict[str, NDArray[Any]] = {
        "lengths": np.array(lengths, dtype=np.int64),
        "images": np.array([numbers.get(id(s.texture), -1) for s in surfaces], dtype=np.int64),
        "triangles": np.concatenate([s.triangles for s in surfaces]),
        "remarks": np.array(mesh.remarks, dtype=np.str_),
    }
    for name in ("vertices", "normals", "albedo"):
        arrays[name] = np.concatenate([getattr(s, name) for s in surfaces])
    arrays["uv"] = np.concatenate([np.empty((0, 2), np.float32), *(s.uv for s in surfaces if s.uv is not None)])
    return arrays | {f"image{number}": image for number, image in enumerate(images.values()) if image is not None}


def _mesh(arrays: dict[str, NDArray[Any]], name: str) -> Mesh:
    """Unpack the mesh from `_arrays`."""
    lengths, images = arrays["lengths"], arrays["images"]
    ends = dict(zip(("vertices", "triangles", "uv"), np.cumsum(lengths, axis=0).T, strict=True))
    ends |= {"normals": ends["vertices"], "albedo": ends["vertices"]}
    split = {key: np.split(arrays[key], ends[key][:-1]) for key in ends}
    surfaces = (
        Surface(
            vertices=split["vertices"][k],
            triangles=split["triangles"][k],
            normals=split["normals"][k],
            albedo=split["albedo"][k],
            uv=split["uv"][k] if lengths[k, 2] else None,
            texture=arrays[f"image{image}"] if image >= 0 else None,
        )
        for k, image in enumerate(images)
    )
    return Mesh(name, tuple(surfaces), tuple(map(str, arrays["remarks"])))
