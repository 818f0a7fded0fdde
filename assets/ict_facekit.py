"""ICT-FaceKit: a folder of OBJ files that share one topology, a neutral head and one file for each identity mode.

A mode is identityNNN - neutral, with weights ~ N(0, 1). Units are centimetres, +Y up, facing +Z. The kit has no
albedo, so skin gets one colour and the eyeballs get a painted iris and pupil (github.com/ICT-VGL/ICT-FaceKit).
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.errors import AssetError
from assets.mesh import Float, Index
from assets.morphable import Modes, MorphableModel

NEUTRAL = "generic_neutral_mesh.obj"
FACE_AND_HEAD = (0, 11_248)  # half-open vertex ranges of the published topology
EYEBALLS = (21_451, 24_591)  # what follows are lashes, lacrimal fluid and eye-occlusion shells
LARGEST_FILE = 256 * 2**20  # bytes; the published files have 3 MB

SKIN = (0.78, 0.62, 0.53)
SCLERA = (0.92, 0.91, 0.89)
IRIS = (0.33, 0.26, 0.18)
LIMBUS = (0.15, 0.12, 0.09)  # the dark ring around the iris
PUPIL = (0.03, 0.03, 0.03)
IRIS_ANGLE = 29.0  # degrees from the optical axis: 6 mm of a 12 mm eyeball
LIMBUS_ANGLE = 24.0
PUPIL_ANGLE = 11.0
SOFT_EDGE = 4.0  # degrees, about the distance of two vertices, so that circles stay round

_VERTEX = re.compile(rb"^v[ \t]+([^\r\n]*)", re.MULTILINE)
_FACE = re.compile(rb"^f[ \t]+([^\r\n]*)", re.MULTILINE)
_TEXTURE_AND_NORMAL = re.compile(rb"/[^ \t\n]*")


def is_ict_facekit(path: Path) -> bool:
    """Whether `path` is an ICT-FaceKit folder: it, or its `FaceXModel` subfolder, holds the neutral mesh."""
    return (path / NEUTRAL).is_file() or (path / "FaceXModel" / NEUTRAL).is_file()


def read_ict_facekit(path: Path) -> MorphableModel:
    """The face, head and eyeballs of the kit as a morphable model with one shape mode an identity file.

    `path` is `FaceXModel/` or its parent. Shape modes keep the order of the files; there are no albedo modes.
    Raises AssetError if a file is missing, malformed or of another topology than the neutral mesh.
    """
    neutral_file, *identity_files = _files(path)
    text = _bytes(neutral_file)
    neutral = _vertices(text, neutral_file)
    if len(neutral) < EYEBALLS[1]:
        raise AssetError(f"{neutral_file}: expected at least {EYEBALLS[1]} vertices, found {len(neutral)}")
    kept = np.r_[slice(*FACE_AND_HEAD), slice(*EYEBALLS)]
    triangles = _reindexed(_triangles(text, neutral_file, len(neutral)), kept, len(neutral))
    if len(triangles) == 0:
        raise AssetError(f"{neutral_file}: expected faces between the vertices of the face, found none")

    components = np.empty((len(identity_files), 3 * len(kept)), dtype=np.float32)
    for row, file in zip(components, identity_files, strict=True):
        vertices = _vertices(_bytes(file), file)
        if len(vertices) != len(neutral):
            raise AssetError(f"{file}: expected {len(neutral)} vertices as in {NEUTRAL}, found {len(vertices)}")
        row[:] = (vertices[kept] - neutral[kept]).ravel()
    mean = neutral[kept].astype(np.float32)
    return MorphableModel(
        name="ict-facekit",
        triangles=triangles,
        shape_mean=mean,
        shape=Modes.from_displacements(components),
        albedo_mean=_albedo(mean),
        albedo=Modes.none(len(mean)),
    )


def ict_facekit_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 over the neutral file, then the identity files in order (names and bytes)."""
    digest = hashlib.sha256()
    for file in _files(path):
        content = _bytes(file)
        digest.update(f"{file.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    """The neutral file, then the identity files in the order of their names."""
    folder = path if (path / NEUTRAL).is_file() else path / "FaceXModel"
    if not (folder / NEUTRAL).is_file():
        raise AssetError(f"{path}: expected an ICT-FaceKit folder with {NEUTRAL}, found none")
    identities = sorted(folder.glob("identity*.obj"))
    if not identities:
        raise AssetError(f"{folder}: expected identity000.obj, identity001.obj, ..., found none")
    return [folder / NEUTRAL, *identities]


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise AssetError(f"{file}: expected at most {LARGEST_FILE} bytes, found {file.stat().st_size}")
        return file.read_bytes()
    except OSError as error:
        raise AssetError(f"{file}: cannot be read: {error.strerror}") from error


def _vertices(text: bytes, file: Path) -> NDArray[np.float64]:
    """(V, 3): the `v` lines of an OBJ file, in their order."""
    lines = _VERTEX.findall(text)
    try:
        numbers = np.array(b" ".join(lines).split(), dtype=np.float64)
    except ValueError as error:
        raise AssetError(f"{file}: expected numbers on the `v` lines, found {error}") from None
    if len(lines) == 0 or numbers.size != 3 * len(lines):
        raise AssetError(f"{file}: expected `v` lines of 3 numbers, found {len(lines)} lines, {numbers.size} numbers")
    if not np.isfinite(numbers).all():
        raise AssetError(f"{file}: expected finite vertices, found NaN or infinity")
    return numbers.reshape(-1, 3)


def _triangles(text: bytes, file: Path, vertex_count: int) -> NDArray[np.int64]:
    """(F, 3) from 0: the `f` lines of an OBJ file, quads cut in two."""
    lines = _TEXTURE_AND_NORMAL.sub(b"", b"\n".join(_FACE.findall(text))).split(b"\n")
    corners = [line.split() for line in lines]
    try:
        three = np.array([c for c in corners if len(c) == 3], dtype=np.int64).reshape(-1, 3)
        four = np.array([c for c in corners if len(c) == 4], dtype=np.int64).reshape(-1, 4)
    except (ValueError, OverflowError) as error:
        raise AssetError(f"{file}: expected vertex numbers on the `f` lines, found {error}") from None
    if len(three) + len(four) != len(corners):
        raise AssetError(f"{file}: expected faces of 3 or 4 corners, found another count")
    triangles = np.concatenate([three, four[:, [0, 1, 2]], four[:, [0, 2, 3]]]) - 1
    if triangles.min() < 0 or triangles.max() >= vertex_count:
        found = f"{triangles.min() + 1}..{triangles.max() + 1}"
        raise AssetError(f"{file}: expected vertex numbers 1..{vertex_count} on the `f` lines, found {found}")
    return triangles


def _reindexed(triangles: NDArray[np.int64], kept: NDArray[np.intp], vertex_count: int) -> Index:
    """The triangles whose three vertices are all kept, numbered as in `kept`."""
    new = np.full(vertex_count, -1, dtype=np.int32)
    new[kept] = np.arange(len(kept), dtype=np.int32)
    renumbered = new[triangles]
    return np.ascontiguousarray(renumbered[(renumbered >= 0).all(axis=1)])


def _albedo(vertices: Float) -> Float:
    """(V, 3): skin everywhere, and on each eyeball sclera, iris and pupil by the angle from the eye's own +Z axis."""
    albedo = np.tile(np.array(SKIN, np.float32), (len(vertices), 1))
    eyes = np.arange(FACE_AND_HEAD[1], len(vertices))
    for eye in (eyes[vertices[eyes, 0] < 0], eyes[vertices[eyes, 0] >= 0]):
        if len(eye) < 4:
            continue
        direction = vertices[eye] - _sphere_centre(vertices[eye])
        cosine = direction[:, 2] / np.maximum(np.linalg.norm(direction, axis=1), 1e-9)
        angle = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
        albedo[eye] = SCLERA
        for limit, colour in ((IRIS_ANGLE, LIMBUS), (LIMBUS_ANGLE, IRIS), (PUPIL_ANGLE, PUPIL)):
            inside = np.clip((limit - angle) / SOFT_EDGE + 0.5, 0.0, 1.0)[:, None]
            albedo[eye] = (1 - inside) * albedo[eye] + inside * np.array(colour, np.float32)
    return albedo


def _sphere_centre(points: Float) -> NDArray[np.float64]:
    """(3,): centre of the least-squares sphere, from |p|^2 = 2 p . c + (r^2 - |c|^2)."""
    points = points.astype(np.float64)
    system = np.c_[2 * points, np.ones(len(points))]
    return np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0][:3]
