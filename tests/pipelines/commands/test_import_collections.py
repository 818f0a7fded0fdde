"""`dcign import NAME` for the public collections: from files in their layouts to shards that are verified."""

import json

import numpy as np
import pytest
from collection_fixtures import (
    FEW_COMBINATIONS,
    npy_header,
    pictures,
    write_cars,
    write_dsprites,
    write_faces,
    write_npz,
    write_shapes3d,
    write_smallnorb,
)

from pipelines.commands.import_collections import MANY
from render.imports.collections import mpi3d
from render.shards.data_set import open_data_set

FACTORS = {
    "smallnorb norb": ["azimuth", "elevation", "lighting", "intrinsic"],
    "shapes3d 3dshapes.h5 --identity object_shape": ["floor_hue", "object_hue", "scale", "orientation", "intrinsic"],
    "dsprites dsprites.npz": ["orientation", "x", "y", "intrinsic"],
    "mpi3d mpi3d_toy.npz": ["camera_height", "background_color", "horizontal_axis", "vertical_axis", "intrinsic"],
    "cars3d cars": ["azimuth", "elevation", "intrinsic"],
    "yale-b faces": ["light", "light_elevation", "intrinsic"],
}


@pytest.fixture(autouse=True)
def few_combinations(monkeypatch):
    """MPI3D with two values of each factor."""
    monkeypatch.setattr(mpi3d, "SIMPLE", FEW_COMBINATIONS)
    monkeypatch.setattr(mpi3d, "STEPS", 2)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_smallnorb(folder / "norb")
    write_shapes3d(folder / "3dshapes.h5", chunks=(30, 16, 16, 1))
    write_dsprites(folder / "dsprites.npz")
    np.savez(folder / "mpi3d_toy.npz", images=pictures(3 * 2**6, 64, 64, 3))
    write_cars(folder / "cars")
    write_faces(folder / "faces")
    return folder


@pytest.mark.parametrize("words", FACTORS)
def test_what_was_imported_is_verified_and_has_the_factors_of_its_collection(dcign, work, words):
    name = words.split()[0]
    code, out, err = dcign("import", *words.split(), "-o", name, "--n", "3", "--size", "16", "--batch-size", "4")
    assert code == 0, err
    data = open_data_set(work / name)
    assert list(data.factors) == FACTORS[words]
    assert all(data.count(factor) <= 3 for factor in data.factors)
    assert data.manifest.settings["assets"]["name"] == name
    assert all(factor in out for factor in data.factors)
    code, out, err = dcign("verify", name)
    assert code == 0, out + err
    again = dcign("import", *words.split(), "-o", name, "--n", "3", "--size", "16", "--batch-size", "4")
    assert (again[0], "are there already" in again[1]) == (0, True)


def test_small_norb_keeps_its_own_split_and_names_its_toys(dcign, work):
    assert dcign("import", "smallnorb", "norb", "-o", "split", "--size", "16", "--camera", "right")[0] == 0
    settings = json.loads((work / "split" / "manifest.json").read_text())["settings"]
    assert settings["assets"]["identities"][0] == "animal 0"
    seen = [
        {int(i) for minibatch in open_data_set(work / "split", split).minibatches() for i in minibatch.identity}
        for split in ("train", "test")
    ]
    assert seen == [{2, 3, 6, 7}, {0, 1, 4, 5}]
    code, _, err = dcign("import", "smallnorb", "norb", "-o", "share", "--test-share", "0.5")
    assert (code, "--test-share: expected none" in err) == (2, True)


def test_pictures_that_cannot_be_read_may_be_skipped(dcign, work):
    write_faces(work / "damaged")
    (work / "damaged" / "yaleB01" / "yaleB01_P00A+000E+00.pgm").write_bytes(b"P5 damaged")
    words = ["import", "yale-b", "damaged", "-o", "skipped", "--size", "16", "--n", "2"]
    code, _, err = dcign(*words)
    assert code == 2
    assert "yaleB01_P00A+000E+00.pgm: expected a whole grey PGM picture" in err.splitlines()[-1]
    code, out, err = dcign(*words, "--skip-unreadable")
    assert code == 0, err
    assert "Left out: 1 image that cannot be read." in out
    assert dcign("verify", "skipped")[0] == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("smallnorb cars", "found no smallnorb-5x46789x9x18x6x2x96x96-training-dat.mat or"),
        ("shapes3d dsprites.npz", "dsprites.npz: expected a whole HDF5 file, found"),
        ("dsprites 3dshapes.h5", "3dshapes.h5: expected a whole .npz archive, found"),
        ("dsprites mpi3d_toy.npz", "mpi3d_toy.npz: expected an archive that holds imgs.npy once, found"),
        ("mpi3d hostile.npz", "hostile.npz images: expected 12288000000128 bytes for its shape"),
        ("cars3d faces", "faces: expected 1 to 10000 files *_mesh.mat"),
        ("yale-b cars", "cars: expected a folder of pictures such as yaleB11_P00A-005E+10.pgm, found none"),
        ("mpi3d mpi3d_toy.npz --identity smell,taste", "--identity smell,taste: expected some of object_color"),
        ("dsprites dsprites.npz --identity ,", "--identity: expected some of object_shape"),
    ],
)
def test_a_foreign_or_hostile_file_is_one_line_and_nothing_is_written(dcign, work, words, line):
    write_npz(work / "hostile.npz", {"images.npy": npy_header("|u1", (10**9, 64, 64, 3))})
    code, out, err = dcign("import", *words.split(), "-o", "refused")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert line in err
    assert not (work / "refused").exists()


def test_large_collections_are_limited_by_default(dcign):
    for name in ("smallnorb", "shapes3d", "dsprites", "mpi3d", "cars3d", "yale-b"):
        out = dcign("import", name, "--help")[1]
        assert f"[default: {MANY};" in " ".join(out.split())
        assert "From http" in " ".join(out.split())
