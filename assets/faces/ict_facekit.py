"""ICT-FaceKit: OBJ files that share one topology, a neutral head, one for each identity mode, one for each expression.

An identity mode is identityNNN - neutral, with weights ~ N(0, 1); an expression is a blend shape, given fully pressed.
Units are centimetres, +Y up, facing +Z (github.com/ICT-VGL/ICT-FaceKit). The kit has no albedo: skin has one
colour, and the inside of the mouth is dark.

The files lie in the kit's folder, in its repository, or in an archive of either, which is read in place. Archives are
untrusted: nothing is unpacked to disk, links and odd members are passed over, sizes are limited while they are read.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from assets.archives import BOMB_FLOOR, BOMB_RATIO, ZipLibrary
from assets.errors import AssetError
from assets.faces.arrays import SKIN, file_sha256
from assets.faces.landmarks import marked
from assets.mesh import Float, Index
from assets.morphable import BLEND_SHAPE_DEVIATION, Modes, MorphableModel

VERTICES = 26_719  # of the published topology
FACE_AND_HEAD = (0, 11_248)  # half-open vertex ranges of the published topology
EYEBALLS = (21_451, 24_591)  # what follows are lashes, lacrimal fluid and eye-occlusion shells
MOUTH_SOCKET = (11_248, 13_294)  # without it an open mouth shows the inside of the back of the head
FARTHEST = 1e4  # centimetres
# Vertices of the published topology at the points of `assets.faces.landmarks.MARKUP`, from its vertex_indices.json.
LANDMARKS = (
    966,
    268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509,
    978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360,
    1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732,
    5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841,
)  # fmt: skip

MOUTH = (0.10, 0.05, 0.045)  # dark: no shadow falls into it

Vertices = NDArray[np.float64]

_VERTEX = re.compile(rb"^v[ \t][^\r\n]*", re.MULTILINE)
_FACE = re.compile(rb"^f[ \t]+([^\r\n]*)", re.MULTILINE)
_TEXTURE_AND_NORMAL = re.compile(rb"/[^ \t\n]*")

NEUTRAL = "generic_neutral_mesh.obj"
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
LARGEST_FILE = 64 * 2**20  # bytes; the published files have 3 MB
LARGEST_KIT = 2 * 2**30  # bytes, unpacked; the published kit has 400 MB
LARGEST_HEADER = 2**16  # bytes in front of one member
MOST_MEMBERS = 10_000
FIRST_MEMBERS = 500  # of a tar, among which the neutral mesh is looked for; the published repository has fewer files
BLOCK = 2**20  # bytes passed over at a time


def is_ict_facekit(path: Path) -> bool:
    """Tell whether `path` is an ICT-FaceKit: its folder `FaceXModel`, the folder above, or an archive of either."""
    return holds_kit(path)


def read_ict_facekit(path: Path) -> MorphableModel:
    """Read face, head, eyeballs and mouth of the kit, a mode of shape an identity file, a blend shape any other OBJ.

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
        landmarks=marked(LANDMARKS, neutral) if count == VERTICES else {},
        cavity=cavity,
    )


def ict_facekit_sha256(path: Path) -> str:
    """Return the SHA-256, hexadecimal, of an archive, or of names and bytes of a folder's OBJ files in order."""
    if is_archive(path):
        return file_sha256(path)
    digest = hashlib.sha256()
    for name, _, content in kit_files(path):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _meshes(path: Path) -> tuple[dict[str, Vertices], Index, int]:
    """Read the kept vertices of every OBJ file by its name, the triangles between them, the count of all vertices."""
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
    """Return (K, 3V): `share` of the way from the neutral mesh to each of the K meshes called `names`."""
    rows = np.empty((len(names), neutral.size), dtype=np.float32)
    for row, name in zip(rows, names, strict=True):
        row[:] = (share * (meshes[name] - neutral)).ravel()
    return rows


def _vertices(text: bytes, where: str) -> Vertices:
    """Parse the `v` lines of an OBJ file, in their order: (V, 3)."""
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
    """Parse the `f` lines of an OBJ file, quads cut in two: (F, 3) from 0."""
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
    """Return the triangles whose three vertices are all kept, numbered as in `kept`."""
    new = np.full(vertex_count, -1, dtype=np.int32)
    new[kept] = np.arange(len(kept), dtype=np.int32)
    renumbered = new[triangles]
    return np.ascontiguousarray(renumbered[(renumbered >= 0).all(axis=1)])


class KitFile(NamedTuple):
    """One OBJ file of a kit: its name without folders, where it lies (for messages), and its bytes."""

    name: str
    where: str
    content: bytes


def is_archive(path: Path) -> bool:
    """Tell whether `path` is a file with the name of an archive."""
    return path.name.lower().endswith((".zip", *TAR_SUFFIXES)) and path.is_file()


def holds_kit(path: Path) -> bool:
    """Tell whether `path` is a folder or archive with the neutral mesh; a broken file is none."""
    try:
        return _archived_folder(path) is not None if is_archive(path) else _folder(path) is not None
    except (AssetError, OSError):
        return False


def kit_files(path: Path) -> Iterator[KitFile]:
    """Yield the OBJ files beside the neutral mesh, it included, in the order in which they lie.

    Raises AssetError naming what is missing, too large, cut or damaged.
    """
    if is_archive(path):
        within = _archived_folder(path)
        if within is None:
            raise AssetError(f"{path}: expected an archive of ICT-FaceKit with {NEUTRAL}, found none")
        members = _zip_members if path.suffix.lower() == ".zip" else _tar_members
        for name, content in members(path, within):
            yield KitFile(name, f"{path}: {name}", content)
        return
    folder = _folder(path)
    if folder is None:
        raise AssetError(f"{path}: expected an ICT-FaceKit folder with {NEUTRAL}, found none")
    for file in sorted(folder.glob("*.obj")):
        if not file.name.startswith("."):
            yield KitFile(file.name, str(file), _content(file))


def _folder(path: Path) -> Path | None:
    return next((folder for folder in (path, path / "FaceXModel") if (folder / NEUTRAL).is_file()), None)


def _content(file: Path) -> bytes:
    try:
        _check_size(str(file), file.stat().st_size)
        return file.read_bytes()
    except OSError as error:
        raise AssetError(f"{file}: cannot be read: {error.strerror}") from error


def _check_size(where: str, size: int) -> None:
    if size > LARGEST_FILE:
        raise AssetError(f"{where}: expected at most {LARGEST_FILE} bytes, found {size}")


def _archived_folder(path: Path) -> PurePosixPath | None:
    """Return the folder of the neutral mesh within an archive, None without one."""
    if path.suffix.lower() == ".zip":
        folders = [name.parent for name in map(PurePosixPath, ZipLibrary(path).names()) if name.name == NEUTRAL]
        return min(folders, key=lambda folder: (len(folder.parts), folder), default=None)
    with _open_tar(path) as (members, _):
        for member in islice(members, FIRST_MEMBERS):
            if PurePosixPath(member.name).name == NEUTRAL and _is_plain(member):
                return PurePosixPath(member.name).parent
    return None


def _zip_members(path: Path, folder: PurePosixPath) -> Iterator[tuple[str, bytes]]:
    library = ZipLibrary(path)
    names = [name for name in map(PurePosixPath, library.names()) if name.parent == folder and name.suffix == ".obj"]
    if len(names) > MOST_MEMBERS:
        raise AssetError(f"{path}: expected at most {MOST_MEMBERS} files, found {len(names)}")
    total = 0
    for name in names:
        try:
            content = library.read(str(name))
        except AssetError as error:
            raise AssetError(f"{path}: {error}") from error
        _check_size(f"{path}: {name}", len(content))
        total += len(content)
        if total > LARGEST_KIT:
            raise AssetError(f"{path}: expected at most {LARGEST_KIT} bytes, unpacked, found more")
        yield name.name, content


def _tar_members(path: Path, folder: PurePosixPath) -> Iterator[tuple[str, bytes]]:
    with _open_tar(path) as (members, unpacked):
        for member in members:
            name = PurePosixPath(member.name)
            if name.parent == folder and name.suffix == ".obj" and _is_plain(member):
                _check_size(f"{path}: {name}", member.size)
                yield name.name, unpacked.content(member.size)
        unpacked.finish()


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Tell whether a member is an ordinary, visible file."""
    return member.isreg() and not member.issparse() and not PurePosixPath(member.name).name.startswith(".")


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a tar, read once from the front to the back, and never beyond the limits.

    `tarfile` reads headers through it and seeks past what lies between them; `content` is for us.
    """

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._plain = _decompressed(packed)
        self._at = 0
        self.header = 0  # bytes of headers read for one member
        self._last = b""

    def read(self, size: int = -1) -> bytes:
        self.header += size
        if size < 0 or self.header > LARGEST_HEADER:
            raise tarfile.ReadError("a header too large")
        self._last = self._next(size)
        return self._last

    def seek(self, position: int, whence: int = 0) -> int:
        if whence or position < self._at:
            raise tarfile.ReadError("a member before its place")
        while self._at < position:
            if not self._next(min(BLOCK, position - self._at)):
                raise EOFError("its end within a member")
        return self._at

    def tell(self) -> int:
        return self._at

    def content(self, size: int) -> bytes:
        """Return the next `size` bytes, those of the member whose header was just read."""
        content = self._next(size)
        if len(content) != size:
            raise EOFError("its end within a member")
        return content

    def finish(self) -> None:
        """Read on to the end, where checksums are compared. tarfile takes a damaged header for the end of all."""
        if not self._last or self._last.strip(b"\0"):
            raise EOFError("no end mark")
        while self._next(BLOCK):
            pass

    def _next(self, size: int) -> bytes:
        data = self._plain.read(size)
        self._at += len(data)
        ratio = self._at / max(self._packed.tell(), 1)
        if self._at > LARGEST_KIT:
            raise tarfile.ReadError(f"more than {LARGEST_KIT} bytes, unpacked")
        if self._at > BOMB_FLOOR and ratio > BOMB_RATIO:
            raise tarfile.ReadError(f"a compression ratio of {ratio:.0f}, more than {BOMB_RATIO}")
        return data


def _decompressed(packed: IO[bytes]) -> IO[bytes]:
    magic = packed.read(6)
    packed.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=packed))
    if magic.startswith(b"BZh"):
        return cast(IO[bytes], bz2.BZ2File(packed))
    if magic == b"\xfd7zXZ\0":
        return cast(IO[bytes], lzma.LZMAFile(packed))
    return packed


def _members(archive: tarfile.TarFile, unpacked: _Unpacked) -> Iterator[tarfile.TarInfo]:
    """Yield the members in their order, each forgotten before the next one is read."""
    for _ in range(MOST_MEMBERS):
        member = archive.next()
        if member is None:
            return
        unpacked.header = 0
        archive.members = []  # type: ignore[attr-defined]
        archive.pax_headers = {}
        yield member
    raise tarfile.ReadError(f"more than {MOST_MEMBERS} members")


@contextmanager
def _open_tar(path: Path) -> Iterator[tuple[Iterator[tarfile.TarInfo], _Unpacked]]:
    try:
        with path.open("rb") as packed:
            unpacked = _Unpacked(packed)
            with tarfile.open(fileobj=cast(IO[bytes], unpacked), mode="r:") as archive:
                yield _members(archive, unpacked), unpacked
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError, OverflowError,
            MemoryError, RecursionError) as error:  # fmt: skip
        raise AssetError(f"{path}: expected a whole archive, found: {error}") from error
