"""OFF and STL: formats of one mesh without materials; colours of vertices or faces."""

from __future__ import annotations

import contextlib
import re

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.cad.number_text import parse_numbers, without_marks
from assets.cad.parts import MOST_TRIANGLES, MOST_VERTICES, Material, Part
from assets.cad.polygons import cut
from assets.cad.text import plain_text
from assets.errors import AssetError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_LINES = 5_000_000  # of an OFF file

_STL_FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_STL_NAME = re.compile(rb"^[ \t]*(?:end)?solid\b.*$", re.MULTILINE)


def read_off(tree: FileTree, name: str, remarks: list[str]) -> list[Part]:
    """Read the one part of an OFF file, with COFF vertex colours; counts may follow the header, as in ModelNet."""
    data = without_marks(plain_text(tree.read(name)))
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
    after = 6 if with_normals else 3
    table = _table(body[:vertex_count], 3)
    colours = (
        _unit_range(table[:, after : after + 3])
        if table.shape[1] >= after + 3 and (coloured or not with_normals)
        else None
    )
    normals = table[:, 3:6] if with_normals and table.shape[1] >= 6 else None
    corners, sizes, face_colours = _off_faces(body[vertex_count : vertex_count + face_count])
    triangles = _checked(corners, vertex_count)[cut(table[corners, :3], sizes)]
    if colours is None and face_colours is not None:
        per_triangle = np.repeat(face_colours, sizes - 2, axis=0)
        return [_flat_coloured(table[:, :3], triangles, per_triangle)]
    return [Part(table[:, :3], triangles, Material(), normals=normals, colours=colours)]


def read_stl(tree: FileTree, name: str, remarks: list[str]) -> list[Part]:
    """Read the one part of an STL file, ASCII or binary; of an ASCII file all its solids.

    Binary files may begin with `solid` too, and hold more behind the last facet. A text cannot be mistaken for one: its
    bytes 80 to 84 would promise more facets than any file has.
    """
    data = tree.read(name)
    count = int.from_bytes(data[80:84], "little")
    binary = len(data) == 84 + 50 * count or len(data) > 84 + 50 * count > 84
    if not binary:
        data = _STL_NAME.sub(b"", plain_text(data).lower())  # names may hold any word
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
    coloured = [c if len(c) == 3 else [] for c in colours]
    return flat[np.repeat(keep, sizes)], sizes[keep], _unit_range(_padded(coloured, 3)) if any(coloured) else None


def _table(lines: list[bytes], fewest: int) -> Floats:
    """Parse (N, k) the numbers on each line, NaN where others have more. AssetError for less than `fewest` on one."""
    width = len(lines[0].split())
    if width >= fewest:
        with contextlib.suppress(AssetError):
            return parse_numbers(b" ".join(lines), np.float64, "vertices", width * len(lines)).reshape(-1, width)
    words = [line.split()[: fewest + 4] for line in lines]
    shortest = min(map(len, words))
    if shortest < fewest:
        raise AssetError(f"expected {fewest} numbers for each vertex, found {shortest}")
    return _padded(words, max(map(len, words)))


def _padded(words: list[list[bytes]], width: int) -> Floats:
    """Parse lines of up to `width` numbers: (N, width), NaN for what is none."""
    lengths = np.array([len(w) for w in words])
    flat = b" ".join(b" ".join(w) for w in words)
    table = np.full((len(words), width), np.nan)
    table[np.arange(width) < lengths[:, None]] = parse_numbers(flat, np.float64, "numbers", int(lengths.sum()), True)
    return table


def _unit_range(colours: Floats) -> Floats:
    """Scale colours in [0, 1] or [0, 255] to [0, 1]."""
    return colours / (255.0 if np.nan_to_num(colours).max(initial=0.0) > 1.0 else 1.0)


def _checked(indices: Integers, vertex_count: int) -> Integers:
    if indices.size and not 0 <= indices.min() <= indices.max() < vertex_count:
        raise AssetError(f"expected vertex numbers 0..{vertex_count - 1}, found {indices.min()}..{indices.max()}")
    return indices


def _flat_coloured(positions: Floats, triangles: Integers, colours: Floats) -> Part:
    """Make a part whose triangles have a colour each: no vertex is shared."""
    apart = np.arange(triangles.size).reshape(-1, 3)
    return Part(positions[triangles.reshape(-1)], apart, Material(), colours=np.repeat(colours, 3, axis=0))
