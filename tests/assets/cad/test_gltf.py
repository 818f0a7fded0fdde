"""glTF: which texture coordinates, morph targets, instances, wrap modes; what is optional and broken."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cad_file_fixtures import models_in
from PIL import Image

from assets.errors import AssetError
from assets.mesh import Mesh

TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
TRIANGLE = np.array([(0, 0, 0), (2, 0, 0), (0, 1, 0)], dtype=np.float32)
UV = np.array([(0, 0), (1, 0), (0, 1)], dtype=np.float32)


def document(arrays: dict[str, np.ndarray], **others: Any) -> dict[str, Any]:
    """A glTF of one triangle: arrays of floats, attribute -> (N, k)."""
    data = b"".join(array.astype(np.float32).tobytes() for array in arrays.values())
    offsets = np.cumsum([0, *(array.size * 4 for array in arrays.values())]).tolist()
    image = io.BytesIO()
    Image.fromarray(np.repeat(np.uint8([[10, 90, 170, 250]]), 4, axis=0)).save(image, "PNG")
    attributes = {name: k for k, name in enumerate(arrays) if name.isupper() and not name.startswith("I_")}
    return {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": "data:;base64," + base64.b64encode(data).decode(), "byteLength": len(data)}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": offset, "byteLength": array.size * 4}
            for offset, array in zip(offsets, arrays.values(), strict=False)
        ],
        "accessors": [
            {"bufferView": k, "componentType": 5126, "count": len(array), "type": TYPES[array.shape[1]]}
            for k, array in enumerate(arrays.values())
        ],
        "images": [{"uri": "data:image/png;base64," + base64.b64encode(image.getvalue()).decode()}],
        "samplers": [{}],
        "textures": [{"source": 0, "sampler": 0}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "baseColorFactor": [0, 1, 0, 1]}}],
        "meshes": [{"primitives": [{"attributes": attributes, "material": 0}]}],
        "nodes": [{"mesh": 0}],
    } | others


def read(folder: Path, content: dict[str, Any]) -> Mesh:
    (folder / "m.gltf").write_text(json.dumps(content))
    (model,) = models_in(folder / "m.gltf")
    return model.read()


def test_a_texture_transform_may_choose_other_coordinates(tmp_path: Path) -> None:
    content = document({"POSITION": TRIANGLE, "TEXCOORD_0": UV * 0, "TEXCOORD_1": UV, "TEXCOORD_2": UV * 0.5})
    texture = content["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]
    for own, override, reach in ((0, None, 0), (2, None, 0.5), (0, 1, 1), (1, 0, 0), (2, 1, 1)):
        texture["texCoord"] = own
        texture["extensions"] = {"KHR_texture_transform": {} if override is None else {"texCoord": override}}
        assert read(tmp_path, content).surfaces[0].uv[:, 0].max() == reach


def test_morph_targets_move_by_their_weights(tmp_path: Path) -> None:
    moved = np.array([(0, 0, 0), (0, 0, 0), (0, 4, 0)], dtype=np.float32)
    content = document({"POSITION": TRIANGLE, "I_A": moved, "I_B": -moved})
    content["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": 1}, {"POSITION": 2}]

    def shape() -> float:
        size = np.ptp(read(tmp_path, content).bounds, axis=0)
        return float(size[1] / size[0] * 2)

    assert shape() == pytest.approx(1)
    content["meshes"][0]["weights"] = [0.5, 0]
    assert shape() == pytest.approx(3)
    content["nodes"][0]["weights"] = [1, 0.25]  # the node's count more than the mesh's
    assert shape() == pytest.approx(4)
    content["meshes"][0]["primitives"][0]["targets"][0]["POSITION"] = 9
    with pytest.raises(AssetError, match=r"m\.gltf: expected"):
        read(tmp_path, content)


def test_instances_stand_where_their_attributes_say(tmp_path: Path) -> None:
    half = np.sqrt(0.5)
    content = document({
        "POSITION": TRIANGLE,
        "I_T": np.array([(0, 0, 0), (10, 0, 0), (0, 20, 0)]),
        "I_R": np.array([(0, 0, 0, 1), (0, 0, half, half), (0, 0, 0, 1)]),
        "I_S": np.array([(1, 1, 1), (1, 1, 1), (3, 1, 1)]),
    })  # fmt: skip
    content["nodes"] = [{"children": [1], "scale": [1, 2, 1]}, {"mesh": 0}]
    attributes = {"TRANSLATION": 1, "ROTATION": 2, "SCALE": 3}
    content["nodes"][1]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    content["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
    content["scenes"] = [{"nodes": [0]}]
    mesh = read(tmp_path, content)
    assert mesh.triangle_count == 3
    size = np.ptp(mesh.bounds, axis=0)
    assert size[1] / size[0] == pytest.approx(42 / 10)  # from 0 to 2 (20 + 1), and from 0 to 10


@pytest.mark.parametrize(("mode", "width"), [(None, 4), (10497, 4), (33648, 8), (33071, 12)])
def test_textures_go_on_as_the_sampler_says(tmp_path: Path, mode: int | None, width: int) -> None:
    content = document({"POSITION": TRIANGLE, "TEXCOORD_0": UV * 3})
    content["samplers"][0] = {} if mode is None else {"wrapS": mode}
    surface = read(tmp_path, content).surfaces[0]
    assert surface.texture.shape == (4, width, 3)
    if width == 12:
        np.testing.assert_array_equal(surface.texture[0, :, 0], [10, 90, 170] + [250] * 9)
        assert surface.uv[:, 0].max() == 1
    if width == 8:
        np.testing.assert_array_equal(surface.texture[0, :, 0], [10, 90, 170, 250, 250, 170, 90, 10])


@pytest.mark.parametrize("change", ["missing", "damaged", "out of range", "basis"])
def test_a_texture_that_cannot_be_had_leaves_the_colour_and_is_named(tmp_path: Path, change: str) -> None:
    content = document({"POSITION": TRIANGLE, "TEXCOORD_0": UV})
    content["images"][0] = {
        "missing": {"uri": "my%20t.png"},
        "damaged": {"uri": "data:image/png;base64,AAAA"},
        "out of range": {"bufferView": 99, "name": "oak"},
        "basis": {"bufferView": 0, "mimeType": "image/ktx2"},
    }[change]
    if change == "basis":
        content["textures"] = [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]
        content["extensionsRequired"] = ["KHR_texture_basisu"]
    mesh = read(tmp_path, content)
    assert mesh.surfaces[0].texture is None
    np.testing.assert_allclose(mesh.surfaces[0].albedo[0], [0, 1, 0], atol=1e-6)
    expected = {"missing": "texture my t.png is missing", "out of range": "texture oak cannot be read"}
    assert mesh.remarks[0].startswith(
        expected.get(change, "texture number 0 cannot be read: expected an image in one of")
    )


def test_broken_attributes_that_are_optional_cost_only_themselves(tmp_path: Path) -> None:
    content = document({"POSITION": TRIANGLE, "TEXCOORD_0": UV[:2], "NORMAL": TRIANGLE, "COLOR_0": UV})
    content["meshes"][0]["primitives"][0]["attributes"]["NORMAL"] = 77
    mesh = read(tmp_path, content)
    assert mesh.triangle_count == 1
    assert {remark.partition(" ")[0] for remark in mesh.remarks} >= {"TEXCOORD_0", "NORMAL", "COLOR_0"}


def test_extensions_that_say_how_a_surface_shines_are_not_needed(tmp_path: Path) -> None:
    content = document({"POSITION": TRIANGLE}, extensionsRequired=["KHR_materials_pbrSpecularGlossiness"])
    assert read(tmp_path, content).triangle_count == 1
    content["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    with pytest.raises(AssetError, match=r"expected no required extensions but .*, found \['KHR_draco"):
        read(tmp_path, content)
