"""`dcign render`, `preview` and `verify` as a user runs them, with good and bad input."""

import numpy as np
import pytest
from command import dcign
from mesh_fixtures import write_models
from PIL import Image

from render.shards.data_set import open_data_set
from render.shards.manifest import NAME, read_manifest
from render.shards.shard_file import ShardFile
from render.shards.store import locked

CHAIRS = ("--object", "chair", "--size", 32, "--batch-size", 4)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models") / "chairs", 4)


@pytest.fixture(scope="module")
def shards(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered") / "shards"
    assert dcign("render", *CHAIRS, "--assets", models, "--n", 8, "-o", folder)[0] == 0
    assert dcign("render", *CHAIRS, "--assets", models, "--n", 4, "--split", "test", "-o", folder)[0] == 0
    return folder


def refused(*words, names):
    code, _, text = dcign(*words)
    assert code == 2, text
    errors = [line for line in text.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    for name in names:
        assert str(name) in errors[0]


def test_all_factors_are_rendered_evenly_and_models_of_the_splits_never_overlap(shards):
    people = {}
    for split, count in (("train", 2), ("test", 1)):
        data = open_data_set(shards, split)
        assert {factor: data.count(factor) for factor in data.factors} == dict.fromkeys(data.factors, count)
        assert len(data.factors) == 4
        people[split] = {i for f in data.factors for k in range(count) for i in data.minibatch(f, k).identity}
    assert people["train"]
    assert not people["train"] & people["test"]


def test_further_chairs_are_built_in_ones_only(models):
    refused("render", *CHAIRS, "--train-chairs", 2000, "--assets", models, names=["--train-chairs", "built-in chairs"])
    refused("render", "--train-chairs", 2000, names=["--train-chairs: is for chairs only"])
    refused("render", *CHAIRS, "--train-chairs", 1199, names=["--train-chairs", "1200"])


def test_images_show_something_and_vary_with_the_factor(shards):
    batch = open_data_set(shards).minibatch("azimuth", 0)
    assert batch.images.std() > 10
    assert len({image.tobytes() for image in batch.images}) == 4


def test_chairs_turn_all_around_on_white_and_have_no_coefficients(shards):
    file = ShardFile(shards / "azimuth-train-00000.npz")
    arrays = {name: file.read(name) for name in file.shapes}
    assert "coefficients" not in arrays
    assert arrays["azimuth"].min() >= 0
    assert (arrays["images"][..., 0, 0] == 255).all()


def test_the_manifest_names_every_model_with_its_hash(shards, models):
    recorded = read_manifest(shards).settings["assets"]["models"]
    assert sorted(recorded) == [path.name for path in sorted(models.iterdir())]
    assert all(len(sha256) == 64 for sha256 in recorded.values())


def test_a_second_run_finishes_at_once(shards, models):
    before = {path: path.stat().st_mtime_ns for path in shards.iterdir()}
    code, text, _ = dcign("render", *CHAIRS, "--assets", models, "--n", 8, "-o", shards)
    assert code == 0
    assert "there already" in text
    assert {path: path.stat().st_mtime_ns for path in shards.iterdir()} == before


def test_a_dry_run_says_what_would_be_rendered_and_writes_nothing(models, tmp_path):
    out = tmp_path / "s"
    code, text, _ = dcign("render", *CHAIRS, "--assets", models, "--n", 8, "-o", out, "--dry-run", "--workers", 1)
    assert code == 0
    assert "8 mini-batches to render, 32 images of 32 x 32, 4 shards, 0 MB." in text
    assert "batched renderer, 1 worker on " in text
    assert "OpenGL" in text
    assert "images/s" in text
    assert not out.exists()


def test_parts_make_what_one_run_makes(shards, models, tmp_path):
    asked = ("render", *CHAIRS, "--assets", models, "--n", 8, "-o", tmp_path / "s", "--workers", 1)
    for part in ("2/2", "1/2"):
        assert dcign(*asked, "--part", part)[0] == 0
    assert not (tmp_path / "s" / NAME).exists()
    code, text, _ = dcign("verify", tmp_path / "s")
    assert code == 0
    assert "4 shards are good" in text
    assert "there already" in dcign(*asked)[1]
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [*sorted(whole(shards)), NAME]
    assert whole(tmp_path / "s") == whole(shards)


def whole(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*-train-*.npz")}


def test_a_second_render_into_one_folder_says_so_and_stops(models, tmp_path):
    with locked(tmp_path / "s"):
        refused("render", *CHAIRS, "--assets", models, "--n", 8, "-o", tmp_path / "s", names=["another `dcign render`"])


def test_an_address_is_rendered_to_and_read_only_after_copying(models, tmp_path):
    code, text, _ = dcign("render", *CHAIRS, "--assets", models, "--n", 4, "-o", f"local://{tmp_path}/far/s")
    assert code == 0
    assert "Copy them here" in text
    refused("verify", "s3://bucket/s", names=["bucket/s", "copy"])
    assert dcign("verify", tmp_path / "far" / "s")[0] == 0
    refused("render", *CHAIRS, "--assets", models, "-o", "nowhere://s", names=["nowhere://s"])


def test_verify_and_preview(shards, tmp_path):
    code, text, _ = dcign("verify", shards)
    assert code == 0
    assert "8 shards are good" in text
    assert dcign("preview", shards, "-o", tmp_path / "sheet.png")[0] == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert np.asarray(sheet.convert("L")).std() > 20
    refused("preview", shards, "-o", tmp_path / "sheet.nope", names=["sheet.nope"])
    refused("preview", shards, "--frontal", "-o", tmp_path / "one.bmp", names=["one.bmp"])
    assert dcign("preview", shards, "--frontal", "-o", tmp_path / "one.jpg")[0] == 0
    with Image.open(tmp_path / "one.jpg") as one:
        assert one.format == "JPEG"


def test_verify_names_a_flipped_bit_and_render_repairs_it(shards, models):
    path = shards / "light-train-00000.npz"
    good = path.read_bytes()
    bad = bytearray(good)
    bad[900] ^= 4
    path.write_bytes(bad)
    code, text, _ = dcign("verify", shards)
    assert code == 2
    assert path.name in text
    assert dcign("render", *CHAIRS, "--assets", models, "--n", 8, "-o", shards)[0] == 0
    assert path.read_bytes() == good


def test_an_unreadable_model_is_named_and_skipped(models, tmp_path):
    folder = write_models(tmp_path / "some", 3)
    (folder / "broken.obj").write_text("v 0 0 0\nf 1 2 999999999\n")
    code, text, errors = dcign(
        "render", *CHAIRS, "--assets", folder, "--factor", "azimuth", "--n", 1, "-o", tmp_path / "s"
    )
    assert code == 0
    assert "broken.obj" in errors
    assert "3 models read, 1 unreadable" in text


def test_another_data_set_is_not_touched(shards, models):
    before = (shards / NAME).read_bytes()
    refused("render", *CHAIRS, "--assets", models, "--n", 8, "--seed", 1, "-o", shards, names=[shards, "seed is 0"])
    refused("render", *CHAIRS, "--assets", models, "--light-range", "0:1", "-o", shards, names=["ranges.light"])
    assert (shards / NAME).read_bytes() == before


def test_bad_options_name_the_option(tmp_path):
    out = ("-o", tmp_path / "s")
    refused("render", "--n", 0, *out, names=["--n"])
    refused("render", "--n", 3, *out, names=["--n", "all"])
    refused("render", "--factor", "smile", *out, names=["--factor", "smile", "azimuth"])
    refused("render", "--azimuth-range", "90", *out, names=["--azimuth-range", "A:B"])
    refused("render", "--size", 2, *out, names=["--size"])
    refused("render", "--workers", "many", *out, names=["--workers", "auto", "many"])
    refused("render", "--workers", "0", *out, names=["--workers", "'0'"])
    refused("render", "--part", "3/2", *out, names=["--part", "I/N", "3/2"])
    refused("render", "--renderer", "pencil", *out, names=["--renderer", "reference"])
    refused("render", "--object", "cat", *out, names=["--object"])
    refused("rendr", names=["rendr"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["face", "chair"])
def test_bad_assets_name_the_path(kind, tmp_path):
    out, asset = ("--object", kind, "-o", tmp_path / "s"), tmp_path / "assets"
    refused("render", *out, "--assets", asset, names=[asset])
    asset.mkdir()
    refused("render", *out, "--assets", asset, names=[asset])
    (asset / "chair.obj").write_bytes(bytes(range(256)))
    refused("render", *out, "--assets", asset, names=[asset])
    assert not (tmp_path / "s").exists()


def test_models_are_picked_by_name(models, tmp_path):
    asked = (*CHAIRS, "--assets", models, "--factor", "azimuth", "--n", 1, "-o", tmp_path / "s")
    refused("render", *asked, "--match", "(", names=["--match", "'('"])
    refused("render", *asked, "--match", "throne", names=[models, "throne"])
    code, text, _ = dcign("render", *asked, "--match", "MODEL[12]")
    assert code == 0
    assert "2 models read" in text


def test_bad_output_folders_are_refused(models, tmp_path):
    (tmp_path / "file").write_text("x")
    refused("render", *CHAIRS, "--assets", models, "-o", tmp_path / "file", names=[tmp_path / "file"])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    refused("render", *CHAIRS, "--assets", models, "-o", tmp_path / "full", names=["full", "letter.txt"])
    assert (tmp_path / "full" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("command", ["verify", "preview"])
def test_bad_shard_folders_are_refused(command, tmp_path):
    refused(command, tmp_path / "nowhere", names=["nowhere"])
    refused(command, tmp_path, names=[tmp_path, "manifest.json"])
    (tmp_path / NAME).write_text("{}")
    refused(command, tmp_path, names=[NAME])
