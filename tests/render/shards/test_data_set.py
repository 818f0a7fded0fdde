import json

import numpy as np
import pytest
from shard_fixtures import write_synthetic

from render.errors import ShardError
from render.shards.data_set import open_data_set
from render.shards.manifest import NAME, read_manifest
from render.shards.verification import unknown_files, verify_shard


@pytest.fixture
def folder(tmp_path):
    return write_synthetic(tmp_path / "shards", counts={"azimuth": 3, "light": 2})


def faults(folder):
    manifest = read_manifest(folder)
    lines = [
        line for name, entry in manifest.shards.items() for line in verify_shard(folder, name, entry, manifest.settings)
    ]
    return lines + unknown_files(folder, manifest)


def edit_manifest(folder, change):
    document = json.loads((folder / NAME).read_text())
    change(document)
    (folder / NAME).write_text(json.dumps(document))


def test_mini_batches_come_back_as_written(folder):
    data = open_data_set(folder)
    assert data.factors == ("azimuth", "light")
    assert (data.count("azimuth"), data.count("light"), data.count("elevation")) == (3, 2, 0)
    batch = data.minibatch("light", 1)
    assert batch.images.shape == (6, 54, 54)
    assert len(np.unique(batch.values["light"])) == 6
    assert len(np.unique(batch.values["azimuth"])) == 1
    with pytest.raises(IndexError):
        data.minibatch("light", 2)


def test_a_good_folder_has_no_faults(folder):
    assert faults(folder) == []


@pytest.mark.parametrize("where", ["missing", "file"])
def test_a_path_that_is_no_folder_is_named(tmp_path, where):
    (tmp_path / "file").write_text("")
    with pytest.raises(ShardError, match=where):
        open_data_set(tmp_path / where)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ShardError, match=r"manifest\.json.*dcign render"):
        open_data_set(tmp_path)


def test_a_missing_split_says_what_is_there(folder):
    with pytest.raises(ShardError, match="expected test shards, found only train"):
        open_data_set(folder, "test")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "other"}', '{"format": "dcign-shards", "version": 1}'])
def test_a_damaged_manifest_is_named(folder, text):
    (folder / NAME).write_text(text)
    with pytest.raises(ShardError, match=NAME):
        open_data_set(folder)


def test_another_format_version_is_refused(folder):
    edit_manifest(folder, lambda document: document.update(version=99))
    with pytest.raises(ShardError, match="version 1, found 99"):
        open_data_set(folder)


def test_a_manifest_entry_may_not_point_outside(folder):
    def escape(document):
        document["shards"]["../azimuth-train-00000.npz"] = document["shards"].pop("azimuth-train-00000.npz")

    edit_manifest(folder, escape)
    with pytest.raises(ShardError, match=NAME):
        open_data_set(folder)


def test_a_manifest_that_disagrees_with_its_shards_names_the_shard(folder):
    edit_manifest(folder, lambda document: document["settings"].update(size=70))
    with pytest.raises(ShardError, match=r"azimuth-train-00000\.npz.*70.*found.*54"):
        open_data_set(folder)


def test_a_shard_of_another_length_is_refused(folder):
    path = folder / "light-train-00000.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ShardError, match=path.name):
        open_data_set(folder)
    assert any(path.name in line for line in faults(folder))


def test_one_flipped_bit_is_found(folder):
    path = folder / "light-train-00000.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert len(faults(folder)) == 1
    assert path.name in faults(folder)[0]


def test_a_missing_shard_and_strange_files_are_found(folder):
    (folder / "light-train-00000.npz").rename(folder / "other.npz")
    (folder / ".x.npz.12.tmp").write_text("")
    text = "\n".join(faults(folder))
    assert "light-train-00000.npz" in text
    assert "other.npz" in text
    assert "left over" in text
    assert len(faults(folder)) == 3


def test_a_shard_in_which_two_factors_vary_is_found(tmp_path):
    from render.shards.manifest import Entry
    from render.shards.shard_file import map_shard, write_shard

    folder = write_synthetic(tmp_path / "s", counts={"azimuth": 2})
    manifest = read_manifest(folder)
    name = "azimuth-train-00000.npz"
    arrays = {key: np.array(value) for key, value in map_shard(folder / name).items()}
    arrays["light"][1, 0] += 1
    sha256, size = write_shard(folder / name, arrays)
    manifest.shards[name] = Entry(sha256, size, "azimuth", "train", 0, 0, 2)
    assert any("one light" in line for line in verify_shard(folder, name, manifest.shards[name], manifest.settings))
