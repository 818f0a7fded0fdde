"""ICT-FaceKit: OBJ files that share one topology, a neutral head, one for each identity mode, one for each expression.

An identity mode is identityNNN - neutral, with weights ~ N(0, 1); an expression is a blend shape, given fully pressed.
Units are centimetres, +Y up, facing +Z (github.com/ICT-VGL/ICT-FaceKit). The kit has no albedo: skin has one
colour, and the inside of the mouth is dark.
"""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from assets.errors import AssetError
from assets.face_arrays import SKIN, file_sha256
from assets.ict_files import NEUTRAL, holds_kit, is_archive, kit_files
from assets.mesh import Float, Index
from assets.morphable import BLEND_SHAPE_DEVIATION, Modes, MorphableModel

VERTICES = 26_719  # of the published topology
FACE_AND_HEAD = (0, 11_248)  # half-open vertex ranges of the published topology
EYEBALLS = (21_451, 24_591)  # what follows are lashes, lacrimal fluid and eye-occlusion shells
MOUTH_SOCKET = (11_248, 13_294)  # without it an open mouth shows the inside of the back of the head
FARTHEST = 1e4  # centimetres
# Vertices of the published topology, the corners of the 68-point markup, under the names of Basel's landmarks.
LANDMARKS = {
    "right.eye.corner_outer": 1507,
    "right.eye.corner_inner": 1528,
    "left.eye.corner_inner": 3742,
    "left.eye.corner_outer": 3721,
    "center.nose.tip": 4857,
    "right.lips.corner": 5708,
    "left.lips.corner": 6213,
    "center.chin.tip": 966,
}

MOUTH = (0.10, 0.05, 0.045)  # dark: no shadow falls into it

Vertices = NDArray[np.float64]

_VERTEX = re.compile(rb"^v[ \t][^\r\n]*", re.MULTILINE)
_FACE = re.compile(rb"^f[ \t]+([^\r\n]*)", re.MULTILINE)
_TEXTURE_AND_NORMAL = re.compile(rb"/[^ \t\n]*")


def is_ict_facekit(path: Path) -> bool:
    """Whether `path` is an ICT-FaceKit: its folder `FaceXModel`, the folder above, or an archive of either."""
    return holds_kit(path)


def read_ict_facekit(path: Path) -> MorphableModel:
    """Face, head, eyeballs and mouth of the kit: a mode of shape an identity file, a blend shape any other OBJ file.

    The vertices of the mouth come last. Modes are in the order of the names of the files; there are no albedo modes.
    Raises AssetError if a file is missing, malformed or of another topology than the neutral mesh, or an archive is
    cut, damaged or too large.
    """
    meshes, triangles, count = _meshes(path)
    neutral = meshes.pop(NEUTRAL)
    identities = sorted(name for name in meshes if name.startswith("identity"))
    if not identities:
        raise AssetError(f"{path}: expected identity000.obj, identity001.obj, ... beside {NEUTRAL}, found none")
    expressions = sorted(meshes.keys() - set(identities))
    pressed = _displacements(meshes, expressions, neutral, BLEND_SHAPE_DEVIATION)
    names = tuple(PurePosixPath(name).stem for name in expressions)
    mean = neutral.astype(np.float32)
    cavity = np.arange(len(mean)) >= sum(end - start for start, end in (FACE_AND_HEAD, EYEBALLS))
    return MorphableModel(
        name="ict-facekit",
        triangles=triangles,
        shape_mean=mean,
        shape=Modes.from_displacements(_displacements(meshes, identities, neutral, 1.0)),
        albedo_mean=np.where(cavity[:, None], MOUTH, SKIN).astype(np.float32),
        albedo=Modes.none(len(mean)),
        expression=Modes.from_displacements(pressed, names, one_sided=True) if names else Modes.none(len(mean)),
        landmarks=_landmarks(neutral) if count == VERTICES else {},
        cavity=cavity,
    )


def ict_facekit_sha256(path: Path) -> str:
    """Hexadecimal SHA-256: of an archive's bytes, or over the OBJ files of a folder in order (names and bytes)."""
    if is_archive(path):
        return file_sha256(path)
    digest = hashlib.sha256()
    for name, _, content in kit_files(path):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _meshes(path: Path) -> tuple[dict[str, Vertices], Index, int]:
    """The vertices kept of every OBJ file by its name, the triangles between them, and the count of all vertices."""
    kept = np.r_[slice(*FACE_AND_HEAD), slice(*EYEBALLS), slice(*MOUTH_SOCKET)]
    meshes: dict[str, Vertices] = {}
    counts: dict[str, int] = {}  # by where a file lies
    triangles, count = None, 0
    for name, where, content in kit_files(path):
        vertices = _vertices(content, where)
        counts[where] = len(vertices)
        meshes[name] = vertices[kept[kept < len(vertices)]]
        if name == NEUTRAL:
            count = len(vertices)
            if count < EYEBALLS[1]:
                raise AssetError(f"{where}: expected at least {EYEBALLS[1]} vertices, found {count}")
            triangles = _reindexed(_triangles(content, where, count), kept[kept < count], count)
            if len(triangles) == 0:
                raise AssetError(f"{where}: expected faces between the vertices of the face, found none")
    if triangles is None:
        raise AssetError(f"{path}: expected {NEUTRAL}, found none")
    for where, found in counts.items():
        if found != count:
            raise AssetError(f"{where}: expected {count} vertices as in {NEUTRAL}, found {found}")
    return meshes, triangles, count


def _displacements(meshes: dict[str, Vertices], names: list[str], neutral: Vertices, share: float) -> Float:
    """(K, 3V): `share` of the way from the neutral mesh to each of the K meshes called `names`."""
    rows = np.empty((len(names), neutral.size), dtype=np.float32)
    for row, name in zip(rows, names, strict=True):
        row[:] = (share * (meshes[name] - neutral)).ravel()
    return rows


def _landmarks(vertices: Vertices) -> dict[str, tuple[float, float, float]]:
    points = vertices[list(LANDMARKS.values())].tolist()
    return {name: (x, y, z) for name, (x, y, z) in zip(LANDMARKS, points, strict=True)}


def _vertices(text: bytes, where: str) -> Vertices:
    """(V, 3): the `v` lines of an OBJ file, in their order."""
    found = _VERTEX.search(text)
    if found is None:
        raise AssetError(f"{where}: expected `v` lines of 3 numbers, found none")
    last = max(text.rfind(b"\nv "), text.rfind(b"\nv\t")) + 1
    end = text.find(b"\n", last)
    lines = text[found.start() : len(text) if end < 0 else end]
    if lines.count(b"\n") != lines.count(b"\nv "):  # something lies between them
        lines = b"\n".join(_VERTEX.findall(lines))
    try:
        numbers = np.loadtxt(io.BytesIO(lines), usecols=(1, 2, 3), ndmin=2, comments=None, encoding="latin-1")
    except ValueError as error:
        raise AssetError(f"{where}: expected numbers on the `v` lines, found {error}") from None
    farthest = np.abs(numbers).max()
    if not farthest <= FARTHEST:  # this way round for NaN
        raise AssetError(f"{where}: expected finite vertices within {FARTHEST:g} cm, found {farthest:g}")
    return numbers


def _triangles(text: bytes, where: str, vertex_count: int) -> NDArray[np.int64]:
    """(F, 3) from 0: the `f` lines of an OBJ file, quads cut in two."""
    lines = _TEXTURE_AND_NORMAL.sub(b"", b"\n".join(_FACE.findall(text))).split(b"\n")
    corners = [line.split() for line in lines]
    try:
        three = np.array([c for c in corners if len(c) == 3], dtype=np.int64).reshape(-1, 3)
        four = np.array([c for c in corners if len(c) == 4], dtype=np.int64).reshape(-1, 4)
    except (ValueError, OverflowError) as error:
        raise AssetError(f"{where}: expected vertex numbers on the `f` lines, found {error}") from None
    if len(three) + len(four) != len(corners):
        raise AssetError(f"{where}: expected faces of 3 or 4 corners, found another count")
    triangles = np.concatenate([three, four[:, [0, 1, 2]], four[:, [0, 2, 3]]]) - 1
    if triangles.min() < 0 or triangles.max() >= vertex_count:
        found = f"{triangles.min() + 1}..{triangles.max() + 1}"
        raise AssetError(f"{where}: expected vertex numbers 1..{vertex_count} on the `f` lines, found {found}")
    return triangles


def _reindexed(triangles: NDArray[np.int64], kept: NDArray[np.intp], vertex_count: int) -> Index:
    """The triangles whose three vertices are all kept, numbered as in `kept`."""
    new = np.full(vertex_count, -1, dtype=np.int32)
    new[kept] = np.arange(len(kept), dtype=np.int32)
    renumbered = new[triangles]
    return np.ascontiguousarray(renumbered[(renumbered >= 0).all(axis=1)])
