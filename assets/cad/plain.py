"""OFF, PLY and STL: formats of one mesh without materials; colours of vertices or faces, and PLY's one texture."""

from __future__ import annotations

import contextlib
import io
import re

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.cad.number_text import parse_numbers
from assets.cad.parts import MOST_TRIANGLES, MOST_VERTICES, Material, Part, cut
from assets.cad.textures import decode_texture
from assets.errors import AssetError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_LINES = 5_000_000  # of an OFF file
LARGEST_TEXT = 64 * 2**20  # bytes of an ASCII PLY file

_PLY_HEADER = 65_536  # bytes that are searched for its header
_PLY_ELEMENT = re.compile(rb"^element\s+\w+\s+(\d+)\s*$", re.MULTILINE)
_STL_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_PLY_TEXTURE = re.compile(rb"^comment\s+TextureFile\s+(.+?)\s*$", re.MULTILINE | re.IGNORECASE)


def read_off(tree: FileTree, name: str) -> list[Part]:
    """Read the one part of an OFF file, with COFF vertex colours; counts may follow the header, as in ModelNet."""
    data = tree.read(name)
    line_count = data.count(b"\n")
    if line_count > MOST_LINES:
        raise AssetError(f"expected at most {MOST_LINES} lines, found {line_count}")
    lines = [line for line in (raw.split(b"#")[0].strip() for raw in data.split(b"\n")) if line]
    header = re.match(rb"(ST)?(C?)(N?)OFF\b|(ST)?(C?)(N?)OFF(?=\d)", lines[0]) if lines else None
    if header is None:
        raise AssetError(
            f"expected the header OFF, found {lines[0][:40]!r}" if lines else "expected the header OFF, found nothing"
        )
    coloured, with_normals = b"C" in header.group(0), b"NOFF" in header.group(0)
    rest = lines[0][header.end() :].split()
    counts, body = (rest, lines[1:]) if rest else (lines[1].split() if len(lines) > 1 else [], lines[2:])
    try:
        vertex_count, face_count = int(counts[0]), int(counts[1])
    except (ValueError, IndexError):
        raise AssetError(f"expected the counts of vertices, faces and edges, found {counts[:3]!r}") from None
    if not 0 < vertex_count <= MOST_VERTICES or face_count < 0 or len(body) < vertex_count + face_count:
        expected = f"{vertex_count} vertices (at most {MOST_VERTICES}) and {face_count} faces"
        raise AssetError(f"expected {expected} on a line each, found {len(body)} lines")
    table = _table(body[:vertex_count])
    after = 6 if with_normals else 3
    if table.shape[1] < after:
        raise AssetError(f"expected {after} numbers for each vertex, found {table.shape[1]}")
    colours = (
        _unit_range(table[:, after : after + 3])
        if table.shape[1] >= after + 3 and (coloured or not with_normals)
        else None
    )
    normals = table[:, 3:6] if with_normals else None
    corners, sizes, face_colours = _off_faces(body[vertex_count : vertex_count + face_count])
    triangles = _checked(corners, vertex_count)[cut(table[corners, :3], sizes)]
    if colours is None and face_colours is not None:
        per_triangle = np.repeat(face_colours, sizes - 2, axis=0)
        return [_flat_coloured(table[:, :3], triangles, per_triangle)]
    return [Part(table[:, :3], triangles, Material(), normals=normals, colours=colours)]


def read_ply(tree: FileTree, name: str) -> list[Part]:
    """Read the one part of a PLY file, ASCII or binary, with its normals, colours, uv and texture."""
    from trimesh.exchange.ply import load_ply

    data = tree.read(name)
    header = data[:_PLY_HEADER].split(b"end_header")[0]
    declared = sum(int(count) for count in _PLY_ELEMENT.findall(header))
    if declared > len(data):
        raise AssetError(f"expected {declared} elements as its header says, found only {len(data)} bytes")
    if b"format ascii" in header and len(data) > LARGEST_TEXT:
        raise AssetError(f"expected at most {LARGEST_TEXT} bytes of an ASCII file, found {len(data)}; use a binary one")
    read = load_ply(io.BytesIO(data), skip_materials=True)
    if "faces" not in read:
        raise AssetError("expected a PLY mesh with faces, found none")
    positions = np.asarray(read["vertices"], dtype=np.float64)
    triangles = _triangles(read["faces"], len(positions))
    normals, colours = (_fitting(read.get(key), len(positions)) for key in ("vertex_normals", "vertex_colors"))
    visual = read.get("visual")
    uv = None if visual is None else _fitting(visual.uv, len(positions))
    reference = ply_references(tree, name)
    image = decode_texture(tree, reference[0]) if reference else None
    material = Material(texture=reference[0] if reference else None, image=image)
    face_colours = _fitting(read.get("face_colors"), len(triangles))
    if colours is None and face_colours is not None and image is None:
        return [_flat_coloured(positions, triangles, _unit_range(face_colours[:, :3], 255))]
    colours = None if colours is None else _unit_range(colours[:, :3], 255 if colours.max() > 1 else 1)
    return [Part(positions, triangles, material, normals=normals, uv=uv, colours=colours)]


def ply_references(tree: FileTree, name: str) -> list[str]:
    """List the texture that the PLY file `name` mentions in a comment, if `tree` has it."""
    found = _PLY_TEXTURE.search(tree.read(name)[:_PLY_HEADER].split(b"end_header")[0])
    texture = tree.find(found.group(1).decode("utf-8", "replace"), beside=name) if found else None
    return [texture] if texture else []


def read_stl(tree: FileTree, name: str) -> list[Part]:
    """Read the one part of an STL file, ASCII or binary."""
    data = tree.read(name)
    count = int.from_bytes(data[80:84], "little")
    binary = len(data) == 84 + 50 * count or (not data.startswith(b"solid") and len(data) > 84 + 50 * count > 84)
    if not binary:
        data = data[data.find(b"\n") + 1 :].lower()  # without the name
        count = data.count(b"vertex") // 3
    if not 0 < count <= MOST_TRIANGLES:
        raise AssetError(f"expected an STL file of 1..{MOST_TRIANGLES} triangles, found {count} in {len(data)} bytes")
    if binary:
        facets = np.frombuffer(data, dtype=_STL_FACET, count=count, offset=84)
        positions = facets["corners"].reshape(-1, 3).astype(np.float64)
    else:
        body = b" ".join(line.split(b"\n", 1)[0] for line in data.split(b"vertex")[1 : 3 * count + 1])
        positions = parse_numbers(body, np.float64, "three numbers behind each `vertex`", 9 * count).reshape(-1, 3)
    return [Part(positions, np.arange(3 * count).reshape(-1, 3), Material())]


def _off_faces(lines: list[bytes]) -> tuple[Integers, Integers, Floats | None]:
    """Parse corner indices, corners of each face, and (F, 3) face colours if each face has one."""
    if len(lines) and lines[0].startswith(b"3") and len(lines[0].split()) == 4:  # most files hold triangles only
        with contextlib.suppress(AssetError):
            rows = parse_numbers(b" ".join(lines), np.int64, "triangles", 4 * len(lines)).reshape(-1, 4)
            if (rows[:, 0] == 3).all():
                return rows[:, 1:].reshape(-1), rows[:, 0], None
    words = [line.split() for line in lines]
    try:
        sizes = np.array([int(w[0]) for w in words], dtype=np.int64)
        corners = [w[1 : 1 + n] for w, n in zip(words, sizes, strict=True)]
        flat = np.array([int(c) for face in corners for c in face], dtype=np.int64)
    except (ValueError, IndexError, OverflowError) as error:
        raise AssetError(f"expected faces as a count and vertex numbers, found: {error}") from None
    if len(flat) != sizes.sum() or (sizes < 0).any():
        raise AssetError(f"expected {int(sizes.sum())} vertex numbers in the faces, found {len(flat)}")
    keep = sizes >= 3
    colours = [w[1 + n : 4 + n] for w, n, k in zip(words, sizes, keep, strict=True) if k]
    each = bool(colours) and all(len(c) == 3 for c in colours)
    return flat[np.repeat(keep, sizes)], sizes[keep], _unit_range(_table_of(colours)) if each else None


def _table(lines: list[bytes]) -> Floats:
    """Parse (N, k) the numbers on each line, as many as on the shortest."""
    width = len(lines[0].split())
    with contextlib.suppress(AssetError):
        return parse_numbers(b" ".join(lines), np.float64, "vertices", width * len(lines)).reshape(-1, width)
    words = [line.split() for line in lines]
    width = min(map(len, words))
    return _table_of([w[:width] for w in words])


def _table_of(words: list[list[bytes]]) -> Floats:
    try:
        return np.array(words, dtype=np.float64)
    except ValueError as error:
        raise AssetError(f"expected numbers, found: {error}") from None


def _unit_range(colours: Floats, largest: float | None = None) -> Floats:
    """Scale colours in [0, 1] or [0, 255] to [0, 1]."""
    values = np.asarray(colours, dtype=np.float64)
    return values / (largest or (255.0 if values.size and values.max() > 1.0 else 1.0))


def _triangles(faces: object, vertex_count: int) -> Integers:
    indices: NDArray[np.generic] = np.asarray(faces)
    if indices.ndim != 2 or indices.shape[1] not in (3, 4) or indices.dtype.kind not in "iu":
        raise AssetError(f"expected triangles or quads, found an array {indices.shape}")
    corners = _checked(indices.astype(np.int64).reshape(-1), vertex_count).reshape(len(indices), -1)
    return corners if indices.shape[1] == 3 else np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])


def _checked(indices: Integers, vertex_count: int) -> Integers:
    if indices.size and not 0 <= indices.min() <= indices.max() < vertex_count:
        raise AssetError(f"expected vertex numbers 0..{vertex_count - 1}, found {indices.min()}..{indices.max()}")
    return indices


def _fitting(values: object, count: int) -> Floats | None:
    """Return the array if it has a row for each of `count`, else None."""
    array = None if values is None else np.asarray(values)
    return array.astype(np.float64) if array is not None and array.ndim == 2 and len(array) == count else None


def _flat_coloured(positions: Floats, triangles: Integers, colours: Floats) -> Part:
    """Make a part whose triangles have a colour each: no vertex is shared."""
    apart = np.arange(triangles.size).reshape(-1, 3)
    return Part(positions[triangles.reshape(-1)], apart, Material(), colours=np.repeat(colours, 3, axis=0))
