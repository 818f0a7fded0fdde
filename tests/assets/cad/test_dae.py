"""The COLLADA reader: primitives, transforms, axes, materials, and what hostile documents are refused for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from cad_file_fixtures import NODE, dae, models_in
from PIL import Image

from assets.errors import AssetError
from assets.mesh import Mesh

QUAD = np.array([(0, 0, 0), (4, 0, 0), (4, 2, 0), (0, 2, 0)], dtype=float)
TWO = np.array([(0, 1, 2), (0, 2, 3)])
UV_SOURCE = """<source id="{id}"><float_array id="{id}-a" count="8">{numbers}</float_array>
<technique_common><accessor source="#{id}-a" count="4" stride="2"/></technique_common></source>"""


def read_text(folder: Path, text: str) -> Mesh:
    (folder / "m.dae").write_text(text)
    (model,) = models_in(folder / "m.dae")
    return model.read()


def extent(mesh: Mesh) -> np.ndarray:
    return np.ptp(mesh.bounds, axis=0)


def primitive(tag: str, body: str, inputs: str = "") -> str:
    vertex = '<input semantic="VERTEX" source="#vtx" offset="0"/>'
    return f'<{tag} material="m" count="1">{vertex}{inputs}{body}</{tag}>'


@pytest.mark.parametrize(
    ("tag", "body"),
    [
        ("triangles", "<p>0 1 2 0 2 3</p>"),
        ("polylist", "<vcount>4</vcount><p>0 1 2 3</p>"),
        ("polylist", "<vcount>2 3 3</vcount><p>0 1 0 1 2 0 2 3</p>"),
        ("polygons", "<p>0 1 2</p><p>0 2 3</p>"),
        ("polygons", "<ph><p>0 1 2 3</p><h>0 1 2</h></ph>"),
        ("trifans", "<p>0 1 2 3</p>"),
        ("tristrips", "<p>1 2 0 3</p>"),
    ],
)
def test_every_primitive_gives_the_same_quad(tmp_path: Path, tag: str, body: str) -> None:
    mesh = read_text(tmp_path, dae(QUAD, TWO, primitives=primitive(tag, body)))
    assert mesh.triangle_count == 2
    np.testing.assert_allclose(extent(mesh) / extent(mesh)[0], [1, 0.5, 0], atol=1e-6)
    (surface,) = mesh.surfaces
    np.testing.assert_allclose(surface.normals, np.tile([0, 0, 1], (len(surface.normals), 1)), atol=1e-6)
    np.testing.assert_allclose(surface.albedo[0], [1, 0, 0])


def test_node_transforms_apply_in_order_and_instances_repeat(tmp_path: Path) -> None:
    block = trimesh.creation.box((1, 1, 1))
    first = "<scale>4 1 1</scale>"
    second = '<translate>0 10 0</translate><rotate sid="z">0 0 1 90</rotate><scale>4 1 1</scale>'
    nodes = "".join(NODE.format(id=i, transform=t, material="red", bind="") for i, t in enumerate((first, second)))
    found = extent(read_text(tmp_path, dae(block.vertices, block.faces, nodes=nodes)))
    np.testing.assert_allclose(found / found[2], [4, 12.5, 1], rtol=1e-5)  # y from -0.5 to 10 + 2
    matrix = "<matrix>0 -1 0 0  4 0 0 10  0 0 1 0  0 0 0 1</matrix>"  # the same turn and scale, row by row
    nodes = nodes.replace(second, matrix)
    np.testing.assert_allclose(extent(read_text(tmp_path, dae(block.vertices, block.faces, nodes=nodes))), found)


@pytest.mark.parametrize(("up", "turned"), [("Y_UP", "xyz"), ("Z_UP", "xzY"), ("X_UP", "Yxz"), ("", "xyz")])
def test_the_up_axis_becomes_y(tmp_path: Path, up: str, turned: str) -> None:
    corner = np.array([(0, 0, 0), (1, 0, 0), (0, 2, 0), (0, 0, 5)], dtype=float)
    faces = np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)])
    expected = np.stack([corner[:, "xyz".index(c.lower())] * (-1 if c.isupper() else 1) for c in turned], axis=1)
    expected = expected - (expected.min(axis=0) + expected.max(axis=0)) / 2
    expected /= np.linalg.norm(expected, axis=1).max()
    found = np.unique(read_text(tmp_path, dae(corner, faces, up=up)).surfaces[0].vertices, axis=0)
    np.testing.assert_allclose(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], atol=1e-6)


def test_mirrored_instances_keep_their_outside(tmp_path: Path) -> None:
    block = trimesh.creation.box((1, 2, 3))
    nodes = NODE.format(id="n", transform="<scale>-1 1 1</scale>", material="red", bind="")
    (surface,) = read_text(tmp_path, dae(block.vertices, block.faces, nodes=nodes)).surfaces
    assert ((surface.normals * surface.vertices).sum(axis=1) > 0).all()


def test_textures_come_through_sampler_surface_and_image_with_the_bound_coordinates(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4, 3), (10, 200, 30), np.uint8)).save(tmp_path / "t.png")
    sources = UV_SOURCE.format(id="u0", numbers="9 9 9 9 9 9 9 9") + UV_SOURCE.format(
        id="u1", numbers="0 0 1 0 1 1 0 1"
    )
    inputs = "".join(f'<input semantic="TEXCOORD" source="#u{k}" offset="1" set="{k}"/>' for k in (0, 1))
    body = primitive("triangles", "<p>0 0 1 1 2 2 0 0 2 2 3 3</p>", inputs)
    bind = '<bind_vertex_input semantic="UV1" input_semantic="TEXCOORD" input_set="1"/>'
    nodes = NODE.format(id="n", transform="", material="tex", bind=bind)
    (surface,) = read_text(tmp_path, dae(QUAD, TWO, primitives=body, sources=sources, nodes=nodes)).surfaces
    assert surface.uv is not None
    assert surface.texture is not None
    assert (surface.uv.min(), surface.uv.max()) == (0, 1)
    low = surface.vertices[surface.uv[:, 1] == 0]
    assert (low[:, 1] < 0).all()  # v = 0 is the bottom
    np.testing.assert_array_equal(surface.texture[0, 0], (10, 200, 30))
    (model,) = models_in(tmp_path / "m.dae")
    before = model.sha256()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "t.png")
    (model,) = models_in(tmp_path / "m.dae")
    assert model.sha256() != before


def test_vertex_colours_and_normals_are_read(tmp_path: Path) -> None:
    accessor = '<technique_common><accessor stride="{}"/></technique_common>'
    source = '<source id="{}"><float_array>{}</float_array>' + accessor + "</source>"
    sources = source.format("colour", "0 1 0 1 " * 4, 4) + source.format("n", "0.6 0 0.8", 3)
    inputs = '<input semantic="COLOR" source="#colour" offset="0"/><input semantic="NORMAL" source="#n" offset="1"/>'
    body = primitive("triangles", "<p>0 0 1 0 2 0 0 0 2 0 3 0</p>", inputs)
    (surface,) = read_text(tmp_path, dae(QUAD, TWO, primitives=body, sources=sources)).surfaces
    np.testing.assert_allclose(surface.albedo, np.tile([0, 1, 0], (4, 1)))
    np.testing.assert_allclose(surface.normals, np.tile([0.6, 0, 0.8], (4, 1)), atol=1e-6)


def test_a_document_without_a_scene_shows_all_its_geometries(tmp_path: Path) -> None:
    text = dae(QUAD, TWO)
    text = text[: text.index("<library_visual_scenes>")] + "</COLLADA>"
    assert read_text(tmp_path, text).triangle_count == 2


BILLION = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("<COLLADA", f"{BILLION}<COLLADA"), "without a document type"),
        (("<COLLADA", '<!DOCTYPE x SYSTEM "file:///etc/passwd"><COLLADA'), "without a document type"),
        (("<p>0 1 2", "<p>0 1 99"), "expected numbers 0..3 of positions"),
        (("<p>0 1 2", "<p>0 1 -2"), "expected numbers 0..3 of positions"),
        (("<p>0 1 2", "<p>0 1 x"), "expected numbers in <p>, found 'x'"),
        (("stride=", "offset='99999999999' stride="), "expected 1.."),
        (("stride=", "stride='0' x="), "expected 1.."),
        (('offset="0"', 'offset="1000000000"'), "expected offsets 0..63"),
        (('<node id="n">', '<node id="n"><matrix>1 2 3</matrix>'), "expected whole transforms"),
        (('<node id="n">', '<node id="n"><instance_node url="#n"/>'), "found a loop"),
        (('<node id="n">', '<node id="n">' + '<instance_node url="#n"/>' * 3), "found a loop"),
        (("<asset>", "<a>" * 1000 + "</a>" * 1000 + "<asset>"), "256 deep"),
        (("<geometry id", "<geometry ident"), "at least one triangle"),
        (("<float_array id", "<float_array/><float_array id"), "expected 1.."),
        (("</COLLADA>", ""), "expected XML"),
        (('encoding="utf-8"', 'encoding="no-such"'), "expected XML"),
        (("COLLADA", "svg"), "expected a COLLADA document"),
    ],
)
def test_hostile_and_broken_documents_are_asset_errors(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    text = dae(QUAD, TWO)
    assert change[0] in text
    with pytest.raises(AssetError, match=rf"/m\.dae: .*{message}"):
        read_text(tmp_path, text.replace(*change))


def test_entities_are_refused_in_any_encoding(tmp_path: Path) -> None:
    text = dae(QUAD, TWO).replace("<COLLADA", f"{BILLION}<COLLADA").replace("utf-8", "utf-16")
    (tmp_path / "m.dae").write_bytes(text.encode("utf-16"))
    (model,) = models_in(tmp_path / "m.dae")
    with pytest.raises(AssetError, match="without a document type"):
        model.read()


def test_skinned_geometry_is_drawn_as_it_was_modelled(tmp_path: Path) -> None:
    text = dae(QUAD, TWO).replace("instance_geometry", "instance_controller")
    skin = '<library_controllers><controller id="g"><skin source="#g"/></controller></library_controllers>'
    assert read_text(tmp_path, text.replace("<library_visual", skin + "<library_visual")).triangle_count == 2
    loop = skin.replace('source="#g"', 'source="#other"')
    with pytest.raises(AssetError, match="at least one triangle"):
        read_text(tmp_path, text.replace("<library_visual", loop + "<library_visual"))


def test_a_skin_places_its_geometry_by_its_bind_shape_matrix(tmp_path: Path) -> None:
    block = trimesh.creation.box((1, 1, 1))
    matrix = "<bind_shape_matrix>4 0 0 0  0 1 0 10  0 0 1 0  0 0 0 1</bind_shape_matrix>"
    skin = f'<controller id="c"><skin source="#g">{matrix}</skin></controller>'
    skin = f"<library_controllers>{skin}</library_controllers>"
    skinned = '<node id="s"><instance_controller url="#c"/></node>'
    nodes = NODE.format(id="n", transform="", material="red", bind="") + skinned
    text = dae(block.vertices, block.faces, nodes=nodes).replace("<library_visual", skin + "<library_visual")
    found = extent(read_text(tmp_path, text))
    np.testing.assert_allclose(found / found[2], [4, 11, 1], rtol=1e-5)  # y from -0.5 to 10.5


def test_numbers_may_have_decimal_commas(tmp_path: Path) -> None:
    text = dae(
        QUAD + 0.5, TWO, nodes=NODE.format(id="n", transform="<scale>0.5 2.5 1</scale>", material="red", bind="")
    )
    expected = extent(read_text(tmp_path, text))
    numbers = text.replace("0.5 2.5 1", "0,5 2,5 1").replace("4.5", "4,5").replace("0.5", "0,5")
    np.testing.assert_allclose(extent(read_text(tmp_path, numbers)), expected)


@pytest.mark.parametrize(
    ("uv", "p", "remark"),
    [
        ("0 0 1 0 1 1 0 1", "0 0 1 1 2 2 0 0 2 2 3 9", "1 uv do not count: expected numbers 0..3 of uv in <p>"),
        ("0 0 1 0 1 -1.#IND 0 1", "0 0 1 1 2 2 0 0 2 2 3 3", "2 of 6 corners of material tex have no uv"),
        ("0 0 1 0 1 oak 0 1", "0 0 1 1 2 2 0 0 2 2 3 3", "2 of 6 corners of material tex have no uv"),
        ("", "0 0 1 1 2 2 0 0 2 2 3 3", "uv do not count: expected 1.."),
    ],
)
def test_bad_uv_cost_only_themselves_and_are_named(tmp_path: Path, uv: str, p: str, remark: str) -> None:
    Image.fromarray(np.full((4, 4, 3), (10, 200, 30), np.uint8)).save(tmp_path / "t.png")
    inputs = '<input semantic="TEXCOORD" source="#u" offset="1"/>'
    body = primitive("triangles", f"<p>{p}</p>", inputs)
    source = UV_SOURCE.format(id="u", numbers=uv)
    mesh = read_text(tmp_path, dae(QUAD, TWO, primitives=body, sources=source, material="tex"))
    assert mesh.triangle_count == 2
    assert (mesh.surfaces[0].texture is None) == (not uv)
    assert any(line.startswith(remark) for line in mesh.remarks), mesh.remarks


def test_textures_go_on_as_the_sampler_says_and_missing_ones_are_named(tmp_path: Path) -> None:
    inputs = '<input semantic="TEXCOORD" source="#u" offset="1"/>'
    body = primitive("triangles", "<p>0 0 1 1 2 2 0 0 2 2 3 3</p>", inputs)
    source = UV_SOURCE.format(id="u", numbers="0 0 3 0 3 1 0 1")
    text = dae(QUAD, TWO, primitives=body, sources=source, material="tex")
    assert read_text(tmp_path, text).remarks == ("texture t.png is missing",)
    Image.fromarray(np.full((4, 4, 3), (10, 200, 30), np.uint8)).save(tmp_path / "t.png")
    for mode, width in (("WRAP", 4), ("MIRROR", 8), ("CLAMP", 12)):
        sampled = text.replace("</source></sampler2D>", f"</source><wrap_s>{mode}</wrap_s></sampler2D>")
        assert read_text(tmp_path, sampled).surfaces[0].texture.shape == (4, width, 3)


def test_what_is_not_drawn_of_a_geometry_is_named(tmp_path: Path) -> None:
    hole = primitive("polygons", "<ph><p>0 1 2 3</p><h>0 1 2</h></ph>")
    assert read_text(tmp_path, dae(QUAD, TWO, primitives=hole)).remarks == ("holes in polygons are filled",)
    for weight, said in (("0", ()), ("0.5", ("morph targets that have a weight do not count",))):
        morph = (
            '<library_controllers><controller id="c"><morph source="#g"><source id="w">'
            f"<float_array>{weight}</float_array>"
            '</source><targets><input semantic="MORPH_WEIGHT" source="#w"/></targets></morph></controller>'
            "</library_controllers>"
        )
        text = dae(QUAD, TWO, nodes='<node id="s"><instance_controller url="#c"/></node>')
        assert read_text(tmp_path, text.replace("<library_visual", morph + "<library_visual")).remarks == said
