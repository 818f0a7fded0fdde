"""Model files for tests, one textured box in every format that is read, and how tests open them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from assets.cad.models import CadModel, find_models

DAE = """<?xml version="1.0" encoding="utf-8"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset><unit name="inch" meter="0.0254"/><up_axis>{up}</up_axis></asset>
<library_images><image id="img"><init_from>t.png</init_from></image></library_images>
<library_effects>
<effect id="red-fx"><profile_COMMON><technique sid="c"><lambert><diffuse><color>1 0 0 1</color></diffuse></lambert>
</technique></profile_COMMON></effect>
<effect id="tex-fx"><profile_COMMON>
<newparam sid="srf"><surface type="2D"><init_from>img</init_from></surface></newparam>
<newparam sid="smp"><sampler2D><source>srf</source></sampler2D></newparam>
<technique sid="c"><phong><diffuse><texture texture="smp" texcoord="UV1"/></diffuse></phong></technique>
</profile_COMMON></effect>
</library_effects>
<library_materials>
<material id="red"><instance_effect url="#red-fx"/></material>
<material id="tex"><instance_effect url="#tex-fx"/></material>
</library_materials>
<library_geometries><geometry id="g"><mesh>
<source id="pos"><float_array id="pos-a" count="{count}">{positions}</float_array>
<technique_common><accessor source="#pos-a" count="{rows}" stride="3"/></technique_common></source>
{sources}
<vertices id="vtx"><input semantic="POSITION" source="#pos"/></vertices>
{primitives}
</mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="scene">{nodes}</visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#scene"/></scene>
</COLLADA>
"""
NODE = '<node id="{id}">{transform}<instance_geometry url="#g"><bind_material><technique_common>\
<instance_material symbol="m" target="#{material}">{bind}</instance_material></technique_common></bind_material>\
</instance_geometry></node>'


def models_in(path: Path, matching: str = "") -> list[CadModel]:
    """The models in a path where everything can be opened."""
    models, unreadable = find_models(path, matching)
    assert not unreadable
    return models


def dae(
    vertices: np.ndarray,
    faces: np.ndarray,
    up: str = "Y_UP",
    primitives: str = "",
    sources: str = "",
    nodes: str = "",
    material: str = "red",
) -> str:
    """A COLLADA document of one geometry `g`; by default its triangles, in one node, with one material."""
    corners = " ".join(map(str, np.ravel(faces)))
    plain = f'<triangles material="m" count="{len(faces)}"><input semantic="VERTEX" source="#vtx" offset="0"/>'
    return DAE.format(
        up=up,
        positions=" ".join(map(str, np.ravel(vertices).tolist())),
        count=np.size(vertices),
        rows=len(vertices),
        sources=sources,
        primitives=primitives or f"{plain}<p>{corners}</p></triangles>",
        nodes=nodes or NODE.format(id="n", transform="", material=material, bind=""),
    )


def write_models(folder: Path) -> list[Path]:
    """A box in every format, some with materials and textures, and all of them once more in a zip."""
    folder.mkdir(parents=True, exist_ok=True)
    box = trimesh.creation.box((1.0, 2.0, 3.0))
    pixels = Image.fromarray(np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3))
    pixels.save(folder / "t.png")
    pixels.save(folder / "t.jpg")
    for suffix in ("off", "stl", "ply"):
        box.export(folder / f"box.{suffix}")
    (folder / "text.stl").write_text(trimesh.exchange.stl.export_stl_ascii(box))
    (folder / "text.ply").write_bytes(trimesh.exchange.ply.export_ply(box, encoding="ascii"))
    (folder / "box.dae").write_text(dae(box.vertices, box.faces, material="tex"))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=pixels)
    box.visual = trimesh.visual.TextureVisuals(uv=box.vertices[:, :2], material=material)
    (folder / "box.glb").write_bytes(box.export(file_type="glb"))
    (folder / "gltf").mkdir(exist_ok=True)
    for name, data in trimesh.exchange.gltf.export_gltf(trimesh.Scene(box)).items():
        (folder / "gltf" / name).write_bytes(data)
    lines = ["mtllib box.mtl", "usemtl wood"]
    lines += [f"v {x} {y} {z}\nvt {x} {y}" for x, y, z in box.vertices]
    lines += ["f " + " ".join(f"{i + 1}/{i + 1}" for i in face) for face in box.faces[:10]]
    lines += ["usemtl red # plain", "f -1 -2 -3 -4 -5", "f 1//  2// 3//"]
    (folder / "box.obj").write_text("\n".join(lines[:-1]) + "\n")
    (folder / "box.mtl").write_text("newmtl wood\nKd 1 1 1\nmap_Kd t.png\nnewmtl red\nKd 1 0 0\nd 0.9\nmap_Kd t.jpg\n")
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.*")):
            if path.suffix != ".zip":
                archive.write(path, path.relative_to(folder).as_posix())
    return sorted(path for path in folder.rglob("*.*") if path.is_file())
