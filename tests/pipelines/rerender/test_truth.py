"""`dcign rerender --assets`: objects of models in place of images, with their true pictures."""

from types import SimpleNamespace

import numpy as np
import pytest
from face_file_fixtures import basel_h5, small_face, write_h5
from mesh_fixtures import write_models
from PIL import Image
from untrained_run import write_calibrated

from pipelines.rerender import truth


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_calibrated(folder / "run")
    write_h5(folder / "face.h5", basel_h5(small_face()))
    write_models(folder / "chairs", 3)
    Image.new("L", (54, 54)).save(folder / "ann.png")
    return folder


def grey(path):
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def drawn(dcign, work, *words):
    """What `dcign assets draw` makes of the first face."""
    code, _, err = dcign("assets", "draw", "face.h5", "--size", "54", *words, "-o", "one.png")
    assert code == 0, err
    return grey(work / "one.png")


def test_each_angle_has_its_true_picture_beside_the_decoded_one(dcign, work):
    code, out, err = dcign(
        "rerender", "run", "--assets", "face.h5", "--objects", "2", "--azimuth", "-40:40:3", "-o", "made"
    )
    assert code == 0, err
    assert "made: 6 images" in out
    degrees = (-40, 0, 40)
    expected = {f"face-{k}-{true}azimuth={a}.png" for k in (0, 1) for true in ("", "true-") for a in degrees}
    assert {path.name for path in (work / "made").iterdir()} == expected
    for angle in degrees:
        true = grey(work / "made" / f"face-0-true-azimuth={angle}.png")
        assert np.abs(true - drawn(dcign, work, f"--azimuth={angle}")).max() <= 1
    assert dcign("rerender", "run", "one.png", "--azimuth", "40", "-o", "alone")[0] == 0  # drawn at 40 degrees
    drawn(dcign, work)
    assert dcign("rerender", "run", "one.png", "--azimuth", "40", "-o", "alone")[0] == 0
    again = grey(work / "alone" / "one-azimuth=40.png")
    np.testing.assert_array_equal(grey(work / "made" / "face-0-azimuth=40.png"), again)


@pytest.mark.parametrize(("detail", "levels"), [(None, 1), ({"triangles": 6200}, 1), ({}, 0)])
def test_faces_are_drawn_as_finely_as_those_of_the_training(dcign, work, monkeypatch, detail, levels):
    """Leave out triangles as the training images did, and where nothing is known of these."""
    asked = []
    monkeypatch.setattr(truth, "with_detail", lambda catalog, size: asked.append(size) or catalog)
    manifest = SimpleNamespace(settings={"detail": detail})
    monkeypatch.setattr(
        truth, "rendering_of", lambda run: None if detail is None else SimpleNamespace(manifest=manifest)
    )
    assert dcign("rerender", "run", "--assets", "face.h5", "--azimuth", "40", "-o", f"fine-{levels}")[0] == 0
    assert asked == [54] * levels


def test_a_grid_of_angles_has_the_truth_in_the_same_places(dcign, work):
    words = ("--azimuth", "-40:40:2", "--elevation", "0:20:2", "--light=30", "--grid", "-o", "grid")
    assert dcign("rerender", "run", "--assets", "face.h5", *words)[0] == 0
    true = grey(work / "grid" / "face-0-true-azimuth=-40,elevation=20,light=30.png")
    assert np.abs(true - drawn(dcign, work, "--azimuth=-40", "--elevation=20", "--light=30")).max() <= 1
    assert len(list((work / "grid").iterdir())) == 8


def test_what_the_renderer_cannot_set_has_no_truth(dcign, work):
    words = ("--azimuth=40", "--direction", "1=2", "-o")
    assert dcign("rerender", "run", "--assets", "face.h5", *words, "apart")[0] == 0
    names = {path.name for path in (work / "apart").iterdir()}
    assert names == {"face-0-azimuth=40.png", "face-0-true-azimuth=40.png", "face-0-direction-1=2.png"}
    assert dcign("rerender", "run", "--assets", "face.h5", *words, "together", "--grid")[0] == 0
    assert [path.name for path in (work / "together").iterdir()] == ["face-0-azimuth=40,direction-1=2.png"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["run", "--azimuth", "0"], "IMAGE...: expected images, or --assets PATH"),
        (["run", "ann.png", "--assets", "face.h5", "--azimuth", "0"], "and not both"),
        (["run", "--assets", "face.h5", "--box", "0,0,9", "--azimuth", "0"], "--box: is for images only"),
        (["run", "--assets", "chairs", "--azimuth", "0"], "expected faces as run was trained on, found chairs"),
        (["run", "--assets", "nowhere", "--azimuth", "0"], "nowhere"),
        (["run", "--assets", "face.h5", "--objects", "0", "--azimuth", "0"], "--objects"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(dcign, work, words, named):
    code, _, err = dcign("rerender", *words, "-o", "x.png")
    assert (code, named in err) == (2, True), err
    assert not (work / "x.png").exists()


def test_a_sheet_has_the_truth_below_and_a_movie_beside(dcign, work):
    words = ("rerender", "run", "--assets", "face.h5", "--azimuth", "-40:40:3")
    for name in ("sheet.png", "movie.webp", "frames"):
        assert dcign(*words, "-o", name)[0] == 0
    plain = grey(work / "sheet.png")
    with Image.open(work / "movie.webp") as movie:
        assert movie.n_frames == 3
        movie.seek(2)
        frame = np.asarray(movie.convert("L")).astype(int)
    places = []
    for page in (plain, frame):
        for kind in ("", "true-"):
            tile = grey(work / "frames" / f"face-0-{kind}azimuth=40.png")
            windows = np.lib.stride_tricks.sliding_window_view(page, tile.shape)
            places.append(np.argwhere((windows == tile).all(axis=(2, 3)))[0])
    (row, column), (true_row, true_column) = places[:2]
    assert true_column == column
    assert true_row > row
    (row, column), (true_row, true_column) = places[2:]
    assert true_row == row
    assert true_column > column
