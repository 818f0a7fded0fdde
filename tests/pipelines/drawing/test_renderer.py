"""A data set's renderer, opened again, draws the pixels of its shards; or says in one line why it cannot."""

import json
import shutil

import numpy as np
import pytest
from face_file_fixtures import basel_h5, basel_h5_expression, small_face, write_h5
from mesh_fixtures import write_models
from shard_fixtures import write_synthetic

import pipelines.drawing.renderer as renderer_module
import render.level_of_detail
from assets.faces.catalog import FaceSampling, open_faces
from pipelines.commands.render import command
from pipelines.drawing.renderer import CannotDraw, open_dataset_renderer
from render.errors import BadInput, Failure
from render.jobs.views import Views
from render.shards.data_set import open_data_set
from render.shards.manifest import NAME
from render.shards.shard_file import ShardFile

SIZE = 32


def rendered(folder, *words):
    """A small test set by `dcign render`."""
    common = ("--split", "test", "--n", 4, "--size", SIZE, "--batch-size", 4, "--workers", 1, "-o", folder)
    command.main([str(word) for word in (*common, *words)], standalone_mode=False)
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return rendered(tmp_path_factory.mktemp("faces") / "shards", "--full-mesh")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("chairs") / "chairs", 5)


@pytest.fixture(scope="module")
def some_chairs(models):
    """Of those of the user's models that --match picks."""
    return rendered(models.parent / "shards", "--assets", models, "--match", "model[0134]", "--light-range", "5:5")


@pytest.fixture(scope="module")
def face_file(tmp_path_factory):
    face = small_face()
    return write_h5(tmp_path_factory.mktemp("h5") / "face.h5", basel_h5(face, **basel_h5_expression(face)))


@pytest.fixture(scope="module")
def expressions(face_file):
    """Faces of the user, with a reduced mesh; black pictures do not mind how far."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render.level_of_detail, "LADDER", (200,))
        catalog = open_faces(face_file, FaceSampling(sigma=2.5, expressions=True))
        render.level_of_detail.with_level_of_detail(catalog, SIZE, lambda scene: np.zeros((SIZE, SIZE), np.uint8))
    words = ("--assets", face_file, "--expressions", "--sigma", 2.5, "--azimuth-range", "-40:40")
    return rendered(face_file.parent / "shards", *words)


def changed(folder, tmp_path, **settings):
    """A copy of the data set `folder` whose manifest has other `settings`."""
    copy = shutil.copytree(folder, tmp_path / "shards")
    document = json.loads((copy / NAME).read_text())
    document["settings"] |= settings
    (copy / NAME).write_text(json.dumps(document))
    return open_data_set(copy, "test")


def all_shown(data):
    """The views and the (n, H, W) images of all mini-batches of `data`, by what its shards record."""
    parts, images = [], []
    for factor in data.factors:
        batch = data.minibatch(factor, 0)
        file = ShardFile(batch.shard)
        recorded = file.read("coefficients") if "coefficients" in file.shapes else None
        parts.append((batch, None if recorded is None else np.broadcast_to(recorded[0], (4, recorded.shape[2]))))
        images.append(batch.images)
    values = {name: np.concatenate([batch.values[name] for batch, _ in parts]) for name in data.ranges}
    coefficients = None if parts[0][1] is None else np.concatenate([part for _, part in parts])
    return Views(np.concatenate([batch.identity for batch, _ in parts]), coefficients, values), np.concatenate(images)


def assert_drawn_again(data, assets=None):
    """Draws all images of `data` anew; returns the renderer's warnings."""
    views, images = all_shown(data)
    done = []
    with open_dataset_renderer(data, assets, workers=1) as renderer:
        assert np.array_equal(renderer.draw(views, done.append), images)
        assert sum(done) == len(images) == 4 * len(data.factors)
        assert renderer.settings == data.manifest.settings
        assert dict(renderer.sampling.ranges) == data.ranges
        return renderer.warnings


def test_built_in_faces_are_drawn_to_the_byte_as_in_their_shards(faces):
    assert assert_drawn_again(open_data_set(faces, "test")) == []


def test_built_in_chairs_are_drawn_to_the_byte_as_in_their_shards(tmp_path):
    shards = rendered(tmp_path / "shards", "--object", "chair", "--views", "paper")
    assert assert_drawn_again(open_data_set(shards, "test")) == []


def test_further_chairs_to_train_on_are_drawn_to_the_byte_as_in_their_shards(tmp_path):
    words = ("--object", "chair", "--train-chairs", 5000, "--factor", "intrinsic", "--split", "train")
    shards = rendered(tmp_path / "shards", *words)
    data = open_data_set(shards, "train")
    views, images = all_shown(data)
    with open_dataset_renderer(data, None, workers=1) as renderer:
        assert any(renderer.catalog.sources[identity].for_training for identity in views.identity)
        assert np.array_equal(renderer.draw(views), images)


def test_reduced_faces_of_a_file_with_expressions_are_drawn_to_the_byte(expressions, face_file):
    data = open_data_set(expressions, "test")
    detail = data.manifest.settings["detail"]
    assert detail["triangles"] <= 200 < detail["of"]
    assert assert_drawn_again(data, face_file) == []


def test_an_identity_is_a_place_among_the_models_that_were_matched(some_chairs, models, tmp_path):
    """And another OpenGL than that of the shards is told."""
    (warning,) = assert_drawn_again(changed(some_chairs, tmp_path, gl="a GPU"), models)
    assert "a GPU" in warning


def refused(data, assets, *names, kind=BadInput):
    with pytest.raises(BadInput) as caught:
        open_dataset_renderer(data, assets)
    assert isinstance(caught.value, CannotDraw) == (kind is CannotDraw)
    text = str(caught.value)
    assert "\n" not in text
    for name in names:
        assert str(name) in text
    return text


def test_without_their_models_there_is_no_renderer(some_chairs, expressions):
    refused(open_data_set(some_chairs, "test"), None, "chairs", "--assets PATH", kind=CannotDraw)
    refused(open_data_set(expressions, "test"), None, "--assets PATH", kind=CannotDraw)


def test_pictures_from_elsewhere_cannot_be_drawn(tmp_path, models):
    data = open_data_set(write_synthetic(tmp_path / "s", split="test"), "test")
    refused(data, None, tmp_path / "s", "imported", kind=CannotDraw)
    refused(data, models, tmp_path / "s", "imported")


def test_built_in_models_of_another_version_are_named(faces, tmp_path):
    assets = json.loads((faces / NAME).read_text())["settings"]["assets"]
    data = changed(faces, tmp_path, assets={**assets, "models": {"built-in": "0" * 64}})
    refused(data, None, "assets.models.built-in", "0" * 64, "this version", kind=CannotDraw)


def test_models_that_are_missing_or_changed_are_named(some_chairs, models, tmp_path):
    data = open_data_set(some_chairs, "test")
    fewer = shutil.copytree(models, tmp_path / "fewer")
    (fewer / "model3.obj").unlink()
    refused(data, fewer, fewer, "3 of its 4 models", "no model3.obj")
    others = shutil.copytree(models, tmp_path / "others")
    (others / "model4.obj").write_text((models / "model2.obj").read_text())
    refused(data, others, others, "assets.models.model4.obj")
    refused(data, tmp_path / "nowhere", tmp_path / "nowhere")


def test_a_face_model_is_no_chair(some_chairs, expressions, face_file, models):
    refused(open_data_set(some_chairs, "test"), face_file, face_file, "expected the chairs", "found faces")
    refused(open_data_set(expressions, "test"), models, models, "expected the faces", "found chairs")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"assets": {}}, "manifest"),
        ({"views": {"azimuth": []}}, "views"),
        ({"ranges": {"azimuth": [9, 0], "elevation": [0, 1], "light": [0, 1]}}, "ranges"),
        ({"shading": {"ambient": 0.5}}, "shading.ambient"),
        ({"camera": {}}, "camera"),
        ({"detail": {"triangles": 5}}, "detail"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused_by_name(some_chairs, models, tmp_path, settings, name):
    refused(changed(some_chairs, tmp_path, **settings), models, tmp_path / "shards", name)


def test_without_opengl_there_is_no_renderer_unless_models_were_given(faces, some_chairs, models, monkeypatch):
    class Dead(renderer_module.Pool):
        def __enter__(self):
            return self

        def first_info(self):
            raise Failure("no OpenGL here")

    monkeypatch.setattr(renderer_module, "Pool", Dead)
    refused(open_data_set(faces, "test"), None, "no OpenGL here", kind=CannotDraw)
    with pytest.raises(Failure, match="no OpenGL here"):
        open_dataset_renderer(open_data_set(some_chairs, "test"), models)
