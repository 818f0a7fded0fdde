"""Wavefront OBJ and MTL, parsed here so that vertex order, normals and materials stay as written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.errors import AssetError
from assets.obj_lines import ObjText, read_lines
from assets.parts import MOST_PARTS, Material, Part, part_of_corners
from assets.textures import Textures

LARGEST_MTL = 16 * 2**20  # bytes
MOST_LIBRARIES = 1000  # `mtllib` lines


def read_obj(tree: FileTree, name: str) -> list[Part]:
    """The parts of the OBJ file `name`, with the materials and textures that `tree` holds. Raises AssetError."""
    text = tree.read(name)
    materials: dict[str, Material] = {}
    textures = Textures(tree)
    for library in _material_libraries(tree, name, text):
        for material in parse_mtl(tree.read(library)).values():
            texture = tree.find(material.texture, beside=library) if material.texture else None
            materials.setdefault(material.name, replace(material, image=textures.file(texture) if texture else None))
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
    for written in itertools.islice(_mtllib_lines(text), MOST_LIBRARIES):
        whole = tree.find(written, beside=name)
        names = [whole] if whole else [tree.find(word, beside=name) for word in written.split()]
        found += [library for library in names if library]
    return list(dict.fromkeys(found))


def _mtllib_lines(text: bytes) -> Iterator[str]:
    """What follows each `mtllib` that begins a line."""
    at = text.find(b"mtllib")
    while at >= 0:
        end = text.find(b"\n", at)
        end = len(text) if end < 0 else end
        before = text[max(at - 100, 0) : at].rpartition(b"\n")[2]
        if not before.strip() and text[at + 6 : at + 7].isspace():
            yield text[at + 6 : end].split(b"\r")[0].decode("utf-8", "replace").strip()
        at = text.find(b"mtllib", end)


def parse_mtl(text: bytes) -> dict[str, Material]:
    """Material name -> Material, whose texture is the reference as written. Lines that make no sense are skipped."""
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
    """The faces of an OBJ file, one Part a material; polygons are cut into triangles, lines and points left out.

    Raises AssetError (without the file's name) where the text is not an OBJ mesh.
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
    """The part of faces of `counts` corners each; uv and normals count only where every corner has them."""
    indices, arrays = {"positions": corners[:, 0]}, {"positions": read.positions}
    for column, (name, array) in enumerate((("uv", read.uv), ("normals", read.normals)), start=1):
        if array is not None and (corners[:, column] >= 0).all():
            indices[name], arrays[name] = corners[:, column], array
    if read.colours is not None:
        indices["colours"], arrays["colours"] = corners[:, 0], read.colours
    return part_of_corners(indices, arrays, counts, material)


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
