"""Wavefront OBJ and MTL, parsed here so that vertex order, normals and materials stay as written.

The lines `v`, `vt`, `vn`, `f` and `usemtl` of an OBJ file are parsed a block at a time as whole arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.cad.mtl import Materials, TextureMap, mtl_references, read_materials
from assets.cad.number_text import parse_numbers, shown, split_words
from assets.cad.parts import MOST_PARTS, MOST_TRIANGLES, MOST_VERTICES, Material, Part, part_of_corners
from assets.cad.text import joined_lines, plain_text, words_of
from assets.cad.textures import Textures
from assets.errors import AssetError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Corners = NDArray[np.int32]
Bytes = NDArray[np.uint8]

BLOCK = 2 * 2**20  # bytes parsed at once: bounds the memory
ABSENT, BEFORE_FIRST, NOUGHT = -1, -2, -3  # corners without the number, that count back too far, that are written as 0

_ODD_NUMBER = re.compile(rb"(?<=/)(?![-+]?\d+(?:[/\s]|$))[^/\s]+")  # the uv or normal of a corner such as 4/x/7

_HASH, _SLASH, _MINUS, _PLUS, _DOT = (ord(c) for c in "#/-+.")


def read_obj(tree: FileTree, name: str, remarks: list[str]) -> list[Part]:
    """Read the parts of the OBJ file `name`, with the materials and textures that `tree` holds. Raises AssetError.

    What had to be left out or replaced goes to `remarks`.
    """
    text = plain_text(tree.read(name))
    materials = read_materials(tree, name, text, Textures(tree), remarks)
    return parse_obj(text, materials, remarks)


def obj_references(tree: FileTree, name: str) -> list[str]:
    """List the files in `tree` that the OBJ file `name` uses: material libraries and their textures."""
    return mtl_references(tree, name, plain_text(tree.read(name)))


def parse_obj(text: bytes, materials: Materials, remarks: list[str]) -> list[Part]:
    """Parse the faces of an OBJ file, one Part a material; polygons are cut into triangles, lines and points left out.

    Raises AssetError (without the file's name) if the text is not an OBJ mesh.

    text  as from `plain_text`
    """
    missing = bool(remarks)  # libraries
    read = read_lines(text, remarks)
    order = np.argsort(read.groups, kind="stable")  # faces by material, in the order written
    counts = read.counts[order]
    first = np.cumsum(read.counts) - read.counts
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    corners = read.corners[np.repeat(first[order], counts) + within]
    ends = np.cumsum(np.bincount(read.groups, minlength=len(read.materials)))
    corner_ends = np.concatenate([[0], np.cumsum(counts)])[ends]
    if not materials and not missing and read.groups.any():
        remarks.append("its materials are in no library, as it names none")
    chosen = _chosen_materials(read, materials, remarks)
    parts = []
    begin = corner_begin = 0
    for (material, texture), end, corner_end in zip(chosen, ends.tolist(), corner_ends.tolist(), strict=True):
        if end > begin:
            parts.append(_part(read, corners[corner_begin:corner_end], counts[begin:end], material, texture))
        begin, corner_begin = end, corner_end
    return parts


def _chosen_materials(
    read: ObjText, materials: Materials, remarks: list[str]
) -> list[tuple[Material, TextureMap | None]]:
    """Return the material of each name that the file uses; plain ones where its libraries have none of that name."""
    if len(read.materials) == 1 and "" not in materials and materials:
        if len(materials) == 1:
            ((name, only),) = materials.items()
            remarks.append(f"no face names a material; {name}, the only one of its library, is taken")
            return [only]
        remarks.append(f"no face names a material; none of the {len(materials)} of its library is drawn")
    chosen = []
    drawn = np.bincount(read.groups, minlength=len(read.materials))
    for name, faces in zip(read.materials, drawn.tolist(), strict=True):
        known = next((key for key in (name, name.partition(" #")[0].strip()) if key in materials), None)
        chosen.append((Material(name), None) if known is None else materials[known])
        if known is None and name and faces and materials:
            remarks.append(f"material {name[:200]} is in none of its libraries")
    return chosen


def _part(read: ObjText, corners: Corners, counts: Integers, material: Material, texture: TextureMap | None) -> Part:
    """Make the part of faces of `counts` corners each; corners without uv or normal have NaN there."""
    indices, arrays = {"positions": corners[:, 0]}, {"positions": read.positions}
    for column, (name, array) in enumerate((("uv", read.uv), ("normals", read.normals)), start=1):
        given = corners[:, column] >= 0
        if array is not None and given.any():
            indices[name], arrays[name] = corners[:, column], array
            if not given.all():
                arrays[name] = np.concatenate([array, np.full((1, array.shape[1]), np.nan)])
                indices[name] = np.where(given, corners[:, column], len(array))
    if "uv" in arrays and texture and (texture.scale, texture.offset) != ((1.0, 1.0), (0.0, 0.0)):
        arrays["uv"] = arrays["uv"] * np.array(texture.scale) + np.array(texture.offset)
    if read.colours is not None:
        indices["colours"], arrays["colours"] = corners[:, 0], read.colours
    return part_of_corners(indices, arrays, counts, material)


@dataclass(frozen=True, eq=False)
class ObjText:
    """The content of an OBJ file.

    positions  (V, 3)
    uv         (T, 2) or None
    normals    (N, 3) or None
    colours    (V, 3) in [0, 1], NaN for those without; or None
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


def read_lines(text: bytes, remarks: list[str]) -> ObjText:
    """Parse the lines of an OBJ file. Raises AssetError (without the file's name) if it is no OBJ mesh or too large."""
    lines = _Lines()
    for block in _blocks(joined_lines(text)):
        lines.add(block)
    return lines.whole(remarks)


def _blocks(text: bytes) -> Iterator[bytes]:
    """Cut a text into pieces of whole lines, each ending in a newline."""
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
        self.colours: list[Floats | None] = []  # the four numbers behind the positions of each block, if there are any
        self.length = {"v": 0, "vt": 0, "vn": 0}
        self.corners: list[Corners] = []
        self.counts: list[Integers] = []
        self.groups: list[Integers] = []
        self.corner_count = 0
        self.lone = 0  # `vt` lines of one number
        self.odd = 0  # uv and normals of corners that are no numbers
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
        named = [
            i
            for i in np.flatnonzero(a == ord("u")).tolist()
            if block.startswith(b"usemtl", key[i]) and data[key[i] + 6] <= 32
        ]
        kept = self._add_faces(_cut_out(data, key[faces] + 1, stops[faces]), numbers[faces], before[faces])
        self._add_groups(faces[kept], named, [block[key[i] + 6 : ends[i]] for i in named])

    def _add_rows(self, name: str, body: bytes, numbers: Integers) -> None:
        columns = 2 if name == "vt" else 3
        self.length[name] += len(numbers)
        if self.length[name] > MOST_VERTICES:
            raise AssetError(f"expected at most {MOST_VERTICES} `{name}` lines, found more")
        if name == "v" and numbers.min() < columns:
            raise AssetError(f"expected {columns} numbers on each `{name}` line, found {numbers.min()}")
        expected = f"{columns} numbers on each `{name}` line"
        values = parse_numbers(body, np.float64, expected, int(numbers.sum()), optional=name != "v")
        first = np.cumsum(numbers) - numbers
        rows = _columns(values, first, numbers, 0, columns)
        if name == "vt":
            rows[numbers == 1, 1] = 0.0  # as of a texture of one dimension
            self.lone += int((numbers == 1).sum())
        self.rows[name].append(rows)
        if name == "v":
            coloured = (numbers >= 6).any()
            self.colours.append(_columns(values, first, numbers, 3, 4) if coloured else None)

    def _add_faces(self, body: bytes, counts: Integers, before: Integers) -> NDArray[np.bool_]:
        """Add the faces and return which of `counts` they are: those of 2 corners are lines."""
        self.corner_count += int(counts.sum())
        if self.corner_count > 3 * MOST_TRIANGLES:
            raise AssetError(f"expected at most {MOST_TRIANGLES} triangles, found more")
        try:
            table, slots = _corner_table(body, int(counts.sum()))
        except AssetError:
            body, odd = _ODD_NUMBER.subn(b"", body)
            if not odd:
                raise
            self.odd += odd
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
            numbers.append(self.materials.setdefault(words_of(written).strip(), len(self.materials)))
        if len(self.materials) > MOST_PARTS:
            raise AssetError(f"expected at most {MOST_PARTS} materials, found more")
        self.current = numbers[-1]
        self.groups.append(np.array(numbers)[np.searchsorted(named, faces)])

    def whole(self, remarks: list[str]) -> ObjText:
        if not self.length["v"]:
            raise AssetError("expected `v` lines with vertices, found none")
        if not any(map(len, self.counts)):
            raise AssetError("expected `f` lines with faces, found none")
        uv, normals = (np.concatenate(self.rows[name]) if self.rows[name] else None for name in ("vt", "vn"))
        corners = np.concatenate(self.corners)
        for column, name in enumerate(("v", "vt", "vn")):
            _check_corners(corners[:, column], name, self.length[name], remarks)
        if self.lone:
            remarks.append(f"{self.lone} of {self.length['vt']} `vt` lines hold one number: their v counts as 0")
        if self.odd:
            remarks.append(f"{self.odd} `vt` or `vn` numbers on the `f` lines are none and do not count")
        for name, rows in (("vt", uv), ("vn", normals)):
            bad = 0 if rows is None else int((~np.isfinite(rows).all(axis=1)).sum())
            if bad:
                remarks.append(f"{bad} of {self.length[name]} `{name}` lines hold no numbers and do not count")
        return ObjText(
            positions=np.concatenate(self.rows["v"]),
            uv=uv,
            normals=normals,
            colours=self._colours(),
            corners=corners,
            counts=np.concatenate(self.counts),
            groups=np.concatenate(self.groups),
            materials=list(self.materials),
        )

    def _colours(self) -> Floats | None:
        """Return the colours of vertices: behind x y z, behind x y z w, or before an opacity."""
        blocks = zip(self.colours, self.rows["v"], strict=True)
        tail = [np.full((len(rows), 4), np.nan) if block is None else block for block, rows in blocks]
        numbers = np.concatenate(tail)
        present = np.isfinite(numbers)
        longer = present[:, 3]
        first, last = numbers[longer, 0], numbers[longer, 3]
        weighted = bool((first == 1).all() and not (last == 1).all())
        numbers = np.where((longer & weighted)[:, None], numbers[:, 1:], numbers[:, :3])
        known = np.isfinite(numbers).all(axis=1)
        if not known.any():
            return None
        colours = np.where(known[:, None], numbers, np.nan)
        in_bytes = colours[known].max() > 1 and (colours[known] % 1 == 0).all()
        return colours / 255.0 if in_bytes else colours


def _columns(values: Floats, first: Integers, numbers: Integers, start: int, count: int) -> Floats:
    """Gather `count` numbers of each line from its number `start` on: NaN where the line is shorter."""
    at = np.arange(start, start + count)
    rows = values[np.minimum(first[:, None] + at, len(values) - 1)]
    if numbers.min() < start + count:
        rows[at >= numbers[:, None]] = np.nan
    return rows


def _check_corners(index: Corners, name: str, length: int, remarks: list[str]) -> None:
    """Make all of `index` 0 .. length - 1 or, for uv and normals, ABSENT. Raises AssetError for other positions."""
    if name != "v":
        index[index == NOUGHT] = ABSENT
    wrong = (index >= length) | (index < (0 if name == "v" else ABSENT))
    if not wrong.any():
        return
    worst = int(index[np.argmax(wrong)])
    found = {NOUGHT: "0", ABSENT: "none", BEFORE_FIRST: "one that counts back too far"}.get(worst, str(worst + 1))
    if name == "v":
        raise AssetError(f"expected `{name}` numbers 1..{length} on the `f` lines, found {found}")
    index[wrong] = ABSENT
    there = f"1..{length}" if length else "none, as there are no such lines"
    remarks.append(f"{wrong.sum()} `{name}` numbers on the `f` lines do not count: expected {there}, found {found}")


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
        raise AssetError(f"expected {expected}, found {shown(split_words(body)[odd[0]])}")
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
    marks = np.flatnonzero(data == _HASH)
    of_number = (data[marks - 1] == _DOT) & (data[np.minimum(marks + 1, len(data) - 1)] >= ord("A"))  # -1.#IND
    marks = np.append(marks[~of_number | (marks == 0)], len(data))
    return np.minimum(ends, marks[np.searchsorted(marks, starts)])
