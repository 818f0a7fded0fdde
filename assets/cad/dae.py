"""COLLADA 1.4 and 1.5 (.dae): the triangles of its visual scene with transforms applied, colours and textures.

Of a material the diffuse colour or texture of its effect (profile_COMMON) is read, and its opacity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.cad.parts import MOST_TRIANGLES, MOST_VERTICES, Material, Part, PartCollector, part_of_corners
from assets.cad.textures import Textures
from assets.cad.xml_text import Element, child, children, floats, integers, local, parse_xml, text
from assets.errors import AssetError, OutOfTime

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_INSTANCES = 100_000
DEEPEST_NODE = 200  # nodes below nodes: more is a loop

_UPRIGHT = {  # <up_axis> -> the rotation to +Y up (COLLADA 1.4, "up_axis": X_UP has -Y to the right)
    "X_UP": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "Z_UP": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
_ATTRIBUTES = {"POSITION": ("positions", 3), "NORMAL": ("normals", 3), "TEXCOORD": ("uv", 2), "COLOR": ("colours", 3)}
_POLYGONS = ("triangles", "polylist", "polygons", "tristrips", "trifans")

_WRAPS = {"MIRROR": "mirror", "CLAMP": "clamp", "BORDER": "clamp"}

_MODELS = ("phong", "lambert", "blinn", "constant")


def read_dae(tree: FileTree, name: str, remarks: list[str]) -> list[Part]:
    """Read one part for each primitive and place in the scene. Raises AssetError, ValueError, ... for broken files.

    What is left out goes to `remarks`.
    """
    root = parse_xml(tree.read(name))
    if root.tag != "COLLADA":
        raise AssetError(f"expected a COLLADA document, found <{root.tag[:40]}>")
    return _Document(root, tree, name, remarks).parts()


def dae_references(tree: FileTree, name: str) -> list[str]:
    """List the images in `tree` that the file `name` refers to."""
    root = parse_xml(tree.read(name))
    references = filter(None, (image_file(image) for image in root.iter("image")))
    return [found for found in (tree.find(reference, beside=name) for reference in references) if found]


class _Document:
    """A parsed COLLADA file; its arrays are converted when they are first needed, and kept."""

    def __init__(self, root: Element, tree: FileTree, name: str, remarks: list[str]) -> None:
        self.root, self.remarks = root, remarks
        self.materials = Materials(root, tree, name)
        self.ids = {(element.tag, element.get("id")): element for element in root.iter() if element.get("id")}
        self.arrays: dict[str, Floats] = {}
        self.primitives: dict[tuple[Element, str], Part | None] = {}

    def parts(self) -> list[Part]:
        upright = np.eye(4)
        upright[:3, :3] = _UPRIGHT.get(text(child(self.root, "asset", "up_axis")).upper(), np.eye(3))
        collector = PartCollector()
        for geometry, bound, place in self._instances(upright):
            for primitive in children(child(geometry, "mesh"), *_POLYGONS):
                part = self._part(primitive, bound)
                if part is not None:
                    collector.add(_placed(part, place))
        return collector.parts

    def _instances(self, place: Floats) -> Iterator[tuple[Element | None, dict[str, Element], Floats]]:
        """Yield each geometry in the scene, with the materials bound to its symbols, and its (4, 4) place."""
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
            if depth > DEEPEST_NODE or seen > MOST_INSTANCES:
                raise AssetError("expected a tree of nodes, found a loop, or too many nodes")
            here = above @ _local(node)
            below = []
            for item in node:
                target = self.ids.get((item.tag.removeprefix("instance_"), local(item.get("url"))))
                if item.tag in ("instance_geometry", "instance_controller"):
                    seen += 1
                    bound = {m.get("symbol", ""): m for m in item.iter("instance_material")}
                    geometry, bind = self._shape(target)
                    yield geometry, bound, here @ bind
                elif item.tag == "node":
                    below.append((item, here, depth + 1))
                elif item.tag == "instance_node" and target is not None:
                    below.append((target, here, depth + 1))
            waiting += reversed(below)

    def _shape(self, target: Element | None) -> tuple[Element | None, Floats]:
        """Return the geometry itself, or the one that a skin or morph controller starts from; and its place there.

        A skin says by its bind_shape_matrix where the geometry stands when the skeleton takes hold of it.
        """
        place = np.eye(4)
        for _ in range(3):
            if target is None or target.tag == "geometry":
                return target, place
            deformer = next(children(target, "skin", "morph"), None)
            if deformer is not None and deformer.tag == "morph" and self._weights(deformer).any():
                self.remarks.append("morph targets that have a weight do not count")
            numbers = floats(child(deformer, "bind_shape_matrix"))
            if numbers.size == 16 and np.isfinite(numbers).all():
                place = place @ numbers.reshape(4, 4)
            source = local(None if deformer is None else deformer.get("source"))
            target = self.ids.get(("geometry", source), self.ids.get(("controller", source)))
        return None, place

    def _weights(self, morph: Element) -> Floats:
        """Return the weights of the targets of a morph controller."""
        inputs = children(child(morph, "targets"), "input")
        source = next((local(each.get("source")) for each in inputs if each.get("semantic") == "MORPH_WEIGHT"), "")
        return floats(child(self.ids.get(("source", source)), "float_array"), optional=True)

    def _part(self, primitive: Element, bound: dict[str, Element]) -> Part | None:
        """Return the triangles of `primitive`, not moved to its place yet; None if it has none."""
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
        if next(primitive.iter("h"), None) is not None:
            self.remarks.append("holes in polygons are filled")
        corners, counts = _corners(primitive, stride)
        if not len(counts):
            return None
        if "positions" not in columns:
            raise AssetError(f"expected a POSITION input in <{primitive.tag}>, found none")
        arrays, indices = {}, {}
        for attribute, (offset, source) in columns.items():
            rows = corners[:, offset]
            try:
                values = self._source(source, _WIDTH[attribute])
            except OutOfTime:
                raise
            except AssetError as error:
                if attribute == "positions":
                    raise
                self.remarks.append(f"{attribute} do not count: {error}")
                continue
            wrong = (rows < 0) | (rows >= len(values))
            if wrong.any():
                expected = f"numbers 0..{len(values) - 1} of {attribute} in <p>"
                found = f"expected {expected}, found {rows.min()}..{rows.max()}"
                if attribute == "positions":
                    raise AssetError(found)
                self.remarks.append(f"{wrong.sum()} {attribute} do not count: {found}")
                rows = np.where(wrong, len(values), rows)
                values = np.concatenate([values, np.full((1, values.shape[1]), np.nan)])
            arrays[attribute], indices[attribute] = values, rows
        return part_of_corners(indices, arrays, counts, material)

    def _inputs(self, primitive: Element, wanted: str | None) -> tuple[int, dict[str, tuple[int, str]]]:
        """Return the numbers that each corner has, and attribute of Part -> (which of them, id of the source)."""
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
        """Return the (N, width) values of the source called `name`."""
        key = f"{name} {width}"
        if key not in self.arrays:
            source = self.ids.get(("source", name))
            accessor = child(source, "technique_common", "accessor")
            stride = int("1" if accessor is None else accessor.get("stride", "1"))
            offset = int("0" if accessor is None else accessor.get("offset", "0"))
            values = floats(child(source, "float_array"), optional=True)
            count = (len(values) - offset) // stride if stride >= width and offset >= 0 else 0
            if not 0 < count <= MOST_VERTICES:
                found = f"{len(values)} numbers from {offset} in steps of {stride}"
                raise AssetError(f"expected 1..{MOST_VERTICES} rows of {width} numbers in {name[:40]!r}, found {found}")
            self.arrays[key] = values[offset : offset + count * stride].reshape(count, stride)[:, :width]
        return self.arrays[key]


_WIDTH = {attribute: width for attribute, width in _ATTRIBUTES.values()}


def _corners(primitive: Element, stride: int) -> tuple[Integers, Integers]:
    """Return (C, stride) numbers of the corners of one polygon after another, and (F,) how many each has, 3 or more."""
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
    """Move the part to the place of its node."""
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
    """Multiply the node's transforms, in the order written: (4, 4)."""
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
    """Return the (3, 3) turn about `axis` (Rodrigues); the identity for an axis of no length."""
    length = np.linalg.norm(axis)
    if not length > 0:
        return np.eye(3)
    x, y, z = axis / length
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew


class Materials:
    """Materials by id, each with its texture decoded, and the name of the texture coordinates that it uses."""

    def __init__(self, root: Element, tree: FileTree, name: str) -> None:
        self.tree, self.name = tree, name
        self.textures = Textures(tree)
        self.ids = {
            (kind, element.get("id", "")): element
            for kind in ("material", "effect", "image")
            for element in root.iter(kind)
            if element.get("id")
        }
        self.known: dict[str, tuple[Material, str]] = {}

    def __getitem__(self, material: str) -> tuple[Material, str]:
        if material not in self.known:
            self.known[material] = self._read(material)
        return self.known[material]

    def _read(self, material: str) -> tuple[Material, str]:
        instance = child(self.ids.get(("material", material)), "instance_effect")
        effect = self.ids.get(("effect", local(None if instance is None else instance.get("url"))))
        profile = child(effect, "profile_COMMON")
        shader = next(children(child(profile, "technique"), *_MODELS), None)
        written = Material(material, opacity=_opacity(shader))
        diffuse = child(shader, "emission" if shader is not None and shader.tag == "constant" else "diffuse")
        colour = floats(child(diffuse, "color"))
        if len(colour) >= 3 and np.isfinite(colour).all():
            return replace(written, colour=tuple(np.clip(colour[:3], 0.0, 1.0).tolist())), ""
        texture = child(diffuse, "texture")
        if texture is None:
            return written, ""
        reference = image_file(self.ids.get(("image", self._image(profile, texture.get("texture", "")))))
        found = self.tree.find(reference, beside=self.name)
        named = reference or texture.get("texture", "")
        image, fault = self.textures.file(found) if found else (None, f"texture {named[:200]} is missing")
        wrap = self._wrap(profile, texture.get("texture", ""))
        return replace(written, texture=reference, image=image, fault=fault, wrap=wrap), texture.get("texcoord", "")

    def _wrap(self, profile: Element | None, sampler: str) -> tuple[str, str]:
        """Return how a sampler has u and v go on beyond the image."""
        parameters = {parameter.get("sid", ""): parameter for parameter in children(profile, "newparam")}
        sampled = child(parameters.get(sampler), "sampler2D")
        u, v = (_WRAPS.get(text(child(sampled, key)).upper(), "repeat") for key in ("wrap_s", "wrap_t"))
        return u, v

    def _image(self, profile: Element | None, sampler: str) -> str:
        """Return the id of the image behind a sampler: through a surface in COLLADA 1.4, at once in 1.5."""
        parameters = {parameter.get("sid", ""): parameter for parameter in children(profile, "newparam")}
        sampled = child(parameters.get(sampler), "sampler2D")
        instance = child(sampled, "instance_image")
        if instance is not None:
            return local(instance.get("url"))
        surface = child(parameters.get(text(child(sampled, "source"))), "surface")
        return text(child(surface, "init_from")) or sampler


def image_file(image: Element | None) -> str:
    """Return the reference of an <image> to its file, '' for none."""
    begin = child(image, "init_from")
    reference = text(begin) or text(child(begin, "ref"))
    return reference.removeprefix("file://")


def _opacity(shader: Element | None) -> float:
    """Multiply COLLADA's transparent colour and transparency: its alpha, or one minus its mean for RGB_ZERO."""
    transparent = child(shader, "transparent")
    colour, factor = floats(child(transparent, "color")), floats(child(shader, "transparency", "float"))
    if transparent is None or len(colour) != 4 or not np.isfinite(colour).all():
        return 1.0
    share = float(factor[0]) if len(factor) and np.isfinite(factor[0]) else 1.0
    if transparent.get("opaque", "A_ONE") == "RGB_ZERO":
        return 1.0 - float(colour[:3].mean()) * share
    return float(colour[3]) * share
