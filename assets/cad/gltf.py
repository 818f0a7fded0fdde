"""glTF 2.0 and GLB: the scene's triangles with its transforms applied, base colours and base colour textures.

Read here rather than by a library so that no count is believed before it is compared with the bytes that are there.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from assets.archives import FileTree
from assets.cad.parts import MOST_VERTICES, Material, Part, PartCollector
from assets.cad.text import plain_text
from assets.cad.textures import Textures
from assets.errors import AssetError, OutOfTime

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_INSTANCES = 100_000
DEEPEST = 200  # nodes below nodes: more is a loop
LARGEST_HEADER = 128 * 2**20  # bytes of JSON, mostly of data: URIs
MOST_VALUES = 4_000_000  # in it
SUPPORTED = {
    "EXT_mesh_gpu_instancing", "EXT_texture_webp", "KHR_lights_punctual", "KHR_mesh_quantization",
    "KHR_texture_basisu", "KHR_texture_transform",  # a texture that cannot be decoded costs its pixels only
}  # fmt: skip
MATERIALS = "KHR_materials_"  # extensions that say how a surface shines

_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WRAPS = {33071: "clamp", 33648: "mirror"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def read_gltf(tree: FileTree, name: str, remarks: list[str]) -> list[Part]:
    """Read one part for each primitive and place in the scene. Raises AssetError, KeyError, ... for broken files.

    Meshes are shaped by the weights of their morph targets, not by skins and animations. What is left out goes to
    `remarks`.
    """
    return _Document(tree, name, remarks).parts()


def gltf_references(tree: FileTree, name: str) -> list[str]:
    """List the buffers and images in `tree` that the file `name` refers to."""
    header, _ = _chunks(tree.read(name))
    uris = [item.get("uri") for key in ("buffers", "images") for item in header.get(key, [])]
    found = (tree.find(uri, beside=name) for uri in uris if uri and not uri.startswith("data:"))
    return [reference for reference in found if reference]


class _Document:
    """A parsed glTF file with its buffers; images and accessors are decoded when they are needed."""

    def __init__(self, tree: FileTree, name: str, remarks: list[str]) -> None:
        self.tree, self.name, self.remarks = tree, name, remarks
        self.header, self.binary = _chunks(tree.read(name))
        required = {str(extension) for extension in self.header.get("extensionsRequired", [])}
        needed = {extension for extension in required - SUPPORTED if not extension.startswith(MATERIALS)}
        if needed:
            known = [*sorted(SUPPORTED), f"{MATERIALS}..."]
            raise AssetError(f"expected no required extensions but {known}, found {sorted(needed)}")
        self.buffers: dict[int, bytes] = {}
        self.textures = Textures(tree)
        self.materials: dict[int, tuple[Material, dict[str, Any]]] = {}

    def parts(self) -> list[Part]:
        header = self.header
        nodes = header.get("nodes", [])
        scenes = header.get("scenes")
        children = {child for node in nodes for child in node.get("children", [])}
        every_root = [k for k in range(len(nodes)) if k not in children]
        roots = scenes[header.get("scene", 0)].get("nodes", []) if scenes else every_root
        collector = PartCollector()
        seen = 0
        waiting = [(root, np.eye(4), 0) for root in reversed(roots)]
        while waiting:
            index, above, depth = waiting.pop()
            seen += 1
            if depth > DEEPEST or seen > MOST_INSTANCES:
                raise AssetError("expected a tree of nodes, found a loop, or too many nodes")
            node = nodes[index]
            place = above @ _local(node)
            if "mesh" in node:
                mesh = header["meshes"][node["mesh"]]
                weights = node.get("weights", mesh.get("weights", []))
                for instance in self._instances(node, place):
                    seen += 1
                    for primitive in mesh["primitives"]:
                        part = self._part(primitive, instance, weights)
                        if part is not None:
                            collector.add(part)
            waiting += [(child, place, depth + 1) for child in reversed(node.get("children", []))]
        return collector.parts

    def _instances(self, node: dict[str, Any], place: Floats) -> Iterator[Floats]:
        """Yield the places (4, 4) of the node's mesh: that of the node, or those of EXT_mesh_gpu_instancing in it."""
        written = node.get("extensions", {}).get("EXT_mesh_gpu_instancing")
        if written is None:
            yield place
            return
        keys = {"translation": "TRANSLATION", "rotation": "ROTATION", "scale": "SCALE"}
        attributes = written["attributes"]
        columns = {key: self._accessor(attributes[name]) for key, name in keys.items() if name in attributes}
        count = min((len(column) for column in columns.values()), default=0)
        if count > MOST_INSTANCES:
            raise AssetError(f"expected at most {MOST_INSTANCES} instances of a mesh, found {count}")
        for k in range(count):
            yield place @ _local({key: column[k] for key, column in columns.items()})

    def _part(self, primitive: dict[str, Any], place: Floats, weights: list[float]) -> Part | None:
        mode = primitive.get("mode", 4)
        if mode not in (4, 5, 6):  # points and lines
            return None
        attributes = primitive["attributes"]
        positions = self._accessor(attributes["POSITION"])
        count = len(positions)
        indices = primitive.get("indices")
        order = np.arange(count) if indices is None else self._accessor(indices)[:, 0].astype(np.int64)
        if order.size and order.max() >= count:
            raise AssetError(f"expected vertex numbers 0..{count - 1}, found {order.max()}")
        triangles = _assembled(order, mode)
        if np.linalg.det(place[:3, :3]) < 0:
            triangles = triangles[:, ::-1]
        material, texture = self._material(primitive.get("material"))
        uv = self._optional(attributes, f"TEXCOORD_{_coordinates(texture)}", count, 2)
        colours = self._optional(attributes, "COLOR_0", count, 3)
        normals = self._optional(attributes, "NORMAL", count, 3)
        for weight, target in zip(weights, primitive.get("targets", []), strict=False):
            positions = positions + weight * self._moved(target, "POSITION", count)
            normals = None if normals is None else normals + weight * self._moved(target, "NORMAL", count)
        return Part(
            positions=positions @ place[:3, :3].T + place[:3, 3],
            triangles=triangles,
            material=material,
            normals=None if normals is None else normals @ np.linalg.pinv(place[:3, :3]),
            uv=_texture_space(uv, texture),
            colours=None if colours is None else displayed(colours),
        )

    def _moved(self, target: dict[str, Any], name: str, count: int) -> Floats:
        """Return how far a morph target moves each of `count` vertices or normals, (count, 3)."""
        values = self._accessor(target[name]) if name in target else np.zeros((count, 3))
        if values.shape != (count, 3):
            raise AssetError(f"expected {count} rows of 3 in a morph target, found {len(values)} of {values.shape[1]}")
        return values

    def _optional(self, attributes: dict[str, Any], name: str, count: int, width: int) -> Floats | None:
        """Return an attribute, (count, width), that a mesh is drawn without where it is missing or broken."""
        if name not in attributes:
            return None
        try:
            values = self._accessor(attributes[name])
            if len(values) != count or values.shape[1] < width:
                raise AssetError(f"expected {count} rows of {width}, found {len(values)} of {values.shape[1]}")
        except OutOfTime:
            raise
        except (AssetError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            self.remarks.append(f"{name} does not count: {str(error)[:200]}")
            return None
        return values[:, :width]

    def _accessor(self, index: int) -> Floats:
        """Decode (count, width) values; integers marked as normalized are scaled to [0, 1] or [-1, 1]."""
        accessor = self.header["accessors"][index]
        count, width = accessor["count"], _WIDTHS[accessor["type"]]
        if not 0 <= count <= 6 * MOST_VERTICES:
            raise AssetError(f"expected at most {6 * MOST_VERTICES} elements in an accessor, found {count}")
        dtype = np.dtype(_TYPES[accessor["componentType"]])
        if "bufferView" in accessor:
            values = self._elements(accessor["bufferView"], accessor.get("byteOffset", 0), count, width, dtype)
        elif "sparse" in accessor:
            values = np.zeros((count, width), dtype=dtype)
        else:
            raise AssetError("expected an accessor with data, found none")
        if "sparse" in accessor:
            values = values.copy()
            some = accessor["sparse"]
            at, what = some["indices"], some["values"]
            kind = np.dtype(_TYPES[at["componentType"]])
            where = self._elements(at["bufferView"], at.get("byteOffset", 0), some["count"], 1, kind)[:, 0]
            values[where] = self._elements(what["bufferView"], what.get("byteOffset", 0), some["count"], width, dtype)
        if accessor.get("normalized") and dtype.kind in "iu":
            return np.maximum(values.astype(np.float64) / np.iinfo(dtype).max, -1.0)
        return values.astype(np.float64)

    def _elements(self, view_index: int, offset: int, count: int, width: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        view = self.header["bufferViews"][view_index]
        data = self._view(view_index)
        size = width * dtype.itemsize
        stride = view.get("byteStride", size)
        if stride < size or offset < 0 or offset + max(count - 1, 0) * stride + (size if count else 0) > len(data):
            raise AssetError(f"expected {count} elements of {stride} bytes, found {len(data)} bytes")
        return np.ndarray((count, width), dtype, data, offset, (stride, dtype.itemsize))

    def _view(self, index: int) -> memoryview:
        view = self.header["bufferViews"][index]
        start, length = view.get("byteOffset", 0), view["byteLength"]
        buffer = self._buffer(view["buffer"])
        if start < 0 or length < 0 or start + length > len(buffer):
            raise AssetError(f"expected a buffer of {start + length} bytes, found {len(buffer)}")
        return memoryview(buffer)[start : start + length]

    def _buffer(self, index: int) -> bytes:
        if index not in self.buffers:
            uri = self.header["buffers"][index].get("uri")
            self.buffers[index] = self.binary if uri is None else self._resource(uri)
        return self.buffers[index]

    def _resource(self, uri: str) -> bytes:
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=True)
            except binascii.Error as error:
                raise AssetError(f"expected base64 data in a uri, found: {error}") from None
        found = self.tree.find(uri, beside=self.name)
        if found is None:
            raise AssetError(f"expected the file {uri[:200]!r} beside it, found none inside {self.tree.where}")
        return self.tree.read(found)

    def _material(self, index: int | None) -> tuple[Material, dict[str, Any]]:
        """Return the material, and the placement of its texture (glTF textureInfo)."""
        if index is None:
            return Material(), {}
        if index not in self.materials:
            written = self.header["materials"][index]
            old = written.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness", {})
            pbr = written.get("pbrMetallicRoughness", {})
            factor = pbr.get("baseColorFactor", old.get("diffuseFactor", [1.0, 1.0, 1.0, 1.0]))
            texture = pbr.get("baseColorTexture", old.get("diffuseTexture", {}))
            red, green, blue = displayed(np.array(factor[:3], dtype=np.float64))
            image, fault, wrap = self._image(texture["index"]) if texture else (None, "", Material.wrap)
            material = Material(
                name=str(written.get("name", "")),
                colour=(float(red), float(green), float(blue)),
                opacity=float(factor[3]) if written.get("alphaMode") == "BLEND" else 1.0,
                image=image,
                tints=True,
                fault=fault,
                wrap=wrap,
            )
            self.materials[index] = material, texture
        return self.materials[index]

    def _image(self, texture_index: int) -> tuple[NDArray[np.uint8] | None, str, tuple[str, str]]:
        """Return a texture's pixels, or None and what is wrong with it, and how u and v go on beyond them."""
        texture = self.header["textures"][texture_index]
        sampler = self.header.get("samplers", [])[texture["sampler"]] if "sampler" in texture else {}
        u, v = (_WRAPS.get(sampler.get(key, 0), "repeat") for key in ("wrapS", "wrapT"))
        extensions = texture.get("extensions", {})
        others = (extensions.get(name, {}).get("source") for name in ("EXT_texture_webp", "KHR_texture_basisu"))
        source = next((one for one in (texture.get("source"), *others) if one is not None), None)
        if source is None:
            return None, "", (u, v)
        image = self.header["images"][source]
        uri = image.get("uri")
        name = str(image.get("name", f"number {source}")) if uri is None or uri.startswith("data:") else unquote(uri)
        if uri and not uri.startswith("data:") and self.tree.find(uri, beside=self.name) is None:
            return None, f"texture {name[:200]} is missing", (u, v)
        found = self.textures.once(
            source, name, lambda: self._resource(uri) if uri is not None else self._view(image["bufferView"])
        )
        return *found, (u, v)


def displayed(linear: Floats) -> Floats:
    """Convert linear light, as glTF writes colours, to sRGB as displayed (IEC 61966-2-1)."""
    x = np.clip(linear, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)


def _chunks(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a file into its JSON header and its binary chunk (empty for a .gltf)."""
    text, binary = data, b""
    if data[:4] == b"glTF":
        text, at = b"", 12
        if int.from_bytes(data[4:8], "little") == 1:
            raise AssetError("expected glTF version 2, found 1")
        while at + 8 <= len(data):
            length, kind = struct.unpack_from("<I4s", data, at)
            chunk = data[at + 8 : at + 8 + length]
            if len(chunk) < length:
                raise AssetError(f"expected a chunk of {length} bytes, found {len(chunk)}")
            text, binary = (chunk, binary) if kind == b"JSON" and not text else (text, binary)
            binary = chunk if kind == b"BIN\0" and not binary else binary
            at += 8 + length
    values = sum(text.count(mark) for mark in (b",", b"[", b"{"))
    if len(text) > LARGEST_HEADER or values > MOST_VALUES:
        found = f"{len(text)} with {values}"
        raise AssetError(f"expected at most {LARGEST_HEADER} bytes of JSON with {MOST_VALUES} values, found {found}")
    try:
        header = json.loads(plain_text(text).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise AssetError(f"expected a glTF header in JSON, found: {error}") from None
    if not isinstance(header, dict) or str(header.get("asset", {}).get("version", "")).split(".")[0] != "2":
        raise AssetError("expected glTF version 2, found another or none")
    return header, binary


def _local(node: dict[str, Any]) -> Floats:
    """Return the node's own (4, 4) transform."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", [0, 0, 0, 1]), dtype=np.float64)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.get("scale", [1, 1, 1]), dtype=np.float64)
    matrix[:3, 3] = node.get("translation", [0, 0, 0])
    return matrix


def _assembled(order: Integers, mode: int) -> Integers:
    """Assemble the (F, 3) triangles of a list (4), a strip (5) or a fan (6)."""
    if mode == 4:
        return order[: len(order) // 3 * 3].reshape(-1, 3)
    k = np.arange(max(len(order) - 2, 0))
    if mode == 5:
        return np.stack([order[k], order[k + 1 + k % 2], order[k + 2 - k % 2]], axis=1)
    return np.stack([order[0 * k], order[k + 1], order[k + 2]], axis=1)


def _coordinates(texture: dict[str, Any]) -> int:
    """Return which of the mesh's texture coordinates a glTF textureInfo uses; KHR_texture_transform may override it."""
    transform = texture.get("extensions", {}).get("KHR_texture_transform", {})
    return int(transform.get("texCoord", texture.get("texCoord", 0)))


def _texture_space(uv: Floats | None, texture: dict[str, Any]) -> Floats | None:
    """Apply KHR_texture_transform to `uv`, and turn v so that 0 is the bottom row."""
    if uv is None:
        return None
    transform = texture.get("extensions", {}).get("KHR_texture_transform", {})
    angle = float(transform.get("rotation", 0.0))
    u, v = (uv[:, :2] * np.array(transform.get("scale", [1.0, 1.0]))).T
    turned = np.stack([np.cos(angle) * u + np.sin(angle) * v, np.cos(angle) * v - np.sin(angle) * u], axis=1)
    placed = turned + np.array(transform.get("offset", [0.0, 0.0]))
    return np.stack([placed[:, 0], 1.0 - placed[:, 1]], axis=1)
