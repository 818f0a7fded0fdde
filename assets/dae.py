"""COLLADA 1.4 and 1.5 (.dae): the triangles of its visual scene with transforms applied, colours and textures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.dae_materials import Materials, image_file
from assets.dae_xml import Element, child, children, floats, integers, local, parse_xml, text
from assets.errors import AssetError
from assets.parts import MOST_TRIANGLES, MOST_VERTICES, Gathered, Part, part_of_corners

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_INSTANCES = 100_000
DEEPEST = 200  # nodes below nodes: more is a loop

_UPRIGHT = {  # <up_axis> -> the rotation to +Y up (COLLADA 1.4, "up_axis": X_UP has -Y to the right)
    "X_UP": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "Z_UP": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
_ATTRIBUTES = {"POSITION": ("positions", 3), "NORMAL": ("normals", 3), "TEXCOORD": ("uv", 2), "COLOR": ("colours", 3)}
_POLYGONS = ("triangles", "polylist", "polygons", "tristrips", "trifans")


def read_dae(tree: FileTree, name: str) -> list[Part]:
    """One part a primitive and place in the scene. Raises AssetError, or ValueError and its like for broken files."""
    root = parse_xml(tree.read(name))
    if root.tag != "COLLADA":
        raise AssetError(f"expected a COLLADA document, found <{root.tag[:40]}>")
    return _Document(root, tree, name).parts()


def dae_references(tree: FileTree, name: str) -> list[str]:
    """The images in `tree` that the file `name` lists."""
    root = parse_xml(tree.read(name))
    references = filter(None, (image_file(image) for image in root.iter("image")))
    return [found for found in (tree.find(reference, beside=name) for reference in references) if found]


class _Document:
    """A parsed COLLADA file; its arrays are converted when asked for, and kept."""

    def __init__(self, root: Element, tree: FileTree, name: str) -> None:
        self.root = root
        self.materials = Materials(root, tree, name)
        self.ids = {(element.tag, element.get("id")): element for element in root.iter() if element.get("id")}
        self.arrays: dict[str, Floats] = {}
        self.primitives: dict[tuple[Element, str], Part | None] = {}

    def parts(self) -> list[Part]:
        upright = np.eye(4)
        upright[:3, :3] = _UPRIGHT.get(text(child(self.root, "asset", "up_axis")).upper(), np.eye(3))
        gathered = Gathered()
        for geometry, bound, place in self._instances(upright):
            for primitive in children(child(geometry, "mesh"), *_POLYGONS):
                part = self._part(primitive, bound)
                if part is not None:
                    gathered.add(_placed(part, place))
        return gathered.parts

    def _instances(self, place: Floats) -> Iterator[tuple[Element | None, dict[str, Element], Floats]]:
        """Each geometry in the scene, with the materials bound to its symbols, and where it stands."""
        instance = child(self.root, "scene", "instance_visual_scene")
        scene = self.ids.get(("visual_scene", local(None if instance is None else instance.get("url"))))
        if scene is None:
            scene = next(self.root.iter("visual_scene"), None)
        if scene is None:  # a library of geometries: all of them
            yield from ((geometry, {}, place) for geometry in self.root.iter("geometry"))
            return
        waiting = [(scene, place, 0)]
        seen = 0
        while waiting:
            node, above, depth = waiting.pop()
            seen += 1
            if depth > DEEPEST or seen > MOST_INSTANCES:
                raise AssetError("expected a tree of nodes, found a loop, or too many nodes")
            here = above @ _local(node)
            below = []
            for item in node:
                target = self.ids.get((item.tag.removeprefix("instance_"), local(item.get("url"))))
                if item.tag in ("instance_geometry", "instance_controller"):
                    seen += 1
                    bound = {m.get("symbol", ""): m for m in item.iter("instance_material")}
                    yield self._shape(target), bound, here
                elif item.tag == "node":
                    below.append((item, here, depth + 1))
                elif item.tag == "instance_node" and target is not None:
                    below.append((target, here, depth + 1))
            waiting += reversed(below)

    def _shape(self, target: Element | None) -> Element | None:
        """The geometry itself, or the one that a skin or morph controller starts from."""
        for _ in range(3):
            if target is None or target.tag == "geometry":
                return target
            deformer = next(children(target, "skin", "morph"), None)
            source = local(None if deformer is None else deformer.get("source"))
            target = self.ids.get(("geometry", source), self.ids.get(("controller", source)))
        return None

    def _part(self, primitive: Element, bound: dict[str, Element]) -> Part | None:
        """The triangles of `primitive` where its geometry stands; None for none."""
        instance = bound.get(primitive.get("material", ""))
        key = (primitive, "" if instance is None else local(instance.get("target")))
        if key not in self.primitives:
            self.primitives[key] = self._read(primitive, instance, key[1] or primitive.get("material", ""))
        return self.primitives[key]

    def _read(self, primitive: Element, instance: Element | None, name: str) -> Part | None:
        material, coordinates = self.materials[name]
        wanted = next(
            (
                b.get("input_set", "0")
                for b in children(instance, "bind_vertex_input")
                if b.get("semantic") == coordinates
            ),
            None,
        )
        stride, columns = self._inputs(primitive, wanted)
        corners, counts = _corners(primitive, stride)
        if not len(counts):
            return None
        if "positions" not in columns:
            raise AssetError(f"expected a POSITION input in <{primitive.tag}>, found none")
        arrays = {attribute: self._source(source, _WIDTH[attribute]) for attribute, (_, source) in columns.items()}
        indices = {attribute: corners[:, offset] for attribute, (offset, _) in columns.items()}
        for attribute, rows in indices.items():
            if rows.min() < 0 or rows.max() >= len(arrays[attribute]):
                expected = f"numbers 0..{len(arrays[attribute]) - 1} of {attribute} in <p>"
                raise AssetError(f"expected {expected}, found {rows.min()}..{rows.max()}")
        return part_of_corners(indices, arrays, counts, material)

    def _inputs(self, primitive: Element, wanted: str | None) -> tuple[int, dict[str, tuple[int, str]]]:
        """How many numbers a corner has, and attribute of Part -> (which of them, id of the source)."""
        stride, columns = 0, {}
        for item in children(primitive, "input"):
            offset = int(item.get("offset", "0"))
            if not 0 <= offset < 64:
                raise AssetError(f"expected offsets 0..63 of inputs, found {offset}")
            stride = max(stride, offset + 1)
            inputs = [item]
            if item.get("semantic") == "VERTEX":
                inputs = list(children(self.ids.get(("vertices", local(item.get("source")))), "input"))
            for each in inputs:
                attribute = _ATTRIBUTES.get(each.get("semantic", ""), ("", 0))[0]
                chosen = attribute == "uv" and wanted is not None and item.get("set", "0") == wanted
                if attribute and (attribute not in columns or chosen):
                    columns[attribute] = offset, local(each.get("source"))
        return stride, columns

    def _source(self, name: str, width: int) -> Floats:
        """(N, width) values of the source called `name`."""
        key = f"{name} {width}"
        if key not in self.arrays:
            source = self.ids.get(("source", name))
            accessor = child(source, "technique_common", "accessor")
            stride = int("1" if accessor is None else accessor.get("stride", "1"))
            offset = int("0" if accessor is None else accessor.get("offset", "0"))
            values = floats(child(source, "float_array"))
            count = (len(values) - offset) // stride if stride >= width and offset >= 0 else 0
            if not 0 < count <= MOST_VERTICES:
                found = f"{len(values)} numbers from {offset} in steps of {stride}"
                raise AssetError(f"expected 1..{MOST_VERTICES} rows of {width} numbers in {name[:40]!r}, found {found}")
            self.arrays[key] = values[offset : offset + count * stride].reshape(count, stride)[:, :width]
        return self.arrays[key]


_WIDTH = {attribute: width for attribute, width in _ATTRIBUTES.values()}


def _corners(primitive: Element, stride: int) -> tuple[Integers, Integers]:
    """(C, stride) numbers of the corners of polygons, one after another, and how many corners each has, at least 3."""
    lists = [integers(p) for p in primitive.iter("p")]
    if primitive.tag == "triangles" or primitive.tag == "polylist":
        lists = lists[:1]
    rows = [numbers[: len(numbers) // max(stride, 1) * stride].reshape(-1, max(stride, 1)) for numbers in lists]
    corners = np.concatenate(rows) if rows else np.empty((0, max(stride, 1)), dtype=np.int64)
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    if len(corners) > 3 * MOST_TRIANGLES:
        raise AssetError(f"expected at most {MOST_TRIANGLES} triangles, found more")
    if primitive.tag == "triangles":
        counts = np.full(len(corners) // 3, 3, dtype=np.int64)
        corners = corners[: 3 * len(counts)]
    elif primitive.tag == "polylist":
        counts = integers(child(primitive, "vcount"))
        if len(counts) and (counts.min() < 0 or counts.max() > len(corners) or counts.sum() > len(corners)):
            raise AssetError(f"expected {counts.sum()} corners in <polylist>, found {len(corners)}")
        corners = corners[: int(counts.sum())]
    elif primitive.tag == "polygons":
        counts = lengths
    else:
        first = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        cut = [
            _fan_or_strip(int(n), primitive.tag == "tristrips") + f for n, f in zip(lengths, first[:-1], strict=True)
        ]
        order = np.concatenate(cut).reshape(-1) if cut else np.empty(0, dtype=np.int64)
        corners, counts = corners[order], np.full(len(order) // 3, 3, dtype=np.int64)
    keep = counts >= 3
    return corners[np.repeat(keep, counts)], counts[keep]


def _fan_or_strip(length: int, strip: bool) -> Integers:
    """(F, 3) corners of the triangles of a strip, or of a fan, of `length` corners."""
    k = np.arange(max(length - 2, 0))
    if strip:
        return np.stack([k, k + 1 + k % 2, k + 2 - k % 2], axis=1)
    return np.stack([0 * k, k + 1, k + 2], axis=1)


def _placed(part: Part, place: Floats) -> Part:
    """The part moved to where its node stands."""
    linear = place[:3, :3]
    return Part(
        positions=part.positions @ linear.T + place[:3, 3],
        triangles=part.triangles if np.linalg.det(linear) >= 0 else part.triangles[:, ::-1],
        material=part.material,
        normals=None if part.normals is None else part.normals @ np.linalg.pinv(linear),
        uv=part.uv,
        colours=part.colours,
    )


def _local(node: Element) -> Floats:
    """(4, 4) the product of the node's transforms, in the order written."""
    matrix = np.eye(4)
    for item in children(node, "matrix", "translate", "rotate", "scale"):
        numbers = floats(item)
        step = np.eye(4)
        if len(numbers) != {"matrix": 16, "rotate": 4}.get(item.tag, 3) or not np.isfinite(numbers).all():
            raise AssetError(f"expected whole transforms, found <{item.tag}> of {len(numbers)} numbers")
        if item.tag == "matrix":
            step = numbers.reshape(4, 4)
        elif item.tag == "translate":
            step[:3, 3] = numbers
        elif item.tag == "scale":
            step[:3, :3] = np.diag(numbers)
        else:
            step[:3, :3] = _rotation(numbers[:3], float(numbers[3]))
        matrix = matrix @ step
    return matrix


def _rotation(axis: Floats, degrees: float) -> Floats:
    """(3, 3) the turn about `axis` (Rodrigues); the identity for an axis of no length."""
    length = np.linalg.norm(axis)
    if not length > 0:
        return np.eye(3)
    x, y, z = axis / length
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew
