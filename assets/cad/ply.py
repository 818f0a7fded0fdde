"""PLY, ASCII or binary: vertices and faces with their normals, colours, uv and textures; triangle strips.

Faces may have any number of corners.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.cad.parts import MOST_TRIANGLES, Material, Part, distinct_rows, part_of_triangles
from assets.cad.ply_elements import LARGEST_HEADER, Element, read_elements
from assets.cad.polygons import cut
from assets.cad.text import plain_text, words_of
from assets.cad.textures import Textures
from assets.errors import AssetError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


_UV = (("texture_u", "texture_v"), ("u", "v"), ("s", "t"))
_INDICES = ("vertex_index", "vertex_indices")
_TEXTURE = re.compile(rb"^comment\s+TextureFile\s+(.+?)\s*$", re.MULTILINE | re.IGNORECASE)


def read_ply(tree: FileTree, name: str, remarks: list[str]) -> list[Part]:
    """Read the parts of a PLY file, one for each texture that its faces number. What is left out goes to `remarks`."""
    data = tree.read(name)
    elements = read_elements(data)
    vertex = elements.get("vertex")
    found = None if vertex is None else vertex.columns(("x", "y", "z"))
    if vertex is None or found is None or not len(found[0]):
        raise AssetError("expected a PLY mesh with vertices x, y and z, found none")
    positions = found[0]
    normals, uv = (
        None if found is None else found[0] for found in (vertex.columns(("nx", "ny", "nz")), vertex.columns(*_UV))
    )
    faces = _Faces.of(elements, len(positions))
    triangles, owner = faces.triangles(positions)
    images = _images(tree, name, data, faces, remarks)
    if vertex.colours() is None and faces.colours is not None and all(m.image is None for m, _ in images):
        apart = np.arange(triangles.size).reshape(-1, 3)
        corners = positions[faces.corners[triangles].reshape(-1)]
        return [Part(corners, apart, images[0][0], colours=np.repeat(faces.colours[owner], 3, axis=0))]
    rest: dict[str, Any] = {"normals": normals, "colours": vertex.colours()}
    if faces.uv is None:
        whole = Part(positions, faces.corners[triangles], images[0][0], uv=uv, **rest)
    else:
        first, number = distinct_rows(faces.uv.view(np.int64))
        arrays = {"positions": positions, "uv": faces.uv[first]}
        arrays |= {key: array for key, array in rest.items() if array is not None}
        indices = {key: number if key == "uv" else faces.corners for key in arrays}
        whole = part_of_triangles(indices, arrays, triangles, images[0][0])
    pieces = ((material, whole.triangles[chosen[owner]]) for material, chosen in images)
    return [
        Part(whole.positions, piece, material, whole.normals, whole.uv, whole.colours)
        for material, piece in pieces
        if len(piece) or len(images) == 1
    ]


def ply_references(tree: FileTree, name: str) -> list[str]:
    """List the textures that the PLY file `name` mentions in comments, of those that `tree` has."""
    return [found for _, found in _textures(tree, name, tree.read(name)) if found]


def _textures(tree: FileTree, name: str, data: bytes) -> list[tuple[str, str | None]]:
    """List the textures as written, and the files that they are."""
    header = plain_text(data[:LARGEST_HEADER].split(b"end_header")[0])
    written = [words_of(match) for match in _TEXTURE.findall(header)]
    return [(text, tree.find(text, beside=name)) for text in written]


@dataclass
class _Faces:
    """Polygons: `corners` (C,) vertex numbers of one after another, `counts` (F,), and what each corner or face has."""

    corners: Integers
    counts: Integers
    uv: Floats | None = None  # (C, 2)
    colours: Floats | None = None  # (F, 3)
    texture: Integers | None = None  # (F,)

    @classmethod
    def of(cls, elements: dict[str, Element], vertex_count: int) -> _Faces:
        """Collect them from the elements. Raises AssetError if there are none, or too many."""
        face, strips = elements.get("face"), elements.get("tristrips")
        listed = None if face is None else _list_of(face)
        if listed is None and strips is not None and (strip := _list_of(strips)) is not None:
            listed = _strips_cut(*strip)
            face = None
        if listed is None or not len(listed[0]):
            raise AssetError("expected a PLY mesh with faces, found none")
        counts, corners = listed[0], listed[1].astype(np.int64)
        if counts.sum() - 2 * len(counts) > MOST_TRIANGLES:
            raise AssetError(f"expected at most {MOST_TRIANGLES} triangles, found more")
        if len(corners) and not 0 <= corners.min() <= corners.max() < vertex_count:
            raise AssetError(f"expected vertex numbers 0..{vertex_count - 1}, found {corners.min()}..{corners.max()}")
        keep = counts >= 3
        of_corners = np.repeat(keep, counts)
        faces = cls(corners[of_corners], counts[keep])
        if face is not None:
            colours, number = face.colours(), face.scalars.get("texnumber")
            faces.colours = None if colours is None else colours[keep]
            faces.texture = None if number is None else number.astype(np.int64)[keep]
            if "texcoord" in face.lists:
                lengths, values = face.lists["texcoord"]
                whole = lengths == 2 * counts
                rows = np.full((len(of_corners), 2), np.nan)
                rows[np.repeat(whole, counts)] = values[np.repeat(whole, lengths)].reshape(-1, 2)
                faces.uv = rows[of_corners]
        return faces

    def triangles(self, positions: Floats) -> tuple[Integers, Integers]:
        """Cut them: (T, 3) places in `corners`, and (T,) the polygon of each.

        First come whole triangles, then the halves of quads, then the rest, as images have long been drawn.
        """
        triangles = cut(positions[self.corners], self.counts)
        owner = np.repeat(np.arange(len(self.counts)), self.counts - 2)
        sizes = np.minimum(self.counts, 5)[owner]
        second = np.concatenate([[False], owner[1:] == owner[:-1]]) & (sizes == 4)
        if not (self.counts == 4).all():
            triangles[second] = np.roll(triangles[second], -1, axis=1)
        order = np.argsort(2 * sizes + second, kind="stable")
        return triangles[order], owner[order]


def _list_of(element: Element) -> tuple[Integers, NDArray[Any]] | None:
    """Return the list of vertex numbers, whatever it is called if it is the only one."""
    named = next((element.lists[name] for name in _INDICES if name in element.lists), None)
    return next(iter(element.lists.values())) if named is None and len(element.lists) == 1 else named


def _strips_cut(counts: Integers, values: NDArray[Any]) -> tuple[Integers, Integers]:
    """Cut triangle strips into triangles, as counts and corners; negative numbers end a strip too."""
    order = values.astype(np.int64)
    strip = np.repeat(np.arange(len(counts)), counts)
    k = np.arange(max(len(order) - 2, 0))
    whole = (order[k] >= 0) & (order[k + 1] >= 0) & (order[k + 2] >= 0) & (strip[k] == strip[k + 2])
    started = (
        np.concatenate([[True], (strip[1:] != strip[:-1]) | (order[:-1] < 0)]) if len(order) else np.empty(0, bool)
    )
    begin = np.maximum.accumulate(np.where(started, np.arange(len(order)), 0)) if len(order) else order
    odd = ((k - begin[k]) % 2)[whole]
    k = k[whole]
    triangles = np.stack([order[k], order[k + 1 + odd], order[k + 2 - odd]], axis=1)
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (c != a)]
    return np.full(len(triangles), 3, dtype=np.int64), triangles.reshape(-1)


def _images(
    tree: FileTree, name: str, data: bytes, faces: _Faces, remarks: list[str]
) -> list[tuple[Material, NDArray[np.bool_]]]:
    """Return the materials, and which faces (F,) each is for."""
    everywhere = np.ones(len(faces.counts), dtype=np.bool_)
    textures = Textures(tree)
    materials = []
    for written, found in _textures(tree, name, data):
        image, fault = textures.file(found) if found else (None, f"texture {written[:200]} is missing")
        materials.append(Material(texture=found or written, image=image, fault=fault))
    if len(materials) < 2:
        return [(materials[0] if materials else Material(), everywhere)]
    if faces.texture is None:
        remarks.append(f"{len(materials)} textures are named and no face numbers one: the first is taken")
        return [(materials[0], everywhere)]
    chosen = [(material, faces.texture == number) for number, material in enumerate(materials)]
    others = (faces.texture < 0) | (faces.texture >= len(materials))
    if others.any():
        remarks.append(f"{others.sum()} faces number none of the {len(materials)} textures")
        chosen.append((Material(), others))
    return [(material, those) for material, those in chosen if those.any()]
