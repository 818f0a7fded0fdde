"""Wavefront OBJ and MTL, parsed here so that vertex order, normals and materials stay as written.

The lines `v`, `vt`, `vn`, `f` and `usemtl` of an OBJ file are parsed a block at a time as whole arrays.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.cad.number_text import parse_numbers, shown
from assets.cad.parts import MOST_PARTS, MOST_TRIANGLES, MOST_VERTICES, Material, Part, part_of_corners
from assets.cad.textures import Textures
from assets.errors import AssetError

LARGEST_MTL = 16 * 2**20  # bytes
MOST_LIBRARIES = 1000  # `mtllib` lines

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Corners = NDArray[np.int32]
Bytes = NDArray[np.uint8]

BLOCK = 2 * 2**20  # bytes parsed at once: bounds the memory
ABSENT, BEFORE_FIRST, NOUGHT = -1, -2, -3  # corners without the number, that count back too far, that are written as 0

_HASH, _SLASH, _MINUS, _PLUS = (ord(c) for c in "#/-+")


def read_obj(tree: FileTree, name: str) -> list[Part]:
    """Read the parts of the OBJ file `name`, with the materials and textures that `tree` holds. Raises AssetError."""
    text = tree.read(name)
    materials: dict[str, Material] = {}
    textures = Textures(tree)
    for library in _material_libraries(tree, name, text):
        for material in parse_mtl(tree.read(library)).values():
            texture = tree.find(material.texture, beside=library) if material.texture else None
            materials.setdefault(material.name, replace(material, image=textures.file(texture) if texture else None))
    return parse_obj(text, materials)


def obj_references(tree: FileTree, name: str) -> list[str]:
    """List the files in `tree` that the OBJ file `name` uses: material libraries and their textures."""
    used = []
    for library in _material_libraries(tree, name, tree.read(name)):
        textures = (m.texture for m in parse_mtl(tree.read(library)).values() if m.texture)
        used += [library, *(t for t in (tree.find(texture, beside=library) for texture in textures) if t)]
    return used


def _material_libraries(tree: FileTree, name: str, text: bytes) -> list[str]:
    """List the files of the `mtllib` lines: one name with spaces, or several names."""
    found = []
    for written in itertools.islice(_mtllib_lines(text), MOST_LIBRARIES):
        whole = tree.find(written, beside=name)
        names = [whole] if whole else [tree.find(word, beside=name) for word in written.split()]
        found += [library for library in names if library]
    return list(dict.fromkeys(found))


def _mtllib_lines(text: bytes) -> Iterator[str]:
    """Yield the text after each `mtllib` that begins a line."""
    at = text.find(b"mtllib")
    while at >= 0:
        end = text.find(b"\n", at)
        end = len(text) if end < 0 else end
        before = text[max(at - 100, 0) : at].rpartition(b"\n")[2]
        if not before.strip() and text[at + 6 : at + 7].isspace():
            yield text[at + 6 : end].split(b"\r")[0].decode("utf-8", "replace").strip()
        at = text.find(b"mtllib", end)


def parse_mtl(text: bytes) -> dict[str, Material]:
    """Parse name -> Material, whose texture is the reference as written. Lines that make no sense are skipped."""
    if len(text) > LARGEST_MTL:
        raise AssetError(f"expected at most {LARGEST_MTL} bytes of materials, found {len(text)}")
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
            if len(materials) > MOST_PARTS:
                raise AssetError(f"expected at most {MOST_PARTS} materials, found more")
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
    """Parse the faces of an OBJ file, one Part a material; polygons are cut into triangles, lines and points left out.

    Raises AssetError (without the file's name) if the text is not an OBJ mesh.
    """
    read = read_lines(text)
    order = np.argsort(read.groups, kind="stable")  # faces by material, in the order written
    counts = read.counts[order]
    first = np.cumsum(read.counts) - read.counts
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    corners = read.corners[np.repeat(first[order], counts) + within]
    ends = np.cumsum(np.bincount(read.groups, minlength=len(read.materials)))
    corner_ends = np.concatenate([[0], np.cumsum(counts)])[ends]
    parts = []
    begin = corner_begin = 0
    for name, end, corner_end in zip(read.materials, ends.tolist(), corner_ends.tolist(), strict=True):
        if end > begin:
            material = materials.get(name, Material(name))
            parts.append(_part(read, corners[corner_begin:corner_end], counts[begin:end], material))
        begin, corner_begin = end, corner_end
    return parts


def _part(read: ObjText, corners: NDArray[np.int32], counts: NDArray[np.int64], material: Material) -> Part:
    """Make the part of faces of `counts` corners each; uv and normals count only if every corner has them."""
    indices, arrays = {"positions": corners[:, 0]}, {"positions": read.positions}
    for column, (name, array) in enumerate((("uv", read.uv), ("normals", read.normals)), start=1):
        if array is not None and (corners[:, column] >= 0).all():
            indices[name], arrays[name] = corners[:, column], array
    if read.colours is not None:
        indices["colours"], arrays["colours"] = corners[:, 0], read.colours
    return part_of_corners(indices, arrays, counts, material)


def _without_options(text: str) -> str:
    """Return the file name of a `map_Kd` line: options such as `-s 1 1 1` come first, and names may hold spaces."""
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


@dataclass(frozen=True, eq=False)
class ObjText:
    """The content of an OBJ file.

    positions  (V, 3)
    uv         (T, 2) or None
    normals    (N, 3) or None
    colours    (V, 3), or None unless every `v` line has six numbers
    corners    (C, 3) rows of position, uv, normal of each corner of each face; ABSENT if not given
    counts     (F,) corners of each face, at least 3
    groups     (F,) number of its material
    materials  names as written; the first is '' for faces before any `usemtl`
    """

    positions: Floats
    uv: Floats | None
    normals: Floats | None
    colours: Floats | None
    corners: Corners
    counts: Integers
    groups: Integers
    materials: list[str]


def read_lines(text: bytes) -> ObjText:
    """Parse the lines of an OBJ file. Raises AssetError (without the file's name) if it is no OBJ mesh or too large."""
    lines = _Lines()
    for block in _blocks(text):
        lines.add(block)
    return lines.whole()


def _blocks(text: bytes) -> Iterator[bytes]:
    """Cut a file into pieces of whole lines, each ending in a newline, with continued lines joined."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\\\n" in text:
        text = text.replace(b"\\\n", b" ")
    begin = 0
    while begin < len(text):
        end = text.find(b"\n", begin + BLOCK)
        end = len(text) if end < 0 else end + 1
        yield text[begin:end] + b"\n"
        begin = end


class _Lines:
    """The content of the blocks added so far."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Floats]] = {"v": [], "vt": [], "vn": []}
        self.length = {"v": 0, "vt": 0, "vn": 0}
        self.corners: list[Corners] = []
        self.counts: list[Integers] = []
        self.groups: list[Integers] = []
        self.corner_count = 0
        self.materials = {"": 0}
        self.current = 0

    def add(self, block: bytes) -> None:
        data = np.frombuffer(block, dtype=np.uint8)
        blank = data <= 32
        ends = np.flatnonzero(data == 10)
        starts = np.concatenate([[0], ends[:-1] + 1])
        words = np.flatnonzero(~blank & np.concatenate([[True], blank[:-1]]))
        first = np.searchsorted(words, starts)  # the first word of each line
        filled = np.flatnonzero(np.append(words, len(data))[first] < ends)
        key, ends, first = words[first[filled]], ends[filled], first[filled]
        stops = _comments_cut(data, key, ends)
        numbers = np.searchsorted(words, stops) - first - 1  # words behind the key
        a, b, c = data[key], data[key + 1], data[np.minimum(key + 2, len(data) - 1)]
        is_v = (a == ord("v")) & (numbers > 0)
        kinds = {
            "v": is_v & (b <= 32),
            "vt": is_v & (b == ord("t")) & (c <= 32),
            "vn": is_v & (b == ord("n")) & (c <= 32),
        }
        before = np.stack([np.cumsum(kind) + self.length[name] for name, kind in kinds.items()], axis=1)
        for name, kind in kinds.items():
            at = np.flatnonzero(kind)
            if len(at):
                self._add_rows(name, _cut_out(data, key[at] + len(name), stops[at]), numbers[at])
        faces = np.flatnonzero((a == ord("f")) & (b <= 32) & (numbers > 0))
        named = [i for i in np.flatnonzero(a == ord("u")).tolist() if block.startswith(b"usemtl", key[i])]
        kept = self._add_faces(_cut_out(data, key[faces] + 1, stops[faces]), numbers[faces], before[faces])
        self._add_groups(faces[kept], named, [block[key[i] + 6 : ends[i]] for i in named])

    def _add_rows(self, name: str, body: bytes, numbers: Integers) -> None:
        columns = 2 if name == "vt" else 3
        self.length[name] += len(numbers)
        if self.length[name] > MOST_VERTICES:
            raise AssetError(f"expected at most {MOST_VERTICES} `{name}` lines, found more")
        if numbers.min() < columns:
            raise AssetError(f"expected {columns} numbers on each `{name}` line, found {numbers.min()}")
        values = parse_numbers(body, np.float64, f"{columns} numbers on each `{name}` line", int(numbers.sum()))
        if name == "v" and (numbers == 6).all():
            columns = 6
        self.rows[name].append(values[(np.cumsum(numbers) - numbers)[:, None] + np.arange(columns)])

    def _add_faces(self, body: bytes, counts: Integers, before: Integers) -> NDArray[np.bool_]:
        """Add the faces and return which of `counts` they are: those of 2 corners are lines."""
        self.corner_count += int(counts.sum())
        if self.corner_count > 3 * MOST_TRIANGLES:
            raise AssetError(f"expected at most {MOST_TRIANGLES} triangles, found more")
        table, slots = _corner_table(body, int(counts.sum()))
        back = np.repeat(before, counts, axis=0) + table
        index = np.where(table > 0, table - 1, np.where(back >= 0, back, BEFORE_FIRST))
        index[table == 0] = NOUGHT
        index[~slots] = ABSENT
        keep = counts >= 3
        self.corners.append(index[np.repeat(keep, counts)].astype(np.int32))
        self.counts.append(counts[keep])
        return keep

    def _add_groups(self, faces: Integers, named: list[int], names: list[bytes]) -> None:
        """Add the materials of the faces on lines `faces`, given the `usemtl` lines."""
        numbers = [self.current]
        for written in names:
            name = written.strip().decode("utf-8", "replace")
            numbers.append(self.materials.setdefault(name, len(self.materials)) if name else numbers[-1])
        if len(self.materials) > MOST_PARTS:
            raise AssetError(f"expected at most {MOST_PARTS} materials, found more")
        self.current = numbers[-1]
        self.groups.append(np.array(numbers)[np.searchsorted(named, faces)])

    def whole(self) -> ObjText:
        if not self.length["v"]:
            raise AssetError("expected `v` lines with vertices, found none")
        if not any(map(len, self.counts)):
            raise AssetError("expected `f` lines with faces, found none")
        widths = {rows.shape[1] for rows in self.rows["v"]}
        coloured = widths == {6}
        v = np.concatenate([rows if coloured else rows[:, :3] for rows in self.rows["v"]])
        uv, normals = (np.concatenate(self.rows[name]) if self.rows[name] else None for name in ("vt", "vn"))
        corners = np.concatenate(self.corners)
        for column, name in enumerate(("v", "vt", "vn")):
            _check_corners(corners[:, column], name, self.length[name])
        return ObjText(
            positions=v[:, :3],
            uv=uv,
            normals=normals,
            colours=v[:, 3:] if coloured else None,
            corners=corners,
            counts=np.concatenate(self.counts),
            groups=np.concatenate(self.groups),
            materials=list(self.materials),
        )


def _check_corners(index: Corners, name: str, length: int) -> None:
    """Raise AssetError unless all are 0 .. length - 1 or, for uv and normals, not given at all. Changes `index`."""
    if name != "v":
        index[index == NOUGHT] = ABSENT
        if length == 0:  # numbers into an array that was left out: as if not given
            index[:] = ABSENT
    wrong = (index >= length) | (index < (0 if name == "v" else ABSENT))
    if wrong.any():
        worst = int(index[np.argmax(wrong)])
        found = {NOUGHT: "0", ABSENT: "none", BEFORE_FIRST: "one that counts back too far"}.get(worst, str(worst + 1))
        raise AssetError(f"expected `{name}` numbers 1..{length} on the `f` lines, found {found}")


def _corner_table(body: bytes, count: int) -> tuple[Integers, NDArray[np.bool_]]:
    """Parse words such as 4/2/7, 4//7, 4: (count, 3) numbers as written, and which of them are given."""
    data = np.frombuffer(body, dtype=np.uint8)
    slash, gap = data == _SLASH, data <= 32
    digit = (data >= ord("0")) & (data <= ord("9")) | (data == _MINUS) | (data == _PLUS)
    after_gap = np.concatenate([[True], gap[:-1]])
    word = np.cumsum(~gap & after_gap, dtype=np.int32) - 1
    starts = np.flatnonzero(digit & (after_gap | np.concatenate([[True], slash[:-1]])))
    slashes = np.cumsum(slash, dtype=np.int32)
    word_starts = np.flatnonzero(~gap & after_gap)
    owner = word[starts]
    slot = slashes[starts] - (slashes[word_starts] - slash[word_starts])[owner]
    expected = "v, v/vt, v//vn or v/vt/vn on an `f` line"
    odd = np.concatenate([word[~(slash | gap | digit)], owner[slot > 2]])
    if len(odd):
        raise AssetError(f"expected {expected}, found {shown(body.split()[odd[0]])}")
    values = parse_numbers(body.replace(b"/", b" "), np.int64, expected, len(starts))
    table, given = np.zeros((count, 3), dtype=np.int64), np.zeros((count, 3), dtype=np.bool_)
    table[owner, slot] = np.clip(values, -(2**31) + 8, 2**31 - 8)  # beyond any array, and yet an int32
    given[owner, slot] = True
    return table, given


def _cut_out(data: Bytes, starts: Integers, stops: Integers) -> bytes:
    """Cut out the bytes of the ranges [start, stop), which are in order and apart."""
    edges = np.zeros(len(data) + 1, dtype=np.int8)
    edges[starts] += 1
    edges[stops] -= 1
    return data[np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_)].tobytes()


def _comments_cut(data: Bytes, starts: Integers, ends: Integers) -> Integers:
    """Return where each line ends, or its comment begins."""
    marks = np.append(np.flatnonzero(data == _HASH), len(data))
    return np.minimum(ends, marks[np.searchsorted(marks, starts)])
