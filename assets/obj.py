"""Wavefront OBJ and MTL, parsed here so that vertex order, normals and materials stay as written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.errors import AssetError
from assets.parts import MOST_VERTICES, Material, Part
from assets.polygons import cut
from assets.textures import decode_texture

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MTLLIB = re.compile(rb"^[ \t]*mtllib[ \t]+([^\r\n]+)", re.MULTILINE)


@dataclass
class _Faces:
    """The faces drawn with one material: their corners as written, and the array lengths each face counts back from."""

    lines: list[bytes] = field(default_factory=list)
    seen: list[tuple[int, int, int]] = field(default_factory=list)


def read_obj(tree: FileTree, name: str) -> list[Part]:
    """The parts of the OBJ file `name`, with the materials and textures that `tree` holds. Raises AssetError."""
    text = tree.read(name)
    materials: dict[str, Material] = {}
    images: dict[str, NDArray[np.uint8]] = {}
    for library in _material_libraries(tree, name, text):
        for material in parse_mtl(tree.read(library)).values():
            texture = tree.find(material.texture, beside=library) if material.texture else None
            if texture and texture not in images:
                images[texture] = decode_texture(tree, texture)
            materials.setdefault(material.name, replace(material, image=images.get(texture or "")))
    return parse_obj(text, materials)


def obj_references(tree: FileTree, name: str) -> list[str]:
    """The files in `tree` that the OBJ file `name` uses: material libraries and their textures."""
    used = []
    for library in _material_libraries(tree, name, tree.read(name)):
        textures = (m.texture for m in parse_mtl(tree.read(library)).values() if m.texture)
        used += [library, *(t for t in (tree.find(texture, beside=library) for texture in textures) if t)]
    return used


def _material_libraries(tree: FileTree, name: str, text: bytes) -> list[str]:
    """The files of the `mtllib` lines: one name with spaces, or several names."""
    found = []
    for line in _MTLLIB.findall(text):
        written = line.decode("utf-8", "replace").strip()
        whole = tree.find(written, beside=name)
        names = [whole] if whole else [tree.find(word, beside=name) for word in written.split()]
        found += [library for library in names if library]
    return list(dict.fromkeys(found))


def parse_mtl(text: bytes) -> dict[str, Material]:
    """Material name -> Material, whose texture is the reference as written. Lines that make no sense are skipped."""
    materials: dict[str, Material] = {}
    name, stated = None, set()  # `stated`: materials with a `d` line, which counts more than `Tr`: some write both as 1
    for line in text.decode("utf-8", "replace").splitlines():
        words = line.split()
        if len(words) < 2:
            continue
        key = words[0].lower()
        if key == "newmtl":
            name = line.split(None, 1)[1].strip()
            materials[name] = Material(name)
        elif name is None:
            continue
        elif key == "kd" and (colour := _numbers(words[1:4])):
            materials[name] = replace(materials[name], colour=tuple((colour * 3)[:3]))  # a lone number is a grey
        elif key == "d" and (opacity := _numbers(words[-1:])):
            materials[name] = replace(materials[name], opacity=opacity[0])
            stated.add(name)
        elif key == "tr" and name not in stated and (clearness := _numbers(words[-1:])):
            materials[name] = replace(materials[name], opacity=1.0 - clearness[0])
        elif key == "map_kd":
            materials[name] = replace(materials[name], texture=_without_options(line.split(None, 1)[1].strip()))
    return materials


def parse_obj(text: bytes, materials: dict[str, Material]) -> list[Part]:
    """The faces of an OBJ file, one Part a material; polygons are cut into triangles, lines and points left out.

    Raises AssetError (without the file's name) where the text is not an OBJ mesh.
    """
    vertex_count = text.count(b"\nv ") + text.count(b"\nv\t")
    if vertex_count > MOST_VERTICES:
        raise AssetError(f"expected at most {MOST_VERTICES} vertices, found {vertex_count}")
    rows: dict[bytes, list[bytes]] = {b"v": [], b"vt": [], b"vn": []}
    v, vt, vn = rows[b"v"], rows[b"vt"], rows[b"vn"]
    groups: dict[str, _Faces] = {}
    current = groups.setdefault("", _Faces())
    for line in text.replace(b"\\\n", b" ").replace(b"\\\r\n", b" ").split(b"\n"):
        words = line.split(None, 1)
        if len(words) != 2:
            continue
        key, rest = words
        if key in rows:
            rows[key].append(rest)
        elif key == b"f":
            current.lines.append(rest)
            current.seen.append((len(v), len(vt), len(vn)))
        elif key == b"usemtl":
            current = groups.setdefault(rest.strip().decode("utf-8", "replace"), _Faces())

    positions, colours = _positions(v)
    uv = _table(vt, 2, "vt")
    normals = _table(vn, 3, "vn")
    parts = []
    for name, faces in groups.items():
        if faces.lines:
            material = materials.get(name, Material(name))
            parts.append(_part(faces, positions, colours, uv, normals, material))
    if not parts:
        raise AssetError("expected `f` lines with faces, found none")
    return parts


def _part(
    faces: _Faces, positions: Floats, colours: Floats | None, uv: Floats | None, normals: Floats | None, m: Material
) -> Part:
    corners, counts = _corners(faces, (len(positions), _length(uv), _length(normals)))
    corners, counts = corners[np.repeat(counts >= 3, counts)], counts[counts >= 3]  # faces of 2 corners are lines
    has_uv = uv is not None and (len(corners) > 0) and bool((corners[:, 1] >= 0).all())
    has_normals = normals is not None and (len(corners) > 0) and bool((corners[:, 2] >= 0).all())
    triangles = cut(positions[corners[:, 0]], counts)
    keep = [True, has_uv, has_normals]
    unique, inverse = np.unique(corners[:, keep], axis=0, return_inverse=True)
    which = dict(zip(np.flatnonzero(keep), unique.T, strict=True))
    return Part(
        positions=positions[which[0]],
        triangles=inverse.reshape(-1)[triangles],
        normals=normals[which[2]] if has_normals and normals is not None else None,
        uv=uv[which[1]] if has_uv and uv is not None else None,
        colours=colours[which[0]] if colours is not None else None,
        material=m,
    )


def _corners(faces: _Faces, lengths: tuple[int, int, int]) -> tuple[Integers, Integers]:
    """(C, 3) indices from 0 of position, uv and normal (-1 where not given), and the number of corners of each face."""
    split = [line.split(b"#")[0].split() if b"#" in line else line.split() for line in faces.lines]
    counts = np.array([len(words) for words in split], dtype=np.int64)
    known: dict[bytes, tuple[int, int, int]] = {}
    table = np.empty((int(counts.sum()), 3), dtype=np.int64)
    row = 0
    for words in split:
        for word in words:
            corner = known.get(word)
            if corner is None:
                corner = known[word] = _corner(word)
            table[row] = corner
            row += 1
    seen = np.repeat(np.array(faces.seen, dtype=np.int64), counts, axis=0)
    index = np.where(table > 0, table - 1, np.where(table < 0, seen + table, -1))
    for column, (kind, length) in enumerate(zip(("v", "vt", "vn"), lengths, strict=True)):
        wrong = (index[:, column] >= length) | ((table[:, column] < 0) & (index[:, column] < 0))
        if column == 0:
            wrong |= table[:, 0] == 0
        elif length == 0:  # indices into an array that was left out: as if not given
            index[:, column], wrong = -1, np.zeros(len(index), dtype=bool)
        if wrong.any():
            found = table[np.argmax(wrong), column]
            raise AssetError(f"expected `{kind}` numbers 1..{length} on the `f` lines, found {found}")
    return index, counts


def _corner(word: bytes) -> tuple[int, int, int]:
    try:
        numbers = [int(part) if part else 0 for part in word.split(b"/")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or max(map(abs, numbers)) > 2**40:
        raise AssetError(f"expected v, v/vt, v//vn or v/vt/vn on an `f` line, found {_shown(word)}")
    return (*numbers, 0, 0)[:3]  # type: ignore[return-value]


def _positions(lines: list[bytes]) -> tuple[Floats, Floats | None]:
    """(V, 3) positions and, where each line carries six numbers, (V, 3) vertex colours."""
    if not lines:
        raise AssetError("expected `v` lines with vertices, found none")
    table = _table(lines, 3, "v", exact=False)
    assert table is not None
    return table[:, :3], (table[:, 3:6] if table.shape[1] == 6 else None)


def _table(lines: list[bytes], columns: int, key: str, exact: bool = True) -> Floats | None:
    """(N, columns) numbers, or all the columns written if not `exact`; None for no lines."""
    if not lines:
        return None
    if len(lines) > MOST_VERTICES:
        raise AssetError(f"expected at most {MOST_VERTICES} `{key}` lines, found {len(lines)}")
    words = [line.split() for line in lines]
    widths = set(map(len, words))
    if min(widths) < columns:
        raise AssetError(f"expected {columns} numbers on each `{key}` line, found {min(widths)}")
    if exact or len(widths) > 1:
        words = [row[:columns] for row in words]
    try:
        return np.array(words, dtype=np.float64)
    except ValueError as error:
        raise AssetError(f"expected {columns} numbers on each `{key}` line, found: {error}") from None


def _without_options(text: str) -> str:
    """The file name of a `map_Kd` line: options such as `-s 1 1 1` come first, and names may hold spaces."""
    words = text.split(" ")
    while words and words[0].startswith("-") and len(words) > 1:
        takes_many = words[0] in ("-s", "-o", "-t", "-mm")
        words = words[1:]
        while takes_many and len(words) > 1 and _numbers(words[:1]):
            words = words[1:]
        words = words if takes_many else words[1:]
    return " ".join(words).strip()


def _numbers(words: list[str]) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return []
    return numbers if np.isfinite(numbers).all() else []


def _length(table: Floats | None) -> int:
    return 0 if table is None else len(table)


def _shown(word: bytes) -> str:
    return repr(word[:40].decode("utf-8", "replace"))
